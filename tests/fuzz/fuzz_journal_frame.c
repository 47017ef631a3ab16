/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_journal_frame.c - whatever stands on a disk: a frame that is taken for whole is written
 * again as it was, and its records are cut within it
 *
 * The input is a frame without the ends of its sectors, which are put in place here: else none
 * would get past the sums. First the number they name (u64), then payload.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/journal_format.h"
#include "store/base/check.h"
#include "store/base/crc32c.h"

enum {
	SEGMENT = 1,
	SIZE_MAX_HERE = 16 * CTL_BLOCK_SIZE,
};

static const uint64_t folder = 77;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_sectors(uint8_t bytes[SIZE_MAX_HERE], const uint8_t *data, size_t size)
{
	uint8_t number[8] = {0};

	memcpy(number, data, size < 8 ? size : 8);
	data += size < 8 ? size : 8;
	size -= size < 8 ? size : 8;
	for (uint64_t place = 0; place < SIZE_MAX_HERE / CTL_SECTOR_SIZE; place++) {
		const uint64_t seed[2] = {folder, place};
		const size_t piece = size < CTL_SECTOR_PAYLOAD ? size : CTL_SECTOR_PAYLOAD;
		uint8_t *sector = bytes + place * CTL_SECTOR_SIZE;
		uint32_t crc;

		memset(sector, 0, CTL_SECTOR_SIZE);
		memcpy(sector, data, piece);
		memcpy(sector + CTL_SECTOR_PAYLOAD, number, sizeof(number));
		crc = crc32c(0, slice_make(seed, sizeof(seed)));
		crc = crc32c(crc, slice_make(sector, CTL_SECTOR_SIZE - 4));
		memcpy(sector + CTL_SECTOR_SIZE - 4, &crc, sizeof(crc));
		data += piece;
		size -= piece;
	}
}

static void write_again(const struct ctl_frame_head *heads, unsigned count, struct slice records)
{
	static uint8_t memory[CTL_FRAME_SIZE_MAX];
	struct ctl_frame_head before[CTL_FRAME_HEADS - 1] = {0};
	struct ctl_frame_head back[CTL_FRAME_HEADS];
	struct ctl_frame frame = {.memory = memory};
	struct slice record;

	for (unsigned i = 1; i < count; i++) {
		before[i - 1] = heads[i];
	}
	ctl_frame_begin(&frame, heads[0].first);
	while (ctl_frame_next(&records, &record)) {
		if (record.size > PAXOS_RECORD_SIZE_MAX) {
			return;
		}
		must(ctl_frame_add(&frame, &heads[0].mark, record));
	}
	if (records.size != 0 || frame.head.count != heads[0].count) {
		return; /* its sums are right, its records are not ours */
	}
	frame.head.segment = heads[0].segment;
	frame.head.block = heads[0].block;
	frame.head.segment_size = heads[0].segment_size;
	frame.head.number = heads[0].number;
	frame.head.mark = heads[0].mark;
	ctl_frame_end(&frame, folder, before);
	must(ctl_frame_heads(memory, folder, SEGMENT, 0, back) == count);
	for (unsigned i = 0; i < count; i++) {
		must(back[i].number == heads[i].number);
		must(back[i].crc == heads[i].crc);
		must(back[i].mark.low == heads[i].mark.low);
	}
	must(ctl_frame_check(memory, folder, &frame.head) == CTL_FRAME_WHOLE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[SIZE_MAX_HERE];
	struct ctl_frame_head heads[CTL_FRAME_HEADS];
	unsigned count;

	make_sectors(bytes, data, size < SIZE_MAX_HERE ? size : SIZE_MAX_HERE);
	count = ctl_frame_heads(bytes, folder, SEGMENT, 0, heads);
	if (count != 0 && heads[0].blocks <= SIZE_MAX_HERE / CTL_BLOCK_SIZE &&
	    ctl_frame_check(bytes, folder, &heads[0]) == CTL_FRAME_WHOLE) {
		write_again(heads, count, ctl_frame_records(bytes, &heads[0]));
	}
	return 0;
}
