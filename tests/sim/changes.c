/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/changes.h"

#include "consensus/quorum.h"

bool changes_put(struct changes *changes, uint64_t now_ns, uint32_t add, uint32_t remove,
                 uint64_t until_ns)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < changes->count; i++) {
		if (changes->asked[i].until_ns > now_ns) {
			changes->asked[kept++] = changes->asked[i];
		}
	}
	changes->count = kept;
	if (kept == CHANGES_MAX) {
		return false;
	}
	changes->asked[kept].add = add;
	changes->asked[kept].remove = remove;
	changes->asked[kept].until_ns = until_ns;
	changes->count++;
	return true;
}

/* Sets of voters, each once. */
struct sets {
	uint32_t voters[CHANGES_SETS_MAX];
	unsigned count;
};

/* False: there are too many. */
static bool put(struct sets *sets, uint32_t voters)
{
	for (unsigned i = 0; i < sets->count; i++) {
		if (sets->voters[i] == voters) {
			return true;
		}
	}
	if (sets->count == CHANGES_SETS_MAX) {
		return false;
	}
	sets->voters[sets->count++] = voters;
	return true;
}

/* Those who vote, and who may next; what comes of them is put behind, and looked at in turn. */
static bool collect(const struct changes *changes, const struct checker *checker, uint64_t now_ns,
                    struct sets *sets)
{
	bool fits = put(sets, checker_voters(checker));

	for (unsigned i = 0; i < checker->servers; i++) {
		fits = fits && (checker->server[i].next_voters == 0 ||
		                put(sets, checker->server[i].next_voters));
	}
	for (unsigned i = 0; i < sets->count; i++) {
		for (unsigned j = 0; j < changes->count; j++) {
			const uint32_t voters = (sets->voters[i] & ~changes->asked[j].remove) |
			                        changes->asked[j].add;

			fits = fits && (changes->asked[j].until_ns <= now_ns || voters == 0 ||
			                put(sets, voters));
		}
	}
	return fits;
}

bool changes_leave_majority(const struct changes *changes, const struct checker *checker,
                            uint64_t now_ns, uint32_t impaired, unsigned node)
{
	struct sets sets = {.count = 0};

	if (!collect(changes, checker, now_ns, &sets)) {
		return false;
	}
	for (unsigned i = 0; i < sets.count; i++) {
		const uint32_t voters = sets.voters[i];

		if ((node == STORE_NODES_MAX || paxos_has(voters, node)) &&
		    !paxos_is_majority(voters & ~impaired, voters)) {
			return false;
		}
	}
	return true;
}
