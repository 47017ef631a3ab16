/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_words.h - the words of a line; numbers, durations and names of locks in them
 *
 *      set /a "two words\n"
 *
 * Blanks part words. Between double quotes they do not, and \\ \" \n \t \r \xHH stand for one byte.
 *
 * Pure. Threads: any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/client/coffer_txn.h"

enum {
	CLI_WORDS_MAX = 16 /* on a line */
};

struct cli_word {
	const char *text; /* a zero byte behind it, and perhaps some in it */
	size_t size;
};

/*
 * Splits a line in its place: words point into it. line[size] may be written.
 *
 * Returns how many there are, or -1: then *ret_why tells people why.
 */
int cli_words_split(char *line, size_t size, struct cli_word words[CLI_WORDS_MAX],
                    const char **ret_why);

/* The same text, and no zero byte in it. */
bool cli_word_is(const struct cli_word *word, const char *text);

/* A whole decimal number, `minimum` at least. False, and nothing written: it is none. */
bool cli_parse_number(const char *text, int64_t minimum, int64_t *ret_number);

/* `500ms`, `1.5s`, `2m`, `1h`, or seconds: 1 ms to 24 h. False: it is none. */
bool cli_parse_duration(const char *text, uint32_t *ret_ms);

/* The name of a lock, whose first slash may be left out. False: it is too long. */
bool cli_lock_name(const char *text, char ret_name[COFFER_LOCK_NAME_SIZE_MAX + 1]);
