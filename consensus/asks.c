/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/asks.h"

#include "store/base/check.h"

/* False if there is no room now. */
static bool give(struct paxos_core *core, const struct paxos_address *address,
                 const struct paxos_told *told)
{
	const struct paxos_effect effect = {.kind = PAXOS_EFFECT_TOLD, .address = *address};
	uint8_t *memory = paxos_outbox_begin(&core->outbox);

	if (memory == NULL) {
		return false;
	}
	paxos_outbox_commit(&core->outbox, &effect, paxos_told_encode(told, memory), false);
	return true;
}

void paxos_asks_put(struct paxos_core *core, struct paxos_asks *asks,
                    const struct paxos_address *address, const struct paxos_change *change,
                    uint64_t deadline_ns)
{
	struct paxos_told told;

	for (unsigned i = 0; i < PAXOS_ASKS_MAX; i++) {
		struct paxos_ask *ask = &asks->slots[i];

		if (ask->id == 0) {
			*ask = (struct paxos_ask){
				/* Of this process: an answer to an earlier one is not ours. */
				.id = (uint64_t)core->config.start << 32 |
			              (uint32_t)++asks->last_id,
				.address = *address,
				.change = *change,
				.deadline_ns = deadline_ns,
				.next_ns = core->now_ns,
			};
			paxos_tell(&ask->told, PAXOS_CHANGE_WAITS, "no server leads");
			return;
		}
	}
	paxos_tell(&told, PAXOS_CHANGE_REFUSED,
	           "this server is asked for %u changes already; wait for one of them",
	           PAXOS_ASKS_MAX);
	(void)give(core, address, &told);
}

struct paxos_ask *paxos_asks_due(struct paxos_core *core, struct paxos_asks *asks)
{
	for (unsigned i = 0; i < PAXOS_ASKS_MAX; i++) {
		struct paxos_ask *ask = &asks->slots[i];

		if (ask->id != 0 && !ask->is_over && core->now_ns >= ask->next_ns) {
			ask->next_ns = core->now_ns + core->config.heartbeat_ns;
			return ask;
		}
	}
	return NULL;
}

void paxos_asks_send(struct paxos_core *core, const struct paxos_ask *ask, unsigned leader)
{
	struct paxos_msg msg = {.kind = PAXOS_MSG_ASK, .round = ask->id};
	uint8_t bytes[PAXOS_CHANGE_SIZE_MAX];
	struct wire_writer body;

	if (paxos_core_open(core, &msg, &body)) {
		wire_put(&body, slice_make(bytes, paxos_change_encode(&ask->change, bytes)));
		paxos_core_close(core, leader, &body, false);
	}
}

void paxos_asks_told(struct paxos_asks *asks, uint64_t id, const struct paxos_told *told)
{
	for (unsigned i = 0; i < PAXOS_ASKS_MAX; i++) {
		struct paxos_ask *ask = &asks->slots[i];

		if (ask->id == id && id != 0 && !ask->is_over) {
			ask->told = *told;
			ask->is_over = told->verdict != PAXOS_CHANGE_WAITS;
		}
	}
}

void paxos_asks_tick(struct paxos_core *core, struct paxos_asks *asks)
{
	for (unsigned i = 0; i < PAXOS_ASKS_MAX; i++) {
		struct paxos_ask *ask = &asks->slots[i];

		if (ask->id == 0 || (!ask->is_over && core->now_ns < ask->deadline_ns)) {
			continue;
		}
		if (give(core, &ask->address, &ask->told)) {
			ask->id = 0;
		}
	}
}

uint64_t paxos_asks_deadline_ns(const struct paxos_asks *asks)
{
	uint64_t deadline_ns = UINT64_MAX;

	for (unsigned i = 0; i < PAXOS_ASKS_MAX; i++) {
		const struct paxos_ask *ask = &asks->slots[i];

		if (ask->id != 0 && ask->next_ns < deadline_ns) {
			deadline_ns = ask->next_ns;
		}
		if (ask->id != 0 && ask->deadline_ns < deadline_ns) {
			deadline_ns = ask->deadline_ns;
		}
	}
	return deadline_ns;
}
