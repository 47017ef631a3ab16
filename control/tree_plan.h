/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tree_plan.h - what is to be written to /ctl, and which change of the members is wished (tree.h)
 *
 * A plan depends on nothing but what stands in the store, who the members are, and what the
 * changer refused last. So whoever leads next goes on with it.
 *
 * Everything is written under the revision it was found at: of two that plan at once, one writes.
 * The members are changed by asking the leader's changer, and by nothing else.
 *
 * Pure. Threads: any one.
 */

#include "control/tree.h"

/* What is to be done now. All values are known (must). Nothing: all is as it should be. */
void ctl_tree_make_plan(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                        struct ctl_tree_plan *ret_plan);
