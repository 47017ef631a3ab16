/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a good configuration is read as it was meant; a wrong one is refused with one sentence
 *         that names the file, the line and the mend.
 * Method: texts, parsed; and a table of wrong lines with words their sentences must hold.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/config.h"
#include "control/host.h"

#define GOOD                                                                                       \
	"cluster = c0ffee\n"                                                                       \
	"node = 2\n"                                                                               \
	"server.1 = 127.0.0.1:8101\n"                                                              \
	"server.2 = 127.0.0.1:8102\n"                                                              \
	"server.3 = 127.0.0.1:8103\n"

/* Knows one name, in words of its own. */
static int resolve(const char *host, uint32_t *ret_ip, struct ctl_reason *ret_reason)
{
	if (strcmp(host, "a.example") != 0) {
		ctl_reason_say(ret_reason, "nobody knows %s", host);
		return -EHOSTUNREACH;
	}
	*ret_ip = 0x0a000001;
	return 0;
}

static int parse(struct ctl_config *config, struct ctl_reason *reason, const char *text)
{
	reason->text[0] = '\0';
	return ctl_config_parse(config, "x.conf", slice_text(text), resolve, reason);
}

static void test_what_is_not_given_has_its_default(void **state)
{
	struct ctl_config config;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(parse(&config, &reason, GOOD), 0);
	assert_int_equal(config.cluster, 0xc0ffee);
	assert_int_equal(config.node, 2);
	assert_int_equal(config.count, 3);
	assert_int_equal(config.servers[2].ip, 0x7f000001);
	assert_int_equal(config.servers[2].port, 8103);
	assert_int_equal(config.listen.port, 8102);
	assert_false(config.listen.is_none);
	assert_true(config.web.is_none);
	assert_int_equal(config.transport, CTL_TRANSPORT_KERNEL);
	assert_int_equal(config.poll, CTL_POLL_ADAPTIVE);
	assert_string_equal(config.log, "stderr");
	assert_string_equal(config.data, "/var/lib/coffer");
	assert_int_equal(config.cores.count, 0);
	assert_int_equal(config.heartbeat_ns, 10000000);
	assert_int_equal(config.workers, 1);
}

static void test_servers_may_be_named_by_their_hosts(void **state)
{
	struct ctl_config config;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(
		parse(&config, &reason, "cluster = 1\nnode = 1\nserver.1 = a.example:8101\n"), 0);
	assert_int_equal(config.servers[0].ip, 0x0a000001);
	assert_int_equal(config.servers[0].port, 8101);
	assert_int_equal(config.listen.ip, 0x0a000001);
	assert_int_equal(
		parse(&config, &reason, "cluster = 1\nnode = 1\nserver.1 = b.example:8101\n"),
		-EINVAL);
	assert_non_null(strstr(reason.text, "x.conf:3:"));
	assert_non_null(strstr(reason.text, "nobody knows b.example"));
	assert_int_equal(parse(&config, &reason,
	                       "cluster = 1\nnode = 1\nserver.1 = a.example:8101\n"
	                       "server.2 = 10.0.0.1:8101\nmembers = 1\n"),
	                 -EINVAL);
	assert_non_null(strstr(reason.text, "has the address of `server.1`"));
}

static void test_the_system_resolves_names(void **state)
{
	struct ctl_reason reason = {{0}};
	uint32_t ip = 0;

	(void)state;
	assert_int_equal(ctl_host_resolve("localhost", &ip, &reason), 0);
	assert_int_equal(ip, 0x7f000001);
	assert_int_equal(ctl_host_resolve("a..b", &ip, &reason), -EHOSTUNREACH);
	assert_non_null(strstr(reason.text, "a..b cannot be resolved"));
	assert_int_equal(ip, 0x7f000001);
}

static void test_every_key_is_read(void **state)
{
	struct ctl_config config;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(
		parse(&config, &reason,
	              "# a comment\n\n" GOOD "  data=/tmp/a#b # not a comment before the blank\r\n"
	              "transport = dpdk\nlisten = none\nmanagement = /tmp/s\nlog = /tmp/l\n"
	              "poll = spin\nsleep_max_us = 50\nworkers = 2\ncores = 3,1\nno_huge = yes\n"
	              "memory_mb = 64\nport.1 = link /tmp/1-2 second peer 1\n"
	              "port.3 = link /tmp/2-3 first peer 3\nport.4 = link /tmp/c first clients\n"
	              "port.5 = ethdev net_af_packet0,iface=veth1 address 10.77.0.1/24 gateway "
	              "10.77.0.254\n"
	              "heartbeat_ms = 0.5\nlease_ms = 2\nsuspicion_ms = 2.25\ndrift_ppm = 7\n"
	              "log_mb = 8\nlog_entries = 2048\nwindow = 64\nquota_mb = 5\n"
	              "sessions_max = 100\npriority = 9\ndurability = memory"),
		0);
	assert_string_equal(config.data, "/tmp/a#b");
	assert_true(config.listen.is_none);
	assert_int_equal(config.cores.count, 2);
	assert_int_equal(config.cores.numbers[0], 3);
	assert_int_equal(config.no_huge, 1);
	assert_true(config.ports[0].given);
	assert_false(config.ports[1].given);
	assert_true(config.ports[0].second);
	assert_int_equal(config.ports[0].peer, 1);
	assert_string_equal(config.ports[2].device, "/tmp/2-3");
	assert_int_equal(config.ports[3].peer, 0);
	assert_int_equal(config.ports[4].kind, CTL_PORT_ETHDEV);
	assert_int_equal(config.ports[4].address, 0x0a4d0001);
	assert_int_equal(config.ports[4].prefix, 24);
	assert_int_equal(config.ports[4].gateway, 0x0a4d00fe);
	assert_int_equal(config.heartbeat_ns, 500000);
	assert_int_equal(config.suspicion_ns, 2250000);
	assert_int_equal(config.sessions_max, 100);
	assert_int_equal(config.priority, 9);
}

/* Each is a sixth line behind GOOD; then what the sentence must hold. */
static const char *const wrong[][3] = {
	{"hearbeat_ms = 10", "x.conf:6:", "did you mean `heartbeat_ms`"},
	{"colour = blue", "x.conf:6:", "--print-config"},
	{"window", "x.conf:6:", "key = value"},
	{"= 4", "x.conf:6:", "unknown key"},
	{"window = 65", "x.conf:6:", "1 to 64"},
	{"window = -1", "x.conf:6:", "a decimal number"},
	{"window = 99999999999999999999", "x.conf:6:", "a decimal number"},
	{"window =", "x.conf:6:", "a decimal number"},
	{"heartbeat_ms = 1.", "x.conf:6:", "milliseconds"},
	{"heartbeat_ms = 0.0000001", "x.conf:6:", "milliseconds"},
	{"heartbeat_ms = 0.001", "x.conf:6:", "0.01 to 10000"},
	{"node = 1", "x.conf:6:", "line 2"},
	{"transport = tcp", "x.conf:6:", "kernel|dpdk"},
	{"durability = paper", "x.conf:6:", "memory"},
	{"segment_mb = 1", "x.conf:6:", "segment_mb"},
	{"listen = 127.0.0.1:9999", "x.conf:6:", "server.2"},
	{"listen = none", "x.conf:6:", "transport dpdk"},
	{"listen = localhost:80", "x.conf:6:", "IPv4"},
	{"server.5 = 127.0.0.1:1", "x.conf:6:", "without a gap"},
	{"server.4 = 127.0.0.1:8101", "x.conf:6:", "address of `server.1`"},
	{"server.4 = 127.0.0.1:0", "x.conf:6:", "IPv4"},
	{"server.17 = 127.0.0.1:1", "x.conf:6:", "from 1 to 16"},
	{"server.0 = 127.0.0.1:1", "x.conf:6:", "from 1 to 16"},
	{"server.x = 127.0.0.1:1", "x.conf:6:", "unknown key"},
	{"server.4 = 127.0.0.1:8104", "x.conf:", "1, 3, 5 or 7"},
	{"members = 1 2 4", "x.conf:6:", "names a server"},
	{"transport = dpdk", "x.conf:6:", "port.N"},
	{"transport = dpdk\nport.1 = link /a first clients", "x.conf:3:", "second peer 1"},
	{"transport = dpdk\nport.1 = link /a second peer 1", "x.conf:5:", "first peer 3"},
	{"transport = dpdk\nport.1 = ethdev e address 10.0.0.1/24",
         "x.conf:3:", "address of `server.2`"},
	{"port.1 = link /a", "x.conf:6:", "link PATH"},
	{"port.1 = pipe /a", "x.conf:6:", "ethdev"},
	{"port.1 = link /a first peer 1", "x.conf:6:", "second"},
	{"port.1 = link /a first peer 2", "x.conf:6:", "not another server"},
	{"port.1 = link /a first peer 4", "x.conf:6:", "not another server"},
	{"port.1 = ethdev e address 10.0.0.1", "x.conf:6:", "PREFIX"},
	{"port.1 = ethdev e address 10.0.0.1/33", "x.conf:6:", "PREFIX"},
	{"port.17 = link /a first clients", "x.conf:6:", "from 1 to 16"},
	{"cores = 1,,2", "x.conf:6:", "cores"},
	{"cores = 1,", "x.conf:6:", "cores"},
	{"cores = 1,1", "x.conf:6:", "cores"},
	{"lease_ms = 5000", "x.conf:6:", "suspicion_ms"},
	{"heartbeat_ms = 60", "x.conf:6:", "two heartbeats"},
	{"log_entries = 3000", "x.conf:6:", "power of two"},
	{"data =", "x.conf:6:", "a path"},
	{"gateway_tls_cert = /c", "x.conf:6:", "without `gateway_tls_key`"},
	{"gateway_tls_key = /k", "x.conf:6:", "without `gateway_tls_cert`"},
	{"gateway_tls_key = /k\ngateway_tls_cert = none",
         "x.conf:6:", "without `gateway_tls_cert`"},
	{"gateway_patience_ms = 50", "x.conf:6:", "100 to 600000"},
	{"log = \x01", "x.conf:6:", "control character"},
};

static void test_wrong_line_is_refused_by_place_and_mend(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ctl_config config = {.node = 77};
		struct ctl_reason reason;
		char text[1024];

		(void)snprintf(text, sizeof(text), "%s%s\n", GOOD, wrong[i][0]);
		if (parse(&config, &reason, text) != -EINVAL) {
			fail_msg("taken: %s", wrong[i][0]);
		}
		if (strstr(reason.text, wrong[i][1]) == NULL ||
		    strstr(reason.text, wrong[i][2]) == NULL) {
			fail_msg("`%s` is refused with: %s", wrong[i][0], reason.text);
		}
		assert_null(strchr(reason.text, '\n'));
		assert_int_equal(config.node, 77);
	}
}

static void test_ethdev_leads_to_whoever_has_no_link(void **state)
{
	struct ctl_config config;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(parse(&config, &reason,
	                       GOOD "transport = dpdk\nport.1 = link /a first peer 3\n"
	                            "port.2 = ethdev net_af_packet0,iface=x address 127.0.0.1/8\n"),
	                 0);
}

static void test_missing_keys_are_named(void **state)
{
	struct ctl_config config;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(parse(&config, &reason, ""), -EINVAL);
	assert_non_null(strstr(reason.text, "`cluster` is missing"));
	assert_int_equal(parse(&config, &reason, "cluster = 1\n"), -EINVAL);
	assert_non_null(strstr(reason.text, "`node` is missing"));
	assert_int_equal(parse(&config, &reason, "cluster = 1\nnode = 1\n"), -EINVAL);
	assert_non_null(strstr(reason.text, "0 servers are given"));
	assert_int_equal(parse(&config, &reason, "cluster = 1\nnode = 2\nserver.1 = 10.0.0.1:1\n"),
	                 -EINVAL);
	assert_non_null(strstr(reason.text, "there is no `server.2`"));
	assert_int_equal(parse(&config, &reason, "cluster = 1\nnode = 1\nserver.1 = 0.0.0.0:1\n"),
	                 -EINVAL);
	assert_non_null(strstr(reason.text, "x.conf:3:"));
	assert_int_equal(parse(&config, &reason, "cluster = 0\n"), -EINVAL);
	assert_int_equal(parse(&config, &reason, "cluster = 12345678901234567\n"), -EINVAL);
}

static void test_line_that_is_too_long_is_refused(void **state)
{
	char text[CTL_LINE_SIZE_MAX + 2];
	struct ctl_config config;
	struct ctl_reason reason;

	(void)state;
	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse(&config, &reason, text), -EINVAL);
	assert_non_null(strstr(reason.text, "x.conf:1: a line has at most"));
}

static void test_file_that_is_not_there_is_named(void **state)
{
	struct ctl_config config;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(ctl_config_load(&config, "/nowhere/x.conf", &reason), -ENOENT);
	assert_non_null(strstr(reason.text, "/nowhere/x.conf"));
	assert_int_equal(ctl_config_load(&config, "/dev/zero", &reason), -EINVAL);
	assert_non_null(strstr(reason.text, "too large"));
	assert_int_equal(ctl_config_load(&config, "/", &reason), -EISDIR);
}

/* The printed configuration, with the lines of the keys that `is_wanted` says switched on. */
static void switch_on(char *text, bool (*is_wanted)(const char *line))
{
	for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
		if (line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' && is_wanted(line + 1)) {
			line[0] = ' ';
		}
	}
}

static bool is_required(const char *line)
{
	return strncmp(line, "cluster", 7) == 0 || strncmp(line, "node", 4) == 0 ||
	       strncmp(line, "server.", 7) == 0;
}

static bool is_any(const char *line)
{
	return line[0] != '\0';
}

static char *print_config(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	ctl_config_print(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_printed_configuration_shows_the_defaults(void **state)
{
	char *few = print_config(), *all = print_config();
	struct ctl_config given, defaults;
	struct ctl_reason reason;
	unsigned count;
	const struct ctl_key *keys = ctl_config_keys(&count);

	(void)state;
	assert_int_equal(parse(&given, &reason, few), -EINVAL);
	switch_on(few, is_required);
	switch_on(all, is_any);
	assert_int_equal(parse(&defaults, &reason, few), 0);
	assert_int_equal(parse(&given, &reason, all), 0);
	for (unsigned i = 0; i < count; i++) {
		const char *printed = (const char *)&given + keys[i].offset;
		const char *meant = (const char *)&defaults + keys[i].offset;
		char word[64];

		/* The line itself, behind its comment. */
		(void)snprintf(word, sizeof(word), "\n %.*s", (int)strcspn(keys[i].name, "N"),
		               keys[i].name);
		assert_non_null(strstr(all, word));
		if (keys[i].type == CTL_KEY_TEXT) {
			assert_string_equal(printed, meant);
		} else if (keys[i].type != CTL_KEY_PORT) {
			assert_memory_equal(printed, meant, sizeof(uint64_t));
		}
	}
	assert_true(given.ports[1].given);
	free(few);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_given_has_its_default),
		cmocka_unit_test(test_servers_may_be_named_by_their_hosts),
		cmocka_unit_test(test_the_system_resolves_names),
		cmocka_unit_test(test_every_key_is_read),
		cmocka_unit_test(test_wrong_line_is_refused_by_place_and_mend),
		cmocka_unit_test(test_ethdev_leads_to_whoever_has_no_link),
		cmocka_unit_test(test_missing_keys_are_named),
		cmocka_unit_test(test_line_that_is_too_long_is_refused),
		cmocka_unit_test(test_file_that_is_not_there_is_named),
		cmocka_unit_test(test_printed_configuration_shows_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
