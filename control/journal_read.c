/* SPDX-License-Identifier: Apache-2.0 */
#include "control/journal_read.h"

#include <stdlib.h>
#include <string.h>

#include "control/journal_segment.h"
#include "store/base/check.h"

/* What was seen behind the last frame. */
struct behind {
	bool later;    /* a sector of a frame that is not there */
	bool fresh;    /* a sector of the next frame */
	bool bad_head; /* no saying whether the next frame begins there */
};

struct scan {
	int folder;
	uint64_t incarnation;
	const struct ctl_journal_reader *reader;
	struct ctl_journal_end end;  /* behind the last frame that was found */
	uint32_t end_room;           /* blocks left there in its segment */
	struct ctl_frame_head open;  /* the last frame, if it is not whole; number 0: none */
	struct ctl_journal_end kept; /* `end` before that one */
	enum ctl_frame_verdict verdict;
	struct behind behind;
	struct ctl_segment_copy copy; /* of the segment at hand */
};

const char *ctl_piece_text(enum ctl_piece_kind kind)
{
	static const char *const texts[] = {"?", "whole", "torn", "corrupt", "blank"};

	return kind <= CTL_PIECE_BLANK ? texts[kind] : texts[0];
}

static int show(struct scan *scan, const struct ctl_piece *piece)
{
	return scan->reader->visit(scan->reader->context, piece);
}

static struct ctl_piece piece_of(enum ctl_piece_kind kind, const struct ctl_frame_head *head)
{
	return (struct ctl_piece){
		.kind = kind,
		.segment = head->segment,
		.block = head->block,
		.blocks = head->blocks,
		.number = head->number,
		.first = head->first,
		.count = head->count,
		.has_mark = true,
		.mark = head->mark,
	};
}

/* Goes behind a frame. */
static void pass(struct scan *scan, const struct ctl_frame_head *head)
{
	struct ctl_journal_end *end = &scan->end;

	end->segment = head->segment;
	end->block = head->block + head->blocks;
	memmove(&end->before[1], &end->before[0], sizeof(end->before[0]));
	if (end->before[1].number + 1 != head->number) {
		end->before[1] = (struct ctl_frame_head){0};
	}
	end->before[0] = *head;
	end->number = head->number + 1;
	end->record = head->first + head->count;
	scan->end_room = head->segment_size - end->block;
	scan->behind = (struct behind){0};
}

/* --- frames that are not there --------------------------------------------------------------- */

/* The frame that was not whole is not the last one: it was durable once. */
static int give_up_open(struct scan *scan)
{
	const struct ctl_piece piece = piece_of(CTL_PIECE_CORRUPT, &scan->open);

	if (scan->open.number == 0) {
		return 0;
	}
	scan->open.number = 0;
	return show(scan, &piece);
}

/* Frames from end.number to heads[0].number - 1 are missing; the latest of them left heads. */
static int miss(struct scan *scan, const struct ctl_frame_head *heads, unsigned count)
{
	const uint64_t missing = heads[0].number - scan->end.number;
	unsigned known = missing < count - 1 ? (unsigned)missing : count - 1;
	int r = 0;

	if (missing > known) {
		const uint64_t first = heads[known].first;
		struct ctl_piece piece = {
			.kind = CTL_PIECE_CORRUPT,
			.segment = scan->end.segment,
			.block = scan->end.block,
			.number = scan->end.number,
			.first = scan->end.record,
			.count = first > scan->end.record ? first - scan->end.record : 0,
		};

		if (first == scan->end.record) { /* they held no records */
			piece.has_mark = true;
			piece.mark = scan->end.before[0].mark;
		}
		r = show(scan, &piece);
	}
	for (; known > 0 && r == 0; known--) {
		const struct ctl_piece piece = piece_of(CTL_PIECE_CORRUPT, &heads[known]);

		r = show(scan, &piece);
		pass(scan, &heads[known]);
	}
	return r;
}

/* The first frame that was found: the journal begins with it, if it begins its segment. */
static void begin(struct scan *scan, const struct ctl_frame_head *heads, unsigned count)
{
	const struct ctl_frame_head *first = &heads[0];

	for (unsigned i = 1; i < count && heads[i].segment == heads[0].segment; i++) {
		first = &heads[i];
	}
	scan->end.segment = heads[0].segment;
	scan->end.number = first->number;
	scan->end.record = first->first;
	if (first->block != 0) {
		/* Nothing tells how many there were: at least one, of any records before. */
		scan->end.number = first->number > 1 ? first->number - 1 : first->number;
		scan->end.record = 1;
	}
}

/* --- frames that are there ------------------------------------------------------------------- */

/* Its number was torn, and given again. What is damaged stands for itself. */
static bool is_anew(const struct scan *scan, const struct ctl_frame_head *head)
{
	return head->number == scan->open.number && scan->verdict == CTL_FRAME_TORN;
}

static int on_frame(struct scan *scan, uint8_t *bytes, const struct ctl_frame_head *heads,
                    unsigned count)
{
	const struct ctl_frame_head *head = &heads[0];
	struct ctl_piece piece = piece_of(CTL_PIECE_WHOLE, head);
	int r;

	if (is_anew(scan, head)) {
		scan->end = scan->kept;
		scan->open.number = 0;
	}
	if (scan->end.number == 0) {
		begin(scan, heads, count);
	}
	r = give_up_open(scan);
	if (r == 0 && head->number > scan->end.number) {
		r = miss(scan, heads, count);
	} else if (r == 0 && head->first != scan->end.record) {
		const struct ctl_piece odd = {
			.kind = CTL_PIECE_CORRUPT,
			.segment = head->segment,
			.block = head->block,
			.number = head->number,
			.first = scan->end.record,
		};

		r = show(scan, &odd); /* numbers go on, records do not */
	}
	if (r != 0) {
		return r;
	}
	scan->kept = scan->end;
	pass(scan, head);
	scan->verdict = ctl_frame_check(bytes, scan->incarnation, head);
	if (scan->verdict != CTL_FRAME_WHOLE) {
		scan->open = *head;
		return 0;
	}
	piece.records = ctl_frame_records(bytes, head);
	return show(scan, &piece);
}

/* A block that begins no frame: what it tells about the end. */
static void look(struct scan *scan, const uint8_t *bytes, uint64_t segment, uint32_t block)
{
	const struct ctl_journal_end *end = &scan->end;
	const bool here = segment == end->segment && block == end->block;
	const bool next = segment != end->segment && block == 0 &&
	                  scan->end_room < CTL_FRAME_SIZE_MAX / CTL_BLOCK_SIZE;

	for (unsigned i = 0; i < CTL_BLOCK_SECTORS; i++) {
		const uint64_t place = (uint64_t)block * CTL_BLOCK_SECTORS + i;
		const enum ctl_sector sector = ctl_sector_look(
			bytes + i * CTL_SECTOR_SIZE, scan->incarnation, place, end->number);

		scan->behind.later |= sector == CTL_SECTOR_LATER;
		scan->behind.fresh |= sector == CTL_SECTOR_NEW;
		scan->behind.bad_head |= i == 0 && (here || next) &&
		                         (sector == CTL_SECTOR_BAD || sector == CTL_SECTOR_NEW);
	}
}

static int scan_segment(struct scan *scan, uint64_t segment)
{
	struct ctl_segment_copy *copy = &scan->copy;
	int r = ctl_segment_read(scan->folder, segment, scan->incarnation, copy);

	if (r < 0) {
		return r;
	}
	for (uint32_t block = 0; block < copy->blocks && r == 0;) {
		uint8_t *bytes = copy->bytes + (size_t)block * CTL_BLOCK_SIZE;
		struct ctl_frame_head heads[CTL_FRAME_HEADS];
		const unsigned count =
			ctl_frame_heads(bytes, scan->incarnation, segment, block, heads);

		if (count != 0 && heads[0].blocks <= copy->blocks - block &&
		    (heads[0].number >= scan->end.number || is_anew(scan, &heads[0]))) {
			r = on_frame(scan, bytes, heads, count);
			block += heads[0].blocks;
		} else {
			look(scan, bytes, segment, block);
			block++;
		}
	}
	return r;
}

/* --- the end --------------------------------------------------------------------------------- */

/* A segment gets its name when all before it have theirs: one behind a gap was not the next. */
static bool next_is_missing(const struct scan *scan, const struct ctl_segment_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->numbers[i] > scan->end.segment) {
			return list->numbers[i] != scan->end.segment + 1;
		}
	}
	return false;
}

static int finish(struct scan *scan, const struct ctl_segment_list *list)
{
	const struct behind *behind = &scan->behind;
	struct ctl_piece piece;
	int r = 0;

	if (scan->open.number != 0 && scan->verdict == CTL_FRAME_TORN && !behind->later &&
	    !behind->fresh && !next_is_missing(scan, list)) {
		piece = piece_of(CTL_PIECE_TORN, &scan->open);
		scan->end = scan->kept;
		return show(scan, &piece);
	}
	r = give_up_open(scan);
	piece = (struct ctl_piece){
		.kind = behind->fresh ? CTL_PIECE_TORN : CTL_PIECE_BLANK,
		.segment = scan->end.segment,
		.block = scan->end.block,
		.number = scan->end.number,
		.first = scan->end.record,
	};
	if (behind->later || behind->bad_head || scan->end.number == 0 ||
	    next_is_missing(scan, list)) {
		piece.kind = CTL_PIECE_CORRUPT;
	}
	return r != 0 ? r : show(scan, &piece);
}

int ctl_journal_scan(int folder, uint64_t incarnation, const struct ctl_journal_reader *reader,
                     struct ctl_journal_end *ret_end)
{
	struct scan scan = {.folder = folder, .incarnation = incarnation, .reader = reader};
	struct ctl_segment_list list;
	int r = ctl_segment_list(folder, &list);

	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < list.count && r == 0; i++) {
		r = scan_segment(&scan, list.numbers[i]);
	}
	if (r == 0) {
		r = finish(&scan, &list);
	}
	free(scan.copy.bytes);
	free(list.numbers);
	if (r == 0) {
		*ret_end = scan.end;
	}
	return r;
}
