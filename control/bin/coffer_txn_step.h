/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_txn_step.h - one condition or operation of a transaction, out of its words
 *
 * For coffer_txn_text.
 */

#include <stdbool.h>

#include "control/bin/coffer_words.h"
#include "control/client/coffer_txn.h"

enum {
	TXN_FAULT_SIZE = 256
};

enum txn_list {
	TXN_CONDITIONS = 0,
	TXN_THENS,
	TXN_ELSES,
	TXN_LISTS,
};

struct txn_step {
	unsigned line;   /* from 1 */
	bool counts;     /* its result has a number */
	bool is_session; /* there is no file that it is about */
};

struct txn_text {
	struct coffer_txn *txn; /* borrowed */
	bool is_json;
	enum txn_list list;
	unsigned line; /* that is read */
	unsigned counts[TXN_LISTS];
	struct txn_step steps[TXN_LISTS][COFFER_TXN_OPS_MAX];
	char fault[TXN_FAULT_SIZE]; /* "line 3: ..." */
};

/* Of the list that is read. False: text->fault says why it makes no sense. */
bool txn_text_step(struct txn_text *text, const struct cli_word *words, unsigned count);

/* Says it of the line that is read, and returns false. */
bool txn_text_fail(struct txn_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
