/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   frames are built as other stacks expect them, and parsed only if all is in order.
 * Method: fields in, frame out, fields back; frames as Linux sent them, byte by byte; one byte
 *         wrong at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/frame.h"
#include "store/base/prng.h"

static const struct dp_way way = {
	.source_mac = {.bytes = {2, 0, 0, 0, 0, 1}},
	.target_mac = {.bytes = {2, 0, 0, 0, 0, 2}},
	.source = 0x0a4d0001,
	.target = 0x0a4d0002,
	.source_port = 8046,
	.target_port = 40000,
};

/* An echo request with 8 bytes from 10.77.0.1 to 10.77.0.2; sums made by another program. */
static const uint8_t ping[] = {
	0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08,
	0x00, 0x45, 0x00, 0x00, 0x24, 0x00, 0x07, 0x40, 0x00, 0x40, 0x01, 0x26, 0x36,
	0x0a, 0x4d, 0x00, 0x01, 0x0a, 0x4d, 0x00, 0x02, 0x08, 0x00, 0xe7, 0xe3, 0x00,
	0x07, 0x00, 0x01, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
};

static uint8_t memory[DP_FRAME_SIZE_MAX];
static struct dp_frame frame;

static enum dp_frame_fault parse(size_t size)
{
	return dp_frame_parse(slice_make(memory, size), &frame);
}

/* Changes the IP header and makes its sum right again. */
static void set_ip(size_t offset, uint8_t value)
{
	uint32_t sum = 0;

	memory[14 + offset] = value;
	memory[24] = 0;
	memory[25] = 0;
	for (size_t i = 14; i < 34; i += 2) {
		sum += (uint32_t)(memory[i] << 8 | memory[i + 1]);
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	memory[24] = (uint8_t)(sum >> 8);
	memory[25] = (uint8_t)sum;
}

static void test_udp_comes_back_as_it_was_built(void **state)
{
	uint8_t payload[STORE_DATAGRAM_SIZE_MAX];
	struct prng prng;

	(void)state;
	prng_init(&prng, 1);
	for (size_t size = 0; size <= sizeof(payload); size++) {
		for (size_t i = 0; i < size; i++) {
			payload[i] = (uint8_t)prng_next(&prng);
		}
		assert_int_equal(dp_frame_build_udp(memory, &way, slice_make(payload, size), 0),
		                 DP_HEADERS_SIZE + size);
		assert_int_equal(parse(DP_HEADERS_SIZE + size), DP_FRAME_GOOD);
		assert_int_equal(frame.kind, DP_FRAME_UDP);
		assert_memory_equal(&frame.source_mac, &way.source_mac, DP_MAC_SIZE);
		assert_memory_equal(&frame.target_mac, &way.target_mac, DP_MAC_SIZE);
		assert_int_equal(frame.source, way.source);
		assert_int_equal(frame.target, way.target);
		assert_int_equal(frame.source_port, way.source_port);
		assert_int_equal(frame.target_port, way.target_port);
		assert_true(slice_equal(frame.payload, slice_make(payload, size)));
		assert_int_equal(dp_frame_udp_sum(&frame), DP_SUM_GOOD);
	}
}

static void test_padding_is_no_payload(void **state)
{
	(void)state;
	(void)dp_frame_build_udp(memory, &way, slice_text("abc"), 0);
	assert_int_equal(parse(60), DP_FRAME_GOOD);
	assert_true(slice_equal(frame.payload, slice_text("abc")));
}

static void test_udp_sum_tells_damage_from_work_left_to_a_port(void **state)
{
	size_t size = dp_frame_build_udp(memory, &way, slice_text("abcd"), 0);

	(void)state;
	assert_int_equal(parse(size), DP_FRAME_GOOD);
	memory[size - 1] ^= 1;
	assert_int_equal(parse(size), DP_FRAME_GOOD);
	assert_int_equal(dp_frame_udp_sum(&frame), DP_SUM_BAD);

	size = dp_frame_build_udp(memory, &way, slice_text("abcd"),
	                          DP_OFFLOAD_UDP_SUM | DP_OFFLOAD_IP_SUM);
	assert_int_equal(memory[24] | memory[25], 0);
	set_ip(8, 64);
	assert_int_equal(parse(size), DP_FRAME_GOOD);
	assert_int_equal(dp_frame_udp_sum(&frame), DP_SUM_PARTIAL);

	memory[40] = 0;
	memory[41] = 0;
	assert_int_equal(parse(size), DP_FRAME_GOOD);
	assert_int_equal(dp_frame_udp_sum(&frame), DP_SUM_NONE);
}

static void test_known_sum(void **state)
{
	/*
	 * By hand: 0a4d + 0001 + 0a4d + 0002 + 0011 + 000a + 1f6e + 9c40 + 000a + 0000 + 6869 =
	 * 138d9; 38d9 + 1 = 38da; ~38da = c725.
	 */
	const size_t size = dp_frame_build_udp(memory, &way, slice_text("hi"), 0);

	(void)state;
	assert_int_equal(size, 44);
	assert_int_equal(memory[40] << 8 | memory[41], 0xc725);
}

static void test_each_wrong_header_has_its_reason(void **state)
{
	const size_t size = dp_frame_build_udp(memory, &way, slice_text("abcd"), 0);
	uint8_t good[64];
	const struct {
		size_t offset;
		uint8_t value;
		enum dp_frame_fault fault;
	} cases[] = {
		{0, 0x55, DP_FRAME_IP_HEADER}, /* version */
		{0, 0x44, DP_FRAME_IP_HEADER}, /* header of 16 bytes */
		{8, 0, DP_FRAME_IP_HEADER},    /* time to live */
		{6, 0x20, DP_FRAME_FRAGMENT},  /* more fragments */
		{7, 1, DP_FRAME_FRAGMENT},     /* an offset */
		{9, 6, DP_FRAME_PROTOCOL},     /* TCP */
		{3, 19, DP_FRAME_SHORT},       /* total length under the header's */
		{3, 27, DP_FRAME_SHORT},       /* under UDP's header */
		{3, 29, DP_FRAME_SHORT},       /* under UDP's length */
		{3, 200, DP_FRAME_SHORT},      /* over the frame */
		{12, 0xe0, DP_FRAME_ADDRESS},  /* from a group */
		{12, 0xff, DP_FRAME_ADDRESS},  /* from everybody */
		{12, 0, DP_FRAME_ADDRESS},     /* from nobody */
	};

	(void)state;
	memcpy(good, memory, size);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(memory, good, size);
		set_ip(cases[i].offset, cases[i].value);
		assert_int_equal(parse(size), cases[i].fault);
	}
	memcpy(memory, good, size);
	memory[20] ^= 0x40;
	assert_int_equal(parse(size), DP_FRAME_IP_HEADER); /* the sum */
	memcpy(memory, good, size);
	memory[12] = 0x86;
	assert_int_equal(parse(size), DP_FRAME_ETHERTYPE);
	memcpy(memory, good, size);
	memory[6] |= 1;
	assert_int_equal(parse(size), DP_FRAME_ADDRESS);
	memcpy(memory, good, size);
	for (size_t cut = 0; cut < size; cut++) {
		assert_int_equal(parse(cut), DP_FRAME_SHORT);
	}
}

static void test_ip_options_are_skipped(void **state)
{
	const size_t size = dp_frame_build_udp(memory, &way, slice_text("abcd"), 0);
	uint32_t sum = 0;

	(void)state;
	memmove(memory + 38, memory + 34, size - 34);
	memset(memory + 34, 1, 4); /* four no-operations */
	memory[14] = 0x46;
	memory[17] = (uint8_t)(memory[17] + 4);
	memory[24] = 0;
	memory[25] = 0;
	for (size_t i = 14; i < 38; i += 2) {
		sum += (uint32_t)(memory[i] << 8 | memory[i + 1]);
	}
	sum = ~((sum & 0xffff) + (sum >> 16));
	memory[24] = (uint8_t)(sum >> 8);
	memory[25] = (uint8_t)sum;
	assert_int_equal(parse(size + 4), DP_FRAME_GOOD);
	assert_true(slice_equal(frame.payload, slice_text("abcd")));
	assert_int_equal(dp_frame_udp_sum(&frame), DP_SUM_GOOD);
}

static void test_ping_is_turned_round(void **state)
{
	struct dp_frame asked;
	uint32_t sum = 0;

	(void)state;
	memcpy(memory, ping, sizeof(ping));
	assert_int_equal(parse(sizeof(ping)), DP_FRAME_GOOD);
	assert_int_equal(frame.kind, DP_FRAME_ECHO);
	asked = frame;
	dp_frame_turn_echo(memory, sizeof(ping));
	assert_memory_equal(memory, &asked.source_mac, DP_MAC_SIZE);
	assert_memory_equal(memory + 6, &asked.target_mac, DP_MAC_SIZE);
	assert_memory_equal(memory + 26, ping + 30, 4);
	assert_memory_equal(memory + 30, ping + 26, 4);
	assert_int_equal(memory[34], 0);
	assert_memory_equal(memory + 38, ping + 38, sizeof(ping) - 38);
	for (size_t i = 34; i < sizeof(ping); i += 2) {
		sum += (uint32_t)(memory[i] << 8 | memory[i + 1]);
	}
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	/* A reply is not answered again. */
	assert_int_equal(parse(sizeof(ping)), DP_FRAME_PROTOCOL);
	memcpy(memory, ping, sizeof(ping));
	memory[sizeof(ping) - 1] ^= 1;
	assert_int_equal(parse(sizeof(ping)), DP_FRAME_PROTOCOL);
}

static void test_arp_comes_back_as_it_was_built(void **state)
{
	(void)state;
	assert_int_equal(dp_frame_build_arp(memory, DP_ARP_REQUEST, &way), DP_ARP_SIZE);
	assert_int_equal(parse(DP_ARP_SIZE), DP_FRAME_GOOD);
	assert_int_equal(frame.kind, DP_FRAME_ARP);
	assert_int_equal(frame.operation, DP_ARP_REQUEST);
	assert_int_equal(frame.source, way.source);
	assert_int_equal(frame.target, way.target);
	assert_memory_equal(&frame.sender_mac, &way.source_mac, DP_MAC_SIZE);
	assert_int_equal(parse(DP_ARP_SIZE - 1), DP_FRAME_SHORT);
	for (size_t i = 14; i < 22; i++) { /* hardware, protocol, sizes, operation */
		memory[i] ^= 0x80;
		assert_int_equal(parse(DP_ARP_SIZE), DP_FRAME_BAD_ARP);
		memory[i] ^= 0x80;
	}
	memory[22] |= 1; /* a sender that is a group */
	assert_int_equal(parse(DP_ARP_SIZE), DP_FRAME_BAD_ARP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp_comes_back_as_it_was_built),
		cmocka_unit_test(test_padding_is_no_payload),
		cmocka_unit_test(test_udp_sum_tells_damage_from_work_left_to_a_port),
		cmocka_unit_test(test_known_sum),
		cmocka_unit_test(test_each_wrong_header_has_its_reason),
		cmocka_unit_test(test_ip_options_are_skipped),
		cmocka_unit_test(test_ping_is_turned_round),
		cmocka_unit_test(test_arp_comes_back_as_it_was_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
