/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "tests/lincheck/seen.h"

#define NOTHING UINT32_MAX

enum {
	STOP_STEPS = 1024, /* steps between two looks at bounds->stop */
};

#define MEMORY_DEFAULT ((uint64_t)1 << 30)

/* What is tried at one place of the order, in this order. */
enum pass {
	PASS_FREE = 0, /* answered, changes nothing */
	PASS_ANSWERED,
	PASS_UNKNOWN,
	PASS_COUNT
};

/* A call or a return in the list of times; the return of `op` stands at 2 * op + 1. */
struct event {
	uint32_t next, previous;
};

struct frame {
	struct model_state before;
	uint32_t op;
	uint32_t base, top; /* before */
	uint8_t pass, choice;
};

struct search {
	struct search_op *ops; /* answered ones first, each half in order of call */
	uint32_t count, answered;
	uint32_t *rank;       /* of each event 2 * op + is_return in the order of time */
	struct event *events; /* of answered ones; the head stands at 2 * answered */
	uint64_t *placed;     /* a bit for each op */
	uint32_t base;        /* answered ones below are all placed */
	uint32_t top;         /* answered ones from here on are all not placed */
	struct model_state state;

	struct frame *frames;
	uint32_t depth, answered_placed;

	enum pass pass; /* where the search stands */
	uint32_t cursor;
	uint32_t horizon; /* PASS_UNKNOWN: rank of the first return */
	uint8_t choice;

	struct seen seen;
	uint64_t *words; /* a key of `seen` under construction */
	uint64_t steps;
	bool is_full; /* there were more holders than a state has */

	uint32_t failure_rank;
	struct search_failure failure;
};

/* --- the list of times --------------------------------------------------------------------- */

struct moment {
	int64_t time_ns;
	uint32_t event;
};

static int compare_ops(const void *left, const void *right)
{
	const struct search_op *a = left, *b = right;

	if (a->op.unknown != b->op.unknown) {
		return a->op.unknown ? 1 : -1;
	}
	if (a->call_ns != b->call_ns) {
		return a->call_ns < b->call_ns ? -1 : 1;
	}
	return a->number < b->number ? -1 : 1;
}

/* Calls stand before returns of the same time: the interval is closed. */
static int compare_moments(const void *left, const void *right)
{
	const struct moment *a = left, *b = right;

	if (a->time_ns != b->time_ns) {
		return a->time_ns < b->time_ns ? -1 : 1;
	}
	if ((a->event & 1) != (b->event & 1)) {
		return (a->event & 1) != 0 ? 1 : -1;
	}
	return a->event < b->event ? -1 : 1;
}

static int order_events(struct search *s)
{
	struct moment *moments = malloc(sizeof(*moments) * (2 * (size_t)s->count + 1));
	const uint32_t head = 2 * s->answered;
	uint32_t last = head;
	size_t total = 0;

	if (moments == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		moments[total++] = (struct moment){s->ops[i].call_ns, 2 * i};
		if (!s->ops[i].op.unknown) {
			moments[total++] = (struct moment){s->ops[i].ret_ns, 2 * i + 1};
		}
	}
	qsort(moments, total, sizeof(*moments), compare_moments);
	for (uint32_t i = 0; i < total; i++) {
		const uint32_t event = moments[i].event;

		s->rank[event] = i;
		if (event < head) {
			s->events[last].next = event;
			s->events[event].previous = last;
			last = event;
		}
	}
	s->events[last].next = head;
	s->events[head].previous = last;
	free(moments);
	return 0;
}

static void unlink_event(struct search *s, uint32_t event)
{
	s->events[s->events[event].previous].next = s->events[event].next;
	s->events[s->events[event].next].previous = s->events[event].previous;
}

static void relink_event(struct search *s, uint32_t event)
{
	s->events[s->events[event].previous].next = event;
	s->events[s->events[event].next].previous = event;
}

/* --- what is placed ------------------------------------------------------------------------ */

static bool is_placed(const struct search *s, uint32_t op)
{
	return (s->placed[op / 64] >> (op % 64) & 1) != 0;
}

static void place(struct search *s, uint32_t op, uint8_t choice, const struct model_state *next)
{
	s->frames[s->depth++] = (struct frame){
		.before = s->state,
		.op = op,
		.base = s->base,
		.top = s->top,
		.pass = (uint8_t)s->pass,
		.choice = choice,
	};
	s->placed[op / 64] |= (uint64_t)1 << (op % 64);
	s->state = *next;
	if (op < s->answered) {
		unlink_event(s, 2 * op);
		unlink_event(s, 2 * op + 1);
		s->answered_placed++;
		s->top = op >= s->top ? op + 1 : s->top;
		while (s->base < s->answered && is_placed(s, s->base)) {
			s->base++;
		}
	}
}

static struct frame take_back(struct search *s)
{
	const struct frame frame = s->frames[--s->depth];

	s->placed[frame.op / 64] &= ~((uint64_t)1 << (frame.op % 64));
	s->state = frame.before;
	s->base = frame.base;
	s->top = frame.top;
	if (frame.op < s->answered) {
		relink_event(s, 2 * frame.op + 1);
		relink_event(s, 2 * frame.op);
		s->answered_placed--;
	}
	return frame;
}

/*
 * Whether this set of placed operations with this state was entered before. 1 new, 0 seen. The
 * key: state; base; the words of `placed` from base to top; those of the unknown ones.
 */
static int enter(struct search *s)
{
	const uint32_t unknown_from = s->answered / 64;
	const uint32_t words_all = (s->count + 63) / 64;
	uint32_t from = s->base / 64, to = (s->top + 63) / 64;
	size_t count = 0;

	count = model_words(&s->state);
	memcpy(s->words, &s->state, count * sizeof(uint64_t));
	to = to < unknown_from ? to : unknown_from;
	from = from < to ? from : to;
	s->words[count++] = (uint64_t)s->base << 32 | (to - from);
	for (uint32_t i = from; i < to; i++) {
		s->words[count++] = s->placed[i];
	}
	for (uint32_t i = unknown_from; i < words_all; i++) {
		s->words[count++] = s->placed[i];
	}
	return seen_add(&s->seen, s->words, count);
}

/* --- the search ---------------------------------------------------------------------------- */

static uint32_t first_return(const struct search *s)
{
	uint32_t event = s->events[2 * s->answered].next;

	while ((event & 1) == 0) {
		event = s->events[event].next;
	}
	return event;
}

static void resume_pass(struct search *s, enum pass pass, uint32_t cursor, uint8_t choice)
{
	s->pass = pass;
	s->cursor = cursor;
	s->choice = choice;
	if (pass == PASS_UNKNOWN) {
		s->horizon = s->rank[first_return(s)];
	}
}

static void start_pass(struct search *s, enum pass pass)
{
	const uint32_t first = s->events[2 * s->answered].next;

	resume_pass(s, pass, pass == PASS_UNKNOWN ? s->answered : first, 0);
}

/* The next operation of this pass that may stand next in the order, or NOTHING. */
static uint32_t candidate(struct search *s)
{
	if (s->pass != PASS_UNKNOWN) {
		return (s->cursor & 1) == 0 ? s->cursor / 2 : NOTHING;
	}
	while (s->cursor < s->count && is_placed(s, s->cursor)) {
		s->cursor++;
	}
	if (s->cursor == s->count || s->rank[2 * s->cursor] > s->horizon) {
		return NOTHING;
	}
	return s->cursor;
}

static void advance(struct search *s, uint32_t op)
{
	s->choice++;
	if (s->choice < model_choices(&s->state, &s->ops[op].op)) {
		return;
	}
	s->choice = 0;
	s->cursor = s->pass == PASS_UNKNOWN ? s->cursor + 1 : s->events[s->cursor].next;
}

/* Places the candidate if it fits and leads somewhere new. 1 placed, 0 not, -ENOMEM. */
static int try_candidate(struct search *s, uint32_t op)
{
	const struct model_op *what = &s->ops[op].op;
	struct model_state next, same;
	int r;

	if (!model_step(&s->state, what, s->choice, &next)) {
		s->is_full |= model_is_full(&s->state, what);
		return 0;
	}
	same = s->state;
	same.unseen = 0;
	if (s->pass == PASS_FREE) {
		if (!model_is_told(what) ||
		    memcmp(&next, &same, sizeof(uint64_t) * model_words(&same)) != 0) {
			return 0;
		}
		place(s, op, s->choice, &next);
		return 1;
	}
	place(s, op, s->choice, &next);
	r = enter(s);
	if (r != 1) {
		(void)take_back(s);
	}
	return r;
}

/* Remembers the place that came furthest in time before nothing fitted any more. */
static void note_failure(struct search *s)
{
	const uint32_t event = first_return(s);
	struct search_failure *failure = &s->failure;

	if (s->rank[event] < s->failure_rank ||
	    (s->rank[event] == s->failure_rank && s->depth <= failure->placed)) {
		return;
	}
	s->failure_rank = s->rank[event];
	failure->stuck = s->ops[event / 2].number;
	failure->state = s->state;
	failure->placed = s->depth;
	failure->tail_count = s->depth < SEARCH_TAIL ? s->depth : SEARCH_TAIL;
	for (unsigned i = 0; i < failure->tail_count; i++) {
		const uint32_t op = s->frames[s->depth - failure->tail_count + i].op;

		failure->tail[i] = s->ops[op].number;
	}
}

/* Goes back to the last place with something left to try. False: there is none. */
static bool back(struct search *s)
{
	note_failure(s);
	while (s->depth != 0) {
		const struct frame frame = take_back(s);

		if (frame.pass == PASS_FREE) {
			continue;
		}
		resume_pass(s, (enum pass)frame.pass,
		            frame.pass == PASS_UNKNOWN ? frame.op : 2 * frame.op, frame.choice);
		advance(s, frame.op);
		return true;
	}
	return false;
}

static bool is_over(struct search *s, const struct lincheck_bounds *bounds)
{
	const uint64_t memory_max = bounds->memory_max != 0 ? bounds->memory_max : MEMORY_DEFAULT;

	s->steps++;
	if (bounds->steps_max != 0 && s->steps > bounds->steps_max) {
		return true;
	}
	if (s->steps % STOP_STEPS != 0) {
		return false;
	}
	return s->seen.bytes > memory_max ||
	       (bounds->stop != NULL && bounds->stop(bounds->context));
}

static int search(struct search *s, const struct lincheck_bounds *bounds,
                  enum lincheck_verdict *ret_verdict)
{
	start_pass(s, PASS_FREE);
	while (s->answered_placed < s->answered) {
		const uint32_t op = candidate(s);
		int r;

		if (is_over(s, bounds)) {
			*ret_verdict = LINCHECK_UNKNOWN;
			return 0;
		}
		if (op == NOTHING) {
			if (s->pass + 1 < PASS_COUNT) {
				start_pass(s, s->pass + 1);
			} else if (!back(s)) {
				*ret_verdict = s->is_full ? LINCHECK_UNKNOWN : LINCHECK_FALSE;
				return 0;
			}
			continue;
		}
		r = try_candidate(s, op);
		if (r < 0) {
			return r;
		}
		if (r == 1) {
			start_pass(s, PASS_FREE);
		} else {
			advance(s, op);
		}
	}
	*ret_verdict = LINCHECK_TRUE;
	return 0;
}

static void deinit(struct search *s)
{
	seen_deinit(&s->seen);
	free(s->rank);
	free(s->events);
	free(s->placed);
	free(s->frames);
	free(s->words);
}

static int init(struct search *s, struct search_op *ops, uint32_t count)
{
	const size_t words = ((size_t)count + 63) / 64;

	*s = (struct search){.ops = ops, .count = count};
	seen_init(&s->seen);
	qsort(ops, count, sizeof(*ops), compare_ops);
	while (s->answered < count && !ops[s->answered].op.unknown) {
		s->answered++;
	}
	s->rank = calloc(2 * (size_t)count + 1, sizeof(*s->rank));
	s->events = calloc(2 * (size_t)s->answered + 1, sizeof(*s->events));
	s->placed = calloc(words + 1, sizeof(*s->placed));
	s->frames = calloc((size_t)count + 1, sizeof(*s->frames));
	s->words = calloc(2 * words + sizeof(s->state) / sizeof(uint64_t) + 8, sizeof(*s->words));
	if (s->rank == NULL || s->events == NULL || s->placed == NULL || s->frames == NULL ||
	    s->words == NULL) {
		return -ENOMEM;
	}
	return order_events(s);
}

int search_run(struct search_op *ops, uint32_t count, const struct model_state *start,
               const struct lincheck_bounds *bounds, enum lincheck_verdict *ret_verdict,
               struct search_failure *ret_failure)
{
	struct search s;
	int r;

	must(count < UINT32_MAX / 4);
	r = init(&s, ops, count);
	if (r == 0) {
		s.state = *start;
		r = search(&s, bounds, ret_verdict);
	}
	if (r == 0 && *ret_verdict == LINCHECK_FALSE) {
		*ret_failure = s.failure;
	}
	deinit(&s);
	return r;
}
