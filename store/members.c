/* SPDX-License-Identifier: Apache-2.0 */
#include "store/members.h"

#include <string.h>

#include "store/base/check.h"

static void apply_members(struct store_members *members, uint64_t index,
                          const struct store_entry *entry)
{
	const uint32_t all = entry->voters | entry->learners;

	if (entry->configuration != members->configuration + 1) {
		return;
	}
	members->configuration = entry->configuration;
	members->voters = entry->voters;
	members->learners = entry->learners;
	members->since = index;
	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		struct store_member *member = &members->member[node];

		if ((all >> node & 1) == 0) {
			memset(member, 0, sizeof(*member));
		} else if (entry->addresses[node].ip != 0) {
			member->address = entry->addresses[node];
		}
	}
}

static void apply_learner(struct store_members *members, const struct store_entry *entry)
{
	const uint32_t bit = (uint32_t)1 << entry->node;
	struct store_member *member = &members->member[entry->node];

	if (members->configuration == 0 || (members->voters & bit) != 0) {
		return;
	}
	if (!entry->is_added) {
		members->learners &= ~bit;
		memset(member, 0, sizeof(*member));
		return;
	}
	if (member->address.ip != entry->address.ip ||
	    member->address.port != entry->address.port) {
		/* Another machine under this number: what is known of the former is not its. */
		memset(member, 0, sizeof(*member));
	}
	members->learners |= bit;
	member->address = entry->address;
}

void store_members_apply(struct store_members *members, uint64_t index,
                         const struct store_entry *entry)
{
	if (entry->node >= STORE_NODES_MAX) {
		return;
	}
	switch (entry->kind) {
	case STORE_ENTRY_REJOIN:
		if (members->configuration != 0 &&
		    ((members->voters | members->learners) >> entry->node & 1) == 0) {
			return;
		}
		members->member[entry->node].incarnation = entry->incarnation;
		members->member[entry->node].named = index;
		break;
	case STORE_ENTRY_MEMBERS:
		apply_members(members, index, entry);
		break;
	case STORE_ENTRY_LEARNER:
		apply_learner(members, entry);
		break;
	case STORE_ENTRY_OP:
	case STORE_ENTRY_TXN:
	case STORE_ENTRY_UNDELAY:
	case STORE_ENTRY_OPEN:
	case STORE_ENTRY_CLOSE:
	case STORE_ENTRY_EXPIRE:
	default:
		must(false);
	}
}

bool store_members_is_good(const struct store_members *members, uint64_t index)
{
	const unsigned voters = (unsigned)__builtin_popcount(members->voters);

	if ((members->voters & members->learners) != 0 ||
	    (members->voters | members->learners) >> STORE_NODES_MAX != 0 ||
	    members->since > index) {
		return false;
	}
	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		if (members->member[node].named > index) {
			return false;
		}
	}
	if (members->configuration == 0) {
		return voters == 0 && members->learners == 0 && members->since == 0;
	}
	return voters >= 1 && voters <= STORE_VOTERS_MAX && members->since != 0;
}
