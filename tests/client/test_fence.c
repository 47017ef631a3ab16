/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   no token below the highest one passes, whoever asks at once.
 * Method: single calls; then threads that check the same tokens of the same few locks, which were
 *         never seen before, all at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <coffer_fence.h>

enum {
	SLOTS = 4,
	THREADS = 4,
	TOKENS = 20000
};

static void test_older_tokens_are_refused(void **state)
{
	struct coffer_fence_slot slots[SLOTS] = {0};
	struct coffer_fence fence = {slots, SLOTS};

	(void)state;
	assert_int_equal(coffer_fence_highest(&fence, "/db"), 0);
	assert_int_equal(coffer_fence_check(&fence, "/db", 7), 1);
	assert_int_equal(coffer_fence_check(&fence, "/db", 7), 0);
	assert_int_equal(coffer_fence_check(&fence, "/db", 6), -EPERM);
	assert_int_equal(coffer_fence_check(&fence, "/db", INT64_MAX), 1);
	assert_int_equal(coffer_fence_check(&fence, "/db", 8), -EPERM);
	assert_int_equal(coffer_fence_highest(&fence, "/db"), INT64_MAX);
	assert_int_equal(coffer_fence_check(&fence, "/db/a", 1), 1); /* another lock */
	assert_int_equal(coffer_fence_highest(&fence, "/d"), 0);
}

static void test_what_cannot_be_remembered_is_refused(void **state)
{
	struct coffer_fence_slot slots[SLOTS] = {0};
	struct coffer_fence fence = {slots, SLOTS};
	char name[COFFER_FENCE_NAME_SIZE_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(coffer_fence_check(&fence, name, 1), -EINVAL);
	name[sizeof(name) - 2] = '\0';
	assert_int_equal(coffer_fence_check(&fence, name, 1), 1);
	for (unsigned i = 1; i < SLOTS; i++) {
		name[1] = (char)('0' + i);
		assert_int_equal(coffer_fence_check(&fence, name, 1), 1);
	}
	assert_int_equal(coffer_fence_check(&fence, "/more", 1), -ENOSPC);
	assert_int_equal(coffer_fence_check(&fence, name, 2), 1);
	assert_int_equal(coffer_fence_check(&fence, name, 0), -EINVAL);
	assert_int_equal(coffer_fence_check(&fence, name, -1), -EINVAL);
	assert_int_equal(coffer_fence_check(&fence, "", 1), -EINVAL);
	assert_int_equal(coffer_fence_check(&fence, NULL, 1), -EINVAL);
	assert_int_equal(coffer_fence_highest(&fence, NULL), 0);
}

/* --- many threads ----------------------------------------------------------------------------- */

static struct coffer_fence_slot shared_slots[SLOTS];
static struct coffer_fence shared = {shared_slots, SLOTS};

struct asker {
	pthread_t thread;
	unsigned index;
	unsigned raised[SLOTS];
	bool is_wrong;
};

static void *ask(void *argument)
{
	struct asker *asker = argument;
	char lock[8];

	for (unsigned i = 0; i < TOKENS; i++) {
		const int64_t token = (int64_t)i + 1;

		for (unsigned k = 0; k < SLOTS; k++) {
			const unsigned slot = (k + asker->index) % SLOTS;
			int64_t before;
			int r;

			(void)snprintf(lock, sizeof(lock), "/%u", slot);
			before = coffer_fence_highest(&shared, lock);
			r = coffer_fence_check(&shared, lock, token);
			asker->raised[slot] += r == 1;
			asker->is_wrong = asker->is_wrong || (r < 0 && r != -EPERM) ||
			                  (r >= 0 && token < before) ||
			                  coffer_fence_highest(&shared, lock) < token;
		}
	}
	return NULL;
}

static void test_threads_agree_on_the_highest(void **state)
{
	struct asker askers[THREADS] = {0};

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		askers[i].index = i;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
		assert_false(askers[i].is_wrong);
	}
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		unsigned raised = 0;
		char lock[8];

		(void)snprintf(lock, sizeof(lock), "/%u", slot);
		assert_int_equal(coffer_fence_highest(&shared, lock), TOKENS);
		for (unsigned i = 0; i < THREADS; i++) {
			raised += askers[i].raised[slot];
		}
		assert_in_range(raised, 1, TOKENS); /* no token is the newest twice */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_tokens_are_refused),
		cmocka_unit_test(test_what_cannot_be_remembered_is_refused),
		cmocka_unit_test(test_threads_agree_on_the_highest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
