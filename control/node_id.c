/* SPDX-License-Identifier: Apache-2.0 */
#include "control/node_id.h"

#include "store/base/prng.h"

void ctl_node_id(uint64_t cluster, unsigned node, uint64_t incarnation,
                 char ret_id[CTL_NODE_ID_SIZE])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct prng prng;
	uint64_t bits = 0;

	prng_init(&prng, cluster);
	prng_init(&prng, prng_next(&prng) ^ node);
	prng_init(&prng, prng_next(&prng) ^ incarnation);
	for (unsigned i = 0; i < CTL_NODE_ID_SIZE - 1; i++) {
		if (i % 8 == 0) {
			bits = prng_next(&prng);
		}
		ret_id[i] = digits[bits & 31];
		bits >>= 5;
	}
	ret_id[CTL_NODE_ID_SIZE - 1] = '\0';
}
