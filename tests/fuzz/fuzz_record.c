/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_record.c - a record of the journal; what decodes, encodes to the same fields
 */
#include <stdint.h>
#include <string.h>

#include "consensus/record.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t header[PAXOS_RECORD_HEADER];
	struct paxos_record record, again;

	if (!paxos_record_decode(slice_make(data, size), &record)) {
		return 0;
	}
	must(record.body.size == size - PAXOS_RECORD_HEADER);
	paxos_record_encode(&record, header);
	must(paxos_record_decode(slice_make(header, sizeof(header)), &again));
	must(again.kind == record.kind);
	must(paxos_ballot_equal(again.ballot, record.ballot));
	must(again.place.index == record.place.index);
	must(again.length == record.length);
	return 0;
}
