/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counter.c - compare and set: add one to a number that others change too
 *
 * Shows what to do with each outcome of a write. UNKNOWN means that the write may have happened:
 * here the file is read again, and tells. (With several who count, the file would name who wrote
 * it; this example counts alone.)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <coffer.h>

enum {
	ROUNDS = 10
};

#define FILE_NAME "/examples/counter"

/* Reads the number and the revision it stands at; 0 and 0 if there is no file. */
static int read_counter(struct coffer *coffer, uint64_t *ret_number, int64_t *ret_revision)
{
	struct coffer_result result;
	char text[32];
	const int r = coffer_get(coffer, FILE_NAME, &result);

	*ret_number = 0;
	*ret_revision = 0;
	if (r == COFFER_REFUSED && result.answer == COFFER_NOT_FOUND) {
		return COFFER_DONE;
	}
	if (r == COFFER_DONE) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)result.value_size,
		               (const char *)result.value);
		*ret_number = strtoull(text, NULL, 10);
		*ret_revision = result.revision;
	}
	return r;
}

static int add_one(struct coffer *coffer)
{
	struct coffer_result result;
	uint64_t number, before = 0;
	int64_t revision;
	bool is_sure = true;
	char text[32];
	int r, size;

	for (;;) {
		r = read_counter(coffer, &number, &revision);
		if (r != COFFER_DONE) {
			return r;
		}
		if (!is_sure && number > before) {
			return COFFER_DONE; /* it had happened */
		}
		before = number;
		size = snprintf(text, sizeof(text), "%" PRIu64, number + 1);
		r = coffer_set(coffer, FILE_NAME, text, (size_t)size, revision, &result);
		if (r == COFFER_REFUSED && result.answer == COFFER_MISMATCH) {
			is_sure = true; /* somebody was faster: begin anew */
		} else if (r == COFFER_UNKNOWN) {
			is_sure = false;
		} else {
			return r;
		}
	}
}

int main(void)
{
	struct coffer *coffer;
	uint64_t before, after;
	int64_t revision;
	int r;

	r = coffer_open(&coffer, NULL, NULL);
	if (r < 0) {
		(void)fprintf(stderr, "coffer_open: %s\n", coffer_error_text(r));
		return 1;
	}
	r = read_counter(coffer, &before, &revision);
	for (unsigned i = 0; i < ROUNDS && r == COFFER_DONE; i++) {
		r = add_one(coffer);
	}
	if (r == COFFER_DONE) {
		r = read_counter(coffer, &after, &revision);
	}
	coffer_close(coffer);
	if (r != COFFER_DONE) {
		(void)fprintf(stderr, "counter: %s\n",
		              r < 0 ? coffer_error_text(r)
		                    : coffer_outcome_text((enum coffer_outcome)r));
		return 1;
	}
	(void)printf("%" PRIu64 " + %d = %" PRIu64 "\n", before, ROUNDS, after);
	return after == before + ROUNDS ? 0 : 1;
}
