/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * vault.h - what locks are for: things that only the holder may touch
 *
 * For each lock a resource outside of the cluster, which takes the word of nobody but remembers the
 * highest token it has seen, and refuses lower ones; and a file /w/by/LOCK, written under a TOKEN
 * compare. Exclusive locks alone.
 *
 * Checked, against the plain model of what was decided:
 *   - the outside resource never refuses the present holder, whoever else has come by
 *   - the file is written by the present holder, and by no older one after a newer
 *   - who counts on its session (client_valid_until_ns) holds what it was granted, unless an
 *     operator took it away
 *   - a lock rests for its delay after the last moment its holder could count on, by the quickest
 *     of the servers' clocks
 *
 * Threads: one.
 */

#include "tests/oracle/oracle.h"
#include "tests/sim/ledger.h"

enum {
	VAULT_LOCKS = 4, /* "/l0" to "/l3"; the first two are exclusive */
	VAULT_EXCLUSIVE = 2,
	VAULT_REVOKED_MAX = 256,
	VAULT_RESTING_MAX = 8,
};

/* A lock whose holder died. */
struct vault_rest {
	store_rev_t token; /* 0: none */
	uint64_t sure_ns;  /* until then its holder counted on it */
	uint32_t delay_ms;
};

struct vault {
	struct scroll *scroll; /* borrowed, like these two */
	const struct ledger *ledger;
	const struct oracle *oracle;
	uint32_t drift_ppm;                     /* of the servers' clocks */
	store_rev_t highest[VAULT_EXCLUSIVE];   /* seen by the resource */
	store_rev_t written[VAULT_EXCLUSIVE];   /* by the file's last writer */
	store_rev_t revoked[VAULT_REVOKED_MAX]; /* tokens that an operator took */
	unsigned revoked_count;
	struct vault_rest resting[VAULT_RESTING_MAX];
	store_rev_t looked;                        /* changes that were looked at */
	uint64_t accepted, refused, guarded;       /* counts; of the resource, and of the file */
	uint64_t granted, passed_on, rested, died; /* of locks: at once, to who waited; ... */
	uint64_t steps;                            /* passed on by more than one entry */
};

/* Path of a file that is guarded by a lock, in a buffer of LEDGER_PATH_MAX. */
struct slice vault_path(unsigned lock, char *memory);
/* A lock's name. */
struct slice vault_lock(unsigned lock);

/* Somebody acts on the resource under this token; the store knows nothing of it. */
void vault_act(struct vault *vault, uint64_t now_ns, unsigned lock, store_rev_t token);

/* A client says that it holds the lock now, and that its session is good. */
void vault_counts_on(struct vault *vault, uint64_t now_ns, unsigned lock, store_rev_t token,
                     uint64_t session);

/* An entry was decided; the ledger and the model know it. */
void vault_applied(struct vault *vault, uint64_t now_ns);
