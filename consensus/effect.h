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

#include "consensus/ballot.h"
#include "store/base/slice.h"
#include "store/entry.h"
#include "store/snapshot.h"

/* Where an answer goes: the shell's own business, kept and handed back as it came. */
struct paxos_address {
	uint8_t bytes[32]; /* unused bytes are zero */
};

enum paxos_effect_kind {
	PAXOS_EFFECT_SEND = 1, /* `bytes` is a datagram for the member `peer` */
	PAXOS_EFFECT_REPLY,    /* `bytes` is a datagram for the client at `address` */
	PAXOS_EFFECT_PERSIST,  /* `bytes` is a record; append it to the journal as `record` */
	PAXOS_EFFECT_TRACE,    /* something happened that a person or a checker wants to know */
	PAXOS_EFFECT_FORGET,   /* the journal may forget the records below `record` */
	PAXOS_EFFECT_SNAPSHOT, /* write `snapshot` to a file; see paxos_replica_snapshot_done() */
	PAXOS_EFFECT_PEER,     /* `peer` is reached at `at`, unless the files say otherwise */
	PAXOS_EFFECT_TOLD, /* `bytes` are a struct paxos_told (change.h) for who asked: `address` */
	PAXOS_EFFECT_END,  /* this process is of no use any more: see `end` */
};

/*
 * What the server stands for once a record is durable, beside the record's own bytes: so that a
 * record which cannot be read any more still tells what is unknown now. A group of records in one
 * frame has the mark of its last one, with the smallest `low` of all.
 */
struct paxos_mark {
	struct paxos_ballot promised, accepted;
	uint64_t length, decided;
	uint64_t low; /* entries of the log up to here are as they were before the record */
};

/* Why a process is of no use any more. */
enum paxos_end {
	PAXOS_END_BEYOND_REPAIR = 1, /* holes that nobody fills: set the journal and the snapshots
	                                aside, take a new incarnation, start as `rejoining` */
	PAXOS_END_ROLLED_BACK,       /* an older copy of this folder: likewise */
	PAXOS_END_DIFFERS,           /* a majority holds another state at an index: stop, say so */
	PAXOS_END_REMOVED,           /* it is no member any more: stop, say so */
	PAXOS_END_DISK_FAILED,       /* a write failed (PAXOS_DISK_FAILED): stop, say so */
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
	PAXOS_TRACE_CHECKPOINT,   /* a: index, b: entries behind it; a snapshot is cut */
	PAXOS_TRACE_KEPT,         /* a: index; it is durable */
	PAXOS_TRACE_FORGOT,       /* a: record; those before it are not needed any more */
	PAXOS_TRACE_DISK_FULL,    /* a: 1 begins, 0 ends; writes that grow are refused */
	PAXOS_TRACE_DISK_STALLED, /* a: ns that the oldest record waits; the leader goes */
	PAXOS_TRACE_DISK_FAILED,  /* the device is not used again */
	PAXOS_TRACE_DIFFERS,      /* a: index, b: peer; its snapshot is another than ours */
	PAXOS_TRACE_DAMAGED,      /* a: first, b: last index of entries that are unknown here */
	PAXOS_TRACE_REPAIRED,     /* a: first, b: last index; they are known again */
	PAXOS_TRACE_ROLLED_BACK,  /* a: start, b: peer; it has less than it acknowledged: refused */
	PAXOS_TRACE_HANDOVER,     /* leads no more; a: round, b: to whom, by index */
	PAXOS_TRACE_REPORTED_DEAD, /* by its supervisor; a: start, b: index of the member */
	PAXOS_TRACE_CONFIGURATION, /* a: its number, b: set of its voters; the former has ended */
	PAXOS_TRACE_ENTERED,       /* a, b: likewise; what it accepted there is durable */
	PAXOS_TRACE_REMOVED,       /* a: number of the configuration that goes on without it */
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
	unsigned peer;   /* SEND: index of the member, from 0 */
	uint64_t record; /* PERSIST: number of the record, no gaps, over restarts neither; FORGET */
	uint64_t index;  /* FORGET: snapshots that stand below it are not needed either */
	struct slice bytes; /* SEND, REPLY, PERSIST */
	union {
		struct paxos_address address;    /* REPLY, TOLD */
		struct store_address at;         /* PEER */
		struct paxos_mark mark;          /* PERSIST */
		struct paxos_trace trace;        /* TRACE */
		struct store_snapshot *snapshot; /* SNAPSHOT; lent until snapshot_done() */
		enum paxos_end end;              /* END */
	};
};
