/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * mutant.h - mistakes that are planted on purpose, to see that the tests find them
 *
 * mutant(n) is 1 only in a build with -DMUTANT_n=1, which tests/sim/mutants.py makes; there is one
 * place in the code for each n. In every other build it is the constant 0, and the mistake is not
 * in the program. The list is in tests/README.md.
 *
 * A name for each, not a number that is compared: so all files but the one with the mistake are
 * the same to the compiler's cache. Whether a name is defined as 1 is asked as Linux does
 * (include/linux/kconfig.h): then MUTANT_IS_1 puts a word before the 1, which becomes the second.
 */

#define MUTANT_IS_1                       0,
#define MUTANT_SECOND(first, second, ...) second
#define MUTANT_PICK(word_or_nothing)      MUTANT_SECOND(word_or_nothing 1, 0, 0)
#define MUTANT_PASTE(value)               MUTANT_PICK(MUTANT_IS_##value)
#define MUTANT_ASK(name)                  MUTANT_PASTE(name)
#define mutant(n)                         MUTANT_ASK(MUTANT_##n)
