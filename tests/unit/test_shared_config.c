/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   who joins takes out of /ctl/config what the leader wrote, and out of anybody else's words
 *         nothing that has no place.
 * Method: a text as the leader makes it, and hostile ones, with a guard behind the result.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/shared_config.h"

enum {
	GUARD_SIZE = 4096, /* more than any text could write beyond */
	GUARD = '\n',
};

/* As ctl_shared_config_cut(); fails if anything beyond the text or the result was touched. */
static bool cut(char text[CTL_TREE_VALUE_SIZE], struct ctl_shared_servers *ret_servers)
{
	static uint8_t text_room[CTL_TREE_VALUE_SIZE + GUARD_SIZE];
	static uint8_t servers_room[sizeof(*ret_servers) + GUARD_SIZE];
	bool is_good;

	memset(text_room, GUARD, sizeof(text_room));
	memset(servers_room, GUARD, sizeof(servers_room));
	memcpy(text_room, text, strlen(text) + 1);
	is_good =
		ctl_shared_config_cut((char *)text_room, (struct ctl_shared_servers *)servers_room);
	for (size_t i = 0; i < GUARD_SIZE; i++) {
		assert_int_equal(text_room[CTL_TREE_VALUE_SIZE + i], GUARD);
		assert_int_equal(servers_room[sizeof(*ret_servers) + i], GUARD);
	}
	memcpy(text, text_room, CTL_TREE_VALUE_SIZE);
	memcpy(ret_servers, servers_room, sizeof(*ret_servers));
	return is_good;
}

/* A text that is as long as may be, of one line again and again. */
static void fill(char text[CTL_TREE_VALUE_SIZE], const char *line)
{
	const size_t size = strlen(line);

	text[0] = '\0';
	for (size_t at = 0; at + size < CTL_TREE_VALUE_SIZE; at += size) {
		memcpy(text + at, line, size + 1);
	}
}

static void test_what_the_leader_wrote_comes_back(void **state)
{
	struct ctl_config config = {
		.cluster = 0x1234, .name = "db", .durability = CTL_DURABILITY_DISK, .boot = "none"};
	struct ctl_tree_member members[STORE_NODES_MAX] = {0};
	struct ctl_shared_servers servers;
	char text[CTL_TREE_VALUE_SIZE];

	(void)state;
	members[0] = (struct ctl_tree_member){.is_voter = true,
	                                      .address = {.ip = 0x0a000001, .port = 8046}};
	members[3] = (struct ctl_tree_member){.is_learner = true,
	                                      .address = {.ip = 0x0a000004, .port = 1}};
	members[5].address = (struct store_address){.ip = 0x0a000006, .port = 1}; /* no member */
	ctl_shared_config(&config, members, text);
	assert_true(cut(text, &servers));
	assert_string_equal(servers.list, "10.0.0.1:8046,10.0.0.4:1");
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		assert_string_equal(servers.addresses[i], i == 0   ? "10.0.0.1:8046"
		                                          : i == 3 ? "10.0.0.4:1"
		                                                   : "");
	}
	assert_non_null(strstr(text, "cluster = 0000000000001234\nname = db\n"));
	assert_null(strstr(text, "server."));
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_every_server_has_a_place(void **state)
{
	char text[CTL_TREE_VALUE_SIZE] = "a = b\n";
	struct ctl_shared_servers servers;
	size_t size = strlen(text), commas = 0;

	(void)state;
	for (unsigned i = STORE_NODES_MAX; i > 0; i--) {
		size += (size_t)snprintf(text + size, sizeof(text) - size,
		                         "server.%u = 255.255.255.255:655%02u\n", i, i);
	}
	assert_true(cut(text, &servers));
	assert_string_equal(text, "a = b\n");
	for (const char *c = servers.list; *c != '\0'; c++) {
		commas += *c == ',' ? 1 : 0;
	}
	assert_int_equal(commas, STORE_NODES_MAX - 1);
	assert_memory_equal(servers.list, "255.255.255.255:65501,255.255.255.255:65502,", 44);
}

static void test_one_server_told_often_is_one(void **state)
{
	struct ctl_shared_servers servers;
	char text[CTL_TREE_VALUE_SIZE];

	(void)state;
	fill(text, "server.2 = 255.255.255.255:65535\n");
	assert_true(cut(text, &servers));
	assert_string_equal(servers.list, "255.255.255.255:65535");
	assert_string_equal(servers.addresses[1], "255.255.255.255:65535");
	assert_string_equal(text, "");
}

static void test_what_makes_no_sense_is_left_out(void **state)
{
	static const char *const lines[] = {
		"server.0 = 10.0.0.1:1\n",
		"server.17 = 10.0.0.1:1\n",
		"server.4294967297 = none\n",
		"server.-1 = 10.0.0.1:1\n",
		"server.1 = none\n",
		"server.1 = 0.0.0.0:8046\n",
		"server.1 = 1000000000000000000000000000000000000000:1\n",
		"server.1 = a.host:1\n",
		"server.1 =\n",
		"\n",
		"=",
		"server.1 = 10.0.0.1:1 ",
	};
	struct ctl_shared_servers servers;
	char text[CTL_TREE_VALUE_SIZE];

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		fill(text, lines[i]);
		assert_false(cut(text, &servers));
		assert_string_equal(servers.list, "");
	}
	text[0] = '\0';
	assert_false(cut(text, &servers));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_leader_wrote_comes_back),
		cmocka_unit_test(test_every_server_has_a_place),
		cmocka_unit_test(test_one_server_told_often_is_one),
		cmocka_unit_test(test_what_makes_no_sense_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
