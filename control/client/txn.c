/* SPDX-License-Identifier: Apache-2.0 */
/*
 * txn.c - transactions of the client library: strings and numbers around store/txn
 */
#include "control/client/txn.h"

#include <errno.h>
#include <stdlib.h>

#include "store/claim.h"
#include "store/txn.h"

static_assert((int)COFFER_TXN_OPS_MAX == (int)STORE_TXN_OPS_MAX &&
                      (int)COFFER_TXN_SIZE_MAX == (int)STORE_TXN_SIZE_MAX &&
                      (int)COFFER_LOCK_NAME_SIZE_MAX == (int)STORE_LOCK_NAME_MAX &&
                      (int)COFFER_LOCK_DATA_SIZE_MAX == (int)STORE_LOCK_DATA_MAX &&
                      (int)COFFER_LOCK_PERMITS_MAX == (int)STORE_PERMITS_MAX,
              "limits are the store's");
static_assert((int)COFFER_EQUAL == (int)STORE_EQUAL && (int)COFFER_AT_MOST == (int)STORE_AT_MOST &&
                      (int)COFFER_NOT_EQUAL == (int)STORE_NOT_EQUAL &&
                      (int)COFFER_AT_LEAST == (int)STORE_AT_LEAST,
              "relations are the store's");
static_assert((int)COFFER_EPHEMERAL == (int)STORE_OP_EPHEMERAL &&
                      (int)COFFER_SEQUENCE == (int)STORE_OP_SEQUENCE,
              "flags are the store's");

enum place {
	COMPARES = 0,
	THENS,
	ELSES,
};

struct coffer_txn {
	struct store_txn_writer writer;
	enum place place;
	int error; /* the first that was made */
	bool owns;
	uint8_t memory[STORE_TXN_SIZE_MAX];
};

struct coffer_txn *coffer_txn_new(void)
{
	struct coffer_txn *txn = malloc(sizeof(*txn));

	if (txn != NULL) {
		coffer_txn_clear(txn);
	}
	return txn;
}

void coffer_txn_free(struct coffer_txn *txn)
{
	free(txn);
}

void coffer_txn_clear(struct coffer_txn *txn)
{
	store_txn_begin(&txn->writer, txn->memory, sizeof(txn->memory));
	txn->place = COMPARES;
	txn->error = 0;
	txn->owns = false;
}

static void fail(struct coffer_txn *txn, int error)
{
	if (txn->error == 0) {
		txn->error = error;
	}
}

/* Empty if it fails. */
static struct slice text_of(struct coffer_txn *txn, const char *text)
{
	struct slice slice = {0};

	if (text == NULL) {
		fail(txn, -EINVAL);
		return slice;
	}
	slice = slice_text(text);
	if (slice.size > STORE_PATH_SIZE_MAX) {
		fail(txn, -E2BIG);
	}
	return slice;
}

static struct slice bytes_of(struct coffer_txn *txn, const void *bytes, size_t size, size_t max)
{
	if (bytes == NULL && size != 0) {
		fail(txn, -EINVAL);
	} else if (size > max) {
		fail(txn, -E2BIG);
	}
	return slice_make(bytes, size);
}

/* --- conditions ------------------------------------------------------------------------------ */

static void add_compare(struct coffer_txn *txn, const struct store_compare *compare)
{
	if (txn->place != COMPARES || compare->relation < STORE_EQUAL ||
	    compare->relation > STORE_AT_LEAST) {
		fail(txn, -EINVAL);
	}
	if (txn->error == 0) {
		store_txn_if(&txn->writer, compare);
	}
}

void coffer_txn_if_rev(struct coffer_txn *txn, const char *path, enum coffer_relation relation,
                       int64_t rev)
{
	const struct store_compare compare = {
		.kind = STORE_COMPARE_REV,
		.relation = (enum store_relation)relation,
		.number = rev,
		.path = text_of(txn, path),
	};

	add_compare(txn, &compare);
}

void coffer_txn_if_value(struct coffer_txn *txn, const char *path, enum coffer_relation relation,
                         const void *value, size_t value_size)
{
	const struct store_compare compare = {
		.kind = STORE_COMPARE_VALUE,
		.relation = (enum store_relation)relation,
		.path = text_of(txn, path),
		.value = bytes_of(txn, value, value_size, STORE_VALUE_SIZE_MAX),
	};

	if (relation != COFFER_EQUAL && relation != COFFER_NOT_EQUAL) {
		fail(txn, -EINVAL);
	}
	add_compare(txn, &compare);
}

void coffer_txn_if_token(struct coffer_txn *txn, const char *lock, int64_t token)
{
	const struct store_compare compare = {
		.kind = STORE_COMPARE_TOKEN,
		.relation = STORE_EQUAL,
		.number = token,
		.path = text_of(txn, lock),
	};

	add_compare(txn, &compare);
}

void coffer_txn_if_session(struct coffer_txn *txn, uint64_t session, bool is_there)
{
	const struct store_compare compare = {
		.kind = STORE_COMPARE_SESSION,
		.relation = is_there ? STORE_EQUAL : STORE_NOT_EQUAL,
		.number = (int64_t)session,
	};

	add_compare(txn, &compare);
}

/* --- operations ------------------------------------------------------------------------------ */

static void add_op(struct coffer_txn *txn, const struct store_op *op)
{
	if (txn->error != 0) {
		return;
	}
	if (txn->place == ELSES) {
		store_txn_else(&txn->writer, op);
	} else {
		txn->place = THENS;
		store_txn_then(&txn->writer, op);
	}
}

void coffer_txn_or_else(struct coffer_txn *txn)
{
	if (txn->place == ELSES) {
		fail(txn, -EINVAL);
	}
	txn->place = ELSES;
}

void coffer_txn_set(struct coffer_txn *txn, const char *path, const void *value, size_t value_size,
                    int64_t if_rev, unsigned flags)
{
	const struct store_op op = {
		.verb = STORE_VERB_SET,
		.condition = STORE_IF_EQUAL,
		.rev = if_rev,
		.flags = (uint8_t)flags,
		.path = text_of(txn, path),
		.value = bytes_of(txn, value, value_size, STORE_VALUE_SIZE_MAX),
	};

	if (flags > (COFFER_EPHEMERAL | COFFER_SEQUENCE)) {
		fail(txn, -EINVAL);
	}
	txn->owns = txn->owns || (flags & COFFER_EPHEMERAL) != 0;
	add_op(txn, &op);
}

void coffer_txn_delete(struct coffer_txn *txn, const char *path, int64_t if_rev)
{
	const struct store_op op = {
		.verb = STORE_VERB_DELETE,
		.condition = STORE_IF_EQUAL,
		.rev = if_rev,
		.path = text_of(txn, path),
	};

	add_op(txn, &op);
}

void coffer_txn_add(struct coffer_txn *txn, const char *path, int64_t number)
{
	const struct store_op op = {
		.verb = STORE_VERB_ADD,
		.condition = STORE_IF_EQUAL,
		.rev = STORE_REV_ANY,
		.path = text_of(txn, path),
		.number = number,
	};

	add_op(txn, &op);
}

void coffer_txn_lock(struct coffer_txn *txn, const char *lock, const struct coffer_claim *claim)
{
	static const struct coffer_claim plain;
	struct store_op op = {.verb = STORE_VERB_LOCK, .path = text_of(txn, lock)};

	if (claim == NULL) {
		claim = &plain;
	}
	if (claim->is_shared && claim->permits != 0) {
		fail(txn, -EINVAL);
	}
	if (claim->permits > COFFER_LOCK_PERMITS_MAX) {
		fail(txn, -E2BIG);
	}
	op.limit = claim->is_shared ? 0 : claim->permits == 0 ? 1 : claim->permits;
	op.flags = claim->is_try ? STORE_OP_TRY : 0;
	op.priority = claim->priority;
	op.delay_ms = claim->delay_ms;
	op.value = bytes_of(txn, claim->data, claim->data_size, STORE_LOCK_DATA_MAX);
	txn->owns = true;
	add_op(txn, &op);
}

void coffer_txn_unlock(struct coffer_txn *txn, const char *lock, bool is_wholly)
{
	const struct store_op op = {
		.verb = STORE_VERB_UNLOCK,
		.flags = is_wholly ? STORE_OP_ALL : 0,
		.path = text_of(txn, lock),
	};

	add_op(txn, &op);
}

void coffer_txn_transfer(struct coffer_txn *txn, const char *lock, uint64_t session)
{
	const struct store_op op = {
		.verb = STORE_VERB_UNLOCK,
		.path = text_of(txn, lock),
		.number = (int64_t)session,
	};

	if (session == 0) {
		fail(txn, -EINVAL);
	}
	add_op(txn, &op);
}

void coffer_txn_proclaim(struct coffer_txn *txn, const char *lock, const void *data,
                         size_t data_size)
{
	coffer_txn_proclaim_under(txn, lock, COFFER_ANY, data, data_size);
}

void coffer_txn_proclaim_under(struct coffer_txn *txn, const char *lock, int64_t token,
                               const void *data, size_t data_size)
{
	const struct store_op op = {
		.verb = STORE_VERB_PROCLAIM,
		.rev = token,
		.path = text_of(txn, lock),
		.value = bytes_of(txn, data, data_size, STORE_LOCK_DATA_MAX),
	};

	add_op(txn, &op);
}

void coffer_txn_break(struct coffer_txn *txn, const char *lock, int64_t token, uint64_t heir,
                      const void *record, size_t record_size)
{
	const struct store_op op = {
		.verb = STORE_VERB_BREAK,
		.rev = token,
		.number = (int64_t)heir,
		.path = text_of(txn, lock),
		.value = bytes_of(txn, record, record_size, STORE_LOCK_DATA_MAX),
	};

	add_op(txn, &op);
}

void coffer_txn_kill(struct coffer_txn *txn, uint64_t session)
{
	const struct store_op op = {.verb = STORE_VERB_KILL, .number = (int64_t)session};

	add_op(txn, &op);
}

/* --- to do it -------------------------------------------------------------------------------- */

int ctl_txn_bytes(struct coffer_txn *txn, struct slice *ret_bytes, bool *ret_owns)
{
	struct slice bytes;

	if (txn->error != 0) {
		return txn->error;
	}
	bytes = store_txn_end(&txn->writer);
	if (bytes.size == 0) {
		return -E2BIG;
	}
	*ret_bytes = bytes;
	*ret_owns = txn->owns;
	return 0;
}

int coffer_txn_submit(struct coffer *coffer, struct coffer_txn *txn, coffer_done_fn *done,
                      void *context, uint64_t *ret_id)
{
	const struct coffer_request request = {.verb = COFFER_TXN, .txn = txn};

	return coffer_submit(coffer, &request, done, context, ret_id);
}

int coffer_txn_run(struct coffer *coffer, struct coffer_txn *txn, struct coffer_result *ret_result)
{
	const struct coffer_request request = {.verb = COFFER_TXN, .txn = txn};

	return coffer_call(coffer, &request, ret_result);
}

int ctl_txn_end(struct coffer *coffer, struct coffer_txn *txn, unsigned flags,
                struct coffer_result *ret_result)
{
	const struct coffer_request request = {.verb = COFFER_TXN, .flags = flags, .txn = txn};
	const int r = txn == NULL ? -ENOMEM : coffer_call(coffer, &request, ret_result);

	coffer_txn_free(txn);
	return r;
}

int coffer_set_fenced(struct coffer *coffer, const char *lock, int64_t token, const char *path,
                      const void *value, size_t value_size, int64_t if_rev,
                      struct coffer_result *ret_result)
{
	struct coffer_txn *txn = coffer_txn_new();

	if (txn != NULL) {
		coffer_txn_if_token(txn, lock, token);
		coffer_txn_set(txn, path, value, value_size, if_rev, 0);
	}
	return ctl_txn_end(coffer, txn, 0, ret_result);
}

int coffer_delete_fenced(struct coffer *coffer, const char *lock, int64_t token, const char *path,
                         int64_t if_rev, struct coffer_result *ret_result)
{
	struct coffer_txn *txn = coffer_txn_new();

	if (txn != NULL) {
		coffer_txn_if_token(txn, lock, token);
		coffer_txn_delete(txn, path, if_rev);
	}
	return ctl_txn_end(coffer, txn, 0, ret_result);
}
