/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * entry_fixture.h - entries of a log that are told apart by their bytes alone
 */

#include "store/base/slice.h"
#include "store/limits.h"

/* Bytes and size are a function of the tag; every 17th is long. Good until the next call. */
static inline struct slice entry_of(uint32_t tag)
{
	static uint8_t memory[STORE_ENTRY_SIZE_MAX];
	const size_t size = tag % 17 == 0 ? STORE_ENTRY_SIZE_MAX - tag % 100 : 5 + tag % 900;

	memset(memory, (int)(tag & 255), size);
	memcpy(memory, &tag, sizeof(tag));
	return slice_make(memory, size);
}
