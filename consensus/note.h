/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * note.h - a death note: "this start of this server's process is over; I have seen how it ended"
 *
 *      server  --- secret of this start, in its heartbeats ---> members
 *         `------- identity and secret --> supervisor
 *      (dies; the supervisor reaps it)         |
 *                                              `-- DEAD(identity, secret) --> members
 *
 * A member believes a note if it names the start it has last heard of that member and carries
 * that start's secret: only the server and its supervisor knew it beside the members. So it may
 * come from any address and by any way. Who believes it
 *   - is unhappy at once if it followed that start, and stands in its turn,
 *   - counts no grant to ballots of that start any more (DESIGN 4.1 g),
 *   - hears nothing more of that start.
 * All three stay true for ever, so a note may come late or twice.
 *
 * Pure. Threads: encode any, hear the replica's.
 */

#include <stdint.h>

#include "consensus/msg.h"

struct paxos_note {
	uint64_t cluster;
	uint8_t node; /* index of the member that died */
	uint64_t incarnation;
	uint32_t start;
	uint64_t secret; /* not 0 */
};

/* Writes the whole datagram; returns its size. */
size_t paxos_note_encode(const struct paxos_note *note,
                         uint8_t ret_datagram[STORE_DATAGRAM_SIZE_MAX]);

struct paxos_replica;

/* DEAD. Private to consensus/. */
void paxos_note_hear(struct paxos_replica *replica, const struct paxos_msg *msg);
