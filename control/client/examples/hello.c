/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello.c - the short way: write a file, read it back, remove it
 *
 *      cc hello.c $(pkg-config --cflags --libs coffer)
 *      COFFER_SERVERS=127.0.0.1:8101,127.0.0.1:8102,127.0.0.1:8103 ./a.out
 */
#include <stdio.h>

#include <coffer.h>

static int fail(const char *what, int outcome, const struct coffer_result *result)
{
	if (outcome < 0) {
		(void)fprintf(stderr, "%s: %s\n", what, coffer_error_text(outcome));
	} else {
		(void)fprintf(stderr, "%s: %s: %s\n", what,
		              coffer_outcome_text((enum coffer_outcome)outcome),
		              coffer_answer_text(result->answer));
	}
	return 1;
}

int main(void)
{
	struct coffer_result result;
	struct coffer *coffer;
	int failed = 0;
	int r;

	r = coffer_open(&coffer, NULL, NULL); /* NULL: the servers in COFFER_SERVERS */
	if (r < 0) {
		return fail("coffer_open", r, NULL);
	}
	r = coffer_set(coffer, "/examples/hello", "Hello!", 6, COFFER_ANY, &result);
	if (r != COFFER_DONE) {
		failed = fail("set", r, &result);
		goto close;
	}
	(void)printf("written at revision %lld\n", (long long)result.revision);
	r = coffer_get(coffer, "/examples/hello", &result);
	if (r != COFFER_DONE) {
		failed = fail("get", r, &result);
		goto close;
	}
	(void)printf("%.*s\n", (int)result.value_size, (const char *)result.value);
	r = coffer_delete(coffer, "/examples/hello", result.revision, &result);
	if (r != COFFER_DONE) {
		failed = fail("delete", r, &result);
	}
close:
	coffer_close(coffer);
	return failed;
}
