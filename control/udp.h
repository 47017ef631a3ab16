/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * udp.h - one kernel UDP socket, in bursts
 *
 *      ctl_udp_receive()  -> ctl_udp_datagram(0), (1), ...       one recvmmsg
 *      ctl_udp_queue(), ctl_udp_queue(), ... -> ctl_udp_flush()  one sendmmsg
 *
 * Never blocks. What the kernel does not take is dropped and counted: everything Coffer sends is
 * asked for again. Datagrams are never fragmented (DF); one that is longer than
 * STORE_DATAGRAM_SIZE_MAX is dropped and counted when it comes in.
 *
 * Threads: one at a time. The counters may be read by any.
 */

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#include "consensus/effect.h"
#include "control/config_value.h"
#include "control/reason.h"
#include "store/base/slice.h"
#include "store/limits.h"

enum {
	CTL_UDP_BURST = 64,
	CTL_UDP_BUFFER = 8 << 20,      /* what is asked of the kernel for each direction */
	CTL_UDP_BUFFER_GOOD = 2 << 20, /* less is worth a warning */
};

struct ctl_udp_counters {
	_Atomic uint64_t in, out;
	_Atomic uint64_t bytes_in, bytes_out;
	_Atomic uint64_t dropped_long;    /* in: more bytes than a datagram of ours may have */
	_Atomic uint64_t dropped_source;  /* in: not from an IPv4 address */
	_Atomic uint64_t dropped_full;    /* out: the socket's buffer was full */
	_Atomic uint64_t dropped_refused; /* out: the kernel refused this one (no route, ...) */
};

struct ctl_udp {
	int fd;
	unsigned receive_buffer; /* bytes, as the kernel says */
	unsigned queued;
	struct mmsghdr in[CTL_UDP_BURST], out[CTL_UDP_BURST];
	struct iovec in_bytes[CTL_UDP_BURST], out_bytes[CTL_UDP_BURST];
	struct sockaddr_in in_from[CTL_UDP_BURST], out_to[CTL_UDP_BURST];
	uint8_t memory[CTL_UDP_BURST][STORE_DATAGRAM_SIZE_MAX];
	struct ctl_udp_counters counters;
};

/* Opens and binds. Given back to ctl_udp_close(). 0, or a negative errno and the sentence. */
int ctl_udp_open(struct ctl_udp *udp, const struct ctl_address *listen,
                 struct ctl_reason *ret_reason);
void ctl_udp_close(struct ctl_udp *udp);

/* Takes what has come, at most CTL_UDP_BURST. Returns how many. */
unsigned ctl_udp_receive(struct ctl_udp *udp);

/*
 * One datagram of the last burst; good until the next. False if it is to be dropped (counted
 * here).
 */
bool ctl_udp_datagram(struct ctl_udp *udp, unsigned index, struct slice *ret_bytes,
                      struct ctl_address *ret_from);

/* What was counted so far, for who asks. */
struct ctl_udp_sums {
	uint64_t in, out, bytes_in, bytes_out;
	uint64_t dropped_long, dropped_source, dropped_full, dropped_refused;
	uint64_t dropped_lost; /* in: the socket's buffer was full; the kernel counts in 32 bits */
};

/* Any thread. */
struct ctl_udp_sums ctl_udp_sums(const struct ctl_udp *udp);

/* Queues one datagram; its bytes are borrowed until the next flush. Flushes when full. */
void ctl_udp_queue(struct ctl_udp *udp, const struct ctl_address *to, struct slice bytes);

/* Gives the kernel what is queued. */
void ctl_udp_flush(struct ctl_udp *udp);

/* A client's address as a replica keeps it, and back. The last byte stays zero (mailbox.h). */
struct paxos_address ctl_udp_address(const struct ctl_address *address);
struct ctl_address ctl_udp_address_of(const struct paxos_address *address);
