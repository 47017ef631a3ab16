/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is written at one end is read at the other, however the bytes come; whatever a
 *         client sends, the call returns, and what is no TLS is refused; a pair of files that
 *         cannot be served with is refused with a sentence that says which and why.
 * Method: a server's end and a client of OpenSSL in one process, over memory.
 */
#include <errno.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "control/gateway_tls.h"
#include "store/base/prng.h"
#include "tests/unit/tls_fixture.h"

enum {
	BIG = 300000,
	TURNS_MAX = 1000000,
	DAMAGES = 3000,
};

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static struct tls_files files;
static struct ctl_tls_certificate *certificate;
static uint8_t sent[BIG], got[BIG];

static int make_files(void **state)
{
	struct ctl_reason reason;

	(void)state;
	tls_files_make(&files, "P-256", 0, 1);
	assert_int_equal(ctl_tls_certificate_load(&certificate, files.cert, files.key, &reason), 0);
	for (size_t i = 0; i < sizeof(sent); i++) {
		sent[i] = (uint8_t)(i * 31 + (i >> 8));
	}
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	ctl_tls_certificate_free(certificate);
	tls_files_remove(&files);
	return 0;
}

/* --- two ends -------------------------------------------------------------------------------- */

struct pair {
	struct ctl_tls *server;
	struct tls_client client;
	size_t piece; /* bytes are carried in pieces of so many */
};

static void open_pair(struct pair *pair, int version, size_t piece)
{
	*pair = (struct pair){.server = ctl_tls_new(certificate), .piece = piece};
	assert_non_null(pair->server);
	tls_client_open(&pair->client, version);
}

static void close_pair(struct pair *pair)
{
	ctl_tls_free(pair->server);
	tls_client_close(&pair->client);
}

/* What the server has to say, to the client. */
static void carry_out(struct pair *pair)
{
	tls_client_feed(&pair->client, ctl_tls_out(pair->server));
	ctl_tls_sent(pair->server);
	assert_int_equal(ctl_tls_out(pair->server).size, 0);
}

/* One piece to the server, which reads what it can. Returns what read() said last. */
static int carry_in(struct pair *pair, size_t *taken)
{
	uint8_t bytes[16384];
	const size_t size = tls_client_take(
		&pair->client, bytes, pair->piece < sizeof(bytes) ? pair->piece : sizeof(bytes));
	int r = ctl_tls_feed(pair->server, slice_make(bytes, size));

	while (r == 0) {
		r = ctl_tls_read(pair->server, got + *taken,
		                 sizeof(got) - *taken < 7000 ? sizeof(got) - *taken : 7000);
		if (r <= 0) {
			break;
		}
		*taken += (size_t)r;
		r = *taken == sizeof(got) ? 1 : 0;
	}
	carry_out(pair);
	return r;
}

static void shake(struct pair *pair)
{
	size_t taken = 0;

	for (unsigned i = 0; i < TURNS_MAX; i++) {
		const bool is_done = SSL_do_handshake(pair->client.ssl) == 1;

		if (is_done && ctl_tls_is_open(pair->server)) {
			break;
		}
		assert_int_equal(carry_in(pair, &taken), 0);
	}
	assert_true(ctl_tls_is_open(pair->server));
	assert_int_equal(taken, 0);
}

/* All of `sent`, there and back. */
static void exchange(struct pair *pair)
{
	size_t taken = 0;
	int r;

	assert_int_equal(SSL_write(pair->client.ssl, sent, BIG), BIG);
	for (unsigned i = 0; i < TURNS_MAX && taken < BIG; i++) {
		assert_true(carry_in(pair, &taken) >= 0);
	}
	assert_memory_equal(sent, got, BIG);
	assert_int_equal(ctl_tls_write(pair->server, slice_make(sent, BIG)), 0);
	carry_out(pair);
	memset(got, 0, sizeof(got));
	for (taken = 0; taken < BIG; taken += (size_t)r) {
		r = SSL_read(pair->client.ssl, got + taken, (int)(BIG - taken));
		assert_true(r > 0);
	}
	assert_memory_equal(sent, got, BIG);
}

static void test_bytes_come_through(void **state)
{
	static const size_t pieces[] = {1, 5, 1000, SIZE_MAX};
	struct pair pair;

	(void)state;
	for (unsigned i = 0; i < 2 * 4; i++) {
		open_pair(&pair, versions[i % 2], pieces[i / 2]);
		shake(&pair);
		assert_int_equal(SSL_version(pair.client.ssl), versions[i % 2]);
		exchange(&pair);
		exchange(&pair);
		close_pair(&pair);
	}
}

static void test_the_end_is_told(void **state)
{
	struct pair pair;
	size_t taken = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		open_pair(&pair, versions[i], SIZE_MAX);
		shake(&pair);
		assert_int_equal(SSL_write(pair.client.ssl, "last", 4), 4);
		(void)SSL_shutdown(pair.client.ssl);
		taken = 0;
		assert_int_equal(carry_in(&pair, &taken), -EPIPE);
		assert_int_equal(taken, 4); /* what it said before is not lost */
		assert_memory_equal(got, "last", 4);
		ctl_tls_bye(pair.server);
		carry_out(&pair);
		assert_int_equal(SSL_read(pair.client.ssl, got, sizeof(got)), 0);
		assert_int_equal(SSL_get_error(pair.client.ssl, 0), SSL_ERROR_ZERO_RETURN);
		close_pair(&pair);
	}
}

/* New keys of TLS 1.3 are another thing, and may be. */
static void test_nothing_is_renegotiated(void **state)
{
	struct pair pair;
	size_t taken = 0;

	(void)state;
	open_pair(&pair, TLS1_2_VERSION, SIZE_MAX);
	shake(&pair);
	assert_int_equal(SSL_renegotiate(pair.client.ssl), 1);
	(void)SSL_do_handshake(pair.client.ssl);
	assert_int_equal(carry_in(&pair, &taken), 0);
	ERR_clear_error();
	assert_true(SSL_do_handshake(pair.client.ssl) < 0); /* it takes a no for an end */
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	assert_int_equal(carry_in(&pair, &taken), -EPROTO);
	assert_int_equal(taken, 0);
	close_pair(&pair);
	open_pair(&pair, TLS1_3_VERSION, SIZE_MAX);
	shake(&pair);
	assert_int_equal(SSL_key_update(pair.client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	exchange(&pair);
	close_pair(&pair);
}

static void test_no_session_is_resumed(void **state)
{
	struct pair pair;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		SSL_SESSION *session;

		open_pair(&pair, versions[i], SIZE_MAX);
		shake(&pair);
		exchange(&pair);
		session = SSL_get1_session(pair.client.ssl);
		close_pair(&pair);
		open_pair(&pair, versions[i], SIZE_MAX);
		assert_int_equal(SSL_set_session(pair.client.ssl, session), 1);
		shake(&pair);
		assert_int_equal(SSL_session_reused(pair.client.ssl), 0);
		close_pair(&pair);
		SSL_SESSION_free(session);
	}
}

/* --- what is no good ------------------------------------------------------------------------- */

/* Fed as it is. Returns what read() said in the end. */
static int feed_alone(struct ctl_tls *server, struct slice bytes)
{
	uint8_t room[100];
	int r = ctl_tls_feed(server, bytes);

	for (unsigned i = 0; r >= 0 && i < TURNS_MAX; i++) {
		r = ctl_tls_read(server, room, sizeof(room));
		if (r <= 0) {
			break;
		}
	}
	return r;
}

static void test_who_speaks_no_tls_is_refused(void **state)
{
	static const uint8_t rev[] = {0, 0, 0, 4, 8, 1, 16, 5};
	static const uint8_t long_hello[] = {22, 3, 1, 0, 5, 1, 255, 255, 255, 0};
	struct ctl_tls *server = ctl_tls_new(certificate);

	(void)state;
	assert_int_equal(feed_alone(server, slice_make(rev, sizeof(rev))), -EPROTO);
	assert_int_equal(ctl_tls_out(server).size, 0); /* nothing that it could not read */
	assert_int_equal(feed_alone(server, slice_make(rev, sizeof(rev))), -EPROTO);
	ctl_tls_bye(server);
	assert_int_equal(ctl_tls_out(server).size, 0);
	ctl_tls_free(server);
	server = ctl_tls_new(certificate);
	assert_int_equal(feed_alone(server, slice_text("GET / HTTP/1.1\r\n\r\n")), -EPROTO);
	ctl_tls_free(server);
	server = ctl_tls_new(certificate);
	assert_int_equal(feed_alone(server, slice_make(long_hello, sizeof(long_hello))), -EPROTO);
	assert_false(ctl_tls_is_open(server));
	ctl_tls_free(server);
}

static void test_old_versions_are_refused(void **state)
{
	static const int old[] = {TLS1_VERSION, TLS1_1_VERSION};
	struct pair pair;
	size_t taken = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		open_pair(&pair, old[i], SIZE_MAX);
		assert_true(SSL_do_handshake(pair.client.ssl) < 0);
		assert_int_equal(carry_in(&pair, &taken), -EPROTO);
		assert_true(SSL_do_handshake(pair.client.ssl) < 0); /* it was sent an alert */
		assert_int_equal(SSL_get_error(pair.client.ssl, -1), SSL_ERROR_SSL);
		close_pair(&pair);
	}
}

static size_t hello_of(int version, uint8_t *ret_bytes, size_t size)
{
	struct tls_client client;

	tls_client_open(&client, version);
	assert_true(SSL_do_handshake(client.ssl) < 0);
	size = tls_client_take(&client, ret_bytes, size);
	tls_client_close(&client);
	return size;
}

/* However much of a hello is there: it waits for the rest. */
static void test_half_a_hello_waits(void **state)
{
	uint8_t hello[2000];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const size_t size = hello_of(versions[i], hello, sizeof(hello));

		assert_in_range(size, 50, sizeof(hello) - 1);
		for (size_t part = 1; part < size; part++) {
			struct ctl_tls *server = ctl_tls_new(certificate);

			assert_int_equal(feed_alone(server, slice_make(hello, part)), 0);
			assert_int_equal(ctl_tls_out(server).size, 0);
			assert_int_equal(feed_alone(server, slice_make(hello + part, size - part)),
			                 0);
			assert_true(ctl_tls_out(server).size != 0);
			assert_false(ctl_tls_is_open(server));
			ctl_tls_free(server);
		}
	}
}

/* Neither opens: it is refused, or waits for more. */
static void test_damaged_hellos_open_nothing(void **state)
{
	struct prng prng;
	uint8_t hello[2000], bytes[2000];
	unsigned refused = 0;

	(void)state;
	prng_init(&prng, 7);
	for (unsigned i = 0; i < DAMAGES; i++) {
		const size_t size = hello_of(versions[i % 2], hello, sizeof(hello));
		struct ctl_tls *server = ctl_tls_new(certificate);
		int r;

		memcpy(bytes, hello, size);
		for (unsigned n = 0; n <= i % 4; n++) {
			bytes[prng_below(&prng, i % 3 == 0 ? 16 : size)] =
				(uint8_t)prng_next(&prng);
		}
		r = feed_alone(server, slice_make(bytes, size));
		assert_true(r == 0 || r == -EPROTO);
		refused += r != 0 ? 1 : 0;
		if (r == 0) {
			for (size_t n = 0; n < sizeof(bytes); n++) {
				bytes[n] = (uint8_t)prng_next(&prng);
			}
			r = feed_alone(server, slice_make(bytes, sizeof(bytes)));
			assert_true(r == 0 || r == -EPROTO);
		}
		assert_false(ctl_tls_is_open(server));
		ctl_tls_free(server);
	}
	assert_true(refused > DAMAGES / 10);
}

static void test_a_damaged_record_ends_it(void **state)
{
	uint8_t bytes[2000];
	struct pair pair;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		size_t size;

		open_pair(&pair, versions[i], SIZE_MAX);
		shake(&pair);
		assert_int_equal(SSL_write(pair.client.ssl, sent, 1000), 1000);
		size = tls_client_take(&pair.client, bytes, sizeof(bytes));
		assert_in_range(size, 1000, sizeof(bytes) - 1);
		bytes[500] ^= 1;
		assert_int_equal(feed_alone(pair.server, slice_make(bytes, size)), -EPROTO);
		assert_int_equal(ctl_tls_write(pair.server, slice_make(sent, 10)), -EPROTO);
		close_pair(&pair);
	}
}

/* --- files ----------------------------------------------------------------------------------- */

static void refused(const char *chain, const char *key, int expected, const char *first,
                    const char *second)
{
	struct ctl_tls_certificate *none = NULL;
	struct ctl_reason reason;

	assert_int_equal(ctl_tls_certificate_load(&none, chain, key, &reason), expected);
	assert_null(none);
	if (strstr(reason.text, first) == NULL || strstr(reason.text, second) == NULL) {
		fail_msg("%s", reason.text);
	}
}

static void test_unfit_files_are_refused(void **state)
{
	struct tls_files other, locked, weak;

	(void)state;
	tls_files_make(&other, "RSA", 2048, 1);
	tls_files_make(&locked, "P-256", 0, 1);
	tls_files_lock(locked.key);
	tls_files_make(&weak, "RSA", 512, 1);
	refused("/nowhere/cert", files.key, -ENOENT, "gateway_tls_cert", "/nowhere/cert");
	refused(files.cert, "/nowhere/key", -ENOENT, "gateway_tls_key", "/nowhere/key");
	refused(files.key, files.cert, -EINVAL, "gateway_tls_cert", "no start line");
	refused(files.cert, files.cert, -EINVAL, "gateway_tls_key", "no private key");
	refused(files.cert, other.key, -EINVAL, "gateway_tls_key", "not the key of");
	refused(other.cert, files.key, -EINVAL, "gateway_tls_key", "not the key of");
	refused(locked.cert, locked.key, -EINVAL, "gateway_tls_key", "without a passphrase");
	refused(weak.cert, weak.key, -EINVAL, "gateway_tls_cert", "too small");
	refused(files.folder, files.key, -EINVAL, "gateway_tls_cert", files.folder);
	tls_files_write(other.cert, slice_make(sent, sizeof(sent)));
	refused(other.cert, other.key, -EINVAL, "gateway_tls_cert", other.cert);
	tls_files_remove(&other);
	tls_files_remove(&locked);
	tls_files_remove(&weak);
}

static void test_its_end_is_known(void **state)
{
	struct tls_files old;
	struct ctl_tls_certificate *over;
	struct ctl_reason reason;
	char text[CTL_TLS_TIME_SIZE];

	(void)state;
	assert_true(ctl_tls_certificate_until(certificate, text));
	assert_int_equal(strlen(text), strlen("2026-01-01T00:00:00Z"));
	tls_files_make(&old, "P-256", 0, -1);
	assert_int_equal(ctl_tls_certificate_load(&over, old.cert, old.key, &reason), 0);
	assert_false(ctl_tls_certificate_until(over, text));
	ctl_tls_certificate_free(over);
	tls_files_remove(&old);
}

/* A certificate may go before the connections that were made with it. */
static void test_an_end_outlives_its_certificate(void **state)
{
	struct ctl_tls_certificate *shared = certificate;
	struct ctl_reason reason;
	struct pair pair;

	(void)state;
	assert_int_equal(ctl_tls_certificate_load(&certificate, files.cert, files.key, &reason), 0);
	open_pair(&pair, TLS1_3_VERSION, SIZE_MAX);
	ctl_tls_certificate_free(certificate);
	certificate = shared;
	shake(&pair);
	exchange(&pair);
	close_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_come_through),
		cmocka_unit_test(test_the_end_is_told),
		cmocka_unit_test(test_nothing_is_renegotiated),
		cmocka_unit_test(test_no_session_is_resumed),
		cmocka_unit_test(test_who_speaks_no_tls_is_refused),
		cmocka_unit_test(test_old_versions_are_refused),
		cmocka_unit_test(test_half_a_hello_waits),
		cmocka_unit_test(test_damaged_hellos_open_nothing),
		cmocka_unit_test(test_a_damaged_record_ends_it),
		cmocka_unit_test(test_unfit_files_are_refused),
		cmocka_unit_test(test_its_end_is_known),
		cmocka_unit_test(test_an_end_outlives_its_certificate),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
