/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/alive.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/hash.h"

enum {
	HEARD_MAX = 2 * STORE_SESSIONS_MAX
};

static_assert((HEARD_MAX & (HEARD_MAX - 1)) == 0, "a hash is cut to it by a mask");

int paxos_alive_init(struct paxos_alive *alive)
{
	*alive = (struct paxos_alive){.heard = calloc(HEARD_MAX, sizeof(alive->heard[0]))};
	return alive->heard != NULL ? 0 : -ENOMEM;
}

uint64_t paxos_alive_bytes(void)
{
	return HEARD_MAX * sizeof(struct paxos_heard);
}

void paxos_alive_deinit(struct paxos_alive *alive)
{
	free(alive->heard);
	alive->heard = NULL;
}

void paxos_alive_reset(struct paxos_alive *alive)
{
	alive->epoch++;
	alive->since_ns = 0;
	alive->after = 0;
}

static struct paxos_heard *heard_of(const struct paxos_alive *alive, uint64_t session)
{
	return &alive->heard[hash_pair(session, 0) & (HEARD_MAX - 1)];
}

void paxos_alive_touch(struct paxos_core *core, struct paxos_alive *alive, uint64_t session)
{
	struct paxos_heard *heard = heard_of(alive, session);

	if (heard->session != session) {
		heard->session = session;
		heard->expiring = 0;
	}
	heard->heard_ns = core->now_ns;
}

bool paxos_alive_is_expiring(const struct paxos_alive *alive, uint64_t session)
{
	const struct paxos_heard *heard = heard_of(alive, session);

	return heard->session == session && heard->expiring == alive->epoch;
}

static bool is_over(const struct paxos_core *core, const struct paxos_alive *alive,
                    const struct store_session *session)
{
	const struct paxos_heard *heard = heard_of(alive, session->id);
	const uint64_t heard_ns =
		heard->heard_ns > alive->since_ns ? heard->heard_ns : alive->since_ns;
	const uint64_t ttl_ns = (uint64_t)session->ttl_ms * 1000000;

	return core->now_ns >= heard_ns + paxos_lease_with_drift(ttl_ns, core->config.drift_ppm);
}

bool paxos_alive_scan(struct paxos_core *core, struct paxos_alive *alive,
                      struct store_entry *ret_entry)
{
	*ret_entry = (struct store_entry){.kind = STORE_ENTRY_EXPIRE};
	if (alive->since_ns == 0) {
		alive->since_ns = core->now_ns;
	}
	for (unsigned i = 0; i < PAXOS_EXPIRE_SCAN; i++) {
		const struct store_session *session = store_session_next(core->store, alive->after);

		if (session == NULL) {
			alive->after = 0;
			break;
		}
		alive->after = session->id;
		if (is_over(core, alive, session) && !paxos_alive_is_expiring(alive, session->id)) {
			heard_of(alive, session->id)->session = session->id;
			heard_of(alive, session->id)->expiring = alive->epoch;
			ret_entry->expired[ret_entry->expired_count++] = session->id;
		}
	}
	return ret_entry->expired_count != 0;
}

void paxos_alive_take_back(struct paxos_alive *alive, const struct store_entry *entry)
{
	for (unsigned i = 0; i < entry->expired_count; i++) {
		heard_of(alive, entry->expired[i])->expiring = 0;
	}
}
