/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a link carries datagrams whole and in order, outlives either end, and comes back from
 *         whatever the other process writes into the file.
 * Method: both ends in one process, over a file in a folder of its own; the file is also mapped
 *         by the test, which damages it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/link.h"
#include "store/base/prng.h"

enum {
	HEADER = 4096,
	DAMAGES = 20000,
};

static char folder[64];
static char path[128];
static uint8_t memory[STORE_DATAGRAM_SIZE_MAX];

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/test_link.XXXXXX");
	if (mkdtemp(folder) == NULL) {
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/link", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static struct dp_link *open_end(bool second)
{
	struct dp_link *link = NULL;

	assert_int_equal(dp_link_open(&link, path, second), 0);
	return link;
}

static void put(struct dp_link *link, const char *text)
{
	assert_true(dp_link_put(link, slice_text(text)));
	dp_link_flush(link);
}

static void assert_gets(struct dp_link *link, const char *text)
{
	const size_t size = dp_link_get(link, memory);

	assert_true(slice_equal(slice_make(memory, size), slice_text(text)));
}

static void assert_gets_nothing(struct dp_link *link)
{
	assert_true(dp_link_is_empty(link));
	assert_int_equal(dp_link_get(link, memory), 0);
}

static uint64_t damaged(const struct dp_link *link)
{
	struct dp_link_counters counters;

	dp_link_counters(link, &counters);
	return counters.damaged;
}

/* The file as the other process could write it. */
static uint8_t *map_file(size_t *ret_size)
{
	const int descriptor = open(path, O_RDWR | O_CLOEXEC);
	struct stat is;
	void *file;

	assert_true(descriptor >= 0);
	assert_int_equal(fstat(descriptor, &is), 0);
	file = mmap(NULL, (size_t)is.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	assert_true(file != MAP_FAILED);
	(void)close(descriptor);
	*ret_size = (size_t)is.st_size;
	return file;
}

static void test_both_ways_carry_in_order(void **state)
{
	struct dp_link *second = open_end(true); /* either end may come first */
	struct dp_link *first = open_end(false);
	struct dp_link_counters counters;

	(void)state;
	assert_gets_nothing(first);
	put(first, "a");
	put(first, "bb");
	put(second, "ccc");
	assert_gets(second, "a");
	assert_gets(second, "bb");
	assert_gets_nothing(second);
	assert_gets(first, "ccc");
	dp_link_counters(first, &counters);
	assert_int_equal(counters.out, 2);
	assert_int_equal(counters.in, 1);
	assert_int_equal(counters.damaged, 0);
	dp_link_close(first);
	dp_link_close(second);
	dp_link_close(NULL);
}

static void test_file_is_for_its_owner_only(void **state)
{
	struct dp_link *first = open_end(false);
	struct stat is;

	(void)state;
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(is.st_mode & 0777, 0600);
	dp_link_close(first);
}

static void test_what_is_not_flushed_is_not_seen(void **state)
{
	struct dp_link *first = open_end(false), *second = open_end(true);

	(void)state;
	assert_true(dp_link_put(first, slice_text("a")));
	assert_gets_nothing(second);
	dp_link_flush(first);
	assert_gets(second, "a");
	dp_link_close(first);
	dp_link_close(second);
}

static void test_full_ring_says_no_and_keeps_what_it_has(void **state)
{
	struct dp_link *first = open_end(false), *second = open_end(true);
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct dp_link_counters counters;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < DP_LINK_SLOTS; i++) {
			memset(bytes, (int)(i & 255), sizeof(bytes));
			assert_true(dp_link_put(first, slice_make(bytes, sizeof(bytes))));
		}
		assert_false(dp_link_put(first, slice_make(bytes, 1)));
		dp_link_flush(first);
		assert_false(dp_link_put(first, slice_make(bytes, 1)));
		for (unsigned i = 0; i < DP_LINK_SLOTS; i++) {
			assert_int_equal(dp_link_get(second, memory), sizeof(memory));
			assert_int_equal(memory[0], i & 255);
			assert_int_equal(memory[sizeof(memory) - 1], i & 255);
		}
		assert_gets_nothing(second);
	}
	dp_link_counters(first, &counters);
	assert_int_equal(counters.full, 6);
	dp_link_close(first);
	dp_link_close(second);
}

static void test_an_end_has_one_holder(void **state)
{
	struct dp_link *first = open_end(false), *again = NULL;

	(void)state;
	assert_int_equal(dp_link_open(&again, path, false), -EBUSY);
	assert_null(again);
	dp_link_close(first);
	first = open_end(false);
	dp_link_close(first);
}

static void test_either_end_comes_back_to_what_it_left(void **state)
{
	struct dp_link *first = open_end(false), *second = open_end(true);

	(void)state;
	put(first, "a");
	put(first, "b");
	assert_gets(second, "a");
	dp_link_close(second);
	put(first, "c");
	dp_link_close(first);
	second = open_end(true);
	assert_gets(second, "b");
	first = open_end(false);
	put(first, "d");
	assert_gets(second, "c");
	assert_gets(second, "d");
	assert_gets_nothing(second);
	dp_link_close(first);
	dp_link_close(second);
}

/* Finds a payload in the file; its number stands 16 bytes before, its size 8. */
static uint8_t *find_payload(uint8_t *file, size_t size, const char *text)
{
	uint8_t *payload = memmem(file, size, text, strlen(text));

	assert_non_null(payload);
	return payload;
}

static void test_damaged_slot_is_counted_and_skipped(void **state)
{
	struct dp_link *first = open_end(false), *second = open_end(true);
	size_t size;
	uint8_t *file = map_file(&size);

	(void)state;
	put(first, "number-is-wrong");
	put(first, "size-is-wrong");
	put(first, "good");
	find_payload(file, size, "number-is-wrong")[-16] ^= 1;
	find_payload(file, size, "size-is-wrong")[-6] = 1; /* + 65536 */
	assert_gets(second, "good");
	assert_int_equal(damaged(second), 2);
	(void)munmap(file, size);
	dp_link_close(first);
	dp_link_close(second);
}

/* One datagram each way passes within a few rounds, whatever was done to the file. */
static bool passes(struct dp_link *from, struct dp_link *to)
{
	for (unsigned i = 0; i < 3 + 2 * DP_LINK_SLOTS / 32; i++) {
		(void)dp_link_put(from, slice_text("hello"));
		dp_link_flush(from);
		for (unsigned k = 0; k < 8; k++) {
			const size_t size = dp_link_get(to, memory);

			assert_true(size <= sizeof(memory));
			if (slice_equal(slice_make(memory, size), slice_text("hello"))) {
				return true;
			}
		}
	}
	return false;
}

static void damage(struct prng *prng, uint8_t *file, size_t size)
{
	/* Mostly the counters in the header; small changes as well as wild ones. */
	const size_t end = prng_chance(prng, 9, 10) ? HEADER : size;
	const size_t offset = prng_below(prng, end - 8) & ~(size_t)7;
	uint64_t word;

	memcpy(&word, file + offset, sizeof(word));
	switch (prng_below(prng, 4)) {
	case 0:
		word = prng_next(prng);
		break;
	case 1:
		word += prng_below(prng, 3 * DP_LINK_SLOTS);
		break;
	case 2:
		word -= prng_below(prng, 3 * DP_LINK_SLOTS);
		break;
	default:
		word = 0;
		break;
	}
	memcpy(file + offset, &word, sizeof(word));
}

/* Ends the process of one end and starts it again; the other looks after the file meanwhile. */
static struct dp_link *come_back(struct dp_link *link, bool second, struct dp_link *other)
{
	dp_link_close(link);
	assert_int_equal(dp_link_heal(other), 0);
	return open_end(second);
}

static void test_link_heals_whatever_is_written_into_the_file(void **state)
{
	struct dp_link *first = open_end(false), *second = open_end(true);
	struct prng prng;
	size_t size;
	uint8_t *file = map_file(&size);

	(void)state;
	prng_init(&prng, 1);
	for (unsigned i = 0; i < DAMAGES; i++) {
		for (uint64_t n = prng_below(&prng, 4); n != 0; n--) {
			(void)dp_link_put(first, slice_text("filler"));
		}
		for (uint64_t n = 1 + prng_below(&prng, 3); n != 0; n--) {
			damage(&prng, file, size);
		}
		if (prng_chance(&prng, 1, 16)) {
			first = come_back(first, false, second);
		}
		if (prng_chance(&prng, 1, 16)) {
			second = come_back(second, true, first);
		}
		assert_true(passes(first, second));
		assert_true(passes(second, first));
		dp_link_sleep((struct dp_link *const[]){first, second}, 2, 1);
	}
	(void)munmap(file, size);
	dp_link_close(first);
	dp_link_close(second);
}

static void test_wrong_files_are_refused_or_made_right(void **state)
{
	struct dp_link *first, *second = NULL;
	uint8_t *file;
	size_t size;
	int descriptor;

	(void)state;
	/* A file that is short and full of something else is made right. */
	descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(descriptor, "something else", 14), 14);
	(void)close(descriptor);
	first = open_end(false);
	second = open_end(true);
	put(first, "a");
	assert_gets(second, "a");
	dp_link_close(second);

	/* Another layout in use is refused, one that nobody uses is made right. */
	file = map_file(&size);
	file[8] ^= 0x55;
	assert_int_equal(dp_link_open(&second, path, true), -EPROTO);
	dp_link_close(first);
	second = open_end(true);
	assert_gets_nothing(second);
	dp_link_close(second);
	(void)munmap(file, size);

	/* A folder is no link. */
	assert_true(dp_link_open(&second, folder, false) < 0);
	assert_true(dp_link_open(&second, "/nonexistent/link", false) < 0);
}

static void test_replaced_file_is_found_again(void **state)
{
	struct dp_link *first = open_end(false), *second = open_end(true);
	struct dp_link_counters counters;

	(void)state;
	assert_int_equal(dp_link_heal(first), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(dp_link_heal(first), 1);
	assert_int_equal(dp_link_heal(second), 1);
	assert_int_equal(dp_link_heal(second), 0);
	put(first, "a");
	assert_gets(second, "a");
	dp_link_counters(first, &counters);
	assert_int_equal(counters.healed, 1);
	dp_link_close(first);
	dp_link_close(second);
}

enum {
	ECHOES = 2000,
	SLEEP_S = 10,
};

#define SLEEP_NS (SLEEP_S * UINT64_C(1000000000))

static void *echo(void *argument)
{
	struct dp_link *link = argument;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];

	for (unsigned i = 0; i < ECHOES;) {
		const size_t size = dp_link_get(link, bytes);

		if (size == 0) {
			dp_link_sleep(&link, 1, SLEEP_NS);
			continue;
		}
		if (!dp_link_put(link, slice_make(bytes, size))) {
			return (void *)1;
		}
		dp_link_flush(link);
		i++;
	}
	return NULL;
}

/* A ring that is lost, ours or the other's, lets us sleep to the end. */
static void sleep_until_rung(struct dp_link *link)
{
	struct timespec begin, end;

	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	dp_link_sleep(&link, 1, SLEEP_NS);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < SLEEP_S);
}

static void test_sleeper_is_woken_each_time(void **state)
{
	struct dp_link *first = open_end(false), *second = open_end(true);
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, echo, second), 0);
	for (unsigned i = 0; i < ECHOES; i++) {
		put(first, "are you there?");
		while (dp_link_is_empty(first)) {
			sleep_until_rung(first);
		}
		assert_gets(first, "are you there?");
	}
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	dp_link_close(first);
	dp_link_close(second);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		TEST(test_both_ways_carry_in_order),
		TEST(test_file_is_for_its_owner_only),
		TEST(test_what_is_not_flushed_is_not_seen),
		TEST(test_full_ring_says_no_and_keeps_what_it_has),
		TEST(test_an_end_has_one_holder),
		TEST(test_either_end_comes_back_to_what_it_left),
		TEST(test_damaged_slot_is_counted_and_skipped),
		TEST(test_link_heals_whatever_is_written_into_the_file),
		TEST(test_wrong_files_are_refused_or_made_right),
		TEST(test_replaced_file_is_found_again),
		TEST(test_sleeper_is_woken_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
