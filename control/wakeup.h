/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wakeup.h - be let in soon, where threads share a core
 *
 * A thread that wakes up waits until the one that runs has used its slice, a few ms, even if that
 * one is lower in rank (nice); unless it asked for shorter slices than the other. Its part of the
 * core stays what it was. Linux 6.12 and later (sched_setattr(2), sched_runtime of SCHED_OTHER);
 * without effect before, and where threads have cores of their own.
 *
 * Threads: any, for itself and for those it starts from then on.
 */

#include <stdbool.h>

/* True: slices of 0.1 ms, the shortest; false: as usual again. What fails makes it slower only. */
void ctl_wakeup_soon(bool soon);

/*
 * For a thread that sleeps far more than it runs, and never waits awake: it gets a core as soon as
 * it wakes up, before all ordinary threads (SCHED_FIFO, the lowest rank; the kernel keeps a
 * twentieth of each core for the others, sched(7)). Without CAP_SYS_NICE or a limit RTPRIO of 1 it
 * stays as it was, which makes it slower only.
 */
void ctl_wakeup_first(void);
