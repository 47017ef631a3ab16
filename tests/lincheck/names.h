/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * names.h - a number for each different string of bytes
 *
 * Numbers count from 0 in the order of the first coming. Pure but for malloc.
 */

#include <stddef.h>
#include <stdint.h>

#include "store/base/slice.h"

struct names {
	struct slice *entries; /* owned, with their bytes */
	uint32_t count, room;
	uint32_t *slots; /* owned; number + 1, 0 = free */
	uint32_t slot_count;
};

void names_init(struct names *names);
void names_deinit(struct names *names);

/* 0 or -ENOMEM. */
int names_number(struct names *names, struct slice bytes, uint32_t *ret_number);

/* Borrowed for the life of `names`. */
struct slice names_get(const struct names *names, uint32_t number);
