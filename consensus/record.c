/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/record.h"

#include "consensus/ballot_wire.h"
#include "store/base/check.h"
#include "store/base/wire.h"

void paxos_record_encode(const struct paxos_record *record, void *memory)
{
	struct wire_writer writer = wire_writer_make(memory, PAXOS_RECORD_HEADER);

	must(record->kind >= PAXOS_RECORD_PROMISE && record->kind < PAXOS_RECORD_COUNT);
	wire_put_u8(&writer, (uint8_t)record->kind);
	wire_put_u8(&writer, record->flags);
	paxos_ballot_put(&writer, &record->ballot);
	paxos_ballot_put(&writer, &record->accepted);
	wire_put_u64(&writer, record->decided);
	wire_put_u64(&writer, record->place.index);
	wire_put_u32(&writer, record->place.offset);
	wire_put_u64(&writer, record->length);
	wire_put_u64(&writer, record->from);
	while (wire_room(&writer) != 0) {
		wire_put_u8(&writer, 0);
	}
	must(wire_written_ok(&writer));
}

bool paxos_record_decode(struct slice bytes, struct paxos_record *ret_record)
{
	struct wire_reader reader = wire_reader_make(bytes);
	struct paxos_record record = {0};
	const unsigned kind = wire_u8(&reader);
	struct slice rest;

	if (kind < PAXOS_RECORD_PROMISE || kind >= PAXOS_RECORD_COUNT) {
		return false;
	}
	record.kind = (enum paxos_record_kind)kind;
	record.flags = wire_u8(&reader);
	record.ballot = paxos_ballot_get(&reader);
	record.accepted = paxos_ballot_get(&reader);
	record.decided = wire_u64(&reader);
	record.place.index = wire_u64(&reader);
	record.place.offset = wire_u32(&reader);
	record.length = wire_u64(&reader);
	record.from = wire_u64(&reader);
	rest = wire_bytes(&reader, wire_left(&reader));
	if (!wire_ok(&reader) || bytes.size < PAXOS_RECORD_HEADER) {
		return false;
	}
	record.body =
		slice_make(bytes.data + PAXOS_RECORD_HEADER, bytes.size - PAXOS_RECORD_HEADER);
	must(rest.size >= record.body.size);
	*ret_record = record;
	return true;
}
