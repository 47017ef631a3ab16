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

/*
 * The same for a name cluster, of whose tree /ctl/name, /ctl/boot/NAME and /ctl/ns/NAME stand in
 * `tree`: the claim first, then the addresses of the voters that are alive. What is in the way
 * stands in ret_plan->error; then nothing is written. `own` takes part (must).
 */
void ctl_tree_plan_names(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                         uint64_t cluster, struct ctl_tree_plan *ret_plan);

/* What stands in /ctl/boot/NAME: the cluster's id, and the address of who claimed the name. */
void ctl_tree_claim_text(char ret_text[CTL_TREE_TEXT_SIZE], uint64_t cluster, const char *address);
