/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every datagram sent to a socket is received or counted as dropped, by the reason.
 * Method: a socket on loopback with the smallest buffer there is, and more sent than it holds.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/udp.h"

enum {
	SENT = 200,
};

static struct {
	struct ctl_udp udp;
	struct sockaddr_in address;
	int sender;
} house;

static int open_house(void **state)
{
	const struct ctl_address loopback = {.ip = INADDR_LOOPBACK};
	socklen_t size = sizeof(house.address);
	struct ctl_reason reason;

	(void)state;
	house.sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (house.sender < 0 || ctl_udp_open(&house.udp, &loopback, &reason) < 0) {
		return -1;
	}
	return getsockname(house.udp.fd, (struct sockaddr *)&house.address, &size);
}

static int close_house(void **state)
{
	(void)state;
	ctl_udp_close(&house.udp);
	return close(house.sender);
}

static void send_one(size_t size)
{
	static const uint8_t bytes[STORE_DATAGRAM_SIZE_MAX + 1];

	assert_int_equal(sendto(house.sender, bytes, size, 0,
	                        (const struct sockaddr *)&house.address, sizeof(house.address)),
	                 size);
}

static void test_what_the_kernel_had_no_room_for_is_counted(void **state)
{
	const int least = 1;
	unsigned received = 0, got;

	(void)state;
	assert_int_equal(setsockopt(house.udp.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
	assert_int_equal(ctl_udp_sums(&house.udp).dropped_lost, 0);
	for (unsigned i = 0; i < SENT; i++) {
		send_one(STORE_DATAGRAM_SIZE_MAX);
	}
	while ((got = ctl_udp_receive(&house.udp)) != 0) {
		received += got;
	}
	assert_true(received > 0);
	assert_true(received < SENT);
	assert_int_equal(ctl_udp_sums(&house.udp).dropped_lost, SENT - received);
}

static void test_datagram_over_the_limit_is_counted(void **state)
{
	struct ctl_address from;
	struct slice bytes;

	(void)state;
	send_one(STORE_DATAGRAM_SIZE_MAX + 1);
	send_one(STORE_DATAGRAM_SIZE_MAX);
	assert_int_equal(ctl_udp_receive(&house.udp), 2);
	assert_false(ctl_udp_datagram(&house.udp, 0, &bytes, &from));
	assert_int_equal(house.udp.counters.dropped_long, 1);
	assert_true(ctl_udp_datagram(&house.udp, 1, &bytes, &from));
	assert_int_equal(bytes.size, STORE_DATAGRAM_SIZE_MAX);
	assert_int_equal(from.ip, INADDR_LOOPBACK);
	assert_int_equal(ctl_udp_sums(&house.udp).dropped_lost, 0);
}

#define IN_HOUSE(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(test_what_the_kernel_had_no_room_for_is_counted),
		IN_HOUSE(test_datagram_over_the_limit_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
