/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * user.h - a client of the simulated cluster, and what it does all day
 *
 * A user turns a real store/client over the simulated network. By itself it does what its
 * options say: reads, writes, conditions from what it last saw, increments. A story may also
 * submit operations by hand. Every operation goes into the ledger. Beside that it may have watches.
 * Its process ends now and then, with all that was under way, and another one begins.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/client.h"
#include "tests/sim/ledger.h"
#include "tests/sim/lookout.h"
#include "tests/sim/stage.h"

struct user_options {
	struct client_config client; /* seed and secret are filled in */
	unsigned outstanding;        /* operations at once; 0: only those submitted by hand */
	uint64_t think_ns;           /* between an end and the next operation, on average */
	uint64_t deadline_min_ns, deadline_max_ns;
	unsigned weights[LEDGER_KIND_COUNT]; /* how often each kind of operation is drawn */
	uint32_t stale_ppm;                  /* reads that any server may answer */
	uint32_t value_max;                  /* bytes; most values are much shorter */
	uint64_t life_ns; /* of its process, on average; the next goes on with its session in three
	                   * of four cases. 0: it never ends */
	struct lookout_options lookout;
};

struct user {
	unsigned index;
	const struct user_options *options; /* borrowed */
	struct client *client;              /* owned */
	bool is_quiet;                      /* submits nothing by itself */
	unsigned open;                      /* operations under way */
	uint64_t next_ns;                   /* when to submit again */
	uint64_t wake_tag, wake_ns;
	store_rev_t revs[LEDGER_KEYS_MAX]; /* what it last saw of each key */
	uint64_t values[LEDGER_KEYS_MAX];
	uint64_t submitted;
	uint64_t death_ns;       /* when its process ends; UINT64_MAX: never */
	bool resumes;            /* this process goes on with the session of the one before */
	uint64_t lives, resumed; /* processes so far; those that took a session over */
	struct lookout lookout;  /* its watches, over the same sockets */
};

void user_init(struct user *user, unsigned index, const struct user_options *options,
               struct stage *stage);
void user_deinit(struct user *user);

/*
 * Submits an operation whose kind, key, and for a condition rev, are filled in; returns its
 * number in the ledger, or 0 if too many are outstanding.
 */
uint64_t user_submit(struct user *user, struct stage *stage, struct ledger_operation operation,
                     uint64_t deadline_ns);

/* A packet has arrived (borrowed). */
void user_arrival(struct user *user, struct stage *stage, const struct packet *packet);

/* Event of the queue. */
void user_wake_due(struct user *user, struct stage *stage, uint64_t tag);

/* To be called when is_quiet has changed. */
void user_nudge(struct user *user, struct stage *stage);
