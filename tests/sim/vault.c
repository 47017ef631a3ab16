/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/vault.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/claim.h"

struct slice vault_lock(unsigned lock)
{
	static const char *const names[VAULT_LOCKS] = {"/l0", "/l1", "/l2", "/l3"};

	must(lock < VAULT_LOCKS);
	return slice_text(names[lock]);
}

struct slice vault_path(unsigned lock, char *memory)
{
	const int size = snprintf(memory, LEDGER_PATH_MAX, "/w/by/l%u", lock);

	return slice_make(memory, (size_t)size);
}

/* Who holds the lock under a token, resting or not; NULL: nobody. */
static const struct oracle_claim *holder_of(const struct vault *vault, unsigned lock,
                                            store_rev_t token)
{
	const struct oracle_claim *claims;
	const unsigned count = oracle_claims(vault->oracle, &claims);

	for (unsigned i = 0; i < count; i++) {
		if (claims[i].is_holder && claims[i].number == token &&
		    slice_equal(vault_lock(lock), slice_text(claims[i].name))) {
			return &claims[i];
		}
	}
	return NULL;
}

static bool is_held(const struct vault *vault, unsigned lock, store_rev_t token)
{
	const struct oracle_claim *holder = holder_of(vault, lock, token);

	return holder != NULL && !holder->is_resting;
}

static bool is_known(const struct vault *vault, store_rev_t token)
{
	return token <= oracle_revision(vault->oracle);
}

static bool is_revoked(const struct vault *vault, store_rev_t token)
{
	for (unsigned i = 0; i < VAULT_REVOKED_MAX && i < vault->revoked_count; i++) {
		if (vault->revoked[i] == token) {
			return true;
		}
	}
	return false;
}

void vault_act(struct vault *vault, uint64_t now_ns, unsigned lock, store_rev_t token)
{
	must(lock < VAULT_EXCLUSIVE);
	if (token >= vault->highest[lock]) {
		vault->highest[lock] = token;
		vault->accepted++;
		return;
	}
	vault->refused++;
	if (is_held(vault, lock, token)) {
		scroll_fail(vault->scroll, now_ns,
		            "lock %u: its holder, token %" PRId64 ", is refused by a resource that "
		            "saw %" PRId64,
		            lock, token, vault->highest[lock]);
	}
}

void vault_counts_on(struct vault *vault, uint64_t now_ns, unsigned lock, store_rev_t token,
                     uint64_t session)
{
	if (is_known(vault, token) && !is_held(vault, lock, token) && !is_revoked(vault, token)) {
		scroll_fail(vault->scroll, now_ns,
		            "lock %u: session %" PRIu64 " counts on token %" PRId64
		            ", and does not hold it",
		            lock, session, token);
	}
}

/* --- what was decided ------------------------------------------------------------------------- */

static unsigned lock_of(struct slice name)
{
	unsigned lock = 0;

	while (lock < VAULT_LOCKS && !slice_equal(name, vault_lock(lock))) {
		lock++;
	}
	return lock;
}

/* The file was written: the value is the token. */
static void note_write(struct vault *vault, uint64_t now_ns, unsigned lock, store_rev_t token)
{
	vault->guarded++;
	if (token < vault->written[lock] || !is_held(vault, lock, token)) {
		scroll_fail(vault->scroll, now_ns,
		            "lock %u: token %" PRId64 " writes after %" PRId64
		            ", and does not hold it",
		            lock, token, vault->written[lock]);
	}
	vault->written[lock] = token;
}

static void note_death(struct vault *vault, const struct oracle_claim *holder)
{
	struct vault_rest rest = {.token = holder->number, .delay_ms = holder->delay_ms};

	vault->died++;
	for (unsigned i = 0; i < LEDGER_CLIENTS_MAX; i++) {
		if (vault->ledger->claims[i].session == holder->session) {
			rest.sure_ns = vault->ledger->claims[i].until_ns;
		}
	}
	for (unsigned i = 0; i < VAULT_RESTING_MAX; i++) {
		if (vault->resting[i].token == 0) {
			vault->resting[i] = rest;
			return;
		}
	}
}

static void note_rested(struct vault *vault, uint64_t now_ns, store_rev_t token)
{
	vault->rested++;
	for (unsigned i = 0; i < VAULT_RESTING_MAX; i++) {
		struct vault_rest *rest = &vault->resting[i];
		const uint64_t delay_ns = (uint64_t)rest->delay_ms * UINT64_C(1000000000000) /
		                          (1000000 + vault->drift_ppm);

		if (rest->token == token) {
			rest->token = 0;
			if (now_ns < rest->sure_ns + delay_ns) {
				scroll_fail(vault->scroll, now_ns,
				            "token %" PRId64 " rested for less than %u ms", token,
				            rest->delay_ms);
			}
		}
	}
}

static void note_holder(struct vault *vault, uint64_t now_ns, const struct ledger_change *change,
                        unsigned lock, store_rev_t token, store_rev_t revision)
{
	const struct oracle_claim *holder = holder_of(vault, lock, token);

	if (change->cause == STORE_CAUSE_REVOKED) {
		vault->revoked[vault->revoked_count++ % VAULT_REVOKED_MAX] = token;
	} else if (change->cause == STORE_CAUSE_RESTED) {
		note_rested(vault, now_ns, token);
	} else if (change->cause == STORE_CAUSE_EXPIRED && holder != NULL && holder->is_resting) {
		note_death(vault, holder);
	} else if (!change->is_delete && token == revision) {
		vault->passed_on += change->cause == STORE_CAUSE_GRANTED;
		vault->granted += change->cause == STORE_CAUSE_ASKED;
	}
}

void vault_applied(struct vault *vault, uint64_t now_ns)
{
	while ((size_t)vault->looked < vault->ledger->change_count) {
		const struct ledger_change *change = &vault->ledger->changes[++vault->looked];
		enum store_claim_kind kind;
		struct slice name;
		store_rev_t token;

		if (store_claim_path_read(slice_text(change->path), &name, &kind, &token)) {
			if (kind == STORE_CLAIM_HOLDER && lock_of(name) < VAULT_LOCKS) {
				note_holder(vault, now_ns, change, lock_of(name), token,
				            vault->looked);
			}
			vault->steps += kind == STORE_CLAIM_PASSING && change->is_delete;
		} else if (strncmp(change->path, "/w/by/l", 7) == 0) {
			note_write(vault, now_ns, (unsigned)atoi(change->path + 7),
			           (store_rev_t)change->number);
		}
	}
}
