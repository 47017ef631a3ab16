/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * body_fixture.h - a whole replica whose parts can be looked at, and what its peers say to it
 *
 * `replica` is server 0 of three, in mode memory, with the smallest log; `core` is its core. A test
 * has them from body_begin() to body_end(), its setup and its teardown. Include after cmocka.
 */

#include "consensus/body.h"
#include "consensus/replica.h"
#include "tests/unit/core_fixture.h"

#define MS ((uint64_t)1000000)

static struct paxos_replica *replica;
static struct paxos_core *core;

/* Of each server, unless a test says otherwise: the first start of its first life. */
static inline uint64_t body_incarnation(unsigned node)
{
	return (uint64_t)1 << 32 | (node + 1);
}

static inline struct paxos_ballot body_ballot(unsigned node, uint64_t round)
{
	return (struct paxos_ballot){
		.configuration = 1,
		.round = round,
		.priority = 128,
		.node = (uint8_t)node,
		.incarnation = body_incarnation(node),
		.start = 1,
	};
}

static inline int body_begin(void **state)
{
	const struct store_config store_config = {
		.quota_bytes = 1 << 20, .sessions_max = 64, .events_max = 16};
	struct paxos_config config = {
		.founders = paxos_first(3),
		.cluster = 7,
		.incarnation = body_incarnation(0),
		.start = 1,
		.founding = true,
		.seed = 1,
	};
	struct store *store;

	(void)state;
	paxos_config_default(&config);
	config.log_entries = 16;
	config.log_bytes = 1 << 18;
	config.watches_max = 16;
	assert_int_equal(store_new(&store, &store_config), 0);
	assert_int_equal(paxos_replica_new(&replica, &config, store), 0);
	paxos_replica_start(replica, 1000 * MS);
	core = &replica->core;
	core->grant = (struct paxos_grant){0}; /* as if the one from before had run out */
	return 0;
}

static inline int body_end(void **state)
{
	struct store *store = core->store;

	(void)state;
	paxos_replica_free(replica);
	store_free(store);
	return 0;
}

/* Fills in the sender's part of a message, as a server does in its first life. */
static inline struct paxos_msg body_msg(unsigned node, enum paxos_msg_kind kind)
{
	return (struct paxos_msg){
		.kind = kind,
		.node = (uint8_t)node,
		.configuration = 1,
		.incarnation = body_incarnation(node),
		.start = 1,
	};
}

/* A datagram comes from the address of `peer`. */
static inline void body_hear_from(int peer, const struct paxos_msg *msg, uint64_t cluster)
{
	const struct paxos_source source = {.peer = peer};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	size_t size = paxos_msg_encode(msg, bytes + STORE_DATAGRAM_HEADER);

	if (msg->body.size != 0) {
		memcpy(bytes + STORE_DATAGRAM_HEADER + size, msg->body.data, msg->body.size);
	}
	size = store_datagram_close(bytes, size + msg->body.size, STORE_DATAGRAM_PEER, 0, cluster);
	paxos_replica_receive(replica, core->now_ns, &source, slice_make(bytes, size));
}

static inline void body_hear(const struct paxos_msg *msg)
{
	body_hear_from(msg->node, msg, core->config.cluster);
}

/* `node` answers the latest heartbeat, and grants a lease if this server leads. */
static inline void body_connect(unsigned node)
{
	struct paxos_msg ack = body_msg(node, PAXOS_MSG_HEARTBEAT_ACK);

	paxos_election_round(core, &replica->election,
	                     core->role == PAXOS_LEADER ? replica->leader.ballot
	                                                : (struct paxos_ballot){0},
	                     core->role == PAXOS_LEADER ? PAXOS_FLAG_LEADER : 0);
	ack.round = replica->election.rounds.number;
	ack.round_start = core->config.start;
	ack.round_incarnation = core->config.incarnation;
	if (core->role == PAXOS_LEADER) {
		ack.ballot = replica->leader.ballot;
		ack.flags = PAXOS_FLAG_GRANTED;
	}
	body_hear(&ack);
}

static inline void body_tick(void)
{
	paxos_replica_tick(replica, core->now_ns);
}

/* `node` acknowledges all that the leader's log holds. */
static inline void body_level(unsigned node)
{
	struct paxos_msg accepted = body_msg(node, PAXOS_MSG_ACCEPTED);

	accepted.ballot = replica->leader.ballot;
	accepted.length = core->log.length;
	body_hear(&accepted);
}

/* It stands, and leads by the promise of server 1, which has nothing. */
static inline void body_lead(void)
{
	struct paxos_msg promise = body_msg(1, PAXOS_MSG_PROMISE);

	paxos_replica_stand(replica);
	promise.flags = PAXOS_FLAG_REVOKED;
	promise.ballot = replica->candidate.ballot;
	body_hear(&promise);
	body_tick();
	assert_int_equal(core->role, PAXOS_LEADER);
	body_connect(1);
	body_level(1);
	body_tick();
}

/* Server 1 goes on acknowledging until nothing is left to decide. */
static inline void body_settle(void)
{
	for (unsigned i = 0; i < 8; i++) {
		body_level(1);
		body_tick();
	}
	assert_int_equal(core->decided, core->log.length);
}

/* It follows `node`: has promised and accepted its ballot, with nothing in the log. */
static inline void body_follow(struct paxos_ballot ballot)
{
	paxos_core_promise(core, ballot);
	paxos_core_adopt(core, ballot, core->log.length, NULL, false);
	core->leader = ballot.node;
}
