/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * mutant.h - mistakes that are planted on purpose, to see that the tests find them
 *
 * mutant(n) is true only in a build with -DMUTANT=n, which tests/sim/mutants.py makes; there is
 * one place in the code for each n. In every other build it is the constant 0, and the mistake is
 * not in the program. The list is in tests/README.md.
 */

#ifdef MUTANT
#define mutant(n) (MUTANT == (n))
#else
#define mutant(n) (0)
#endif
