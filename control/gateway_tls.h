/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gateway_tls.h - the server's end of a TLS connection, as bytes in and bytes out
 *
 *      socket --> feed  [ one end ]  read --> frames
 *      socket <-- out   [         ] write <-- answers
 *
 * TLS 1.2 and 1.3 by OpenSSL, over memory: no socket, no clock, no thread. No session is resumed,
 * nothing is renegotiated, no early data is taken, no certificate is asked from a client; TLS 1.2
 * only with ciphers that are forward secret. Whatever was fed, each call returns: what is no TLS is
 * -EPROTO, and stays so.
 *
 * Memory: an idle end holds some 16 KiB; while bytes of a record or of a handshake are missing, a
 * record of 16 KiB or a hello of 128 KiB more; and what was fed and not read.
 *
 * Threads: a certificate may be shared by ends of one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "control/reason.h"
#include "store/base/slice.h"

enum {
	CTL_TLS_TIME_SIZE = 32
};

struct ctl_tls_certificate;
struct ctl_tls;

/*
 * Reads a certificate with its chain, and its key, out of PEM files. 0, or a negative errno and the
 * sentence: -EINVAL for what cannot be served with.
 */
int ctl_tls_certificate_load(struct ctl_tls_certificate **ret_certificate, const char *chain_path,
                             const char *key_path, struct ctl_reason *ret_reason);

/* When it ends, as text. False: that is over. */
bool ctl_tls_certificate_until(const struct ctl_tls_certificate *certificate,
                               char ret_text[CTL_TLS_TIME_SIZE]);

/* Ends that were made with it may go on. NULL is fine. */
void ctl_tls_certificate_free(struct ctl_tls_certificate *certificate);

/* NULL: no memory. */
struct ctl_tls *ctl_tls_new(const struct ctl_tls_certificate *certificate);
void ctl_tls_free(struct ctl_tls *tls);

/* Bytes from the other end; copied. 0, -ENOMEM, or -EPROTO: it does not even begin as TLS does. */
int ctl_tls_feed(struct ctl_tls *tls, struct slice bytes);

/*
 * Goes on with the handshake, then takes up to `size` bytes out of what was fed. Returns how many;
 * 0: more has to be fed; -EPIPE: the other end has said that it is done; -EPROTO.
 */
int ctl_tls_read(struct ctl_tls *tls, void *ret_bytes, size_t size);

/* The handshake is done. */
bool ctl_tls_is_open(const struct ctl_tls *tls);

/* Bytes for the other end of an open one. 0; -EPROTO, for want of memory too; -EPIPE: as above. */
int ctl_tls_write(struct ctl_tls *tls, struct slice bytes);

/* Says that nothing more comes, if it is open. */
void ctl_tls_bye(struct ctl_tls *tls);

/*
 * What is to be sent after any of these calls, an alert after -EPROTO too; borrowed until the next
 * call. ctl_tls_sent() drops it.
 */
struct slice ctl_tls_out(const struct ctl_tls *tls);
void ctl_tls_sent(struct ctl_tls *tls);
