/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * seats.h - the seats of /ctl/cal, the record of who had which, and the members: made one
 *
 *      record    seat          member
 *      -         -             voter      new: gets a seat
 *      -         its ID        voter      its record is written
 *      S         its ID in S   voter      as it should be
 *      S         not in S      voter      an operator took it: the voter shall go
 *      -         its ID        learner    it was put there: it shall vote
 *      -         empty one     learner    a spare that is heard gets it
 *      S, "-"    its ID        learner    votes no more: record "-", then the seat, then the record
 *      S         its ID        nobody     is gone: the seat, then (tree_plan.c) its files
 *
 * What else stands in a seat is refused, in /ctl/err, and the seat is put back, as is every seat
 * whose wish the changer refused. A change is wished only in a plan that writes no seat.
 *
 * Private to tree_plan.c. Pure.
 */

#include "control/tree.h"

void ctl_seats_plan(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                    struct ctl_tree_plan *plan);
