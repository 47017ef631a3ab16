/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * session.h - who asks, and what was answered: exactly once (DESIGN 4.1 l)
 *
 *      numbers    ... forgotten | base ....... base + 63 | not yet
 *      answer         STALE     | kept, or run now       | WINDOW
 *
 * The base rises only by the "first unanswered" that applied entries carry. Sessions stand in a
 * persistent tree, as files do, so that a snapshot of an old root sees its own sessions.
 *
 * Pure. Threads: the writer's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/answer.h"
#include "store/tree.h"

struct store_session {
	uint64_t id;
	uint64_t secret;
	uint64_t base;     /* numbers below are forgotten */
	uint64_t answered; /* bit i: number base + i has a kept answer */
	uint32_t ttl_ms;
	uint32_t owned; /* files that go when it goes */
};

enum {
	STORE_SESSION_KEY_SIZE = 11, /* 64 bits, 6 in each byte */
};

/* A session's id as a key of trees: in the order of ids, and without a "/" in it. */
void store_session_key(uint64_t id, uint8_t key[STORE_SESSION_KEY_SIZE]);

struct store_sessions {
	struct store_node *root;
	uint32_t count;
	const struct store_item
		*last; /* changed last, or NULL; for the writer, who needs it again */
};

/* What a number means to a session. */
enum store_turn {
	STORE_TURN_RUN,   /* run it, and keep the answer */
	STORE_TURN_KEPT,  /* it ran; here is the answer */
	STORE_TURN_STALE, /* forgotten */
	STORE_TURN_WINDOW /* too far ahead */
};

/* The session, or NULL. Good until the next change. The writer's. */
const struct store_session *store_sessions_find(const struct store_sessions *sessions, uint64_t id);

/* The first with id > after, or NULL. Good until the next change. */
const struct store_session *store_sessions_next(const struct store_sessions *sessions,
                                                uint64_t after);

/* A kept answer, or false. `session` is one that this module gave. */
bool store_session_kept(const struct store_session *session, uint64_t number,
                        struct store_result *ret_result);

/* Makes a session whose id is new (must). */
void store_sessions_add(struct store_sessions *sessions, struct store_reclaim *reclaim,
                        const struct store_session *session);

/* False if there is none. */
bool store_sessions_remove(struct store_sessions *sessions, struct store_reclaim *reclaim,
                           uint64_t id);

/* One file more is the session's, or one less. It is there (must). */
void store_sessions_own(struct store_sessions *sessions, struct store_reclaim *reclaim, uint64_t id,
                        int more);

/*
 * Raises the base of a session that this module gave to `first_unanswered`, if that is higher,
 * and says what `number` means then. *session is the session as it stands after that.
 * ret_result is written if the answer is KEPT.
 */
enum store_turn store_sessions_turn(struct store_sessions *sessions, struct store_reclaim *reclaim,
                                    const struct store_session **session, uint64_t number,
                                    uint64_t first_unanswered, struct store_result *ret_result);

/* Keeps the answer of a number that was to run (must), as store_sessions_turn() left it. */
void store_sessions_keep(struct store_sessions *sessions, struct store_reclaim *reclaim,
                         const struct store_session *session, uint64_t number,
                         const struct store_result *result);
