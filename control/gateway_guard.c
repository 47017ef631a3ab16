/* SPDX-License-Identifier: Apache-2.0 */
#include "control/gateway_guard.h"

#include "store/base/hash.h"

#define GUESS_NS (CTL_GATEWAY_GUESS_MS * (uint64_t)1000000)

void ctl_gateway_guard_init(struct ctl_gateway_guard *guard, const struct store_keys *keys,
                            uint64_t seed)
{
	*guard = (struct ctl_gateway_guard){.keys = keys, .seed = seed};
}

unsigned ctl_gateway_guard_judge(struct ctl_gateway_guard *guard, uint64_t now_ns, uint32_t address,
                                 struct slice secret)
{
	uint64_t *paid_ns =
		&guard->paid_ns[hash_pair(guard->seed, address) % CTL_GATEWAY_GUESS_PLACES];
	const struct store_key key = store_key_of(secret);
	unsigned rights;

	if (key.is_set && *paid_ns > now_ns + (CTL_GATEWAY_GUESSES - 1) * GUESS_NS) {
		guard->unjudged++;
		return 0;
	}
	rights = store_rights_earned(guard->keys, &key);
	if (key.is_set && rights == 0) {
		guard->denied++;
		*paid_ns = (*paid_ns > now_ns ? *paid_ns : now_ns) + GUESS_NS;
	}
	return rights;
}
