/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tls_fixture.h - keys and certificates in files, and clients of TLS over memory, for tests
 *
 * Whatever cannot be had fails the test.
 */

#include <openssl/ssl.h>

#include "store/base/slice.h"

enum {
	TLS_PATH_SIZE = 128
};

/* Files of one pair in a folder of their own. */
struct tls_files {
	char folder[TLS_PATH_SIZE], cert[TLS_PATH_SIZE], key[TLS_PATH_SIZE];
};

/* A key ("P-256", or "RSA" of `bits`) and a certificate of it that ends in `days`. */
void tls_files_make(struct tls_files *files, const char *kind, unsigned bits, long days);
void tls_files_remove(const struct tls_files *files);

/* Writes the file anew. */
void tls_files_write(const char *path, struct slice bytes);

/* The key of the file again, locked with a passphrase. */
void tls_files_lock(const char *path);

struct tls_client {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
};

/* One that knows this version alone. */
void tls_client_open(struct tls_client *client, int version);
void tls_client_close(struct tls_client *client);

/* What it has to say, at most `size` bytes; taken. */
size_t tls_client_take(struct tls_client *client, void *ret_bytes, size_t size);
void tls_client_feed(struct tls_client *client, struct slice bytes);
