/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reader.h - a read answered from the published root, on any worker
 *
 * The order of a read (DESIGN 3, law): datagram received -> clock read and lease loaded (acquire),
 * both after the burst -> clock < lease end -> root dereferenced -> read -> reply.
 *
 * Threads: any registered liburcu-qsbr reader, each with a reader of its own.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "store/proto.h"
#include "store/store.h"

/* What the replica publishes for readers. One writer. */
struct paxos_lease_view {
	_Atomic uint64_t lease_end_ns; /* reads before it are linearizable; 0: none */
	_Atomic uint32_t leader;       /* from 1; 0 = not known */
	_Atomic uint32_t role;         /* enum paxos_role */
	_Atomic uint32_t configuration;
	_Atomic uint64_t touched_ns; /* when it was in touch with a leader's majority; 0: never */
};

/* For how long this server has been out of touch, in ms; UINT32_MAX: it never was in touch. */
static inline uint32_t paxos_lease_view_age_ms(const struct paxos_lease_view *view, uint64_t now_ns)
{
	const uint64_t touched_ns = atomic_load_explicit(&view->touched_ns, memory_order_relaxed);
	const uint64_t age_ms = now_ns > touched_ns ? (now_ns - touched_ns) / 1000000 : 0;

	return touched_ns == 0 || age_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)age_ms;
}

enum {
	PAXOS_LOOKS_MAX = 4096,  /* that one read may take, and all of a turn (store.h); 0.3 ms */
	PAXOS_LOOKS_MIN = 64,    /* that one read may take in any turn */
	PAXOS_LOOKS_STAT = 1024, /* with less a directory that is larger is not counted */
};

/* What the reads of a turn may still take; each thread's own. Zero at first. */
struct paxos_looks {
	uint64_t turn_ns; /* which turn that is */
	uint32_t left;
};

enum paxos_read {
	PAXOS_READ_ANSWERED, /* the answer stands in ret_message */
	PAXOS_READ_PASS,     /* not a read, or no lease here: hand it to the replica */
};

/*
 * Answers GET, STAT, LIST, WALK, REV, SELF if the lease (or PROTO_FLAG_STALE) allows it.
 *
 * A page ends when its looks are used up, and says where to go on. STAT counts a directory as far
 * as looks reach, and says if there is more; with less than PAXOS_LOOKS_STAT it is OVERLOADED then.
 *
 * looks        of this thread; a turn is all reads of one now_ns
 * message      PROTO_MESSAGE_SIZE_MAX bytes of the caller; the encoded answer is written there
 * ret_version  for the head of its segments
 */
enum paxos_read paxos_read(const struct paxos_lease_view *view, const struct store *store,
                           uint64_t now_ns, struct paxos_looks *looks, uint8_t node,
                           uint8_t durability, const struct proto_request *request, void *message,
                           size_t *ret_message_size, uint64_t *ret_version);
