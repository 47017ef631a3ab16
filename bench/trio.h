/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * trio.h - three replicas and a client in one thread, without a network: what a write costs
 *
 *      client --ask--> leader --ACCEPT--> follower --ACCEPTED--> leader --answer--> client
 *
 * The same pure code as the servers turn, fed by hand, so that each stage can be timed alone.
 * Time is a number that we move. The calling thread must not be an RCU reader already: trio_new()
 * registers it and trio_free() lets it go. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

enum trio_stage {
	TRIO_CLIENT_ASK = 0,    /* client: encode the requests */
	TRIO_LEADER_REQUEST,    /* leader: decode, look up the session, append to the log */
	TRIO_LEADER_ACCEPT,     /* leader: end of turn, encode the ACCEPTs for both followers */
	TRIO_FOLLOWER_ACCEPT,   /* one follower: decode, store, apply what was decided before */
	TRIO_FOLLOWER_ACK,      /* one follower: end of turn, encode ACCEPTED */
	TRIO_LEADER_ACK,        /* leader: decode the first ACCEPTED, count it */
	TRIO_LEADER_ANSWER,     /* leader: end of turn, apply, publish, encode the answers */
	TRIO_CLIENT_ANSWER,     /* client: decode the answers */
	TRIO_LEADER_SECOND_ACK, /* leader: the ACCEPTED of the other follower */
	TRIO_GRACE,             /* leader: free what was replaced in the tree */
	TRIO_STAGES
};

enum {
	TRIO_BATCH_MAX = 64,
};

struct trio_config {
	unsigned value_size, keys;
};

struct trio;

/* Elects a leader and opens the client's session. 0, -ENOMEM, or -ETIME: no leader came up. */
int trio_new(struct trio **ret_trio, const struct trio_config *config);
void trio_free(struct trio *trio);

/*
 * `batch` writes (1 to TRIO_BATCH_MAX) in one turn of everybody, from the client's asking until
 * it has all answers; adds the cycles of each stage. False: a write was not answered with OK.
 */
bool trio_write(struct trio *trio, unsigned batch, uint64_t cycles[TRIO_STAGES]);

/*
 * Opens `count` sessions, and lets time pass until they are about to be over, all at one moment.
 * False: they are not there. What follows ends them; trio_sessions() tells how many are left.
 */
bool trio_age(struct trio *trio, unsigned count);
unsigned trio_sessions(const struct trio *trio);

/* One read by lease: the leader's whole step, from the datagram to the answer. */
bool trio_read(struct trio *trio);

/* Time stamp counter, and how many of its ticks a nanosecond has (measured for 20 ms). */
uint64_t trio_cycles(void);
double trio_cycles_per_ns(void);

const char *trio_stage_text(enum trio_stage stage);
