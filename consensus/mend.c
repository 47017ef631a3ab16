/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/mend.h"

#include "consensus/outlet.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

enum {
	PATIENCE = 40, /* times suspicion, while a leader lives and nothing comes */
	ASKS_MIN = 40, /* and asked so often: to have slept is not to have asked */
};

/* What the log knows itself, as far as it comes next. */
static void copy_known(struct paxos_core *core, struct paxos_intake *intake)
{
	struct paxos_log *stage = &intake->stage;

	while (stage->length < intake->need && stage->partial_size == 0) {
		const struct slice entry = paxos_log_entry(&core->log, stage->length + 1);

		if (entry.size == 0 || !paxos_core_has_room(core, entry.size)) {
			return;
		}
		if (!paxos_log_append(stage, entry)) {
			paxos_core_end(core, PAXOS_END_BEYOND_REPAIR);
			return;
		}
		core->unpersisted_bytes += entry.size;
		paxos_intake_moved(core, intake);
	}
}

static bool leader_lives(const struct paxos_core *core)
{
	return core->leader != PAXOS_NOBODY &&
	       core->now_ns < core->peers[core->leader].heard_ns + core->config.suspicion_ns;
}

static bool is_hopeless(const struct paxos_core *core, const struct paxos_intake *intake)
{
	return intake->asks >= ASKS_MIN &&
	       core->now_ns > intake->progress_ns + PATIENCE * core->config.suspicion_ns;
}

bool paxos_mend_tick(struct paxos_core *core, struct paxos_intake *intake)
{
	must(core->holes != 0);
	if (intake->purpose != PAXOS_INTAKE_REPAIR) {
		paxos_intake_begin(core, intake, PAXOS_INTAKE_REPAIR, core->config.node,
		                   core->accepted, core->holes_first - 1, core->log.length, false);
	}
	copy_known(core, intake);
	if (paxos_intake_is_whole(intake)) {
		const uint64_t first = core->holes_first;

		if (!paxos_intake_commit(core, intake)) {
			return false;
		}
		paxos_core_trace(core, PAXOS_TRACE_REPAIRED, first, core->log.length);
		core->holes = 0;
		core->holes_first = 0;
		return true;
	}
	if (!leader_lives(core) && !mutant(40)) {
		paxos_intake_moved(core, intake); /* the others may be as badly off: it waits */
	} else if (is_hopeless(core, intake)) {
		paxos_core_end(core, PAXOS_END_BEYOND_REPAIR);
	}
	return false;
}

bool paxos_mend_give(struct paxos_core *core, const struct paxos_msg *fetch)
{
	const bool same = paxos_ballot_equal(fetch->ballot, core->accepted);
	const uint64_t have = same ? core->log.length : core->decided;

	if (fetch->index <= core->log.base || fetch->index > have ||
	    paxos_log_entry(&core->log, fetch->index).size == 0) {
		return false;
	}
	paxos_outlet_entries(core, fetch, fetch->ballot,
	                     paxos_log_known(&core->log, fetch->index, have), 0, 0);
	return true;
}
