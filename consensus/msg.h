/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * msg.h - what members say to each other, as structs and as bytes
 *
 * A message is the body of a datagram of kind STORE_DATAGRAM_PEER (store/datagram.h). It begins
 * with kind u8, node u8, flags u16, configuration u32, incarnation u64, start u32; then come the
 * fields of its kind, in the order of the table in msg.c; then, for some kinds, a body to the end.
 *
 *      kind           says                                            answered by
 *      HEARTBEAT      I am here; from a leader: grant me a lease       HEARTBEAT_ACK
 *      PREPARE        promise me this ballot                           PROMISE, NACK
 *      PREPARE_ASK    I am not prepared for your ballot                PREPARE
 *      SYNC           your log from `index` on shall be this           ACCEPTED, FETCH
 *      ACCEPT         append these entries                             ACCEPTED, NACK, PREPARE_ASK
 *      DECIDED        so much is decided                               nobody
 *      FETCH          give me entries, or a snapshot                   ENTRIES, STATE
 *      HANDOVER       from the leader of `ballot`: it is over, stand;  PREPARE
 *                     to it: hand over to `target`, please             HANDOVER
 *      DEAD           this start of this server's process is over;
 *                     from its supervisor, from any address (note.h)
 *      STOPPED        your configuration has ended                     FETCH
 *      ASK            change the members (change.h)                    TOLD
 *
 * Decoding refuses what encoding would not have written. A decoded message borrows its body.
 * Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/ballot.h"
#include "store/base/slice.h"
#include "store/datagram.h"

enum paxos_msg_kind {
	PAXOS_MSG_HEARTBEAT = 1,
	PAXOS_MSG_HEARTBEAT_ACK,
	PAXOS_MSG_PREPARE,
	PAXOS_MSG_PROMISE,
	PAXOS_MSG_NACK,
	PAXOS_MSG_PREPARE_ASK,
	PAXOS_MSG_SYNC,
	PAXOS_MSG_ACCEPT,
	PAXOS_MSG_ACCEPTED,
	PAXOS_MSG_FETCH,
	PAXOS_MSG_ENTRIES,
	PAXOS_MSG_STATE,
	PAXOS_MSG_HANDOVER,
	PAXOS_MSG_DEAD,
	PAXOS_MSG_STOPPED,
	PAXOS_MSG_ASK,
	PAXOS_MSG_TOLD,
	PAXOS_MSG_DECIDED,
	PAXOS_MSG_COUNT
};

enum paxos_msg_flag {
	PAXOS_FLAG_OUTSIDER = 1,  /* the sender does not take part (4.1 i) */
	PAXOS_FLAG_UNHAPPY = 2,   /* the sender hears no leader */
	PAXOS_FLAG_LEADER = 4,    /* HEARTBEAT: `ballot` leads, and asks for a lease */
	PAXOS_FLAG_GRANTED = 8,   /* HEARTBEAT_ACK: the lease is granted to `ballot` */
	PAXOS_FLAG_RESIGNED = 16, /* HEARTBEAT: the leader of `ballot` goes */
	PAXOS_FLAG_UNKNOWN = 32,  /* PROMISE: the grant that runs is to an unknown ballot */
	PAXOS_FLAG_REVOKED = 64,  /* PROMISE: the sender's own ballots of this start are over */
	PAXOS_FLAG_STATE = 128,   /* SYNC, FETCH: a snapshot at `base` is wanted first */
	PAXOS_FLAG_LAST = 256,    /* ENTRIES, STATE: the last of this burst; STATE: see END */
	PAXOS_FLAG_END = 512,     /* STATE: the snapshot ends here */
	PAXOS_FLAG_FULL = 1024,   /* HEARTBEAT, _ACK: the sender's disk is full */
	PAXOS_FLAG_REPAIR =
		2048, /* FETCH, ENTRIES: of a log of ballot, or decided; not of a promise */
	PAXOS_FLAG_ROLLED_BACK = 4096, /* HEARTBEAT_ACK: you have less than you acknowledged */
	PAXOS_FLAG_STAND = 8192,       /* STOPPED: stand at once in the next configuration */
	PAXOS_FLAG_RANK = 16384, /* HEARTBEAT: `accepted` and `length` are the log's durable rank */
	PAXOS_FLAGS_ALL = 32767,
	/* HEARTBEAT, _ACK: what the sender wrote waits for its disk. In STATE the bit is END. */
	PAXOS_FLAG_LATE = PAXOS_FLAG_END,
};

struct paxos_msg {
	enum paxos_msg_kind kind;
	uint8_t node; /* sender */
	uint16_t flags;
	uint32_t configuration;
	uint64_t incarnation;
	uint32_t start;

	struct paxos_ballot ballot;
	/* PREPARE, PROMISE, HEARTBEAT (flag RANK): of the sender's log; NACK: promised */
	struct paxos_ballot accepted;
	struct paxos_ballot lease_ballot; /* PROMISE: to whom the grant runs */
	uint64_t round;                   /* HEARTBEAT, _ACK; ASK, TOLD: of the question */
	uint32_t round_start;             /* HEARTBEAT_ACK: start of the one who asked */
	uint64_t round_incarnation;       /* and its incarnation */
	uint64_t number;                  /* ACCEPT: of the datagram; ACCEPTED: highest taken */
	uint64_t mask; /* ACCEPTED: bit i: number - 1 - i was taken, too; else: the voters */
	uint64_t decided;
	uint64_t length;
	uint64_t base;     /* entries up to here are only in a snapshot; SYNC: where it starts */
	uint64_t index;    /* the body starts inside this entry ... */
	uint32_t offset;   /* ... at this byte of it */
	uint64_t position; /* FETCH, STATE: byte of the snapshot */
	uint32_t transfer; /* FETCH, ENTRIES, STATE: whose answer this is */
	uint64_t proof;    /* ENTRIES: a leader's; FETCH: as it was told (supply.h); 0: none */
	uint64_t lease_left_ns;           /* PROMISE */
	uint64_t poll_gap_ns;             /* HEARTBEAT, _ACK */
	uint64_t secret;                  /* HEARTBEAT, DEAD: of the sender's start; 0: none */
	uint8_t priority;                 /* HEARTBEAT: the sender's, in elections */
	uint8_t target;                   /* HANDOVER: who shall lead, or PAXOS_ANYBODY */
	uint64_t snapshot;                /* HEARTBEAT: index of the newest durable one; 0: none */
	uint64_t digest_low, digest_high; /* of it */
	struct slice body;                /* SYNC, ACCEPT, ENTRIES: see stream.h; STATE: bytes */
};

#define PAXOS_ANYBODY 255 /* in place of the index of a member */

/* Room for a body in a datagram of any kind. */
enum {
	PAXOS_MSG_HEADER_MAX = 160
};
static_assert(STORE_DATAGRAM_HEADER + PAXOS_MSG_HEADER_MAX + 1024 <= STORE_DATAGRAM_SIZE_MAX,
              "a message has room for a body");

/*
 * Writes header and fields, without body, as a message. Returns their size (what the body goes
 * behind), at most PAXOS_MSG_HEADER_MAX. Cannot fail.
 */
size_t paxos_msg_encode(const struct paxos_msg *msg, void *memory);

/* False, and nothing written, if the bytes make no sense. */
bool paxos_msg_decode(struct slice bytes, struct paxos_msg *ret_msg);

const char *paxos_msg_text(enum paxos_msg_kind kind);
