/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/answer.h"

#include "store/base/check.h"

void paxos_answer_message(struct paxos_core *core, const struct paxos_address *address,
                          const struct proto_head *asked, uint64_t version, struct slice message)
{
	const struct paxos_effect effect = {.kind = PAXOS_EFFECT_REPLY, .address = *address};
	struct proto_head head =
		proto_answer_head(asked, core->configuration, version, message.size);

	for (; head.segment < head.segments; head.segment++) {
		uint8_t *memory;

		if (!proto_is_wanted(asked, version, head.segment)) {
			continue;
		}
		memory = paxos_outbox_begin(&core->outbox);
		if (memory == NULL) {
			paxos_core_drop(core, PAXOS_DROP_OUTBOX);
			return;
		}
		paxos_outbox_commit(&core->outbox, &effect,
		                    proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0,
		                                         core->config.cluster, message, memory),
		                    false);
	}
}

void paxos_answer_send(struct paxos_core *core, void *memory, const struct paxos_address *address,
                       const struct proto_head *asked, struct proto_answer *answer)
{
	size_t size;

	answer->node = (uint8_t)(core->config.node + 1);
	answer->leader = (uint8_t)(core->leader == PAXOS_NOBODY ? 0 : core->leader + 1);
	answer->role = (uint8_t)core->role;
	answer->durability = (uint8_t)core->config.durability;
	size = proto_answer_encode(answer, memory, PROTO_MESSAGE_SIZE_MAX);
	must(size != 0);
	paxos_answer_message(core, address, asked, proto_answer_version(answer),
	                     slice_make(memory, size));
}

void paxos_answer_repair(struct paxos_core *core, const struct paxos_address *address,
                         const struct proto_head *asked, uint32_t missing)
{
	const struct paxos_effect effect = {.kind = PAXOS_EFFECT_REPLY, .address = *address};
	uint8_t *memory = paxos_outbox_begin(&core->outbox);

	if (memory == NULL) {
		paxos_core_drop(core, PAXOS_DROP_OUTBOX);
		return;
	}
	paxos_outbox_commit(&core->outbox, &effect,
	                    proto_repair_encode(asked, missing, core->config.cluster, memory),
	                    false);
}
