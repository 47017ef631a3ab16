/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/upkeep.h"

#include "consensus/propose.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

void paxos_upkeep_reset(struct paxos_core *core, struct paxos_upkeep *upkeep)
{
	*upkeep = (struct paxos_upkeep){.is_stale = !mutant(59),
	                                .next_ns = UINT64_MAX,
	                                .pass_ns = UINT64_MAX,
	                                .sessions = store_session_count(core->store)};
}

void paxos_upkeep_applied(struct paxos_core *core, struct paxos_upkeep *upkeep)
{
	const uint32_t sessions = store_session_count(core->store);

	upkeep->is_stale = upkeep->is_stale || sessions < upkeep->sessions;
	upkeep->sessions = sessions;
}

static void expire(struct paxos_core *core, struct paxos_alive *alive,
                   const struct paxos_leader *leader)
{
	struct store_entry entry;

	if (core->now_ns < paxos_alive_deadline_ns(alive)) {
		return;
	}
	if (!paxos_propose_has_room(core, STORE_ENTRY_HEADER_MAX + 8u * STORE_EXPIRE_MAX)) {
		paxos_alive_wait(core, alive);
	} else if (paxos_alive_turn(core, alive, &entry)) {
		must(paxos_propose(core, leader, &entry));
		paxos_core_trace(core, PAXOS_TRACE_EXPIRED, entry.expired_count, 0);
	}
}

/* --- rests --------------------------------------------------------------------------------- */

static bool may_look(const struct paxos_core *core, const struct paxos_upkeep *upkeep,
                     uint64_t time_ns)
{
	return upkeep->is_looking || (core->decided >= upkeep->proposed &&
	                              (upkeep->is_stale || time_ns >= upkeep->next_ns));
}

/* The next rest, behind the one before. False: that was the last. */
static bool next_rest(struct paxos_core *core, struct paxos_upkeep *upkeep, struct slice *ret_path,
                      uint64_t *ret_until_ns)
{
	if (!store_delayed_next(core->store, slice_make(upkeep->after, upkeep->after_size),
	                        ret_path, ret_until_ns)) {
		upkeep->is_looking = false;
		return false;
	}
	return true;
}

static void pass_over(struct paxos_upkeep *upkeep, struct slice path)
{
	must(path.size <= sizeof(upkeep->after));
	memcpy(upkeep->after, path.data, path.size);
	upkeep->after_size = (uint16_t)path.size;
}

static bool propose_undelay(struct paxos_core *core, const struct paxos_leader *leader,
                            struct slice path)
{
	struct store_entry entry = {.kind = STORE_ENTRY_UNDELAY, .op = {.path = path}};

	return paxos_propose(core, leader, &entry);
}

/* Goes on looking. False: there is no room in the log. */
static bool look(struct paxos_core *core, struct paxos_upkeep *upkeep,
                 const struct paxos_leader *leader, uint64_t time_ns)
{
	unsigned proposed = 0;
	uint64_t until_ns;
	struct slice path;

	for (unsigned i = 0; i < PAXOS_UNDELAY_LOOK && proposed < PAXOS_UNDELAY_MAX &&
	                     next_rest(core, upkeep, &path, &until_ns);
	     i++) {
		if (until_ns > time_ns) {
			upkeep->next_ns = until_ns < upkeep->next_ns ? until_ns : upkeep->next_ns;
		} else if (propose_undelay(core, leader, path)) {
			upkeep->proposed = core->log.length;
			proposed++;
		} else {
			return false;
		}
		pass_over(upkeep, path);
	}
	return true;
}

static void end_rests(struct paxos_core *core, struct paxos_upkeep *upkeep,
                      const struct paxos_leader *leader)
{
	const uint64_t time_ns = paxos_leader_time_ns(core, leader);
	bool has_room = true;

	if (may_look(core, upkeep, time_ns)) {
		if (!upkeep->is_looking) {
			upkeep->is_looking = true;
			upkeep->is_stale = false;
			upkeep->next_ns = UINT64_MAX;
			upkeep->after_size = 0;
		}
		has_room = look(core, upkeep, leader, time_ns);
	}
	if (upkeep->is_looking) {
		upkeep->deadline_ns = has_room ? 0 : core->now_ns + PAXOS_ALIVE_RETRY_NS;
	} else if (core->decided < upkeep->proposed || upkeep->next_ns == UINT64_MAX) {
		upkeep->deadline_ns =
			UINT64_MAX; /* an entry that is applied brings the next turn */
	} else {
		upkeep->deadline_ns = core->now_ns + upkeep->next_ns - time_ns;
	}
}

/* --- passing on --------------------------------------------------------------------------- */

/* One step, and no other before that is applied: entries of others go between. */
static void pass_on(struct paxos_core *core, struct paxos_upkeep *upkeep,
                    const struct paxos_leader *leader)
{
	struct slice path;

	upkeep->pass_ns = UINT64_MAX; /* an entry that is applied brings the next turn */
	if (core->decided < upkeep->passed || mutant(73) ||
	    !store_passing_next(core->store, &path)) {
		return;
	}
	if (propose_undelay(core, leader, path)) {
		upkeep->passed = core->log.length;
	} else {
		upkeep->pass_ns = core->now_ns + PAXOS_ALIVE_RETRY_NS;
	}
}

void paxos_upkeep_tick(struct paxos_core *core, struct paxos_upkeep *upkeep,
                       struct paxos_alive *alive, const struct paxos_leader *leader)
{
	expire(core, alive, leader);
	end_rests(core, upkeep, leader);
	pass_on(core, upkeep, leader);
}

uint64_t paxos_upkeep_deadline_ns(const struct paxos_upkeep *upkeep,
                                  const struct paxos_alive *alive)
{
	const uint64_t alive_ns = paxos_alive_deadline_ns(alive);
	const uint64_t locks_ns =
		upkeep->pass_ns < upkeep->deadline_ns ? upkeep->pass_ns : upkeep->deadline_ns;

	return alive_ns < locks_ns ? alive_ns : locks_ns;
}
