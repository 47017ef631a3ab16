/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * supervisor.h - a process that waits for the server, and tells the others when it dies
 *
 *      cofferd (supervisor)                        the other servers
 *         | fork
 *         |---> cofferd (server) -- heartbeats, with the secret of this start --->
 *         |        `-- identity and secret, in a page both share
 *         |        dies, in whatever way
 *         | reaps it
 *         `----------------------------------------- DEAD (consensus/note.h) ---->
 *
 * So a crash needs no time-out. The supervisor allocates nothing, reads no packet and no file, and
 * so outlives what kills a server. Signals that it gets it passes on. A supervisor that dies takes
 * its server along (PR_SET_PDEATHSIG), and tells nobody.
 *
 * A note is sent from the address of the dead server, if the kernel has it, to every other
 * server.N; where that address belongs to a DPDK port of a peer it arrives there like a client's.
 *
 * Threads: one, before any other is started.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "consensus/config.h"
#include "consensus/note.h"
#include "control/reason.h"

enum {
	CTL_SUPERVISOR_BACK_OFF_MS = 100, /* before a restart; doubles */
	CTL_SUPERVISOR_BACK_OFF_MAX_MS = 10000,
	CTL_SUPERVISOR_WELL_MS = 60000, /* who lived that long begins anew with it */
	CTL_SUPERVISOR_KILLED = 128,    /* + the signal: the exit code */
};

/* What a server tells its supervisor, in memory of both. */
struct ctl_birth {
	struct paxos_note note;
	_Atomic bool is_told;
};

/*
 * In the server, before its replica starts: draws the secret of this start and hands it over.
 * Returns it for paxos->secret; 0 if there is no supervisor (NULL), or no chance to be had.
 */
uint64_t ctl_birth_tell(struct ctl_birth *birth, const struct paxos_config *paxos);

/*
 * Lives the server's life in a process of its own and returns its exit code. `again`: it is not
 * the first one.
 */
typedef int ctl_serve(void *context, struct ctl_birth *birth, bool again);

/*
 * Reads the configuration, starts a server, waits for it, and tells of its end; with `restart =
 * yes` it does so again if the server was killed, but not after a signal to end. Returns the exit
 * code, CTL_SUPERVISOR_KILLED + signal, or a negative errno and the sentence.
 */
int ctl_supervise(const char *file, ctl_serve *serve, void *context, struct ctl_reason *ret_reason);
