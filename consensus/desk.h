/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * desk.h - where clients are served: requests become answers, or entries that become answers
 *
 *      datagram --> assembly --> request --read---> reader.h: lease, or stale      --> answer
 *                                       |  `-no lease--> waits for a quorum round  --> answer
 *                                       `-write--> session known, number new --> log
 *                                                                                  |
 *                                      answer <-- applied <-- decided <------------'
 *
 * A watch (watches.h) is kept by whichever server takes part; its pages are answers.
 *
 * Exactly once: DESIGN 4.1 l. Expiry of sessions: 4.1 k. A server that does not lead refers.
 *
 * Private to consensus/. Pure: allocates only in init. Threads: the replica's.
 */

#include "consensus/alive.h"
#include "consensus/core.h"
#include "consensus/leader.h"
#include "consensus/reader.h"
#include "consensus/watches.h"
#include "store/assembly.h"

enum {
	PAXOS_READS_MAX = 512,      /* reads that wait for a quorum round */
	PAXOS_READ_SIZE_MAX = 1280, /* of such a request */
	PAXOS_OPENED_MAX = 1024,    /* sessions made lately, to know an OPEN sent again */
};

/* A write that was proposed and not yet applied; found by its index. */
struct paxos_pending {
	uint64_t index;
	uint64_t epoch; /* of the leadership that proposed it */
	uint64_t session, secret, number;
	enum proto_verb verb;
	struct paxos_address address;
};

struct paxos_waiting_read {
	uint64_t round; /* may be answered when a majority has answered this round */
	struct proto_head head;
	uint16_t flags;
	enum proto_verb verb;
	struct paxos_address address;
	uint16_t size;
	uint8_t message[PAXOS_READ_SIZE_MAX];
};

struct paxos_desk {
	struct paxos_lease_view view; /* for all workers */
	struct paxos_looks looks;
	struct assembly *assembly;
	struct paxos_watches *watches;
	uint8_t *message; /* PROTO_MESSAGE_SIZE_MAX */

	struct paxos_pending *pending; /* a ring by index, log_entries long */
	uint64_t *inflight;            /* index by hash of (secret, number), as long */

	struct paxos_waiting_read *reads;
	unsigned reads_first, reads_count;

	struct {
		uint64_t secret, session;
	} opened[PAXOS_OPENED_MAX];
	struct paxos_alive alive; /* its epoch names the leadership */
};

int paxos_desk_init(struct paxos_core *core, struct paxos_desk *desk);
void paxos_desk_deinit(struct paxos_desk *desk);

/* The memory that init took. */
uint64_t paxos_desk_bytes(const struct paxos_core *core, const struct paxos_desk *desk);

/*
 * An opened datagram of kind REQUEST. `leader` is NULL unless this server leads; `next_round` is
 * the number of the first heartbeat round that is begun after this.
 */
void paxos_desk_request(struct paxos_core *core, struct paxos_desk *desk,
                        const struct paxos_leader *leader, const struct paxos_address *address,
                        const struct store_datagram *datagram, uint64_t next_round);
/* A datagram of another version: a typed refusal. */
void paxos_desk_refuse_version(struct paxos_core *core, struct paxos_desk *desk,
                               const struct paxos_address *address);

/* Entry `index` was applied: answers who waits for it. */
void paxos_desk_applied(struct paxos_core *core, struct paxos_desk *desk, uint64_t index,
                        const struct store_entry *entry, const struct store_result *result);

/* Stores what readers may rely on. Before anything else is done when leadership ends. */
void paxos_desk_lease(struct paxos_core *core, struct paxos_desk *desk, uint64_t lease_end_ns);

/*
 * True if reads wait for a round later than those begun so far: the caller begins one, and calls
 * paxos_desk_rounds() with the number of the last that a majority has answered, once everything
 * that it counted or told as decided, and L0, is applied (4.1 h).
 */
bool paxos_desk_wants_round(const struct paxos_desk *desk, uint64_t last_round);
void paxos_desk_rounds(struct paxos_core *core, struct paxos_desk *desk, uint64_t answered_round);

/* Leadership begins or ends: nothing is pending, nobody waits. */
void paxos_desk_reset(struct paxos_core *core, struct paxos_desk *desk);
