/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/order.h"

#include <errno.h>
#include <stdlib.h>

/* Two operations that cannot both be right, in the order in which they are told of. */
struct breach {
	const struct record *first, *second;
	const char *why;
};

static int compare_call(const void *left, const void *right)
{
	const struct record *a = *(const struct record *const *)left;
	const struct record *b = *(const struct record *const *)right;

	return a->call_ns < b->call_ns ? -1 : a->call_ns > b->call_ns;
}

static int compare_ret(const void *left, const void *right)
{
	const struct record *a = *(const struct record *const *)left;
	const struct record *b = *(const struct record *const *)right;

	return a->ret_ns < b->ret_ns ? -1 : a->ret_ns > b->ret_ns;
}

static int compare_srev(const void *left, const void *right)
{
	const struct record *a = *(const struct record *const *)left;
	const struct record *b = *(const struct record *const *)right;

	if (a->srev != b->srev) {
		return a->srev < b->srev ? -1 : 1;
	}
	return compare_call(left, right);
}

/* One walk over the calls; `highest` is what had returned before. */
static bool is_back_in_time(const struct record **by_call, const struct record **by_ret,
                            size_t count, struct breach *ret_breach)
{
	const struct record *highest = NULL;
	size_t returned = 0;

	for (size_t i = 0; i < count; i++) {
		const struct record *record = by_call[i];

		for (; returned < count && by_ret[returned]->ret_ns < record->call_ns; returned++) {
			if (highest == NULL || by_ret[returned]->srev > highest->srev) {
				highest = by_ret[returned];
			}
		}
		if ((record->op.has & LINCHECK_HAS_AT_REV) != 0) {
			continue;
		}
		if (highest != NULL && record->srev < highest->srev) {
			*ret_breach = (struct breach){highest, record, "goes back in time"};
			return true;
		}
		if (highest != NULL && record->srev == highest->srev && record_is_change(record)) {
			*ret_breach =
				(struct breach){highest, record, "a change that is not newer"};
			return true;
		}
	}
	return false;
}

static bool is_shared(const struct record **by_srev, size_t count, struct breach *ret_breach)
{
	const struct record *last = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!record_is_change(by_srev[i])) {
			continue;
		}
		if (last != NULL && last->srev == by_srev[i]->srev) {
			*ret_breach = (struct breach){last, by_srev[i], "two changes share it"};
			return true;
		}
		last = by_srev[i];
	}
	return false;
}

static void put_breach(struct text *text, const struct lincheck *lincheck,
                       const struct breach *breach)
{
	const struct record *records[] = {breach->first, breach->second};

	text_put(text, "rev order: false\n  %s:\n", breach->why);
	for (unsigned i = 0; i < 2; i++) {
		text_put(text, "    ");
		text_put_bytes(text, names_get(&lincheck->key_names, records[i]->key), 100);
		text_put(text, " ");
		record_put(text, lincheck, records[i]);
		text_put(text, "\n");
	}
}

int order_check(struct lincheck *lincheck, bool *ret_is_good)
{
	const size_t room = (size_t)lincheck->count + 1;
	const struct record **by_call = calloc(2 * room, sizeof(const struct record *));
	const struct record **other = by_call + room;
	struct breach breach;
	size_t count = 0;

	if (by_call == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < lincheck->count; i++) {
		const struct record *record = &lincheck->records[i];

		if ((record->srev != 0 || (record->op.has & LINCHECK_TOLD_SREV) != 0) &&
		    record->op.kind != LINCHECK_INIT) {
			other[count] = record;
			by_call[count++] = record;
		}
	}
	qsort(by_call, count, sizeof(*by_call), compare_call);
	qsort(other, count, sizeof(*other), compare_srev);
	*ret_is_good = !is_shared(other, count, &breach);
	if (*ret_is_good) {
		qsort(other, count, sizeof(*other), compare_ret);
		*ret_is_good = !is_back_in_time(by_call, other, count, &breach);
	}
	if (*ret_is_good) {
		text_put(&lincheck->text, "rev order: true\n");
	} else {
		put_breach(&lincheck->text, lincheck, &breach);
		put_breach(&lincheck->text_failures, lincheck, &breach);
	}
	free(by_call);
	return 0;
}
