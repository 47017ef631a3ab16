/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/msg.h"

#include <stddef.h>

#include "consensus/ballot_wire.h"
#include "store/base/check.h"
#include "store/base/wire.h"

enum field {
	END = 0,
	BALLOT,
	ACCEPTED,
	LEASE_BALLOT,
	ROUND,
	ROUND_START,
	ROUND_INCARNATION,
	NUMBER,
	MASK,
	DECIDED,
	LENGTH,
	BASE,
	INDEX,
	OFFSET,
	POSITION,
	TRANSFER,
	PROOF,
	LEASE_LEFT,
	POLL_GAP,
	SNAPSHOT,
	DIGEST_LOW,
	DIGEST_HIGH,
	SECRET,
	PRIORITY,
	TARGET,
	BODY,
	FIELD_COUNT
};

/* Where a field stands in struct paxos_msg; its size on the wire, 0 for a ballot. */
static const struct {
	size_t at;
	unsigned size;
} places[FIELD_COUNT] = {
	[BALLOT] = {offsetof(struct paxos_msg, ballot), 0},
	[ACCEPTED] = {offsetof(struct paxos_msg, accepted), 0},
	[LEASE_BALLOT] = {offsetof(struct paxos_msg, lease_ballot), 0},
	[ROUND] = {offsetof(struct paxos_msg, round), 8},
	[ROUND_START] = {offsetof(struct paxos_msg, round_start), 4},
	[ROUND_INCARNATION] = {offsetof(struct paxos_msg, round_incarnation), 8},
	[NUMBER] = {offsetof(struct paxos_msg, number), 8},
	[MASK] = {offsetof(struct paxos_msg, mask), 8},
	[DECIDED] = {offsetof(struct paxos_msg, decided), 8},
	[LENGTH] = {offsetof(struct paxos_msg, length), 8},
	[BASE] = {offsetof(struct paxos_msg, base), 8},
	[INDEX] = {offsetof(struct paxos_msg, index), 8},
	[OFFSET] = {offsetof(struct paxos_msg, offset), 4},
	[POSITION] = {offsetof(struct paxos_msg, position), 8},
	[TRANSFER] = {offsetof(struct paxos_msg, transfer), 4},
	[PROOF] = {offsetof(struct paxos_msg, proof), 8},
	[LEASE_LEFT] = {offsetof(struct paxos_msg, lease_left_ns), 8},
	[POLL_GAP] = {offsetof(struct paxos_msg, poll_gap_ns), 8},
	[SNAPSHOT] = {offsetof(struct paxos_msg, snapshot), 8},
	[DIGEST_LOW] = {offsetof(struct paxos_msg, digest_low), 8},
	[DIGEST_HIGH] = {offsetof(struct paxos_msg, digest_high), 8},
	[SECRET] = {offsetof(struct paxos_msg, secret), 8},
	[PRIORITY] = {offsetof(struct paxos_msg, priority), 1},
	[TARGET] = {offsetof(struct paxos_msg, target), 1},
};

/* The message table: what each kind carries, in the order of the wire. */
static const uint8_t kinds[PAXOS_MSG_COUNT][13] = {
	[PAXOS_MSG_HEARTBEAT] = {BALLOT, ROUND, MASK, DECIDED, ACCEPTED, LENGTH, POLL_GAP, SNAPSHOT,
                                 DIGEST_LOW, DIGEST_HIGH, SECRET, PRIORITY},
	[PAXOS_MSG_HEARTBEAT_ACK] = {BALLOT, ROUND, ROUND_START, ROUND_INCARNATION, POLL_GAP},
	[PAXOS_MSG_PREPARE] = {BALLOT, MASK, ACCEPTED, LENGTH},
	[PAXOS_MSG_PROMISE] = {BALLOT, ACCEPTED, LENGTH, DECIDED, BASE, LEASE_BALLOT, LEASE_LEFT},
	[PAXOS_MSG_NACK] = {BALLOT, ACCEPTED},
	[PAXOS_MSG_PREPARE_ASK] = {BALLOT},
	[PAXOS_MSG_SYNC] = {BALLOT, BASE, LENGTH, DECIDED, INDEX, OFFSET, BODY},
	[PAXOS_MSG_ACCEPT] = {BALLOT, NUMBER, DECIDED, INDEX, OFFSET, BODY},
	[PAXOS_MSG_ACCEPTED] = {BALLOT, LENGTH, NUMBER, MASK},
	[PAXOS_MSG_FETCH] = {BALLOT, TRANSFER, PROOF, INDEX, OFFSET, BASE, POSITION},
	[PAXOS_MSG_ENTRIES] = {BALLOT, TRANSFER, PROOF, BASE, LENGTH, DECIDED, INDEX, OFFSET, BODY},
	[PAXOS_MSG_STATE] = {BALLOT, TRANSFER, BASE, POSITION, BODY},
	[PAXOS_MSG_HANDOVER] = {BALLOT, TARGET},
	[PAXOS_MSG_DEAD] = {SECRET},
	[PAXOS_MSG_STOPPED] = {MASK, LENGTH},
	[PAXOS_MSG_ASK] = {ROUND, BODY},
	[PAXOS_MSG_TOLD] = {ROUND, BODY},
	[PAXOS_MSG_DECIDED] = {BALLOT, DECIDED},
};

static void put_field(struct wire_writer *writer, const struct paxos_msg *msg, enum field field)
{
	const uint8_t *at = (const uint8_t *)msg + places[field].at;
	uint64_t value = 0;

	if (places[field].size == 0) {
		struct paxos_ballot ballot;

		memcpy(&ballot, at, sizeof(ballot));
		paxos_ballot_put(writer, &ballot);
		return;
	}
	/* Little-endian hosts only, as DPDK's x86 and ARM are. */
	memcpy(&value, at, places[field].size);
	wire_put_unsigned(writer, value, places[field].size);
}

static void get_field(struct wire_reader *reader, struct paxos_msg *msg, enum field field)
{
	uint8_t *at = (uint8_t *)msg + places[field].at;

	if (places[field].size == 0) {
		const struct paxos_ballot ballot = paxos_ballot_get(reader);

		memcpy(at, &ballot, sizeof(ballot));
	} else {
		const uint64_t value = wire_unsigned(reader, places[field].size);

		memcpy(at, &value, places[field].size);
	}
}

size_t paxos_msg_encode(const struct paxos_msg *msg, void *memory)
{
	struct wire_writer writer = wire_writer_make(memory, PAXOS_MSG_HEADER_MAX);

	must(msg->kind >= PAXOS_MSG_HEARTBEAT && msg->kind < PAXOS_MSG_COUNT);
	wire_put_u8(&writer, (uint8_t)msg->kind);
	wire_put_u8(&writer, msg->node);
	wire_put_u16(&writer, msg->flags);
	wire_put_u32(&writer, msg->configuration);
	wire_put_u64(&writer, msg->incarnation);
	wire_put_u32(&writer, msg->start);
	for (const uint8_t *field = kinds[msg->kind]; *field != END && *field != BODY; field++) {
		put_field(&writer, msg, (enum field) * field);
	}
	must(wire_written_ok(&writer));
	return wire_written(&writer).size;
}

bool paxos_msg_decode(struct slice bytes, struct paxos_msg *ret_msg)
{
	struct wire_reader reader = wire_reader_make(bytes);
	struct paxos_msg msg = {0};
	const unsigned kind = wire_u8(&reader);

	if (kind < PAXOS_MSG_HEARTBEAT || kind >= PAXOS_MSG_COUNT) {
		return false;
	}
	msg.kind = (enum paxos_msg_kind)kind;
	msg.node = wire_u8(&reader);
	msg.flags = wire_u16(&reader);
	msg.configuration = wire_u32(&reader);
	msg.incarnation = wire_u64(&reader);
	msg.start = wire_u32(&reader);
	for (const uint8_t *field = kinds[kind]; *field != END; field++) {
		if (*field == BODY) {
			msg.body = wire_bytes(&reader, wire_left(&reader));
		} else {
			get_field(&reader, &msg, (enum field) * field);
		}
	}
	if (!wire_done(&reader) || msg.node >= STORE_NODES_MAX ||
	    (msg.flags & ~PAXOS_FLAGS_ALL) != 0) {
		return false;
	}
	*ret_msg = msg;
	return true;
}

const char *paxos_msg_text(enum paxos_msg_kind kind)
{
	static const char *const texts[PAXOS_MSG_COUNT] = {
		[PAXOS_MSG_HEARTBEAT] = "heartbeat", [PAXOS_MSG_HEARTBEAT_ACK] = "heartbeat_ack",
		[PAXOS_MSG_PREPARE] = "prepare",     [PAXOS_MSG_PROMISE] = "promise",
		[PAXOS_MSG_NACK] = "nack",           [PAXOS_MSG_PREPARE_ASK] = "prepare_ask",
		[PAXOS_MSG_SYNC] = "sync",           [PAXOS_MSG_ACCEPT] = "accept",
		[PAXOS_MSG_ACCEPTED] = "accepted",   [PAXOS_MSG_FETCH] = "fetch",
		[PAXOS_MSG_ENTRIES] = "entries",     [PAXOS_MSG_STATE] = "state",
		[PAXOS_MSG_HANDOVER] = "handover",   [PAXOS_MSG_DEAD] = "dead",
		[PAXOS_MSG_STOPPED] = "stopped",     [PAXOS_MSG_ASK] = "ask",
		[PAXOS_MSG_TOLD] = "told",           [PAXOS_MSG_DECIDED] = "decided",
	};

	return kind > 0 && kind < PAXOS_MSG_COUNT ? texts[kind] : "?";
}
