/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static FILE *open_new(const char *path)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	return file;
}

static X509 *certify(EVP_PKEY *key, long days)
{
	X509 *x509 = X509_new();
	X509_NAME *name = X509_get_subject_name(x509);

	assert_non_null(x509);
	assert_int_equal(X509_set_version(x509, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x509), -86400 * 2));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x509), 86400 * days));
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	                                            (const unsigned char *)"coffer", -1, -1, 0),
	                 1);
	assert_int_equal(X509_set_issuer_name(x509, name), 1);
	assert_int_equal(X509_set_pubkey(x509, key), 1);
	assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
	return x509;
}

void tls_files_make(struct tls_files *files, const char *kind, unsigned bits, long days)
{
	EVP_PKEY *key = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(bits) : EVP_EC_gen(kind);
	X509 *x509 = certify(key, days);
	FILE *file;

	assert_non_null(key);
	(void)snprintf(files->folder, sizeof(files->folder), "/tmp/coffer-tls-XXXXXX");
	assert_non_null(mkdtemp(files->folder));
	(void)snprintf(files->cert, sizeof(files->cert), "%.100s/cert.pem", files->folder);
	(void)snprintf(files->key, sizeof(files->key), "%.100s/key.pem", files->folder);
	file = open_new(files->cert);
	assert_int_equal(PEM_write_X509(file, x509), 1);
	assert_int_equal(fclose(file), 0);
	file = open_new(files->key);
	assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(file), 0);
	X509_free(x509);
	EVP_PKEY_free(key);
}

void tls_files_remove(const struct tls_files *files)
{
	(void)unlink(files->cert);
	(void)unlink(files->key);
	assert_int_equal(rmdir(files->folder), 0);
}

void tls_files_write(const char *path, struct slice bytes)
{
	FILE *file = open_new(path);

	assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
	assert_int_equal(fclose(file), 0);
}

void tls_files_lock(const char *path)
{
	static const unsigned char passphrase[] = "sesame";
	FILE *file = fopen(path, "re");
	EVP_PKEY *key;

	assert_non_null(file);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	assert_non_null(key);
	assert_int_equal(fclose(file), 0);
	file = open_new(path);
	assert_int_equal(PEM_write_PrivateKey(file, key, EVP_aes_256_cbc(), passphrase,
	                                      sizeof(passphrase) - 1, NULL, NULL),
	                 1);
	assert_int_equal(fclose(file), 0);
	EVP_PKEY_free(key);
}

void tls_client_open(struct tls_client *client, int version)
{
	client->context = SSL_CTX_new(TLS_client_method());
	assert_non_null(client->context);
	if (version < TLS1_2_VERSION) {
		SSL_CTX_set_security_level(client->context, 0); /* it would not even try */
	}
	assert_int_equal(SSL_CTX_set_min_proto_version(client->context, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(client->context, version), 1);
	client->ssl = SSL_new(client->context);
	client->in = BIO_new(BIO_s_mem());
	client->out = BIO_new(BIO_s_mem());
	assert_true(client->ssl != NULL && client->in != NULL && client->out != NULL);
	SSL_set_bio(client->ssl, client->in, client->out);
	SSL_set_connect_state(client->ssl);
}

void tls_client_close(struct tls_client *client)
{
	SSL_free(client->ssl);
	SSL_CTX_free(client->context);
}

size_t tls_client_take(struct tls_client *client, void *ret_bytes, size_t size)
{
	const int taken = BIO_read(client->out, ret_bytes, (int)size);

	return taken > 0 ? (size_t)taken : 0;
}

void tls_client_feed(struct tls_client *client, struct slice bytes)
{
	if (bytes.size != 0) {
		assert_int_equal(BIO_write(client->in, bytes.data, (int)bytes.size), bytes.size);
	}
}
