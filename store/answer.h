/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * answer.h - what is answered, to people and programs
 *
 * Numbers are part of the protocol: they are never used again for something else.
 */

#include <stdint.h>

#include "store/op.h"

enum store_answer {
	STORE_OK = 0,
	STORE_MISMATCH = 1,       /* the condition is false; revision tells what stands */
	STORE_NOT_FOUND = 2,      /* no such file */
	STORE_IS_DIRECTORY = 3,   /* the path is a directory */
	STORE_NOT_DIRECTORY = 4,  /* a name on the way is a file; or LIST of a file */
	STORE_BAD_PATH = 5,       /* the path's form is wrong */
	STORE_BAD_GLOB = 6,       /* the glob's form is wrong */
	STORE_TOO_LARGE = 7,      /* path, value, what a list kills */
	STORE_QUOTA = 8,          /* the store is full; deletes work */
	STORE_TOO_LATE = 9,       /* that revision is no longer kept */
	STORE_NO_SESSION = 10,    /* never was, expired, or closed */
	STORE_BAD_SECRET = 11,    /* the session is not yours */
	STORE_STALE = 12,         /* the number is below the session's base */
	STORE_WINDOW = 13,        /* the number is too far above the first unanswered */
	STORE_SESSIONS_FULL = 14, /* no room for another session */
	STORE_NOT_LEADER = 15,    /* ask the server named by `leader` */
	STORE_NO_QUORUM = 16,     /* no leader is known, or it reaches no majority */
	STORE_OVERLOADED = 17,    /* try again later; had no effect */
	STORE_BAD_REQUEST = 18,   /* makes no sense */
	STORE_BAD_VERSION = 19,   /* this version of the protocol is not spoken here */
	STORE_WRONG_CLUSTER = 20, /* the request names another cluster */
	STORE_BAD_VERB = 21,      /* no such verb */
	STORE_DISK_FULL = 22,     /* no room on the servers' disks; what does not grow works */
	STORE_TOO_EARLY = 23,     /* that revision has not come yet; ask again */
	STORE_DENIED = 24,        /* the request's tag does not earn the right; see rights.h */
	STORE_LOCKED = 25,        /* others hold the lock; revision is a token of theirs */
	STORE_NOT_HELD = 26,      /* the lock is not yours, or the token is not its present one */
	STORE_NOT_NUMBER = 27,    /* ADD: the file is no number, or the sum would not be one */
	STORE_GUARDED = 28,       /* below /ctl/lock: locks alone change it */
	STORE_SESSION_FULL = 29,  /* the session owns as many files as it may */
	STORE_ANSWER_COUNT
};

/* "not found" and so on, for people. "unknown answer" for a number that is none. */
const char *store_answer_text(enum store_answer answer);

/* What a mutation answered; kept for 64 requests of each session (4.1 l). */
struct store_result {
	enum store_answer answer;
	uint8_t flags;              /* STORE_RESULT_... */
	uint8_t op;                 /* which compare or operation it was that was refused, from 0 */
	store_rev_t revision;       /* of the last change; if refused what stands, 0 if absent */
	store_rev_t first;          /* of the first change; 0 if there was none */
	store_rev_t store_revision; /* of the store after the entry */
	int64_t number;             /* LOCK: token, or ticket; ADD: the sum; of the last of these */
	uint64_t session;           /* OPEN: the new session's id */
};

enum {
	STORE_RESULT_ELSE = 1,   /* a compare was false: the else list was run, or was refused */
	STORE_RESULT_QUEUED = 2, /* LOCK: number is a ticket; UNLOCK: of one that waited */
	STORE_RESULT_IF = 4,     /* refused by a compare: `op` is its place among them */
};
