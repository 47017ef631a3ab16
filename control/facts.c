/* SPDX-License-Identifier: Apache-2.0 */
#include "control/facts.h"

#include <string.h>

#include "consensus/quorum.h"

#define READY_NS ((uint64_t)2000000000) /* who was heard of so lately can be a spare */
#define ALIVE_NS ((uint64_t)5000000000) /* a name is given to who was, if suspicion is shorter */

static bool is_alive(const struct ctl_config *config, const struct paxos_status *status,
                     unsigned node)
{
	const uint64_t patience_ns =
		config->suspicion_ns * 3 > ALIVE_NS ? config->suspicion_ns * 3 : ALIVE_NS;
	const uint64_t heard_ns = status->peers[node].heard_ns;

	return node == status->node || (heard_ns != 0 && status->now_ns - heard_ns < patience_ns);
}

static void take_member(struct ctl_tree_member *member, const struct ctl_config *config,
                        const struct paxos_status *status, unsigned node)
{
	const struct paxos_peer_status *peer = &status->peers[node];
	const struct ctl_address *given = &config->servers[node];

	member->is_voter = paxos_has(status->voters, node);
	member->is_learner = paxos_has(status->learners, node);
	member->address = peer->address.ip != 0
	                          ? peer->address
	                          : (struct store_address){.ip = given->ip, .port = given->port};
	if ((!member->is_voter && !member->is_learner) || peer->named == 0) {
		return;
	}
	ctl_node_id(config->cluster, node, peer->named, member->id);
	member->is_alive = is_alive(config, status, node);
	member->is_ready = peer->heard_ns != 0 && status->now_ns - peer->heard_ns < READY_NS;
}

bool ctl_facts_take(struct ctl_tree_facts *facts, const struct ctl_config *config,
                    const struct paxos_status *status)
{
	const struct ctl_tree_facts former = *facts;
	const struct paxos_peer_status *own = &status->peers[status->node];

	memset(facts->members, 0, sizeof(facts->members));
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		take_member(&facts->members[i], config, status, i);
	}
	facts->leads = status->role == PAXOS_LEADER && status->deciding &&
	               status->decided >= status->adopted_length;
	facts->own = facts->members[status->node].id[0] != '\0' && own->named == own->incarnation
	                     ? status->node
	                     : -1;
	return facts->leads != former.leads || facts->own != former.own ||
	       memcmp(facts->members, former.members, sizeof(former.members)) != 0;
}
