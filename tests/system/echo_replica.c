/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/system/echo_replica.h"

#include <string.h>

#include "consensus/quorum.h"
#include "consensus/reader.h"
#include "store/base/check.h"

enum {
	OUTBOX_MAX = 4096,
	PERIOD_NS = 10000000,
};

struct letter {
	struct paxos_effect effect;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

struct paxos_replica {
	uint8_t node, count;
	uint64_t next_ns;
	unsigned taken, put; /* letters; all are taken before the next turn */
	struct letter outbox[OUTBOX_MAX];
	struct paxos_lease_view view;
};

struct echo_counts echo_counts;
static struct paxos_replica the_one;

struct paxos_replica *echo_replica(uint8_t node, uint8_t count)
{
	the_one = (struct paxos_replica){.node = node, .count = count};
	return &the_one;
}

static void post(struct paxos_replica *replica, const struct paxos_effect *effect)
{
	struct letter *letter;

	if (replica->taken == replica->put) {
		replica->taken = 0;
		replica->put = 0;
	}
	if (replica->put == OUTBOX_MAX) {
		return;
	}
	letter = &replica->outbox[replica->put++];
	letter->effect = *effect;
	memcpy(letter->bytes, effect->bytes.data, effect->bytes.size);
	letter->effect.bytes = slice_make(letter->bytes, effect->bytes.size);
}

void paxos_replica_start(struct paxos_replica *replica, uint64_t now_ns)
{
	replica->next_ns = now_ns;
}

void paxos_replica_receive(struct paxos_replica *replica, uint64_t now_ns,
                           const struct paxos_source *source, struct slice bytes)
{
	const struct paxos_effect effect = {
		.kind = PAXOS_EFFECT_REPLY, .address = source->address, .bytes = bytes};

	must(now_ns >= replica->next_ns - PERIOD_NS);
	if (source->peer != PAXOS_NOBODY) {
		echo_counts.from_peers[source->peer]++;
	} else {
		echo_counts.from_clients++;
		if (bytes.size != 0 && bytes.size <= STORE_DATAGRAM_SIZE_MAX) {
			post(replica, &effect);
		}
	}
}

void paxos_replica_tick(struct paxos_replica *replica, uint64_t now_ns)
{
	echo_counts.ticks++;
	if (now_ns < replica->next_ns) {
		return;
	}
	replica->next_ns = now_ns + PERIOD_NS;
	for (unsigned i = 0; i < replica->count; i++) {
		const struct paxos_effect effect = {
			.kind = PAXOS_EFFECT_SEND, .peer = i, .bytes = slice_text("to a peer")};

		if (i != replica->node) {
			post(replica, &effect);
		}
	}
}

bool paxos_replica_take(struct paxos_replica *replica, struct paxos_effect *ret_effect)
{
	if (replica->taken == replica->put) {
		return false;
	}
	*ret_effect = replica->outbox[replica->taken++].effect;
	return true;
}

uint64_t paxos_replica_deadline_ns(const struct paxos_replica *replica)
{
	return replica->next_ns;
}

void paxos_replica_poll_gap(struct paxos_replica *replica, uint64_t gap_ns)
{
	(void)replica;
	(void)gap_ns;
}

void paxos_replica_resign(struct paxos_replica *replica, uint64_t now_ns)
{
	(void)replica;
	(void)now_ns;
	echo_counts.resigned++;
}

enum paxos_transfer paxos_replica_transfer(struct paxos_replica *replica, uint64_t now_ns, int to)
{
	(void)replica;
	(void)now_ns;
	(void)to;
	return PAXOS_TRANSFER_NO_LEADER;
}

void paxos_replica_change(struct paxos_replica *replica, uint64_t now_ns,
                          const struct paxos_address *address, const struct paxos_change *change,
                          uint64_t deadline_ns)
{
	(void)replica;
	(void)now_ns;
	(void)address;
	(void)change;
	(void)deadline_ns;
}

void paxos_replica_status(const struct paxos_replica *replica, struct paxos_status *ret_status)
{
	memset(ret_status, 0, sizeof(*ret_status));
	ret_status->node = replica->node;
	ret_status->voters = paxos_first(replica->count);
	ret_status->durability = PAXOS_MEMORY;
}

const struct paxos_lease_view *paxos_replica_lease_view(const struct paxos_replica *replica)
{
	return &replica->view;
}

const struct store_keys *paxos_replica_keys(const struct paxos_replica *replica)
{
	static const struct store_keys none;

	(void)replica;
	return &none;
}

const struct paxos_watch_counters *paxos_replica_watches(const struct paxos_replica *replica)
{
	static const struct paxos_watch_counters none;

	(void)replica;
	return &none;
}

/* Answers nothing: every datagram is the replica's. */
enum paxos_read paxos_read(const struct paxos_lease_view *view, const struct store *store,
                           uint64_t now_ns, struct paxos_looks *looks, uint8_t node,
                           uint8_t durability, const struct proto_request *request, void *message,
                           size_t *ret_message_size, uint64_t *ret_version)
{
	(void)view;
	(void)store;
	(void)now_ns;
	(void)looks;
	(void)node;
	(void)durability;
	(void)request;
	(void)message;
	(void)ret_message_size;
	(void)ret_version;
	return PAXOS_READ_PASS;
}

void paxos_replica_durable(struct paxos_replica *replica, uint64_t now_ns, uint64_t record)
{
	(void)replica;
	(void)now_ns;
	(void)record;
}

void paxos_replica_disk(struct paxos_replica *replica, uint64_t now_ns, unsigned troubles)
{
	(void)replica;
	(void)now_ns;
	(void)troubles;
}

void paxos_replica_snapshot_done(struct paxos_replica *replica, uint64_t now_ns,
                                 struct store_snapshot *snapshot, const struct store_digest *digest)
{
	(void)replica;
	(void)now_ns;
	(void)snapshot;
	(void)digest;
	must(false); /* it gives none out */
}
