/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * contest.h - locks of others than Coffer, measured as bench/locks.h measures ours
 *
 *      alone, hand_over, one_lock, many_locks, death: as there, with the same names in the report
 *
 *      contest ---- lock, unlock ----> side ----> servers
 *              <--- contest_done() ---
 *
 * A hand-over counts from the ask to unlock until the other, who asked 10 ms before and so waits,
 * knows that it has the lock.
 *
 * Threads: one; contest_done() comes from the side's turn().
 */

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	CONTEST_PLAYERS = 16,
	CONTEST_SLOTS = 32, /* requests that a player has under way at most */
	CONTEST_NAME_SIZE = 40,
	CONTEST_TTLS_MAX = 8,
};

struct contest;

struct contest_side {
	const char *name; /* of whom: in the report, and in what is said on standard error */
	void *context;
	/* First of all: who is told, and what has to be there. 0 or a negative errno. */
	int (*begin)(void *context, struct contest *contest);
	/* A new session for a player, in the place of the one it has. 0 or a negative errno. */
	int (*open)(void *context, unsigned player, uint32_t ttl_ms);
	/* Its time to live as granted, in ms; 0: not known. */
	uint32_t (*ttl_ms)(void *context, unsigned player);
	/* One step that is done when contest_done() is called; `name` is good until then. */
	void (*lock)(void *context, unsigned player, unsigned slot, const char *name);
	void (*unlock)(void *context, unsigned player, unsigned slot, const char *name);
	/* The player is not heard any more, and keeps silent. */
	void (*kill)(void *context, unsigned player);
	/* Takes what came, sends what is due, keeps sessions alive. 0 or a negative errno. */
	int (*turn)(void *context);
};

struct contest_config {
	unsigned locks; /* where there are many, from one for each slot of each player */
	unsigned deaths;
	uint32_t ttls_ms[CONTEST_TTLS_MAX]; /* 0 behind the last */
	double seconds; /* of each part but death, after half a second that is not counted */
};

/* --locks, --deaths, --seconds; the input is a struct contest_config. */
extern const struct argp contest_argp;

/* The step of this slot is over; false: it was refused, which ends the measurement. */
void contest_done(struct contest *contest, unsigned player, unsigned slot, bool is_good);

/* Prints the report, or why there is none. Returns what the program is to exit with. */
int contest_run(const struct contest_config *config, const struct contest_side *side);
