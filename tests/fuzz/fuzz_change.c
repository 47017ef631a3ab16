/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a change of the members, or what is told of one. What is taken encodes to the same. */
#include <string.h>

#include "consensus/change.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice bytes = slice_make(data, size);
	uint8_t again[PAXOS_CHANGE_SIZE_MAX + PAXOS_TOLD_TEXT_MAX];
	struct paxos_change change;
	struct paxos_told told;

	if (paxos_change_decode(bytes, &change)) {
		must(paxos_change_encode(&change, again) == size);
		must(memcmp(again, data, size) == 0);
	}
	if (paxos_told_decode(bytes, &told)) {
		must(paxos_told_encode(&told, again) == size);
		must(memcmp(again, data, size) == 0);
	}
	return 0;
}
