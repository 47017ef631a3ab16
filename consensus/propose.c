/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/propose.h"

#include "store/base/check.h"
#include "store/base/mutant.h"

/* Where the next entry would stand; NULL: nothing can be proposed now. */
static void *room_for(struct paxos_core *core, uint32_t size)
{
	must(core->role == PAXOS_LEADER);
	if (paxos_core_is_stopped(core) && !mutant(21)) {
		return NULL; /* "nothing is appended after it" (4.1 j) */
	}
	if (core->log.length - core->decided >= core->log.slots_count / 2 ||
	    !paxos_core_has_room(core, size)) {
		return NULL;
	}
	return paxos_log_reserve(&core->log, size);
}

bool paxos_propose_has_room(struct paxos_core *core, uint32_t size)
{
	return room_for(core, size) != NULL;
}

bool paxos_propose(struct paxos_core *core, const struct paxos_leader *leader,
                   struct store_entry *entry)
{
	const uint32_t size_max =
		(uint32_t)(STORE_ENTRY_HEADER_MAX + entry->op.path.size + entry->op.value.size +
	                   entry->txn.size + 8u * entry->expired_count);
	void *memory = room_for(core, size_max);
	size_t size;

	if (memory == NULL) {
		return false;
	}
	entry->time_ns = paxos_leader_time_ns(core, leader);
	size = store_entry_encode(entry, memory, size_max);
	must(size != 0);
	paxos_log_commit(&core->log, (uint32_t)size);
	core->unpersisted_bytes += size;
	return true;
}
