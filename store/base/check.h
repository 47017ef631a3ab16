/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * check.h - assertions
 *
 * must()        on in every build, release too: a promise of our own code that breaks stops
 *               the process before it can break a promise made to a peer
 * debug_must()  on in debug and simulator builds: for a check that costs more than the code
 *               it guards
 *
 * Neither is for input. What comes from a packet, a file or a person is tested with `if`.
 */

#include <assert.h>

/* Prints the broken promise to standard error and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line)
	__attribute__((cold));

#define must(condition)                                                                            \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0)) {                                           \
			check_failed(#condition, __FILE__, __LINE__);                              \
		}                                                                                  \
	} while (0)

#ifdef CHECK_DEBUG
#define debug_must(condition) must(condition)
#else
#define debug_must(condition)                                                                      \
	do {                                                                                       \
		(void)sizeof(condition);                                                           \
	} while (0)
#endif
