/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alive.h - which sessions a leader has heard of lately, and which it must end
 *
 *      a page of sessions, by id, each turn --> [ node ] <-- heard: the time alone is written
 *                                                  |
 *      heap by due time: the first is over --> heard later: back, with its new due time
 *                                          --> gone: dropped
 *                                          --> silent: named in the turn's EXPIRE
 *
 * Keep-alives live in the leader's memory; the end of a session is an entry (DESIGN 4.1 k). A new
 * leader counts every time to live afresh. Nodes are found by an exact table (open addressing,
 * linear probing, backward-shift deletion), so a session ends never earlier than promised; how
 * late one was proposed at most is measured.
 *
 * After a sleep of the shell's, what clients sent meanwhile may still wait in its rings: nothing is
 * ended for as long again.
 *
 * Private to consensus/. Pure: allocates only in init. Threads: the replica's.
 */

#include "consensus/core.h"
#include "store/entry.h"
#include "store/proto.h"

enum {
	PAXOS_ALIVE_PAGE = 128,        /* sessions looked for in a turn */
	PAXOS_ALIVE_POPS = 512,        /* nodes looked at in a turn, because their time has come */
	PAXOS_ALIVE_GAP_NS = 2500000,  /* a gap between turns that is a sleep */
	PAXOS_ALIVE_RETRY_NS = 500000, /* what could not be proposed is tried again after */
};

struct paxos_alive_node {
	uint64_t session;
	uint64_t heard_ns;
	uint64_t due_ns; /* by what was heard when it was placed; UINT64_MAX: it is expiring */
	uint32_t slot;   /* of the table */
	uint32_t ttl_ms;
};

struct paxos_alive_slot {
	uint32_t epoch; /* of another leadership: it is empty */
	uint32_t node;  /* its place in the heap */
};

struct paxos_alive {
	struct paxos_alive_node *heap; /* STORE_SESSIONS_MAX, a binary heap by due_ns */
	struct paxos_alive_slot *table;
	uint32_t count;    /* of nodes */
	uint32_t hand;     /* node to look at next for one that is gone, when the heap is full */
	uint64_t epoch;    /* counts leaderships, so that nothing need be wiped between them */
	uint64_t after;    /* the sessions up to this id have a node, or are gone */
	bool is_filled;    /* no session has an id above `after` */
	uint64_t since_ns; /* every time to live counts afresh from here; 0: not yet */
	uint64_t slept_ns; /* the shell told a longer gap than before, and it was not waited for */
	uint64_t gap_ns;   /* as told last */
	uint64_t hold_ns;  /* nothing is ended before */
	uint64_t late_ns;  /* the most that one was proposed after its due time */
};

int paxos_alive_init(struct paxos_alive *alive);
void paxos_alive_deinit(struct paxos_alive *alive);

/* The memory that init takes. */
uint64_t paxos_alive_bytes(void);

/* A leadership begins or ends. */
void paxos_alive_reset(struct paxos_alive *alive);

/* The session's client was heard now. `session` stands in the store. */
void paxos_alive_touch(struct paxos_core *core, struct paxos_alive *alive,
                       const struct store_session *session);

/* The session has ended. */
void paxos_alive_forget(struct paxos_alive *alive, uint64_t session);

/* An EXPIRE that names it is proposed and undecided. */
bool paxos_alive_is_expiring(const struct paxos_alive *alive, uint64_t session);

/* What is left of its time to live, without the drift, in ms; 0: it is over. */
uint32_t paxos_alive_left_ms(const struct paxos_core *core, const struct paxos_alive *alive,
                             const struct store_session *session);

/*
 * A page of sessions with ids above `after`, as many as fit one datagram, `limit` at most if that
 * is not 0. Fills in answer's count, has_more and value, which stands in `memory`.
 */
void paxos_alive_page(const struct paxos_core *core, const struct paxos_alive *alive,
                      uint64_t after, unsigned limit, uint8_t memory[PROTO_PIECE_SIZE],
                      struct proto_answer *answer);

/* Likewise a page of what goes with the session that OWNED names; fills in the answer, too. */
void paxos_alive_owned(const struct paxos_core *core, const struct proto_request *request,
                       uint8_t memory[PROTO_PIECE_SIZE], struct proto_answer *answer);

/* The largest gap between two turns lately, as the shell measured it. */
void paxos_alive_gap(struct paxos_alive *alive, uint64_t gap_ns);

/*
 * A turn of a leader that may serve: looks for sessions it does not know yet, and writes an EXPIRE
 * for those that were silent for their time to live x (1 + drift): as many as one entry names, and
 * with STORE_OWNED_MAX files in all. It must be proposed. False if there are none.
 */
bool paxos_alive_turn(struct paxos_core *core, struct paxos_alive *alive,
                      struct store_entry *ret_entry);

/* There is no room for the entry: that turn is left out, and comes a little later. */
void paxos_alive_wait(struct paxos_core *core, struct paxos_alive *alive);

/* When the next turn is due: 0: at once. Of a leader that may serve. */
uint64_t paxos_alive_deadline_ns(const struct paxos_alive *alive);
