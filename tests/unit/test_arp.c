/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   neighbours are found, kept fresh and forgotten; nobody can fill or turn the table.
 * Method: two tables talk to each other, or one hears what the test made up; time is a number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/arp.h"

#define MS      UINT64_C(1000000)
#define OURS    UINT32_C(0x0a4d0001)
#define THEIRS  UINT32_C(0x0a4d0002)
#define GATEWAY UINT32_C(0x0a4d00fe)
#define FAR     UINT32_C(0x08080808)

static const struct dp_mac our_mac = {.bytes = {2, 0, 0, 0, 0, 1}};
static const struct dp_mac their_mac = {.bytes = {2, 0, 0, 0, 0, 2}};
static const struct dp_mac other_mac = {.bytes = {2, 0, 0, 0, 0, 3}};

static uint8_t asked[DP_ARP_SIZE], answer[DP_ARP_SIZE];
static struct dp_arp ours, theirs;

static int make_tables(void **state)
{
	(void)state;
	dp_arp_init(&ours, &our_mac, OURS, 24, 0);
	dp_arp_init(&theirs, &their_mac, THEIRS, 24, 0);
	return 0;
}

static enum dp_arp_result hear(struct dp_arp *arp, uint64_t now_ns, const uint8_t *bytes)
{
	struct dp_frame frame;

	assert_int_equal(dp_frame_parse(slice_make(bytes, DP_ARP_SIZE), &frame), DP_FRAME_GOOD);
	return dp_arp_receive(arp, now_ns, &frame, answer);
}

static enum dp_arp_result hear_made_up(uint64_t now_ns, enum dp_frame_operation operation,
                                       const struct dp_mac *mac, uint32_t source, uint32_t target)
{
	const struct dp_way way = {
		.source_mac = *mac, .target_mac = our_mac, .source = source, .target = target};
	uint8_t bytes[DP_ARP_SIZE];

	(void)dp_frame_build_arp(bytes, operation, &way);
	return hear(&ours, now_ns, bytes);
}

static bool find(uint64_t now_ns, uint32_t address, const struct dp_mac *expected)
{
	struct dp_mac mac;

	if (!dp_arp_find(&ours, now_ns, address, &mac)) {
		return false;
	}
	assert_memory_equal(&mac, expected, sizeof(mac));
	return true;
}

static void test_neighbour_is_asked_for_and_found(void **state)
{
	(void)state;
	assert_false(dp_arp_poll(&ours, MS, asked)); /* nobody is wanted */
	assert_false(find(MS, THEIRS, &their_mac));
	assert_true(dp_arp_poll(&ours, MS, asked));
	assert_false(dp_arp_poll(&ours, MS, asked)); /* once */
	assert_int_equal(asked[0], 0xff);
	assert_int_equal(hear(&theirs, MS, asked), DP_ARP_ANSWER);
	assert_memory_equal(answer, &our_mac, sizeof(our_mac));
	memcpy(asked, answer, sizeof(asked));
	assert_int_equal(hear(&ours, MS, asked), DP_ARP_LEARNED);
	assert_true(find(2 * MS, THEIRS, &their_mac));
}

static void test_asking_slows_down_and_stops_when_nobody_wants(void **state)
{
	unsigned requests = 0;
	uint64_t now_ns = MS;

	(void)state;
	for (; now_ns < 10000 * MS; now_ns += MS) {
		(void)find(now_ns, THEIRS, &their_mac);
		requests += dp_arp_poll(&ours, now_ns, asked);
	}
	assert_in_range(requests, 10, 20);
	requests = 0;
	for (; now_ns < 60000 * MS; now_ns += MS) {
		requests += dp_arp_poll(&ours, now_ns, asked);
	}
	assert_in_range(requests, 4, 6);
}

static void test_neighbour_is_refreshed_and_forgotten(void **state)
{
	uint64_t now_ns = MS;

	(void)state;
	(void)find(now_ns, THEIRS, &their_mac);
	assert_int_equal(hear_made_up(now_ns, DP_ARP_REPLY, &their_mac, THEIRS, OURS),
	                 DP_ARP_LEARNED);
	for (; now_ns < 9000 * MS; now_ns += 100 * MS) {
		assert_true(find(now_ns, THEIRS, &their_mac));
		assert_false(dp_arp_poll(&ours, now_ns, asked));
	}
	for (; now_ns < 59000 * MS; now_ns += 100 * MS) {
		assert_true(find(now_ns, THEIRS, &their_mac));
		(void)dp_arp_poll(&ours, now_ns, asked);
	}
	assert_false(find(62000 * MS, THEIRS, &their_mac));
	assert_true(dp_arp_poll(&ours, 62000 * MS, asked));
}

static void test_peer_with_a_new_mac_is_followed(void **state)
{
	(void)state;
	(void)find(MS, THEIRS, &their_mac);
	(void)hear_made_up(MS, DP_ARP_REPLY, &their_mac, THEIRS, OURS);
	/* It was started again and asks for us: that tells us enough. */
	assert_int_equal(hear_made_up(2 * MS, DP_ARP_REQUEST, &other_mac, THEIRS, OURS),
	                 DP_ARP_ANSWER);
	assert_true(find(2 * MS, THEIRS, &other_mac));
}

static void test_strangers_are_not_remembered(void **state)
{
	(void)state;
	assert_int_equal(hear_made_up(MS, DP_ARP_REPLY, &other_mac, THEIRS, OURS), DP_ARP_NOT_OURS);
	assert_int_equal(hear_made_up(MS, DP_ARP_REQUEST, &other_mac, THEIRS, OURS), DP_ARP_ANSWER);
	assert_int_equal(hear_made_up(MS, DP_ARP_REQUEST, &other_mac, THEIRS, THEIRS + 1),
	                 DP_ARP_NOT_OURS);
	assert_int_equal(hear_made_up(MS, DP_ARP_REPLY, &other_mac, OURS, OURS), DP_ARP_BAD);
	for (unsigned i = 0; i < DP_ARP_NEIGHBOURS; i++) {
		assert_int_equal(ours.neighbours[i].address, 0);
	}
}

static void test_others_are_reached_by_the_gateway_or_not_at_all(void **state)
{
	(void)state;
	assert_false(find(MS, FAR, &other_mac));
	assert_false(dp_arp_poll(&ours, MS, asked));
	dp_arp_init(&ours, &our_mac, OURS, 24, GATEWAY);
	assert_false(find(MS, FAR, &other_mac));
	assert_true(dp_arp_poll(&ours, MS, asked));
	assert_int_equal(hear_made_up(MS, DP_ARP_REPLY, &other_mac, GATEWAY, OURS), DP_ARP_LEARNED);
	assert_true(find(MS, FAR, &other_mac));
}

static void test_full_table_gives_up_the_one_least_wanted(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DP_ARP_NEIGHBOURS + 4; i++) {
		(void)find((1 + i) * MS, OURS + 1 + i, &other_mac);
	}
	for (unsigned i = 0; i < DP_ARP_NEIGHBOURS; i++) {
		assert_true(ours.neighbours[i].address > OURS + 4);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, make_tables)
	const struct CMUnitTest tests[] = {
		TEST(test_neighbour_is_asked_for_and_found),
		TEST(test_asking_slows_down_and_stops_when_nobody_wants),
		TEST(test_neighbour_is_refreshed_and_forgotten),
		TEST(test_peer_with_a_new_mac_is_followed),
		TEST(test_strangers_are_not_remembered),
		TEST(test_others_are_reached_by_the_gateway_or_not_at_all),
		TEST(test_full_table_gives_up_the_one_least_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
