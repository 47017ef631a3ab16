/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * harm.h - what becomes of the servers' folders, with one good copy of everything
 *
 * A server is impaired from when its folder lacks something that it stood by, until it has that
 * again, durably. Never more than a minority is, so that what was acknowledged is somewhere, and
 * progress stays decidable; but for the helix: every folder has a hole, no entry is unknown on two.
 *
 * An older copy of a folder, or one whose tail is gone, is found out by those who heard what the
 * whole one acknowledged. So it is made only when all others did, of a folder that was never hurt;
 * and until it was found out nobody else ends.
 *
 * Each returns false if it could not be done now.
 */

#include "tests/sim/world.h"

/* An older copy is in place: no process may end. */
bool harm_forbids_crash(const struct world *world);
/* It lacks something, and nobody knows. */
bool harm_is_hidden(const struct world *world);

bool harm_hurt(struct world *world, struct prng *prng, unsigned node);
bool harm_format(struct world *world, unsigned node);
bool harm_save(struct world *world, unsigned node);
bool harm_roll_back(struct world *world, unsigned node);
/* The last frame becomes again what stood there before: it is taken for torn. */
bool harm_lose_tail(struct world *world, unsigned node);
bool harm_helix(struct world *world, struct prng *prng);
bool harm_fill(struct world *world, struct prng *prng, unsigned node, uint64_t ns);
bool harm_fail_write(struct world *world, unsigned node);
