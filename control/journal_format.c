/* SPDX-License-Identifier: Apache-2.0 */
#include "control/journal_format.h"

#include <string.h>

#include "consensus/ballot_wire.h"
#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/wire.h"

enum {
	MAGIC = 0x464a4643, /* "CFJF" */
	VERSION = 1,
	HEAD_SIZE = 152,
	RECORD_HEADER = 4,
};

static_assert(CTL_FRAME_HEADS * HEAD_SIZE <= CTL_SECTOR_PAYLOAD, "the heads fit a sector");
static_assert(CTL_SECTOR_PAYLOAD + 8 + 4 == CTL_SECTOR_SIZE, "payload, number and crc");

/* --- heads ----------------------------------------------------------------------------------- */

/* A ballot takes 28 bytes here. */
static void put_ballot(struct wire_writer *writer, const struct paxos_ballot *ballot)
{
	paxos_ballot_put(writer, ballot);
	wire_put_u16(writer, 0);
}

static struct paxos_ballot read_ballot(struct wire_reader *reader, bool *good)
{
	const struct paxos_ballot ballot = paxos_ballot_get(reader);

	*good = wire_u16(reader) == 0 && *good;
	return ballot;
}

static void put_head(struct wire_writer *writer, const struct ctl_frame_head *head)
{
	const uint8_t *start = writer->next;

	wire_put_u32(writer, MAGIC);
	wire_put_u32(writer, VERSION);
	wire_put_u64(writer, head->segment);
	wire_put_u32(writer, head->block);
	wire_put_u32(writer, head->blocks);
	wire_put_u32(writer, head->segment_size);
	wire_put_u32(writer, head->count);
	wire_put_u64(writer, head->number);
	wire_put_u64(writer, head->first);
	wire_put_u32(writer, head->size);
	wire_put_u32(writer, head->crc);
	put_ballot(writer, &head->mark.promised);
	put_ballot(writer, &head->mark.accepted);
	wire_put_u64(writer, head->mark.length);
	wire_put_u64(writer, head->mark.decided);
	wire_put_u64(writer, head->mark.low);
	while (writer->next < start + HEAD_SIZE) {
		wire_put_u8(writer, 0);
	}
}

static uint32_t blocks_of(uint64_t records_size)
{
	const uint64_t sectors = 1 + (records_size + CTL_SECTOR_PAYLOAD - 1) / CTL_SECTOR_PAYLOAD;

	return (uint32_t)((sectors + CTL_BLOCK_SECTORS - 1) / CTL_BLOCK_SECTORS);
}

static bool is_sane(const struct ctl_frame_head *head)
{
	return head->segment != 0 && head->number != 0 && head->first != 0 &&
	       head->size <= CTL_FRAME_RECORDS_MAX && head->blocks == blocks_of(head->size) &&
	       head->blocks <= head->segment_size &&
	       head->block <= head->segment_size - head->blocks &&
	       head->count <= head->size / RECORD_HEADER && (head->count != 0 || head->size == 0);
}

static bool read_head(struct wire_reader *reader, struct ctl_frame_head *ret_head)
{
	const uint8_t *start = reader->next;
	struct ctl_frame_head head = {0};
	bool good = wire_u32(reader) == MAGIC;

	good = wire_u32(reader) == VERSION && good;
	head.segment = wire_u64(reader);
	head.block = wire_u32(reader);
	head.blocks = wire_u32(reader);
	head.segment_size = wire_u32(reader);
	head.count = wire_u32(reader);
	head.number = wire_u64(reader);
	head.first = wire_u64(reader);
	head.size = wire_u32(reader);
	head.crc = wire_u32(reader);
	head.mark.promised = read_ballot(reader, &good);
	head.mark.accepted = read_ballot(reader, &good);
	head.mark.length = wire_u64(reader);
	head.mark.decided = wire_u64(reader);
	head.mark.low = wire_u64(reader);
	while (reader->next < start + HEAD_SIZE && wire_ok(reader)) {
		good = wire_u8(reader) == 0 && good;
	}
	if (!good || !wire_ok(reader) || !is_sane(&head)) {
		return false;
	}
	*ret_head = head;
	return true;
}

unsigned ctl_frame_heads(const uint8_t *bytes, uint64_t folder, uint64_t segment, uint32_t block,
                         struct ctl_frame_head ret_heads[CTL_FRAME_HEADS])
{
	struct wire_reader reader = wire_reader_make(slice_make(bytes, CTL_SECTOR_PAYLOAD));
	struct ctl_frame_head heads[CTL_FRAME_HEADS];
	const uint64_t place = (uint64_t)block * CTL_BLOCK_SECTORS;
	unsigned count = 0;

	while (count < CTL_FRAME_HEADS && read_head(&reader, &heads[count]) &&
	       heads[count].number + count == heads[0].number) {
		count++;
	}
	if (count == 0 || heads[0].segment != segment || heads[0].block != block ||
	    ctl_sector_look(bytes, folder, place, heads[0].number) != CTL_SECTOR_NEW) {
		return 0;
	}
	memcpy(ret_heads, heads, count * sizeof(heads[0]));
	return count;
}

/* --- sectors --------------------------------------------------------------------------------- */

static uint32_t sector_crc(const uint8_t *bytes, uint64_t folder, uint64_t place)
{
	const uint64_t seed[2] = {folder, place};

	return crc32c(crc32c(0, slice_make(seed, sizeof(seed))),
	              slice_make(bytes, CTL_SECTOR_SIZE - 4));
}

static void close_sector(uint8_t *bytes, uint64_t folder, uint64_t place, uint64_t number)
{
	struct wire_writer writer = wire_writer_make(bytes + CTL_SECTOR_PAYLOAD, 8 + 4);

	wire_put_u64(&writer, number);
	wire_put_u32(&writer, sector_crc(bytes, folder, place));
	must(wire_written_ok(&writer));
}

static bool is_zero(const uint8_t *bytes)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, CTL_SECTOR_SIZE - 1) == 0;
}

enum ctl_sector ctl_sector_look(const uint8_t *bytes, uint64_t folder, uint64_t place,
                                uint64_t number)
{
	struct wire_reader reader = wire_reader_make(slice_make(bytes + CTL_SECTOR_PAYLOAD, 8 + 4));
	const uint64_t owner = wire_u64(&reader);

	if (is_zero(bytes)) {
		return CTL_SECTOR_BLANK;
	}
	if (owner == 0 || wire_u32(&reader) != sector_crc(bytes, folder, place)) {
		return CTL_SECTOR_BAD;
	}
	if (owner == number) {
		return CTL_SECTOR_NEW;
	}
	return owner < number ? CTL_SECTOR_OLD : CTL_SECTOR_LATER;
}

/* --- writing --------------------------------------------------------------------------------- */

/* Where byte `position` of the records stands in the frame. */
static size_t place_of(size_t position)
{
	return (1 + position / CTL_SECTOR_PAYLOAD) * CTL_SECTOR_SIZE +
	       position % CTL_SECTOR_PAYLOAD;
}

static void put(struct ctl_frame *frame, struct slice bytes)
{
	struct ctl_frame_head *head = &frame->head;
	size_t done = 0;

	while (done < bytes.size) {
		const size_t room = CTL_SECTOR_PAYLOAD - head->size % CTL_SECTOR_PAYLOAD;
		const size_t left = bytes.size - done;
		const size_t size = left < room ? left : room;

		memcpy(frame->memory + place_of(head->size), bytes.data + done, size);
		head->size += (uint32_t)size;
		done += size;
	}
	head->crc = crc32c(head->crc, bytes);
}

void ctl_frame_begin(struct ctl_frame *frame, uint64_t first)
{
	frame->head = (struct ctl_frame_head){.first = first};
	frame->head.mark.low = UINT64_MAX;
}

bool ctl_frame_add(struct ctl_frame *frame, const struct paxos_mark *mark, struct slice record)
{
	struct ctl_frame_head *head = &frame->head;
	uint8_t size[RECORD_HEADER];
	struct wire_writer writer = wire_writer_make(size, sizeof(size));
	const uint64_t low = mark->low < head->mark.low ? mark->low : head->mark.low;

	must(record.size <= PAXOS_RECORD_SIZE_MAX);
	if (head->size + RECORD_HEADER + record.size > CTL_FRAME_RECORDS_MAX) {
		return false;
	}
	wire_put_u32(&writer, (uint32_t)record.size);
	put(frame, slice_make(size, sizeof(size)));
	put(frame, record);
	head->mark = *mark;
	head->mark.low = low;
	head->count++;
	return true;
}

uint32_t ctl_frame_blocks(const struct ctl_frame *frame)
{
	return blocks_of(frame->head.size);
}

static void clear_rest(struct ctl_frame *frame)
{
	const size_t end = (size_t)frame->head.blocks * CTL_BLOCK_SIZE;
	const size_t used = place_of(frame->head.size);

	/* The trailers in between are written over. */
	memset(frame->memory + used, 0, end > used ? end - used : 0);
}

void ctl_frame_end(struct ctl_frame *frame, uint64_t folder,
                   const struct ctl_frame_head before[CTL_FRAME_HEADS - 1])
{
	struct ctl_frame_head *head = &frame->head;
	struct wire_writer writer = wire_writer_make(frame->memory, CTL_SECTOR_PAYLOAD);
	const uint64_t place = (uint64_t)head->block * CTL_BLOCK_SECTORS;

	head->blocks = ctl_frame_blocks(frame);
	must(is_sane(head));
	memset(frame->memory, 0, CTL_SECTOR_SIZE);
	clear_rest(frame);
	put_head(&writer, head);
	for (unsigned i = 0; i < CTL_FRAME_HEADS - 1 && before[i].number != 0; i++) {
		must(before[i].number + i + 1 == head->number);
		put_head(&writer, &before[i]);
	}
	must(wire_written_ok(&writer));
	for (uint32_t i = 0; i < head->blocks * CTL_BLOCK_SECTORS; i++) {
		close_sector(frame->memory + (size_t)i * CTL_SECTOR_SIZE, folder, place + i,
		             head->number);
	}
}

/* --- reading --------------------------------------------------------------------------------- */

static uint32_t records_crc(const uint8_t *bytes, const struct ctl_frame_head *head)
{
	uint32_t crc = 0;

	for (size_t at = 0; at < head->size; at += CTL_SECTOR_PAYLOAD) {
		const size_t left = head->size - at;

		crc = crc32c(crc,
		             slice_make(bytes + place_of(at),
		                        left < CTL_SECTOR_PAYLOAD ? left : CTL_SECTOR_PAYLOAD));
	}
	return crc;
}

enum ctl_frame_verdict ctl_frame_check(const uint8_t *bytes, uint64_t folder,
                                       const struct ctl_frame_head *head)
{
	const uint64_t place = (uint64_t)head->block * CTL_BLOCK_SECTORS;
	bool torn = false;

	must(is_sane(head));
	for (uint32_t i = 0; i < head->blocks * CTL_BLOCK_SECTORS; i++) {
		switch (ctl_sector_look(bytes + (size_t)i * CTL_SECTOR_SIZE, folder, place + i,
		                        head->number)) {
		case CTL_SECTOR_NEW:
			break;
		case CTL_SECTOR_OLD:
		case CTL_SECTOR_BLANK:
			torn = true;
			break;
		case CTL_SECTOR_LATER:
		case CTL_SECTOR_BAD:
			return CTL_FRAME_DAMAGED;
		}
	}
	/* Two starts may have tried to write a frame of this number, and neither ended. */
	return torn || records_crc(bytes, head) != head->crc ? CTL_FRAME_TORN : CTL_FRAME_WHOLE;
}

struct slice ctl_frame_records(uint8_t *bytes, const struct ctl_frame_head *head)
{
	for (size_t at = 0; at < head->size; at += CTL_SECTOR_PAYLOAD) {
		const size_t left = head->size - at;

		memmove(bytes + at, bytes + place_of(at),
		        left < CTL_SECTOR_PAYLOAD ? left : CTL_SECTOR_PAYLOAD);
	}
	return slice_make(bytes, head->size);
}

bool ctl_frame_next(struct slice *records, struct slice *ret_record)
{
	struct wire_reader reader = wire_reader_make(*records);
	const uint32_t size = wire_u32(&reader);
	const struct slice record = wire_bytes(&reader, size);

	if (!wire_ok(&reader)) {
		return false;
	}
	*records = slice_make(reader.next, wire_left(&reader));
	*ret_record = record;
	return true;
}
