/* SPDX-License-Identifier: Apache-2.0 */
#include "control/gateway_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/base/check.h"

enum {
	HANDSHAKE_RECORD = 22, /* its first byte: RFC 8446, 5.1 */
	SLIM_SIZE = 4096,      /* what an empty buffer may keep */
};

struct ctl_tls {
	SSL *ssl;
	BIO *in, *out; /* owned by ssl */
	bool is_begun; /* its first byte was good */
	bool is_open;
	int ended; /* 0, -EPIPE or -EPROTO */
};

/* --- the certificate ------------------------------------------------------------------------- */

struct ctl_tls_certificate {
	SSL_CTX *context;
};

/* What OpenSSL said first. */
static const char *why(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	return text != NULL ? text : "no reason is told";
}

/* Nobody is there to type it. */
static int no_passphrase(char *text, int size, int is_new, void *context)
{
	(void)text, (void)size, (void)is_new, (void)context;
	return -1;
}

static int refuse_unreadable(const char *key, const char *path, int r,
                             struct ctl_reason *ret_reason)
{
	ctl_reason_say(ret_reason,
	               "`%s`: %s cannot be read (%s); name a file that this server may read", key,
	               path, strerror(-r));
	return r;
}

static int load_chain(SSL_CTX *context, const char *path, struct ctl_reason *ret_reason)
{
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		return refuse_unreadable("gateway_tls_cert", path, -errno, ret_reason);
	}
	(void)fclose(file); /* it can be read; OpenSSL wants its name */
	if (SSL_CTX_use_certificate_chain_file(context, path) != 1) {
		ctl_reason_say(
			ret_reason,
			"`gateway_tls_cert`: %s is no certificate to serve with (%s); name a "
			"PEM file with a certificate and those that vouch for it",
			path, why());
		return -EINVAL;
	}
	return 0;
}

static int load_key(SSL_CTX *context, const char *path, struct ctl_reason *ret_reason)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key;
	int r = 0;

	if (file == NULL) {
		return refuse_unreadable("gateway_tls_key", path, -errno, ret_reason);
	}
	key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
	(void)fclose(file); /* it was only read */
	if (key == NULL) {
		ctl_reason_say(ret_reason,
		               "`gateway_tls_key`: %s is no private key (%s); name a PEM file with "
		               "one, without a passphrase",
		               path, why());
		r = -EINVAL;
	} else if (X509_check_private_key(SSL_CTX_get0_certificate(context), key) != 1 ||
	           SSL_CTX_use_PrivateKey(context, key) != 1) {
		ctl_reason_say(ret_reason,
		               "`gateway_tls_key`: %s is not the key of `gateway_tls_cert` (%s); "
		               "name two files that belong together",
		               path, why());
		r = -EINVAL;
	}
	EVP_PKEY_free(key);
	return r;
}

/* Whom it speaks with, and how. */
static bool set_rules(SSL_CTX *context)
{
	(void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                           SSL_OP_NO_TICKET |
	                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(context, 0) == 1 &&
	       SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

int ctl_tls_certificate_load(struct ctl_tls_certificate **ret_certificate, const char *chain_path,
                             const char *key_path, struct ctl_reason *ret_reason)
{
	struct ctl_tls_certificate *certificate = malloc(sizeof(*certificate));
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	int r;

	ERR_clear_error();
	if (certificate == NULL || context == NULL || !set_rules(context)) {
		ctl_reason_say(ret_reason, "TLS cannot be had (%s); free some memory", why());
		r = -ENOMEM;
	} else {
		r = load_chain(context, chain_path, ret_reason);
		r = r < 0 ? r : load_key(context, key_path, ret_reason);
	}
	ERR_clear_error();
	if (r < 0) {
		SSL_CTX_free(context);
		free(certificate);
		return r;
	}
	certificate->context = context;
	*ret_certificate = certificate;
	return 0;
}

bool ctl_tls_certificate_until(const struct ctl_tls_certificate *certificate,
                               char ret_text[CTL_TLS_TIME_SIZE])
{
	const X509 *x509 = SSL_CTX_get0_certificate(certificate->context);
	const ASN1_TIME *until = X509_get0_notAfter(x509);
	struct tm parts = {0};

	if (ASN1_TIME_to_tm(until, &parts) != 1 ||
	    strftime(ret_text, CTL_TLS_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
		ret_text[0] = '\0';
	}
	return X509_cmp_current_time(until) > 0;
}

void ctl_tls_certificate_free(struct ctl_tls_certificate *certificate)
{
	if (certificate != NULL) {
		SSL_CTX_free(certificate->context);
		free(certificate);
	}
}

/* --- one end --------------------------------------------------------------------------------- */

struct ctl_tls *ctl_tls_new(const struct ctl_tls_certificate *certificate)
{
	struct ctl_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL) {
		return NULL;
	}
	tls->ssl = SSL_new(certificate->context);
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	if (tls->ssl == NULL || tls->in == NULL || tls->out == NULL) {
		SSL_free(tls->ssl);
		(void)BIO_free(tls->in);
		(void)BIO_free(tls->out);
		free(tls);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	SSL_set_accept_state(tls->ssl);
	return tls;
}

void ctl_tls_free(struct ctl_tls *tls)
{
	if (tls != NULL) {
		SSL_free(tls->ssl);
		free(tls);
	}
}

/* Nothing is left in it: what it has grown to is given back. */
static void slim(BIO *bio)
{
	BUF_MEM *memory = NULL, *fresh;

	(void)BIO_get_mem_ptr(bio, &memory);
	if (BIO_pending(bio) != 0 || memory == NULL || memory->max <= SLIM_SIZE) {
		return;
	}
	fresh = BUF_MEM_new();
	if (fresh != NULL) {
		(void)BIO_set_mem_buf(bio, fresh, BIO_CLOSE);
	}
}

int ctl_tls_feed(struct ctl_tls *tls, struct slice bytes)
{
	must(bytes.size <= INT32_MAX);
	if (tls->ended != 0 || bytes.size == 0) {
		return tls->ended;
	}
	if (!tls->is_begun && bytes.data[0] != HANDSHAKE_RECORD) {
		tls->ended =
			-EPROTO; /* OpenSSL would answer an alert to who speaks something else */
		return tls->ended;
	}
	tls->is_begun = true;
	return BIO_write(tls->in, bytes.data, (int)bytes.size) == (int)bytes.size ? 0 : -ENOMEM;
}

/* Why a call took or gave nothing: 0, more has to be fed; else how it ended. */
static int judge(struct ctl_tls *tls, int said)
{
	switch (SSL_get_error(tls->ssl, said)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		tls->ended = -EPIPE;
		break;
	default:
		tls->ended = -EPROTO;
		break;
	}
	ERR_clear_error();
	return tls->ended;
}

int ctl_tls_read(struct ctl_tls *tls, void *ret_bytes, size_t size)
{
	size_t taken = 0;
	int said = 1;

	must(size != 0 && size <= INT32_MAX);
	if (tls->ended != 0) {
		return tls->ended;
	}
	while (taken < size && said > 0) {
		ERR_clear_error();
		said = SSL_read(tls->ssl, (uint8_t *)ret_bytes + taken, (int)(size - taken));
		taken += said > 0 ? (size_t)said : 0;
	}
	tls->is_open = tls->is_open || SSL_is_init_finished(tls->ssl) == 1;
	if (said <= 0) {
		said = judge(tls, said);
		slim(tls->in);
	}
	return taken != 0 ? (int)taken : said; /* what ended it is told by the next call */
}

bool ctl_tls_is_open(const struct ctl_tls *tls)
{
	return tls->is_open;
}

int ctl_tls_write(struct ctl_tls *tls, struct slice bytes)
{
	int said;

	must(tls->is_open && bytes.size <= INT32_MAX);
	if (tls->ended != 0 || bytes.size == 0) {
		return tls->ended;
	}
	ERR_clear_error();
	said = SSL_write(tls->ssl, bytes.data, (int)bytes.size);
	if (said == (int)bytes.size) {
		return 0;
	}
	ERR_clear_error();
	tls->ended = -EPROTO;
	return tls->ended;
}

void ctl_tls_bye(struct ctl_tls *tls)
{
	/* Not after a failure: OpenSSL forbids it. */
	if (tls->is_open && tls->ended != -EPROTO) {
		ERR_clear_error();
		(void)SSL_shutdown(tls->ssl); /* its answer is not waited for */
		ERR_clear_error();
	}
}

struct slice ctl_tls_out(const struct ctl_tls *tls)
{
	char *data = NULL;
	const long size = BIO_get_mem_data(tls->out, &data);

	return slice_make(data, size > 0 ? (size_t)size : 0);
}

void ctl_tls_sent(struct ctl_tls *tls)
{
	(void)BIO_reset(tls->out);
	slim(tls->out);
}
