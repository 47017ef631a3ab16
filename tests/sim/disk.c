/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"

enum {
	FRAMES_MAX = 3 /* of one write */
};

void disk_init(struct disk *disk)
{
	*disk = (struct disk){.room = 256, .bytes_room = 64 * 1024, .frame_room = 64};
	disk->records = malloc(disk->room * sizeof(*disk->records));
	disk->bytes = malloc(disk->bytes_room);
	disk->frames = malloc(disk->frame_room * sizeof(*disk->frames));
	must(disk->records != NULL);
	must(disk->bytes != NULL);
	must(disk->frames != NULL);
	disk->base = 1;
	disk->held = UINT64_MAX;
}

static void drop_snapshots(struct disk *disk, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		free(disk->snapshots[i].bytes);
	}
	disk->snapshot_count -= count;
	memmove(disk->snapshots, disk->snapshots + count,
	        disk->snapshot_count * sizeof(disk->snapshots[0]));
}

void disk_deinit(struct disk *disk)
{
	drop_snapshots(disk, disk->snapshot_count);
	free(disk->records);
	free(disk->bytes);
	free(disk->frames);
	*disk = (struct disk){0};
}

static void *copy_of(const void *memory, size_t used, size_t room)
{
	void *copy = malloc(room);

	must(copy != NULL);
	if (used != 0) {
		memcpy(copy, memory, used);
	}
	return copy;
}

void disk_format(struct disk *disk)
{
	drop_snapshots(disk, disk->snapshot_count);
	disk->count = 0;
	disk->size = 0;
	disk->frame_count = 0;
	disk->base = 1;
	disk->durable = 0;
	disk->writing = 0;
	disk->is_hurt = false;
}

uint64_t disk_last(const struct disk *disk)
{
	return disk->base + disk->count - 1;
}

static struct disk_record *record_of(const struct disk *disk, uint64_t number)
{
	must(number >= disk->base);
	must(number <= disk_last(disk));
	return &disk->records[number - disk->base];
}

static void make_room(struct disk *disk, size_t size)
{
	if (disk->count == disk->room) {
		disk->room *= 2;
		disk->records = realloc(disk->records, disk->room * sizeof(*disk->records));
		must(disk->records != NULL);
	}
	while (disk->size + size > disk->bytes_room) {
		disk->bytes_room *= 2;
		disk->bytes = realloc(disk->bytes, disk->bytes_room);
		must(disk->bytes != NULL);
	}
	if (disk->frame_count + FRAMES_MAX > disk->frame_room) {
		disk->frame_room *= 2;
		disk->frames = realloc(disk->frames, disk->frame_room * sizeof(*disk->frames));
		must(disk->frames != NULL);
	}
}

bool disk_append(struct disk *disk, uint64_t number, struct slice bytes,
                 const struct paxos_mark *mark)
{
	if (number != disk_last(disk) + 1) {
		return false;
	}
	make_room(disk, bytes.size);
	disk->records[disk->count++] =
		(struct disk_record){.offset = disk->size, .size = bytes.size, .mark = *mark};
	if (bytes.size != 0) {
		memcpy(disk->bytes + disk->size, bytes.data, bytes.size);
	}
	disk->size += bytes.size;
	return true;
}

void disk_give_word(struct disk *disk, const struct disk_word *word)
{
	if (disk->count != 0) {
		record_of(disk, disk_last(disk))->word = *word;
	}
}

/* A frame's mark is its last record's, with the smallest `low` of all. */
static void push_frame(struct disk *disk, uint64_t first, uint64_t last)
{
	struct disk_frame *frame;

	make_room(disk, 0);
	frame = &disk->frames[disk->frame_count++];
	*frame = (struct disk_frame){
		.first = first, .last = last, .mark = record_of(disk, last)->mark};
	for (uint64_t number = first; number < last; number++) {
		const uint64_t low = record_of(disk, number)->mark.low;

		frame->mark.low = low < frame->mark.low ? low : frame->mark.low;
	}
}

bool disk_begin_write(struct disk *disk, struct prng *prng)
{
	uint64_t first = disk->durable + 1, last = disk_last(disk);
	size_t bytes = 0;

	if (disk->writing != 0 || disk->durable == last) {
		return false;
	}
	for (uint64_t number = first; number <= last && disk->held != UINT64_MAX; number++) {
		bytes += record_of(disk, number)->size;
		last = bytes > disk->held ? number - 1 : last;
	}
	if (last < first) {
		return false; /* full, and what was spared is used up */
	}
	if (disk->held != UINT64_MAX) {
		disk->held = bytes > disk->held ? 0 : disk->held - bytes;
	}
	disk->writing = last;
	disk->writes++;
	for (unsigned i = 1; i < FRAMES_MAX && first < last; i++) {
		const uint64_t end = first + prng_below(prng, last - first + 1);

		push_frame(disk, first, end);
		first = end + 1;
	}
	if (first <= last) {
		push_frame(disk, first, last);
	}
	return true;
}

void disk_end_write(struct disk *disk)
{
	must(disk->writing != 0);
	disk->durable = disk->writing;
	disk->writing = 0;
}

void disk_forget(struct disk *disk, uint64_t number, uint64_t index)
{
	size_t frames = 0, records, bytes;

	/* What is being written stays, and a frame goes as a whole. */
	while (frames < disk->frame_count && disk->frames[frames].last < number &&
	       disk->frames[frames].last < disk->durable) {
		frames++;
	}
	if (frames != 0) {
		records = (size_t)(disk->frames[frames - 1].last + 1 - disk->base);
		bytes = records == disk->count ? disk->size : disk->records[records].offset;
		disk->frame_count -= frames;
		disk->count -= records;
		disk->size -= bytes;
		disk->base += records;
		memmove(disk->frames, disk->frames + frames,
		        disk->frame_count * sizeof(*disk->frames));
		memmove(disk->records, disk->records + records,
		        disk->count * sizeof(*disk->records));
		memmove(disk->bytes, disk->bytes + bytes, disk->size);
		for (size_t i = 0; i < disk->count; i++) {
			disk->records[i].offset -= bytes;
		}
	}
	frames = 0;
	while (frames < disk->snapshot_count && disk->snapshots[frames].index < index) {
		frames++;
	}
	drop_snapshots(disk, (unsigned)frames);
	disk->forgets++;
}

void disk_keep(struct disk *disk, uint64_t index, struct slice bytes,
               const struct store_digest *digest)
{
	if (disk->snapshot_count == DISK_SNAPSHOTS_MAX) {
		/* The oldest goes with the journal; one in the middle is of little use. */
		free(disk->snapshots[1].bytes);
		memmove(&disk->snapshots[1], &disk->snapshots[2],
		        (DISK_SNAPSHOTS_MAX - 2) * sizeof(disk->snapshots[0]));
		disk->snapshot_count--;
	}
	disk->snapshots[disk->snapshot_count++] = (struct disk_snapshot){
		.index = index,
		.digest = *digest,
		.bytes = copy_of(bytes.data, bytes.size, bytes.size),
		.size = bytes.size,
	};
}

const struct disk_snapshot *disk_newest(const struct disk *disk)
{
	for (unsigned i = disk->snapshot_count; i > 0; i--) {
		if (!disk->snapshots[i - 1].is_bad) {
			return &disk->snapshots[i - 1];
		}
	}
	return NULL;
}

void disk_cut(struct disk *disk, uint64_t last)
{
	while (disk->frame_count != 0 && disk->frames[disk->frame_count - 1].first > last) {
		disk->frame_count--;
	}
	if (disk_last(disk) > last) {
		disk->lost += disk_last(disk) - last;
		disk->size = record_of(disk, last + 1)->offset;
		disk->count = (size_t)(last + 1 - disk->base);
	}
	disk->durable = last;
	disk->writing = 0;
}

void disk_copy(const struct disk *disk, struct disk *ret_copy)
{
	*ret_copy = *disk;
	ret_copy->records = copy_of(disk->records, disk->count * sizeof(*disk->records),
	                            disk->room * sizeof(*disk->records));
	ret_copy->bytes = copy_of(disk->bytes, disk->size, disk->bytes_room);
	ret_copy->frames = copy_of(disk->frames, disk->frame_count * sizeof(*disk->frames),
	                           disk->frame_room * sizeof(*disk->frames));
	for (unsigned i = 0; i < disk->snapshot_count; i++) {
		ret_copy->snapshots[i].bytes = copy_of(
			disk->snapshots[i].bytes, disk->snapshots[i].size, disk->snapshots[i].size);
	}
	disk_cut(ret_copy, disk->durable);
	ret_copy->held = UINT64_MAX;
}

void disk_crash(struct disk *disk, struct prng *prng, bool may_hurt)
{
	uint64_t last = disk->durable;

	for (size_t i = 0; i < disk->frame_count; i++) {
		struct disk_frame *frame = &disk->frames[i];

		if (frame->first <= disk->durable) {
			continue;
		}
		if (prng_chance(prng, 1, 2)) {
			last = frame->last; /* it got further than it told */
			continue;
		}
		disk->torn++;
		if (may_hurt && prng_chance(prng, 1, 4)) {
			frame->is_bad = true;
			disk->is_hurt = true;
			disk->half++;
			last = frame->last;
		}
		break;
	}
	disk_cut(disk, last);
}

struct slice disk_record(const struct disk *disk, uint64_t number)
{
	const struct disk_record *record = record_of(disk, number);

	return slice_make(disk->bytes + record->offset, record->size);
}

struct disk_word disk_word(const struct disk *disk)
{
	const struct disk_record *record;

	if (disk->durable < disk->base) {
		return (struct disk_word){0};
	}
	record = record_of(disk, disk->durable);
	if (record->word.is_given) {
		return record->word;
	}
	/* A full disk takes no more amid the records of a turn. */
	return (struct disk_word){.is_given = true,
	                          .promised = record->mark.promised,
	                          .accepted = record->mark.accepted,
	                          .length = record->mark.length};
}
