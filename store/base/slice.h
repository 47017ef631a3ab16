/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * slice.h - bytes that belong to somebody else
 *
 * A slice never owns. The comment where it is declared says whose bytes they are and until when.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *data; /* may be NULL when size is 0 */
	size_t size;
};

static inline struct slice slice_make(const void *data, size_t size)
{
	return (struct slice){.data = data, .size = size};
}

/* The bytes of a C string, without its end. */
static inline struct slice slice_text(const char *text)
{
	return slice_make(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
