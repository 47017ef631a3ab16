/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * locker.h - a client of the simulated cluster that takes locks, and comes to grief
 *
 *      IDLE --LOCK--> ASKED --token--> HOLDING --UNLOCK--> LEAVING --> IDLE
 *                       |                 ^                  ^
 *                       `--ticket--> WAITING -- patience ----'
 *
 * It waits by a watch of its own queue file. While it holds a lock it writes to the store under a
 * TOKEN compare, and acts on the vault's resource, at once or after a nap between check and act.
 * Its process dies, for good or for a while; it freezes, hears nothing meanwhile, and goes on as if
 * nothing had been. With its session it has lost what it had, and begins anew. Now and then it
 * plays the operator, who breaks a lock or ends a session.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/client.h"
#include "store/watcher.h"
#include "tests/sim/stage.h"

struct locker_options {
	unsigned lockers;              /* 0: none */
	unsigned first;                /* end point of the first among the clients; filled in */
	struct client_config client;   /* seed and secret are filled in */
	struct watcher_config watcher; /* likewise */
	uint64_t think_ns;             /* on average; 0: it does what a story tells it, no more */
	uint64_t hold_ns, patience_ns, work_ns;     /* likewise */
	uint64_t nap_ns, freeze_ns, down_ns;        /* likewise */
	uint64_t deadline_ns;                       /* of a request */
	uint32_t die_ppm, freeze_ppm, operator_ppm; /* each time it has something to do */
	uint32_t delay_ms;                          /* at most */
};

enum locker_state {
	LOCKER_IDLE = 0,
	LOCKER_ASKED,
	LOCKER_WAITING,
	LOCKER_HOLDING,
	LOCKER_LEAVING,
	LOCKER_DOWN,
};

struct locker {
	unsigned index; /* of its end point among the clients */
	const struct locker_options *options;
	struct client *client; /* owned, like the watcher; NULL while it is down */
	struct watcher *watcher;
	enum locker_state state;
	uint64_t session; /* the one it has; 0: none yet */
	unsigned lock;
	uint8_t priority;
	store_rev_t token;  /* while it thinks that it holds the lock */
	uint64_t watch;     /* tag of the watch of its queue file; 0: none */
	bool is_asking;     /* a LOCK or UNLOCK is under way */
	bool is_quiet;      /* gives back what it has, and takes nothing */
	uint64_t next_ns;   /* when to do something again */
	uint64_t leave_ns;  /* when it has held or waited long enough */
	uint64_t frozen_ns; /* until then it hears and does nothing */
	uint64_t wake_tag, wake_ns;
	uint64_t deaths, lost; /* sessions found gone while it had, or wanted, a lock */
	uint64_t grants, waits;
};

void locker_init(struct locker *locker, unsigned index, const struct locker_options *options,
                 struct stage *stage);
void locker_deinit(struct locker *locker);

/* A packet has arrived (borrowed). */
void locker_arrival(struct locker *locker, struct stage *stage, const struct packet *packet);

/* Event of the queue. */
void locker_wake_due(struct locker *locker, struct stage *stage, uint64_t tag);

/* The faults are over: it thaws, lets everything go, and stays quiet. Who is down stays so. */
void locker_calm(struct locker *locker, struct stage *stage);

/* By hand, for stories. */
void locker_take(struct locker *locker, struct stage *stage, unsigned lock, uint32_t delay_ms);
void locker_give(struct locker *locker, struct stage *stage);
void locker_write(struct locker *locker, struct stage *stage); /* under its token */
void locker_break(struct locker *locker, struct stage *stage, unsigned lock);
void locker_die(struct locker *locker, struct stage *stage);
void locker_freeze(struct locker *locker, struct stage *stage, uint64_t ns);

/* True if it counts on what it holds, by its own clock. */
bool locker_is_sure(const struct locker *locker, uint64_t now_ns);
