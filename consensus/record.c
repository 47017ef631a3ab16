/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/record.h"

#include "store/base/check.h"
#include "store/base/wire.h"

static void put_ballot(struct wire_writer *writer, const struct paxos_ballot *ballot)
{
	wire_put_u32(writer, ballot->configuration);
	wire_put_u64(writer, ballot->round);
	wire_put_u8(writer, ballot->priority);
	wire_put_u8(writer, ballot->node);
	wire_put_u64(writer, ballot->incarnation);
	wire_put_u32(writer, ballot->start);
}

static void get_ballot(struct wire_reader *reader, struct paxos_ballot *ret_ballot)
{
	ret_ballot->configuration = wire_u32(reader);
	ret_ballot->round = wire_u64(reader);
	ret_ballot->priority = wire_u8(reader);
	ret_ballot->node = wire_u8(reader);
	ret_ballot->incarnation = wire_u64(reader);
	ret_ballot->start = wire_u32(reader);
}

void paxos_record_encode(const struct paxos_record *record, void *memory)
{
	struct wire_writer writer = wire_writer_make(memory, PAXOS_RECORD_HEADER);

	must(record->kind >= PAXOS_RECORD_PROMISE && record->kind < PAXOS_RECORD_COUNT);
	wire_put_u8(&writer, (uint8_t)record->kind);
	wire_put_u8(&writer, record->flags);
	put_ballot(&writer, &record->ballot);
	put_ballot(&writer, &record->accepted);
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
	get_ballot(&reader, &record.ballot);
	get_ballot(&reader, &record.accepted);
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
