/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   only a page of this server is believed; numbers come out as a scraper reads them, bytes
 *         as JSON can hold them.
 * Method: tables of headers, good and forged; small statuses; bytes of all kinds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/web_text.h"

static void test_host_is_an_address_or_the_own_name(void **state)
{
	static const char *const good[] = {
		"127.0.0.1", "10.0.0.1:8000", "localhost",          "LOCALHOST:8000", "box",
		"box:8000",  "Box.lan",       "box.example.org:80", "255.255.255.255"};
	static const char *const bad[] = {"",
	                                  "evil.example",
	                                  "boxer",
	                                  "box2:8000",
	                                  "localhost.evil.example",
	                                  "127.0.0.1.evil.example",
	                                  "127.0.0",
	                                  "1.2.3.4.5",
	                                  "1.2.3.",
	                                  "1.2.3.4444",
	                                  "box:",
	                                  "box:80x",
	                                  "box:123456",
	                                  ":8000",
	                                  "?"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(ctl_web_host_good(good[i], "box"));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(ctl_web_host_good(bad[i], "box"));
	}
	assert_false(ctl_web_host_good("evil.example", "")); /* a machine without a name */
}

static void test_origin_is_this_very_host(void **state)
{
	(void)state;
	assert_true(ctl_web_origin_good("", "10.0.0.1:8000"));
	assert_true(ctl_web_origin_good("http://10.0.0.1:8000", "10.0.0.1:8000"));
	assert_true(ctl_web_origin_good("https://Box", "box"));
	assert_false(ctl_web_origin_good("null", "10.0.0.1:8000"));
	assert_false(ctl_web_origin_good("http://10.0.0.1", "10.0.0.1:8000"));
	assert_false(ctl_web_origin_good("http://10.0.0.1:8000.evil", "10.0.0.1:8000"));
	assert_false(ctl_web_origin_good("http://evil", "10.0.0.1:8000"));
	assert_false(ctl_web_origin_good("ftp://10.0.0.1:8000", "10.0.0.1:8000"));
	assert_false(ctl_web_origin_good("http://", ""));
}

static const char *health_of(const char *role, int leader, bool deciding)
{
	json_t *status = json_pack("{s:s, s:i, s:b}", "role", role, "leader", leader, "deciding",
	                           (int)deciding);
	const char *sentence = ctl_web_unhealthy(status);

	json_decref(status);
	return sentence;
}

static void test_health_needs_a_leader(void **state)
{
	json_t *empty = json_object();

	(void)state;
	assert_null(health_of("leader", 1, true));
	assert_null(health_of("follower", 2, false));
	assert_non_null(health_of("leader", 1, false));
	assert_non_null(health_of("follower", 0, false));
	assert_non_null(health_of("outsider", 2, false));
	assert_non_null(ctl_web_unhealthy(empty));
	json_decref(empty);
}

static void test_metrics_are_typed_and_labelled(void **state)
{
	json_t *status =
		json_pack("{s:i, s:i, s:i, s:b, s:f, s:{s:i}, s:{s:i}, s:[{s:i, s:b, s:n, s:f}]}",
	                  "node", 1, "leader", 2, "applied", 7, "deciding", 0, "lease_left_ms",
	                  60.0, "counters", "udp in", 3, "drops", "bad_crc", 4, "peers", "node", 2,
	                  "connected", 1, "heard_ms", "round_trip_us", 250.0);
	char *text = ctl_web_metrics(status);

	(void)state;
	assert_non_null(text);
	assert_non_null(strstr(text, "# TYPE coffer_applied gauge\ncoffer_applied 7\n"));
	assert_non_null(strstr(text, "coffer_leads 0\n"));
	assert_non_null(strstr(text, "coffer_lease_left_seconds 0.06\n"));
	assert_non_null(strstr(text, "coffer_udp_in 3\n"));
	assert_non_null(strstr(text, "coffer_drops_total{reason=\"bad_crc\"} 4\n"));
	assert_non_null(strstr(text, "coffer_peer_connected{peer=\"2\"} 1\n"));
	assert_non_null(strstr(text, "coffer_peer_round_trip_seconds{peer=\"2\"} 0.00025\n"));
	assert_null(strstr(text, "coffer_peer_silent_seconds{")); /* never heard */
	free(text);
	json_decref(status);
}

/* What stands under `key` of the object that holds these bytes. */
static void put_makes(const void *bytes, size_t size, size_t most, const char *key,
                      const char *wanted)
{
	json_t *object = json_object();
	const json_t *value;

	assert_true(ctl_web_put_bytes(object, slice_make(bytes, size), most));
	assert_int_equal(json_integer_value(json_object_get(object, "size")), size);
	value = json_object_get(object, key);
	assert_non_null(value);
	assert_string_equal(json_string_value(value), wanted);
	json_decref(object);
}

static void test_bytes_are_text_or_base64(void **state)
{
	(void)state;
	put_makes("hello", 5, 100, "text", "hello");
	put_makes("hello", 5, 2, "text", "he");
	put_makes(NULL, 0, 100, "text", "");
	put_makes("a\xc3\xa4z", 4, 2, "text", "a"); /* not half a character */
	put_makes("a\xc3\xa4z", 4, 3, "text", "a\xc3\xa4");
	put_makes("\xff", 1, 100, "base64", "/w==");
	put_makes("\xff\x00", 2, 100, "base64", "/wA=");
	put_makes("\xff\x00\xfe", 3, 100, "base64", "/wD+");
	put_makes("\x80\x80\x80\x80\x80", 5, 4, "base64", "gICAgA==");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_is_an_address_or_the_own_name),
		cmocka_unit_test(test_origin_is_this_very_host),
		cmocka_unit_test(test_health_needs_a_leader),
		cmocka_unit_test(test_metrics_are_typed_and_labelled),
		cmocka_unit_test(test_bytes_are_text_or_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
