/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what store and replica say they take at their start is what they take, to the byte.
 * Method: the linker leads malloc and its like through here (--wrap), where they are summed; of the
 *         store's allocator the cap counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/quorum.h"
#include "consensus/replica.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static uint64_t taken;

void *__wrap_malloc(size_t size)
{
	taken += size;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	taken += count * size;
	return __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	taken += size;
	return __real_aligned_alloc(alignment, size);
}

static struct store *new_store(uint32_t events_max, uint64_t *ret_taken, uint64_t *ret_told)
{
	const struct store_config config = {
		.quota_bytes = 1 << 22,
		.sessions_max = 64,
		.events_max = events_max,
		.arena_bytes = 1 << 26,
	};
	const uint64_t before = taken;
	struct store *store;

	assert_int_equal(store_new(&store, &config), 0);
	*ret_taken = taken - before;
	*ret_told = store_bytes_max(&config);
	return store;
}

static void test_store_tells_the_slots_of_its_events(void **state)
{
	uint64_t small_taken, small_told, large_taken, large_told;
	struct store *small = new_store(1 << 10, &small_taken, &small_told);
	struct store *large = new_store(1 << 16, &large_taken, &large_told);

	(void)state;
	assert_int_equal(large_told - small_told, large_taken - small_taken);
	assert_true(large_told >= large_taken + (1 << 26) - (1 << 20));
	store_free(small);
	store_free(large);
}

static void check_replica(const struct paxos_config *config)
{
	struct paxos_replica *replica;
	uint64_t unused, before;
	struct store *store = new_store(1 << 10, &unused, &unused);

	before = taken;
	assert_int_equal(paxos_replica_new(&replica, config, store), 0);
	assert_int_equal(paxos_replica_bytes(replica), taken - before);
	paxos_replica_free(replica);
	store_free(store);
}

static void test_replica_tells_all_it_takes(void **state)
{
	struct paxos_config config = {
		.founders = paxos_first(3),
		.cluster = 1,
		.incarnation = 1,
		.start = 1,
		.founding = true,
	};

	(void)state;
	paxos_config_default(&config);
	check_replica(&config);
	config.log_bytes *= 2;
	check_replica(&config);
	config.log_entries *= 4;
	check_replica(&config);
	config.assemblies += 7;
	check_replica(&config);
	config.watches_max = 1000;
	check_replica(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_tells_the_slots_of_its_events),
		cmocka_unit_test(test_replica_tells_all_it_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
