/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * effect.h - what a replica asks its shell to do
 *
 * Effects come out in an order that is safe to obey one by one. A SEND or REPLY that depends on
 * a record comes out only when paxos_replica_durable() has reported that record: the replica
 * holds it back, no shell has to.
 *
 * An effect's bytes belong to the replica and are good until the next call of any paxos_replica_
 * function but paxos_replica_take().
 */

#include <stdint.h>

#include "store/base/slice.h"

/* Where an answer goes: the shell's own business, kept and handed back as it came. */
struct paxos_address {
	uint8_t bytes[32]; /* unused bytes are zero */
};

enum paxos_effect_kind {
	PAXOS_EFFECT_SEND = 1, /* `bytes` is a datagram for the member `peer` */
	PAXOS_EFFECT_REPLY,    /* `bytes` is a datagram for the client at `address` */
	PAXOS_EFFECT_PERSIST,  /* `bytes` is a record; append it to the journal as `record` */
	PAXOS_EFFECT_TRACE,    /* something happened that a person or a checker wants to know */
};

enum paxos_trace_kind {
	PAXOS_TRACE_STARTED = 1,  /* a: incarnation, b: takes part (0, 1) */
	PAXOS_TRACE_UNHAPPY,      /* hears no leader any more; a: silence in ns */
	PAXOS_TRACE_STANDS,       /* a: round of the ballot */
	PAXOS_TRACE_PROMISED,     /* a: round, b: node of the ballot */
	PAXOS_TRACE_GAVE_UP,      /* a candidacy; a: round, b: enum paxos_give_up */
	PAXOS_TRACE_ADOPTED,      /* a: round, b: length adopted (L0) */
	PAXOS_TRACE_LEADS,        /* decides from here on; a: round, b: L0 */
	PAXOS_TRACE_ABDICATED,    /* a: round */
	PAXOS_TRACE_CUT,          /* a: from, b: former length; a suffix was replaced */
	PAXOS_TRACE_REJOINED,     /* a: index of the REJOIN entry */
	PAXOS_TRACE_SNAPSHOT_IN,  /* a: index installed */
	PAXOS_TRACE_SNAPSHOT_OUT, /* a: index, b: peer; a transfer begins */
	PAXOS_TRACE_EXPIRED,      /* a: sessions in the entry */
	PAXOS_TRACE_SLEPT,        /* a: ns between two turns */
	PAXOS_TRACE_COUNT
};

enum paxos_give_up {
	PAXOS_GAVE_UP_HIGHER = 1, /* promised higher */
	PAXOS_GAVE_UP_NACK,       /* a peer has promised higher */
	PAXOS_GAVE_UP_TIME,       /* no majority, or the log could not be fetched, in time */
};

struct paxos_trace {
	enum paxos_trace_kind kind;
	uint64_t now_ns;
	uint64_t a, b;
};

struct paxos_effect {
	enum paxos_effect_kind kind;
	unsigned peer;                /* SEND: index of the member, from 0 */
	struct paxos_address address; /* REPLY */
	uint64_t record;              /* PERSIST: number of the record, from 1, no gaps */
	struct slice bytes;           /* SEND, REPLY, PERSIST */
	struct paxos_trace trace;     /* TRACE */
};
