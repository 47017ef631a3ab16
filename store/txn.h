/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * txn.h - transactions as bytes: compares, what to do if all hold, and what if one does not
 *
 *      txn      compares u8, thens u8, elses u8, compare ..., op ... (then), op ... (else)
 *      compare  kind u8, relation u8, number i64, path size u16, path, value size u32, value
 *      op       op.h
 *
 * All operations of a list have their effect, at consecutive revisions, or none has. A refused
 * operation refuses the whole. So does a false compare, if there is no else list. Operations of a
 * list see what those before them did.
 *
 * Decoding refuses whatever encoding would not have written. What is decoded borrows from the
 * bytes. Pure. Source: the mini-transactions of Sinfonia (Aguilera et al., SOSP'07), as etcd has
 * them.
 */

#include "store/base/wire.h"
#include "store/op.h"

enum store_compare_kind {
	STORE_COMPARE_REV = 1,     /* revision of the file at `path`, 0 if there is none */
	STORE_COMPARE_VALUE = 2,   /* EQUAL, NOT_EQUAL: its value; of no file nothing is equal */
	STORE_COMPARE_TOKEN = 3,   /* EQUAL: `number` is a token under which the lock is held now */
	STORE_COMPARE_SESSION = 4, /* EQUAL: the session `number` lives; NOT_EQUAL: it does not */
};

enum store_relation {
	STORE_EQUAL = 1,
	STORE_AT_MOST = 2,
	STORE_NOT_EQUAL = 3,
	STORE_AT_LEAST = 4,
};

struct store_compare {
	enum store_compare_kind kind;
	enum store_relation relation;
	int64_t number;     /* REV, TOKEN, SESSION; of VALUE 0 */
	struct slice path;  /* empty for SESSION */
	struct slice value; /* VALUE; else empty */
};

struct store_txn {
	uint8_t compare_count, then_count, else_count;
	struct slice compares, thens, elses; /* as bytes */
};

/* False, and nothing written, if it makes no sense, or is over a limit of limits.h. */
bool store_txn_decode(struct slice bytes, struct store_txn *ret_txn);

/* One after the other, as many as there are (must), out of a reader over the list's bytes. */
struct store_compare store_txn_compare(struct wire_reader *reader);
struct store_op store_txn_op(struct wire_reader *reader);

/*
 * Puts a transaction together in the caller's memory: compares first, then what to do, then what
 * to do else (must). What does not fit makes the whole fail.
 */
struct store_txn_writer {
	struct wire_writer writer;
	uint8_t *memory;
	unsigned counts[3]; /* compares, thens, elses */
};

void store_txn_begin(struct store_txn_writer *writer, void *memory, size_t size);
void store_txn_if(struct store_txn_writer *writer, const struct store_compare *compare);
void store_txn_then(struct store_txn_writer *writer, const struct store_op *op);
void store_txn_else(struct store_txn_writer *writer, const struct store_op *op);
/* The bytes; empty if it did not fit, a list is too long, or an op is none for a transaction. */
struct slice store_txn_end(struct store_txn_writer *writer);
