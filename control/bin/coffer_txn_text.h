/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_txn_text.h - transactions as people and programs write them
 *
 *      if rev PATH =|!=|<=|>= REVISION     a line for each; coffer_words.h tells what words are
 *      if value PATH =|!= VALUE
 *      if token LOCK TOKEN
 *      if session ID alive|gone
 *      then                                may be left out
 *      set PATH VALUE [if-rev R] [ephemeral] [sequence]
 *      del PATH [if-rev R]
 *      add PATH NUMBER
 *      lock LOCK [shared|permits N] [try] [priority N] [delay DURATION] [data VALUE]
 *      unlock LOCK [all]
 *      transfer LOCK SESSION
 *      proclaim LOCK VALUE [token TOKEN]
 *      break LOCK TOKEN|any RECORD [to SESSION]
 *      kill SESSION
 *      else
 *      ...
 *
 *      {"if": [["rev", PATH, "=", 5], ...], "then": [["set", PATH, VALUE], ...], "else": [...]}
 *
 * As JSON a line is an array of the same words: strings, whole numbers, or {"base64": "..."}.
 *
 * The text may be hostile: what makes no sense is told in one sentence that names the place. Pure
 * but for memory that jansson takes. Threads: any.
 */

#include "control/bin/coffer_txn_step.h"

enum {
	TXN_TEXT_SIZE_MAX = 256 * 1024 /* all a transaction can need, each byte as \xHH */
};

/* Reading nothing yet. `txn` is empty, and gets what is read. */
void txn_text_init(struct txn_text *text, struct coffer_txn *txn);

/* Each returns false where `fault` says what makes no sense. `line`: line[size] may be written. */
bool txn_text_line(struct txn_text *text, char *line, size_t size);
bool txn_text_lines(struct txn_text *text, char *lines, size_t size);
bool txn_text_json(struct txn_text *text, const char *json, size_t size);

/*
 * Where a transaction that was refused was: "line 3", "then 2", or "" where that is not known.
 * Returns true if that is about a file, and result->revision is what stands.
 */
bool txn_text_blame(const struct txn_text *text, const struct coffer_result *result,
                    char ret_place[TXN_FAULT_SIZE]);

/* True if an operation of this list has a number for its result. */
bool txn_text_counts(const struct txn_text *text, enum txn_list list);
