/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/note.h"

#include "consensus/body.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

size_t paxos_note_encode(const struct paxos_note *note,
                         uint8_t ret_datagram[STORE_DATAGRAM_SIZE_MAX])
{
	const struct paxos_msg msg = {
		.kind = PAXOS_MSG_DEAD,
		.node = note->node,
		.incarnation = note->incarnation,
		.start = note->start,
		.secret = note->secret,
	};
	size_t size;

	must(note->secret != 0);
	size = paxos_msg_encode(&msg, ret_datagram + STORE_DATAGRAM_HEADER);
	return store_datagram_close(ret_datagram, size, STORE_DATAGRAM_PEER, 0, note->cluster);
}

static bool is_of(struct paxos_ballot ballot, const struct paxos_msg *msg)
{
	return ballot.node == msg->node && ballot.incarnation == msg->incarnation &&
	       ballot.start == msg->start;
}

void paxos_note_hear(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	struct paxos_peer *peer = &core->peers[msg->node];

	if (msg->node == core->config.node || msg->secret == 0 ||
	    (msg->secret != peer->secret && !mutant(41)) || msg->incarnation != peer->incarnation ||
	    msg->start != peer->start) {
		paxos_core_drop(core, PAXOS_DROP_NOTE);
		return;
	}
	if (paxos_peer_is_dead(peer)) {
		return;
	}
	peer->is_dead = true;
	peer->dead_incarnation = msg->incarnation;
	peer->dead_start = msg->start;
	peer->answered_ns = 0;
	if (is_of(core->grant.ballot, msg)) {
		paxos_grant_void(&core->grant);
	}
	paxos_core_trace(core, PAXOS_TRACE_REPORTED_DEAD, msg->start, msg->node);
	if (core->leader == msg->node) {
		core->leader = PAXOS_NOBODY;
	}
	if (core->role == PAXOS_FOLLOWER && is_of(core->promised, msg)) {
		paxos_election_bereaved(core, &replica->election, msg->node);
	}
	paxos_replica_relieve(replica);
}
