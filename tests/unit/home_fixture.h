/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* home_fixture.h - a replica over a data folder, and records for its journal; after cmocka */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/mailbox.h"
#include "consensus/quorum.h"
#include "consensus/record.h"
#include "consensus/replica.h"
#include "control/home.h"

/*
 * A new folder for a test below `place`, and the configuration of server 1, alone in mode disk,
 * whose data folder `data` lies in it. Returns 0, or -1.
 */
static inline int home_make_base(const char *place, char *ret_base, size_t room,
                                 struct ctl_config *ret_config)
{
	(void)snprintf(ret_base, room, "%s/coffer-home-XXXXXX", place);
	if (mkdtemp(ret_base) == NULL) {
		return -1;
	}
	*ret_config = (struct ctl_config){
		.cluster = 7,
		.node = 1,
		.members = 1,
		.durability = CTL_DURABILITY_DISK,
		.segment_mb = 2,
	};
	(void)snprintf(ret_config->data, sizeof(ret_config->data), "%s/data", ret_base);
	return 0;
}

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
	paxos.log_entries = 64;
	paxos.log_bytes = 1 << 18;
	paxos.watches_max = 16;
	assert_int_equal(store_new(ret_store, &store_config), 0);
	assert_int_equal(paxos_replica_new(ret_replica, &paxos, *ret_store), 0);
}

/* The n-th record promises round n there; its mark tells of a log of `length`. */
static inline void home_give_promise_in(struct paxos_mailbox *mailbox, uint32_t configuration,
                                        uint64_t number, uint64_t length)
{
	uint8_t bytes[PAXOS_RECORD_HEADER];
	const struct paxos_record record = {
		.kind = PAXOS_RECORD_PROMISE,
		.ballot = {.configuration = configuration, .round = number, .incarnation = 1},
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

static inline void home_give_promise(struct paxos_mailbox *mailbox, uint64_t number,
                                     uint64_t length)
{
	home_give_promise_in(mailbox, 1, number, length);
}
