/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * core.h - what all parts of a replica share: promised, accepted, log, decided
 *
 *      1 ....... decided ....... durable ....... length
 *        applied  |  accepted, its record waits  |
 *
 * `decided` is counted only as fast as it is applied: decided == applied always. `accepted` is
 * the ballot of the log. Promised and accepted only grow.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/ballot.h"
#include "consensus/config.h"
#include "consensus/durable.h"
#include "consensus/lease.h"
#include "consensus/log.h"
#include "consensus/msg.h"
#include "consensus/outbox.h"
#include "consensus/record.h"
#include "consensus/status.h"
#include "consensus/stream.h"
#include "store/base/prng.h"
#include "store/store.h"

enum {
	PAXOS_DURABLE_MARKS = 256
};

/* What a server acknowledged as its log's rank (4.1), in one incarnation of it. */
struct paxos_rank {
	uint64_t incarnation; /* whose this is; kept over silence */
	uint32_t answered;    /* the highest start that answered a heartbeat of ours */
	uint32_t life_start;  /* the highest that told its secret: `life` */
	uint64_t life;
	uint32_t start; /* that told its rank last */
	struct paxos_ballot accepted, former_accepted;
	uint64_t length, former_length; /* former: the highest of earlier starts */
	bool falls;                     /* it came back with less: an older copy of its folder */
};

/* What is known of a member, whoever leads. */
struct paxos_peer {
	uint64_t incarnation;
	uint32_t start;
	uint64_t heard_ns;    /* its last datagram; 0: never */
	uint64_t answered_ns; /* when our latest round that it answered was sent; 0: none */
	bool unhappy;
	uint8_t priority; /* in elections, as told */
	uint64_t poll_gap_ns;
	uint64_t secret;          /* of this start of its process; 0: it has no supervisor */
	struct paxos_ballot over; /* the highest of its own that it said is over, for ever */
	bool is_dead;             /* a start of it was reported dead by who reaped it: this one */
	uint64_t dead_incarnation;
	uint32_t dead_start;
	bool disk_full, disk_late;
	uint64_t snapshot_index; /* of its newest durable snapshot; 0: none told */
	struct store_digest snapshot_digest;
	bool differs; /* it was told that its snapshot is another than ours */
	struct paxos_rank rank;
};

struct paxos_core {
	struct paxos_config config;
	struct store *store;
	struct paxos_outbox outbox;
	struct paxos_log log;
	struct prng prng;
	uint64_t now_ns;

	uint32_t configuration; /* number of the present one, from 1 */
	uint32_t voters;        /* set: who votes in it */
	uint64_t known;         /* decided up to here, as the step into it has shown */
	bool recovering;        /* records are redone, none are written */
	bool takes_part;        /* in a, d and f; false for an outsider (4.1 i) */
	enum paxos_role role;
	int leader; /* as far as known */
	/* When it was in touch with a leader that had a majority; 0: never. */
	uint64_t touched_ns;
	struct paxos_ballot promised;
	struct paxos_ballot accepted;
	uint64_t decided;
	struct paxos_grant grant;

	struct paxos_place persisted; /* the log's first place without a record */
	uint64_t unpersisted_bytes;   /* entries appended since, about */
	uint64_t hint;                /* decided, as last recorded */
	uint64_t accept_record;       /* the record that made `accepted` what it is */
	uint64_t durable_length;
	struct {
		uint64_t record, length;
	} marks[PAXOS_DURABLE_MARKS]; /* when `record` is durable, so is the log up to `length` */
	unsigned marks_first, marks_count;

	struct paxos_durable durable;
	unsigned disk; /* troubles that the journal told */
	bool stalled;  /* the oldest record waits for too long */
	bool is_full;  /* writes that grow are refused */
	bool ended;    /* PAXOS_EFFECT_END was given: nothing is done any more */

	uint64_t snapshot_index; /* of the newest durable one; 0: none */
	struct store_digest snapshot_digest;
	uint64_t holes_first, holes; /* entries that are unknown, the first of them */

	uint64_t poll_gap_ns;
	struct paxos_peer peers[STORE_NODES_MAX];
	struct paxos_status counted; /* only its counters are used */
	uint8_t *scratch;            /* PAXOS_RECORD_SIZE_MAX bytes */
};

/* True if the start of its process that was heard of last was reported dead. */
static inline bool paxos_peer_is_dead(const struct paxos_peer *peer)
{
	return peer->is_dead && peer->dead_incarnation == peer->incarnation &&
	       peer->dead_start == peer->start;
}

int paxos_core_init(struct paxos_core *core, const struct paxos_config *config,
                    struct store *store);
void paxos_core_deinit(struct paxos_core *core);

bool paxos_core_is_disk(const struct paxos_core *core);

/* What heartbeats and their answers tell of the disk: PAXOS_FLAG_FULL, PAXOS_FLAG_LATE. */
uint16_t paxos_core_disk_flags(const struct paxos_core *core);

/* --- messages: open, write a body, close ---------------------------------------------------- */

/*
 * Begins a message to be sent: fills in the sender's part of `msg`. ret_body takes the body.
 * False if there is no room (counted).
 */
bool paxos_core_open(struct paxos_core *core, struct paxos_msg *msg, struct wire_writer *ret_body);
/* Sends it to `peer`; with `hold` only when every record given out so far is durable. */
void paxos_core_close(struct paxos_core *core, unsigned peer, const struct wire_writer *body,
                      bool hold);
/* Both, for a message without a body. */
void paxos_core_send(struct paxos_core *core, unsigned peer, struct paxos_msg *msg, bool hold);

void paxos_core_trace(struct paxos_core *core, enum paxos_trace_kind kind, uint64_t a, uint64_t b);
void paxos_core_drop(struct paxos_core *core, enum paxos_drop drop);

/* --- durable state -------------------------------------------------------------------------- */

/* Has the shell end this process. What is called afterwards has no effect. */
void paxos_core_end(struct paxos_core *core, enum paxos_end why);

/*
 * True if another `size` bytes may be appended before the next tick: the outbox can take them, and
 * not too much waits for the disk already.
 */
bool paxos_core_has_room(const struct paxos_core *core, size_t size);

/* Promises a higher ballot and records it. */
void paxos_core_promise(struct paxos_core *core, struct paxos_ballot ballot);

/* Records what the log holds beyond `persisted`. Comes before every other record. */
void paxos_core_flush(struct paxos_core *core);

/* Records entries of another log, for an adoption in flight. */
void paxos_core_flush_staged(struct paxos_core *core, const struct paxos_log *stage,
                             struct paxos_place *persisted);
void paxos_core_record(struct paxos_core *core, const struct paxos_record *record);

/* True if the log can hold what it must keep up to `cut`, and all of `stage` behind it. */
bool paxos_core_fits(const struct paxos_core *core, uint64_t cut, const struct paxos_log *stage);

/*
 * The atomic step of b and c: cut the log to `cut`, append all of `stage` (may be NULL or empty),
 * accepted = ballot. With `has_state` the log begins anew behind stage->base; the store has been
 * replaced by the caller. Nothing below decided is ever cut: must().
 */
void paxos_core_adopt(struct paxos_core *core, struct paxos_ballot ballot, uint64_t cut,
                      const struct paxos_log *stage, bool has_state);

/* "It then begins with promised = accepted = b" (4.1 i), in one atomic step. */
void paxos_core_join(struct paxos_core *core, struct paxos_ballot ballot);

/* Records what stands, given a durable snapshot at `index`. Returns the record's number. */
uint64_t paxos_core_base(struct paxos_core *core, uint64_t index, uint64_t *ret_from);

/*
 * The atomic step into a later configuration (4.1 j): promised = accepted = none of it; log as
 * paxos_core_adopt() says, and all of it is decided.
 */
void paxos_core_enter(struct paxos_core *core, uint32_t configuration, uint32_t voters,
                      uint64_t cut, const struct paxos_log *stage, bool has_state);

/* Takes number and voters of the configuration from the state applied. */
void paxos_core_follow(struct paxos_core *core);

/* True if the log ends with the undecided stop-sign of the present configuration. */
bool paxos_core_is_stopped(const struct paxos_core *core);

/* If `bytes` are the stop-sign of the present configuration: what it says. */
bool paxos_core_is_stop(const struct paxos_core *core, struct slice bytes,
                        struct store_entry *ret_entry);

/* The journal has passed `record`. */
void paxos_core_durable(struct paxos_core *core, uint64_t record);

/* The record that made `accepted` what it is is durable. */
bool paxos_core_is_accepted(const struct paxos_core *core);

/* The length of the log that counts as the own vote in `accepted`. */
uint64_t paxos_core_own_vote(const struct paxos_core *core);

/* Asks for what applying the entry at `index`, which is there, will look at. */
void paxos_core_ahead(const struct paxos_core *core, uint64_t index);

/*
 * Applies entry decided + 1 and counts it as decided. The caller knows that it is, and that it
 * is durable here. ret_entry borrows from the log; ret_entry->kind is 0 if it made no sense.
 */
void paxos_core_apply(struct paxos_core *core, struct store_entry *ret_entry,
                      struct store_result *ret_result);

/*
 * The incarnation that a log names for a member: `named` by the state it starts from, unless the
 * own log after decided and up to `cut`, or `stage` behind it (may be NULL), names another.
 */
uint64_t paxos_core_named(const struct paxos_core *core, uint64_t named, uint64_t cut,
                          const struct paxos_log *stage, unsigned node);
