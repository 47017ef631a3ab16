/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever bytes decode as an entry encode to the same bytes. */
#include "store/base/check.h"
#include "store/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[STORE_ENTRY_SIZE_MAX];
	struct store_entry entry;

	if (store_entry_decode(slice_make(data, size), &entry)) {
		must(store_entry_time_ns(slice_make(data, size)) == entry.time_ns);
		must(store_entry_encode(&entry, memory, sizeof(memory)) == size);
		must(memcmp(memory, data, size) == 0);
	}
	return 0;
}
