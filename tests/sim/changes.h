/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * changes.h - changes of the members that were asked for, and who may vote soon
 *
 * Each may come to be until its time is over, after any of the others or before, or not at all.
 * What is judged by the members of the moment is not enough: of voters 0, 1 and 2, to put 3 in the
 * place of 2 leaves a majority whole though 3 is hurt, and so does to remove 0 and 2; of both
 * together come the voters 1 and 3.
 *
 * Pure. Threads: one.
 */

#include "tests/sim/checker.h"

enum {
	CHANGES_MAX = 8,       /* at once */
	CHANGES_SETS_MAX = 128 /* sets of voters that may come of them */
};

struct changes {
	struct {
		uint32_t add, remove; /* sets of servers */
		uint64_t until_ns;
	} asked[CHANGES_MAX];
	unsigned count;
};

/* One more; those whose time is over are forgotten. False: there are too many. */
bool changes_put(struct changes *changes, uint64_t now_ns, uint32_t add, uint32_t remove,
                 uint64_t until_ns);

/*
 * True if a majority is outside of `impaired`, whoever of those votes that may: as known, as an
 * undecided stop-sign says, and what comes of them by changes. `node`: only sets that have it are
 * asked for; STORE_NODES_MAX: all are. False if they are too many to tell.
 */
bool changes_leave_majority(const struct changes *changes, const struct checker *checker,
                            uint64_t now_ns, uint32_t impaired, unsigned node);
