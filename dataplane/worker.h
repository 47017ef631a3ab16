/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * worker.h - the poll loop: one core, one queue of each ethdev, its links
 *
 *      worker 0        turns the replica, takes mail, resolves peers
 *      workers 1..n-1  answer reads under RCU and keep watches (reads.h), hand the rest to worker 0
 *
 * Threads: dp_worker_run() is a thread's whole life; `stop` may be set by any thread, which then
 *          rings the worker's bell.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "consensus/mailbox.h"
#include "consensus/replica.h"
#include "dataplane/counters.h"
#include "dataplane/reads.h"
#include "dataplane/rest.h"
#include "dataplane/rx.h"
#include "dataplane/tx.h"

enum {
	DP_CONTROL_GAP_MAX = 64, /* turns under load between two looks at the slow path */
	DP_MAIL_MAX = 64,        /* letters taken at one look */
};

struct dp_worker {
	_Alignas(64) _Atomic bool stop;
	unsigned index;
	struct dp_rx rx;
	struct dp_tx tx;
	struct dp_rest rest;
	struct dp_reads reads;
	struct dp_counters counters;
	unsigned turns_since_control;
	uint64_t deadline_ns; /* when the replica, or the reads, want a turn if nothing comes in */
	const struct paxos_watch_counters *watch_counters; /* of either */
	uint64_t look_ns;                                  /* when to look after links next */
	uint64_t asked_ns; /* when ARP tables were last looked through */
	/* worker 0 only, borrowed; NULL elsewhere */
	struct paxos_replica *replica;
	struct store *store;
	struct paxos_mailbox *mailbox;
	/* all workers, for the status that worker 0 tells */
	struct dp_worker *const *all;
	unsigned count;
	pthread_t thread;
};

/* A thread's start routine; `argument` is a struct dp_worker. */
void *dp_worker_run(void *argument);
