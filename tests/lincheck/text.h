/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * text.h - a text that grows
 *
 * A failure to get memory sticks; text_ok() tells it at the end. Pure but for malloc.
 */

#include <stdbool.h>
#include <stddef.h>

#include "store/base/slice.h"

struct text {
	char *data; /* owned; always ends with 0 once something was put */
	size_t size, room;
	bool failed;
};

void text_deinit(struct text *text);
void text_clear(struct text *text);
bool text_ok(const struct text *text);
const char *text_get(const struct text *text);

void text_put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes as they are where they can be printed, else as \xNN; at most `max` of them, then "...". */
void text_put_bytes(struct text *text, struct slice bytes, size_t max);
