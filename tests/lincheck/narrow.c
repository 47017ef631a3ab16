/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/narrow.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* A change whose revision, or a grant whose token, was told. */
struct change {
	uint64_t rev;
	int64_t call_ns; /* the latest of this and all before it */
	int64_t ret_ns;  /* the earliest of this and all behind it */
};

static bool is_change(const struct model_op *op, uint64_t *ret_rev)
{
	unsigned told = LINCHECK_TOLD_REV | LINCHECK_TOLD_OK;

	switch (op->kind) {
	case LINCHECK_SET:
		told = LINCHECK_TOLD_REV;
		break;
	case LINCHECK_CAS:
	case LINCHECK_ADD:
	case LINCHECK_DEL:
		break;
	case LINCHECK_ACQUIRE:
		told = LINCHECK_TOLD_TOKEN | LINCHECK_TOLD_OK;
		break;
	case LINCHECK_GET:
	case LINCHECK_INIT:
	case LINCHECK_RELEASE:
	case LINCHECK_EXPIRE:
	case LINCHECK_CHECK:
	case LINCHECK_KIND_COUNT:
	default:
		return false;
	}
	*ret_rev = op->kind == LINCHECK_ACQUIRE ? op->told_token : op->rev;
	return !op->unknown && (op->has & told) == told && (op->kind == LINCHECK_SET || op->ok);
}

static int compare_rev(const void *left, const void *right)
{
	const struct change *a = left, *b = right;

	return a->rev < b->rev ? -1 : a->rev > b->rev;
}

/* How many changes are below `rev`. */
static uint32_t count_below(const struct change *changes, uint32_t count, uint64_t rev)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (changes[middle].rev < rev) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static uint32_t gather(const struct search_op *ops, uint32_t count, struct change *changes)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t rev;

		if (is_change(&ops[i].op, &rev)) {
			changes[found++] = (struct change){rev, ops[i].call_ns, ops[i].ret_ns};
		}
	}
	qsort(changes, found, sizeof(*changes), compare_rev);
	for (uint32_t i = 1; i < found; i++) {
		if (changes[i].call_ns < changes[i - 1].call_ns) {
			changes[i].call_ns = changes[i - 1].call_ns;
		}
	}
	for (uint32_t i = found; i > 1; i--) {
		if (changes[i - 2].ret_ns > changes[i - 1].ret_ns) {
			changes[i - 2].ret_ns = changes[i - 1].ret_ns;
		}
	}
	return found;
}

/* It stands behind the changes up to `behind`, and before those from `before` on; 0: not known. */
static void places_of(const struct model_op *op, uint64_t *ret_behind, uint64_t *ret_before)
{
	uint64_t rev = 0;

	*ret_behind = 0;
	*ret_before = 0;
	if (is_change(op, &rev)) {
		*ret_behind = rev - (rev != 0);
		*ret_before = rev + 1;
	} else if (op->kind == LINCHECK_GET && (op->has & LINCHECK_HAS_AT_REV) != 0) {
		*ret_behind = op->at_rev;
		*ret_before = op->at_rev + 1;
	} else if (op->kind == LINCHECK_GET && (op->has & LINCHECK_TOLD_REV) != 0 && op->rev != 0) {
		*ret_behind = op->rev;
		*ret_before = op->rev + 1;
	} else if (op->kind == LINCHECK_EXPIRE || (op->has & LINCHECK_TOLD_OK && op->ok)) {
		*ret_behind = op->token; /* of RELEASE, EXPIRE, CHECK; else 0 */
	}
}

int narrow(struct search_op *ops, uint32_t count)
{
	struct change *changes = malloc(sizeof(*changes) * ((size_t)count + 1));
	uint32_t found;

	if (changes == NULL) {
		return -ENOMEM;
	}
	found = gather(ops, count, changes);
	for (uint32_t i = 0; i < count; i++) {
		const bool is_past = (ops[i].op.has & LINCHECK_HAS_AT_REV) != 0;
		int64_t call_ns = is_past ? INT64_MIN : ops[i].call_ns, ret_ns = ops[i].ret_ns;
		uint64_t behind, before;
		uint32_t place;

		if (ops[i].op.unknown) {
			continue; /* its return is not known */
		}
		places_of(&ops[i].op, &behind, &before);
		place = behind == 0 ? 0 : count_below(changes, found, behind + 1);
		if (place != 0 && changes[place - 1].call_ns > call_ns) {
			call_ns = changes[place - 1].call_ns;
		}
		place = before == 0 ? found : count_below(changes, found, before);
		if (place != found && changes[place].ret_ns < ret_ns) {
			ret_ns = changes[place].ret_ns;
		}
		if (call_ns <= ret_ns) {
			ops[i].call_ns = call_ns;
			ops[i].ret_ns = ret_ns;
		} else if (is_past) {
			ops[i].call_ns = INT64_MIN;
		}
	}
	free(changes);
	return 0;
}
