/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * stage.h - what servers and clients of a world share
 *
 * True time, what will happen, the network, chance, and the books that everything is held
 * against. Threads: one.
 */

#include "consensus/quorum.h"
#include "store/base/prng.h"
#include "tests/sim/changes.h"
#include "tests/sim/checker.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"
#include "tests/sim/queue.h"
#include "tests/sim/scroll.h"
#include "tests/sim/watchbook.h"

struct stage {
	uint64_t now_ns; /* true time; servers have clocks of their own */
	uint64_t events;
	struct queue queue;
	struct net net;
	struct prng prng;
	struct scroll scroll;
	struct ledger ledger;
	struct checker checker;
	struct watchbook watchbook;
	uint32_t impaired; /* set: servers that lack something of what they stood by */
	bool harms;        /* more may be made so; a minority at most */
	struct changes changes;
	uint64_t changing_ns; /* until then a change of the members that was asked for may begin */
	uint64_t removing_ns; /* until then voters may be removed, and nothing is impaired */
	uint64_t helixes;     /* all of them were, each in another place */
};

/* True if one more, or this one again, may be impaired. */
static inline bool stage_may_impair(const struct stage *stage, unsigned node)
{
	return stage->harms && stage->now_ns >= stage->removing_ns &&
	       checker_may_impair(&stage->checker, stage->impaired, node) &&
	       changes_leave_majority(&stage->changes, &stage->checker, stage->now_ns,
	                              stage->impaired | paxos_bit(node), node);
}

/* Kind of a datagram for the scroll: kind of datagram x 256 + kind of peer message. */
static inline uint64_t stage_kind(struct slice bytes)
{
	if (bytes.size <= STORE_DATAGRAM_HEADER) {
		return 0;
	}
	return (uint64_t)bytes.data[9] << 8 |
	       (bytes.data[9] == STORE_DATAGRAM_PEER ? bytes.data[STORE_DATAGRAM_HEADER] : 0);
}

static inline void stage_send(struct stage *stage, uint64_t when_ns, uint32_t source,
                              uint32_t target, struct slice bytes)
{
	scroll_put(&stage->scroll, stage->now_ns, SCROLL_SEND, source, target, bytes.size,
	           stage_kind(bytes));
	net_send(&stage->net, &stage->prng, &stage->queue, when_ns, source, target, bytes);
}
