/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/durable.h"

#include "store/base/mutant.h"

void paxos_durable_gave(struct paxos_durable *durable, uint64_t record, uint64_t bytes,
                        uint64_t now_ns)
{
	unsigned slot = durable->waits_first + durable->waits_count;

	durable->given_bytes += bytes;
	if (durable->waits_count == PAXOS_WAITS_MAX) {
		/* The last one speaks for this one, too; it began to wait earlier. */
		slot--;
	} else {
		durable->waits_count++;
		durable->waits[slot % PAXOS_WAITS_MAX].since_ns = now_ns;
	}
	durable->waits[slot % PAXOS_WAITS_MAX].record = record;
	durable->waits[slot % PAXOS_WAITS_MAX].bytes = durable->given_bytes;
}

void paxos_durable_reached(struct paxos_durable *durable, uint64_t record)
{
	while (durable->waits_count != 0 && durable->waits[durable->waits_first].record <= record) {
		durable->durable_bytes = durable->waits[durable->waits_first].bytes;
		durable->waits_first = (durable->waits_first + 1) % PAXOS_WAITS_MAX;
		durable->waits_count--;
	}
}

uint64_t paxos_durable_waiting(const struct paxos_durable *durable)
{
	return durable->given_bytes - durable->durable_bytes;
}

uint64_t paxos_durable_age_ns(const struct paxos_durable *durable, uint64_t now_ns)
{
	return durable->waits_count == 0 ? 0
	                                 : now_ns - durable->waits[durable->waits_first].since_ns;
}

static void thin(struct paxos_durable *durable)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < durable->retained_count; i += 2) {
		durable->retained[kept++] = durable->retained[i];
	}
	durable->retained_count = kept;
}

void paxos_durable_retain(struct paxos_durable *durable, uint64_t index, uint64_t record)
{
	if (durable->retained_count != 0 &&
	    (durable->retained[durable->retained_count - 1].index > index ||
	     durable->retained[durable->retained_count - 1].record > record)) {
		return; /* recovered above a snapshot; what stands there is more careful */
	}
	if (durable->retained_count == PAXOS_RETAINED_MAX) {
		thin(durable);
	}
	durable->retained[durable->retained_count].index = index;
	durable->retained[durable->retained_count].record = record;
	durable->retained_count++;
}

void paxos_durable_cut(struct paxos_durable *durable, uint64_t cut, uint64_t record)
{
	uint64_t index = cut + 1;

	for (; durable->retained_count != 0; durable->retained_count--) {
		const uint64_t last_index = durable->retained[durable->retained_count - 1].index;

		/* What was written while the stage was filled needs the stage, too. */
		if (last_index <= cut &&
		    durable->retained[durable->retained_count - 1].record <= record) {
			break;
		}
		index = last_index < index ? last_index : index;
	}
	paxos_durable_retain(durable, index, record);
}

uint64_t paxos_durable_from(struct paxos_durable *durable, uint64_t index)
{
	unsigned best = 0;

	if (durable->retained_count == 0) {
		return durable->stage_record != 0 ? durable->stage_record : UINT64_MAX;
	}
	while (best + 1 < durable->retained_count &&
	       durable->retained[best + 1].index <= index + 1 + 4 * mutant(37)) {
		best++;
	}
	for (unsigned i = best; i < durable->retained_count; i++) {
		durable->retained[i - best] = durable->retained[i];
	}
	durable->retained_count -= best;
	if (durable->stage_record != 0 && durable->stage_record < durable->retained[0].record) {
		return durable->stage_record;
	}
	return durable->retained[0].record;
}
