/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * locks.h - what locks cost, measured as their users feel it
 *
 *      alone       one player locks a free lock and gives it back, again and again
 *      hand_over   two players take turns: from giving back to the other's knowing that it has it
 *      one         many players want one lock: grants each second
 *      many        many locks, each wanted by one player, LOCKS_UNDER_WAY for each at once
 *      keep_alive  sessions that do nothing else: answers each second (pulse.h; not over links)
 *      death       a process that holds the lock is killed: until who waits knows that it has it
 *                  (victim.h; not over links)
 *
 * One thread plays all players. Closed loop. Sessions live for 10 s but those that die.
 */

#include <jansson.h>
#include <stdint.h>

#include "bench/post.h"

enum {
	LOCKS_MAX = 1000000,
	LOCKS_UNDER_WAY = 32, /* of each player of `many`; each has locks that no other wants */
};

struct locks_config {
	unsigned players;  /* who want the one lock, from 2 */
	unsigned locks;    /* of `many`, from LOCKS_UNDER_WAY for each player */
	unsigned sessions; /* of `keep_alive`, 1 to PULSE_SESSIONS_MAX */
	unsigned deaths;   /* of each time to live */
	double seconds;    /* of each part but death */
	double warm_up_seconds;
	uint64_t timeout_ns, seed;
	struct post_config post;
};

/*
 * The report, or NULL; then ret_error: negative errno. -ENETUNREACH: no server answered in time;
 * -ECANCELED: a request was refused or given up; -EALREADY: somebody else has a lock of ours.
 */
json_t *locks_measure(const struct locks_config *config, int *ret_error);
