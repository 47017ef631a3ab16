/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* home_fixture.h - a replica over a data folder, and records for its journal; after cmocka */

#include <string.h>

#include "consensus/mailbox.h"
#include "consensus/quorum.h"
#include "consensus/record.h"
#include "consensus/replica.h"
#include "control/home.h"

/* One of three, in mode disk, as the superblock names it. Given back to both free functions. */
static inline void home_make_replica(const struct ctl_superblock *superblock,
                                     struct store **ret_store, struct paxos_replica **ret_replica)
{
	const struct store_config store_config = {
		.quota_bytes = 1 << 20, .sessions_max = 16, .events_max = 16};
	struct paxos_config paxos;

	memset(&paxos, 0, sizeof(paxos));
	paxos_config_default(&paxos);
	paxos.founders = paxos_first(3);
	paxos.cluster = superblock->cluster;
	paxos.incarnation = superblock->incarnation;
	paxos.start = superblock->starts;
	paxos.durability = PAXOS_DISK;
	assert_int_equal(store_new(ret_store, &store_config), 0);
	assert_int_equal(paxos_replica_new(ret_replica, &paxos, *ret_store), 0);
}

/* The n-th record promises round n; its mark tells of a log of `length`. */
static inline void home_give_promise(struct paxos_mailbox *mailbox, uint64_t number,
                                     uint64_t length)
{
	uint8_t bytes[PAXOS_RECORD_HEADER];
	const struct paxos_record record = {
		.kind = PAXOS_RECORD_PROMISE,
		.ballot = {.configuration = 1, .round = number, .incarnation = 1},
	};
	struct paxos_effect effect = {
		.kind = PAXOS_EFFECT_PERSIST,
		.record = number,
		.bytes = slice_make(bytes, sizeof(bytes)),
	};

	effect.mark = (struct paxos_mark){
		.promised = record.ballot, .accepted = record.ballot, .length = length};
	paxos_record_encode(&record, bytes);
	paxos_journal_give(mailbox, &effect);
	paxos_journal_ring(mailbox);
}
