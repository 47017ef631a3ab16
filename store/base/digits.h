/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * digits.h - numbers as text, where there is no stdio
 *
 * Pure. No zero byte is written.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	DIGITS_HEX = 16,     /* of 64 bits, always all of them, in lower case */
	DIGITS_DECIMAL = 20, /* of 64 bits, at most */
};

/* Writes DIGITS_HEX bytes. */
static inline void digits_put_hex(void *memory, uint64_t number)
{
	uint8_t *digits = memory;

	for (unsigned i = 0; i < DIGITS_HEX; i++) {
		digits[i] = (uint8_t) "0123456789abcdef"[number >> (60 - 4 * i) & 15];
	}
}

/* Writes at most DIGITS_DECIMAL bytes; returns how many. */
static inline size_t digits_put_decimal(void *memory, uint64_t number)
{
	char digits[DIGITS_DECIMAL];
	size_t size = 0;

	do {
		digits[DIGITS_DECIMAL - ++size] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	memcpy(memory, digits + DIGITS_DECIMAL - size, size);
	return size;
}
