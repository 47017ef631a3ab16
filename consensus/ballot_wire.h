/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ballot_wire.h - a ballot as bytes, alike in messages, records and frames of the journal
 *
 *      configuration u32, round u64, priority u8, node u8, incarnation u64, start u32
 *
 * Pure. Threads: any.
 */

#include "consensus/ballot.h"
#include "store/base/wire.h"

static inline void paxos_ballot_put(struct wire_writer *writer, const struct paxos_ballot *ballot)
{
	wire_put_u32(writer, ballot->configuration);
	wire_put_u64(writer, ballot->round);
	wire_put_u8(writer, ballot->priority);
	wire_put_u8(writer, ballot->node);
	wire_put_u64(writer, ballot->incarnation);
	wire_put_u32(writer, ballot->start);
}

/* All zeros where the reader has no such bytes; it remembers that. */
static inline struct paxos_ballot paxos_ballot_get(struct wire_reader *reader)
{
	struct paxos_ballot ballot = {0};

	ballot.configuration = wire_u32(reader);
	ballot.round = wire_u64(reader);
	ballot.priority = wire_u8(reader);
	ballot.node = wire_u8(reader);
	ballot.incarnation = wire_u64(reader);
	ballot.start = wire_u32(reader);
	return ballot;
}
