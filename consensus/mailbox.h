/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * mailbox.h - rings between a replica's thread (the worker) and the slow path (control)
 *
 *      control                                     worker
 *      to_worker:    CLIENT, PASS_ON, STATUS_ASK, GRACE, RESIGN, TRANSFER, SNAPSHOT_ASK,
 *                    SNAPSHOT_DONE ---------------------------------------------->
 *      <------------ REPLY, ANSWERED, TRACE, STATUS, TRANSFERRED, SNAPSHOT, END :from_worker
 *
 * A record is one kind byte, an address (CLIENT, REPLY) and bytes. The last byte of an address in
 * mail is zero: a worker's own addresses have something else there. The byte before it is zero for
 * clients of a kernel socket; else it is the number of a client that control runs itself. One
 * producer and one consumer on each side (store/base/ring.h). A full ring towards control drops and
 * counts: clients ask again. Each side says when it sleeps, and the other then calls its bell: no
 * byte is lost between "looked, empty" and "sleeps" (Dekker: flag, fence, look again).
 *
 * Mode disk has a third side, the journal's thread:
 *
 *      worker                                      journal
 *      records: PERSIST, FORGET ------------------------------>
 *      <------------ durable up to (a number), trouble (flags)
 *
 * The ring of records never fills: the replica bounds what it gave out and is not durable yet.
 * The worker rings the journal's bell once a turn, after its datagrams have left.
 *
 * Threads: what puts to the worker and takes from it is control's; the rest is the worker's.
 *          paxos_journal_give, _ring, _heard: worker. paxos_journal_peek, _pop, _durable, _sleeps,
 *          _wakes: journal. Trouble is told by the journal and may be asked by any.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "consensus/change.h"
#include "consensus/effect.h"
#include "consensus/status.h"
#include "store/base/ring.h"
#include "store/base/slice.h"

enum paxos_mail_kind {
	PAXOS_MAIL_CLIENT = 1,   /* to worker: a client's datagram from a kernel socket */
	PAXOS_MAIL_REPLY,        /* from worker: a datagram for the client at `address` */
	PAXOS_MAIL_STATUS_ASK,   /* to worker: address is echoed */
	PAXOS_MAIL_STATUS,       /* from worker: struct paxos_status, then the shell's own struct */
	PAXOS_MAIL_GRACE,        /* to worker: u64, a grace period for this number has passed */
	PAXOS_MAIL_TRACE,        /* from worker: struct paxos_trace */
	PAXOS_MAIL_RESIGN,       /* to worker: SIGTERM came */
	PAXOS_MAIL_TRANSFER,     /* to worker: int, who shall lead; address is echoed */
	PAXOS_MAIL_TRANSFERRED,  /* from worker: struct paxos_mail_transferred */
	PAXOS_MAIL_CHANGE,       /* to worker: struct paxos_mail_change; address is echoed */
	PAXOS_MAIL_TOLD,         /* from worker: struct paxos_told (change.h) */
	PAXOS_MAIL_SNAPSHOT_ASK, /* to worker: an operator wants a copy; address is echoed */
	PAXOS_MAIL_SNAPSHOT,     /* from worker: struct paxos_mail_snapshot, to be written */
	PAXOS_MAIL_END,          /* from worker: enum paxos_end; of no use any more */
	PAXOS_MAIL_PASS_ON,      /* to worker: a client's datagram for the server at `address` */
	PAXOS_MAIL_ANSWERED,     /* from worker: what the server at `address` answered to such */
	PAXOS_MAIL_SNAPSHOT_DONE, /* to worker: struct paxos_mail_snapshot, given back */
};

/* The bytes of TRANSFERRED. */
struct paxos_mail_transferred {
	enum paxos_transfer transfer;
	int former; /* who led when it came, or PAXOS_NOBODY */
};

/* The bytes of CHANGE. */
struct paxos_mail_change {
	struct paxos_change change;
	uint64_t patience_ns; /* then it is answered as it stands */
};

/* The bytes of SNAPSHOT and SNAPSHOT_DONE. */
struct paxos_mail_snapshot {
	struct store_snapshot *snapshot; /* SNAPSHOT: NULL if it could not be opened, see r */
	int r;                           /* 0 or a negative errno; DONE: of the writing */
	bool is_point;              /* cut at an index where all servers cut, for the data folder */
	struct store_digest digest; /* DONE, of a point that was written */
};

/* The address of a client inside of this process, by its number, from 1. */
static inline struct paxos_address paxos_address_inside(uint8_t number)
{
	struct paxos_address address = {{0}};

	address.bytes[sizeof(address.bytes) - 2] = number;
	return address;
}

/* Its number, or 0: the client is elsewhere. */
static inline uint8_t paxos_address_inside_of(const struct paxos_address *address)
{
	return address->bytes[sizeof(address->bytes) - 1] == 0
	               ? address->bytes[sizeof(address->bytes) - 2]
	               : 0;
}

/* The address of a server, by its index, in PASS_ON and ANSWERED; and back. */
static inline struct paxos_address paxos_address_server(unsigned index)
{
	return (struct paxos_address){{(uint8_t)index}};
}

static inline unsigned paxos_address_server_of(const struct paxos_address *address)
{
	return address->bytes[0];
}

struct paxos_mail {
	enum paxos_mail_kind kind;
	struct paxos_address address;
	struct slice bytes; /* borrows from the ring until the pop */
};

/* How to wake a side that sleeps; given by the shell. May be called often, must be cheap. */
struct paxos_bell {
	void (*ring)(void *context);
	void *context;
};

enum {
	PAXOS_JOURNAL_RING = 32 << 20, /* more than may be given and not yet durable */
};

/* The way to the journal and back; unused in mode memory. */
struct paxos_journal {
	struct ring records;
	struct paxos_bell bell;
	uint64_t heard; /* the worker's: durable, as last taken */
	uint32_t heard_trouble;
	bool given; /* the worker's: since the last bell */
	_Alignas(RING_LINE) _Atomic bool sleeps;
	_Alignas(RING_LINE) _Atomic uint64_t durable;
	_Atomic uint32_t trouble; /* a set, as paxos_replica_disk() takes it */
};

struct paxos_mailbox {
	struct ring to_worker;
	struct ring from_worker;
	struct paxos_bell worker_bell;
	struct paxos_bell control_bell;
	_Alignas(RING_LINE) bool put; /* control's: to the worker, since the last bell */
	_Alignas(RING_LINE) _Atomic bool worker_sleeps;
	_Alignas(RING_LINE) _Atomic bool control_sleeps;
	_Alignas(RING_LINE) _Atomic uint64_t dropped_from_worker;
	_Atomic uint64_t
		grace_wanted; /* worker: store_grace_wanted(), for control's grace thread */
	struct paxos_journal journal;
};

/*
 * Makes two empty rings over memory of the caller: `size` bytes each, a power of two.
 * Bells are set before the threads start.
 */
void paxos_mailbox_init(struct paxos_mailbox *mailbox, void *to_worker, void *from_worker,
                        uint64_t size);

/*
 * False if the ring is full (from_worker counts it). What goes to control rings its bell if it
 * sleeps; what goes to the worker waits for the bell below.
 */
bool paxos_mailbox_put_to_worker(struct paxos_mailbox *mailbox, const struct paxos_mail *mail);
bool paxos_mailbox_put_from_worker(struct paxos_mailbox *mailbox, const struct paxos_mail *mail);

/*
 * Wakes the worker if it sleeps and something was put since the last call. Once for all mail of a
 * turn of control: where both share a core, a worker that is woken for each has it for each.
 */
void paxos_mailbox_ring_worker(struct paxos_mailbox *mailbox);

/* Half of the way to the worker is taken: the rest is for who cannot ask again. Control's. */
bool paxos_mailbox_is_crowded(const struct paxos_mailbox *mailbox);

/* The oldest mail, or false. Stays until popped. */
bool paxos_mailbox_peek_to_worker(struct paxos_mailbox *mailbox, struct paxos_mail *ret_mail);
bool paxos_mailbox_peek_from_worker(struct paxos_mailbox *mailbox, struct paxos_mail *ret_mail);
void paxos_mailbox_pop_to_worker(struct paxos_mailbox *mailbox);
void paxos_mailbox_pop_from_worker(struct paxos_mailbox *mailbox);

/*
 * Before sleeping: says so and looks once more. False: there is mail, do not sleep.
 * After waking: _wakes.
 */
bool paxos_mailbox_worker_sleeps(struct paxos_mailbox *mailbox);
void paxos_mailbox_worker_wakes(struct paxos_mailbox *mailbox);
bool paxos_mailbox_control_sleeps(struct paxos_mailbox *mailbox);
void paxos_mailbox_control_wakes(struct paxos_mailbox *mailbox);

/* --- the journal ----------------------------------------------------------------------------- */

/*
 * Adds the ring of records over memory of the caller, PAXOS_JOURNAL_RING bytes. Records up to
 * `durable` are there already. The bell is set before the threads start.
 */
void paxos_journal_init(struct paxos_mailbox *mailbox, void *records, uint64_t durable);

/* What the journal is asked. */
struct paxos_journal_order {
	bool forget;     /* records below `record` are not needed any more */
	uint64_t record; /* else: append this one */
	struct paxos_mark mark;
	struct slice bytes; /* borrows from the ring until the pop */
};

/* Hands a PERSIST or FORGET effect over; copied. There is always room (must). */
void paxos_journal_give(struct paxos_mailbox *mailbox, const struct paxos_effect *effect);

/* Wakes the journal if it sleeps and something was given since the last call. */
void paxos_journal_ring(struct paxos_mailbox *mailbox);

/* True if more is durable than at the last call, or trouble has come or gone. */
bool paxos_journal_heard(struct paxos_mailbox *mailbox, uint64_t *ret_durable,
                         uint32_t *ret_trouble);

bool paxos_journal_peek(struct paxos_mailbox *mailbox, struct paxos_journal_order *ret_order);
void paxos_journal_pop(struct paxos_mailbox *mailbox);

/* Tells the worker, and wakes it if it sleeps. Trouble (PAXOS_DISK_...): control, too. */
void paxos_journal_durable(struct paxos_mailbox *mailbox, uint64_t record);
void paxos_journal_trouble(struct paxos_mailbox *mailbox, unsigned trouble, bool is_there);

/* As paxos_mailbox_worker_sleeps(). */
bool paxos_journal_sleeps(struct paxos_mailbox *mailbox);
void paxos_journal_wakes(struct paxos_mailbox *mailbox);
