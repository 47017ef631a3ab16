/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * mend.h - entries that this server accepted and cannot read any more
 *
 *      log     1 2 3 ? ? 6 7 ? 9          ?: unknown, not empty: it may have been acknowledged
 *      stage         4 5 6 7 8 9          asked of everybody, in order; what is known is copied
 *                    `-- whole: one atomic step puts it in the place of the log's end
 *
 * A server with unknown entries takes no part: its vote could speak for a log that it has not.
 * Anybody may answer that has the entry in a log of the same accepted ballot (logs of one ballot
 * begin alike), or as decided: if it was decided in a higher ballot than the one accepted here,
 * this log can never be the one of highest rank in a majority, so nobody will adopt it. A server
 * that is itself being mended answers, too: when every server is damaged, none at the same entry,
 * all are mended.
 *
 * Where a later configuration than any it stood in has begun, all that it could be asked about is
 * decided: a snapshot from there takes the place of log and holes (turnover.h).
 * Where nobody has the entries while a leader lives, PAXOS_END_BEYOND_REPAIR: they are never taken
 * for empty. Source: Alagappan et al., "Protocol-Aware Recovery", FAST '18; DESIGN 7.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/intake.h"

/* With core->holes: asks, copies, and in the end commits. True when the log is whole. */
bool paxos_mend_tick(struct paxos_core *core, struct paxos_intake *intake);

/* FETCH with REPAIR: answers if it may. False: it has not what is asked for. */
bool paxos_mend_give(struct paxos_core *core, const struct paxos_msg *fetch);
