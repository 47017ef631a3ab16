/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/alive.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/hash.h"
#include "store/base/mutant.h"
#include "store/proto_page.h"

enum {
	TABLE_SIZE = 2 * STORE_SESSIONS_MAX
};

static_assert((TABLE_SIZE & (TABLE_SIZE - 1)) == 0, "a hash is cut to it by a mask");

int paxos_alive_init(struct paxos_alive *alive)
{
	*alive = (struct paxos_alive){
		.heap = calloc(STORE_SESSIONS_MAX, sizeof(alive->heap[0])),
		.table = calloc(TABLE_SIZE, sizeof(alive->table[0])),
		.epoch = 1,
	};
	return alive->heap != NULL && alive->table != NULL ? 0 : -ENOMEM;
}

uint64_t paxos_alive_bytes(void)
{
	return STORE_SESSIONS_MAX * sizeof(struct paxos_alive_node) +
	       TABLE_SIZE * sizeof(struct paxos_alive_slot);
}

void paxos_alive_deinit(struct paxos_alive *alive)
{
	free(alive->heap);
	free(alive->table);
	alive->heap = NULL;
	alive->table = NULL;
}

void paxos_alive_reset(struct paxos_alive *alive)
{
	alive->epoch++;
	alive->count = 0;
	alive->hand = 0;
	alive->after = 0;
	alive->is_filled = false;
	alive->since_ns = 0;
	alive->slept_ns = 0;
	alive->hold_ns = 0;
}

/* --- the table ----------------------------------------------------------------------------- */

static uint32_t home_of(uint64_t session)
{
	return (uint32_t)hash_pair(session, 0) & (TABLE_SIZE - 1);
}

static uint32_t next_slot(uint32_t slot)
{
	return (slot + 1) & (TABLE_SIZE - 1);
}

static bool is_empty(const struct paxos_alive *alive, uint32_t slot)
{
	return alive->table[slot].epoch != (uint32_t)alive->epoch;
}

/* Where the session stands, or the empty slot where it would. */
static uint32_t slot_of(const struct paxos_alive *alive, uint64_t session)
{
	uint32_t slot = home_of(session);

	while (!is_empty(alive, slot) && alive->heap[alive->table[slot].node].session != session) {
		slot = next_slot(slot);
	}
	return slot;
}

static struct paxos_alive_node *find(const struct paxos_alive *alive, uint64_t session)
{
	const uint32_t slot = slot_of(alive, session);

	return is_empty(alive, slot) ? NULL : &alive->heap[alive->table[slot].node];
}

/* Empties a slot. Those behind it that would be cut off from their home move up. */
static void empty_slot(struct paxos_alive *alive, uint32_t slot)
{
	for (uint32_t at = next_slot(slot); !is_empty(alive, at); at = next_slot(at)) {
		struct paxos_alive_node *node = &alive->heap[alive->table[at].node];
		const uint32_t from_home = (at - home_of(node->session)) & (TABLE_SIZE - 1);
		const uint32_t from_slot = (at - slot) & (TABLE_SIZE - 1);

		if (from_home >= from_slot) {
			alive->table[slot] = alive->table[at];
			node->slot = slot;
			slot = at;
		}
	}
	alive->table[slot].epoch = (uint32_t)alive->epoch - 1;
}

/* --- the heap ------------------------------------------------------------------------------ */

static void place(struct paxos_alive *alive, uint32_t at, const struct paxos_alive_node *node)
{
	alive->heap[at] = *node;
	alive->table[node->slot].node = at;
}

static void rise(struct paxos_alive *alive, uint32_t at, const struct paxos_alive_node *node)
{
	while (at > 0 && alive->heap[(at - 1) / 2].due_ns > node->due_ns) {
		place(alive, at, &alive->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(alive, at, node);
}

static void sink(struct paxos_alive *alive, uint32_t at, const struct paxos_alive_node *node)
{
	for (uint32_t child = 2 * at + 1; child < alive->count; child = 2 * at + 1) {
		if (child + 1 < alive->count &&
		    alive->heap[child + 1].due_ns < alive->heap[child].due_ns) {
			child++;
		}
		if (alive->heap[child].due_ns >= node->due_ns) {
			break;
		}
		place(alive, at, &alive->heap[child]);
		at = child;
	}
	place(alive, at, node);
}

/* Gives a node that stands in the heap another due time, which is not earlier. */
static void put_off(struct paxos_alive *alive, struct paxos_alive_node *node, uint64_t due_ns)
{
	struct paxos_alive_node moved = *node;

	must(due_ns >= node->due_ns);
	moved.due_ns = due_ns;
	sink(alive, (uint32_t)(node - alive->heap), &moved);
}

static void drop(struct paxos_alive *alive, const struct paxos_alive_node *node)
{
	const uint32_t at = (uint32_t)(node - alive->heap);
	struct paxos_alive_node last;

	empty_slot(alive, node->slot);
	last = alive->heap[--alive->count];
	if (at == alive->count) {
		return;
	}
	if (at > 0 && alive->heap[(at - 1) / 2].due_ns > last.due_ns) {
		rise(alive, at, &last);
	} else {
		sink(alive, at, &last);
	}
}

/* --- sessions ------------------------------------------------------------------------------ */

/* "The leader waits TTL x (1 + drift)", and "a new leader counts every time to live afresh". */
static uint64_t due_of(const struct paxos_core *core, const struct paxos_alive *alive,
                       uint64_t heard_ns, uint32_t ttl_ms)
{
	const uint64_t ttl_ns = (uint64_t)ttl_ms * 1000000;
	const uint64_t from_ns = heard_ns > alive->since_ns ? heard_ns : alive->since_ns;

	return from_ns +
	       (mutant(48) ? ttl_ns : paxos_lease_with_drift(ttl_ns, core->config.drift_ppm));
}

/* A full heap has nodes of sessions that are gone: there is room for all that there may be. */
static bool make_room(struct paxos_core *core, struct paxos_alive *alive)
{
	for (unsigned i = 0; i < PAXOS_ALIVE_PAGE && alive->count == STORE_SESSIONS_MAX; i++) {
		const struct paxos_alive_node *node = &alive->heap[alive->hand];

		if (store_session(core->store, node->session) == NULL) {
			drop(alive, node);
		} else {
			alive->hand = (alive->hand + 1) % STORE_SESSIONS_MAX;
		}
	}
	return alive->count < STORE_SESSIONS_MAX;
}

/* A session that has no node yet. False if there is no room: the scan comes back to it. */
static bool add(struct paxos_core *core, struct paxos_alive *alive,
                const struct store_session *session, uint64_t heard_ns)
{
	struct paxos_alive_node node = {
		.session = session->id,
		.heard_ns = heard_ns,
		.due_ns = due_of(core, alive, heard_ns, session->ttl_ms),
		.ttl_ms = session->ttl_ms,
	};

	if (!make_room(core, alive)) {
		alive->is_filled = false;
		return false;
	}
	node.slot = slot_of(alive, session->id);
	must(is_empty(alive, node.slot));
	alive->table[node.slot].epoch = (uint32_t)alive->epoch;
	rise(alive, alive->count++, &node);
	return true;
}

void paxos_alive_touch(struct paxos_core *core, struct paxos_alive *alive,
                       const struct store_session *session)
{
	struct paxos_alive_node *node = find(alive, session->id);

	if (node != NULL) {
		node->heard_ns = core->now_ns;
	} else {
		(void)add(core, alive, session, core->now_ns);
	}
}

void paxos_alive_forget(struct paxos_alive *alive, uint64_t session)
{
	const struct paxos_alive_node *node = find(alive, session);

	if (node != NULL) {
		drop(alive, node);
	}
}

bool paxos_alive_is_expiring(const struct paxos_alive *alive, uint64_t session)
{
	const struct paxos_alive_node *node = find(alive, session);

	return node != NULL && node->due_ns == UINT64_MAX;
}

uint32_t paxos_alive_left_ms(const struct paxos_core *core, const struct paxos_alive *alive,
                             const struct store_session *session)
{
	const struct paxos_alive_node *node = find(alive, session->id);
	const uint64_t heard_ns = node == NULL ? core->now_ns : node->heard_ns;
	const uint64_t from_ns = heard_ns > alive->since_ns ? heard_ns : alive->since_ns;
	const uint64_t past_ms = (core->now_ns - from_ns) / 1000000;

	return past_ms < session->ttl_ms ? session->ttl_ms - (uint32_t)past_ms : 0;
}

void paxos_alive_page(const struct paxos_core *core, const struct paxos_alive *alive,
                      uint64_t after, unsigned limit, uint8_t memory[PROTO_PIECE_SIZE],
                      struct proto_answer *answer)
{
	const struct store_session *session = store_session_next(core->store, after);
	size_t size = 0;

	while (session != NULL && !answer->has_more) {
		const struct proto_session entry = {
			.id = session->id,
			.ttl_ms = session->ttl_ms,
			.left_ms = paxos_alive_left_ms(core, alive, session),
			.owned = session->owned,
		};
		const size_t grown =
			limit != 0 && answer->count == limit
				? 0
				: proto_session_put(memory, size,
		                                    PROTO_PIECE_SIZE - PROTO_ANSWER_OVERHEAD,
		                                    &entry);

		if (grown == 0) {
			answer->has_more = true;
		} else {
			size = grown;
			answer->count++;
			session = store_session_next(core->store, session->id);
		}
	}
	answer->value = slice_make(memory, size);
}

void paxos_alive_owned(const struct paxos_core *core, const struct proto_request *request,
                       uint8_t memory[PROTO_PIECE_SIZE], struct proto_answer *answer)
{
	const uint64_t session = (uint64_t)request->rev;
	struct proto_page_entry entry = {.name = request->after};
	size_t size = 0;

	if (request->after.size > STORE_PATH_SIZE_MAX) {
		answer->answer = STORE_TOO_LARGE;
	} else if (store_session(core->store, session) == NULL) {
		answer->answer = STORE_NOT_FOUND;
	}
	while (answer->answer == STORE_OK && !answer->has_more &&
	       store_owned_behind(core->store, session, entry.name, &entry.name, &entry.revision)) {
		const size_t grown =
			request->limit != 0 && answer->count == request->limit
				? 0
				: proto_page_put(memory, size,
		                                 PROTO_PIECE_SIZE - PROTO_ANSWER_OVERHEAD, &entry);

		if (grown == 0) {
			answer->has_more = true;
		} else {
			size = grown;
			answer->count++;
		}
	}
	answer->value = slice_make(memory, size);
}

/* --- a turn -------------------------------------------------------------------------------- */

void paxos_alive_gap(struct paxos_alive *alive, uint64_t gap_ns)
{
	if (gap_ns > alive->gap_ns && gap_ns > PAXOS_ALIVE_GAP_NS) {
		alive->slept_ns = gap_ns;
	}
	alive->gap_ns = gap_ns;
}

/* What was sent while the shell slept is still on its way to us. */
static void hold(const struct paxos_core *core, struct paxos_alive *alive)
{
	const uint64_t most_ns = core->config.suspicion_ns / 2;

	if (alive->slept_ns != 0) {
		alive->hold_ns =
			core->now_ns + (alive->slept_ns < most_ns ? alive->slept_ns : most_ns);
		alive->slept_ns = 0;
	}
}

static void fill(struct paxos_core *core, struct paxos_alive *alive)
{
	for (unsigned i = 0; i < PAXOS_ALIVE_PAGE && !alive->is_filled; i++) {
		const struct store_session *session = store_session_next(core->store, alive->after);

		if (session == NULL) {
			alive->is_filled = true;
			return;
		}
		if (find(alive, session->id) == NULL &&
		    !add(core, alive, session, mutant(49) ? 0 : core->now_ns)) {
			return;
		}
		alive->after = session->id;
	}
}

/* The session of the heap's first, whose time has come, if it is over; else NULL, and it moves. */
static const struct store_session *first_over(struct paxos_core *core, struct paxos_alive *alive)
{
	struct paxos_alive_node *node = &alive->heap[0];
	const uint64_t due_ns = due_of(core, alive, node->heard_ns, node->ttl_ms);
	const struct store_session *session;

	if (due_ns > core->now_ns) {
		put_off(alive, node, due_ns);
		return NULL;
	}
	session = store_session(core->store, node->session);
	if (session == NULL) {
		drop(alive, node);
	}
	return session;
}

/* The heap's first is named in the entry. */
static void expire(struct paxos_core *core, struct paxos_alive *alive, struct store_entry *entry)
{
	struct paxos_alive_node *node = &alive->heap[0];
	const uint64_t due_ns = due_of(core, alive, node->heard_ns, node->ttl_ms);

	if (core->now_ns - due_ns > alive->late_ns) {
		alive->late_ns = core->now_ns - due_ns;
	}
	entry->expired[entry->expired_count++] = node->session;
	put_off(alive, node, UINT64_MAX);
}

bool paxos_alive_turn(struct paxos_core *core, struct paxos_alive *alive,
                      struct store_entry *ret_entry)
{
	uint32_t owned = 0; /* files that the entry removes */

	*ret_entry = (struct store_entry){.kind = STORE_ENTRY_EXPIRE};
	if (alive->since_ns == 0 && !mutant(49)) {
		alive->since_ns = core->now_ns;
	}
	hold(core, alive);
	fill(core, alive);
	for (unsigned i = 0;
	     i < PAXOS_ALIVE_POPS && alive->count != 0 && alive->heap[0].due_ns <= core->now_ns &&
	     core->now_ns >= alive->hold_ns && ret_entry->expired_count < STORE_EXPIRE_MAX;
	     i++) {
		const struct store_session *session = first_over(core, alive);

		if (session == NULL) {
			continue;
		}
		owned += session->owned;
		if (owned > STORE_OWNED_MAX && ret_entry->expired_count != 0) {
			break;
		}
		expire(core, alive, ret_entry);
	}
	return ret_entry->expired_count != 0;
}

void paxos_alive_wait(struct paxos_core *core, struct paxos_alive *alive)
{
	alive->hold_ns = core->now_ns + PAXOS_ALIVE_RETRY_NS;
}

uint64_t paxos_alive_deadline_ns(const struct paxos_alive *alive)
{
	uint64_t due_ns = 0;

	if (alive->is_filled) {
		due_ns = alive->count != 0 ? alive->heap[0].due_ns : UINT64_MAX;
	}
	return due_ns > alive->hold_ns ? due_ns : alive->hold_ns;
}
