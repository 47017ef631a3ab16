/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * verify.h - looks at a data folder whose server is down, as its next start would
 *
 *      good
 *      superblock{copies_good[4] cluster node incarnation starts durability rejoining
 *              configuration voters[]}
 *      snapshots[{name index good digest why}]
 *      journal{frames records first last needed_from configuration torn corrupt pieces[{kind
 *              segment block blocks frame first_record records known}] mended older}  mode disk
 *
 * Changes nothing. `pieces` are those that are not whole; of corrupt ones at most
 * CTL_VERIFY_PIECES_MAX are told one by one. A torn tail is no damage: it was never acknowledged.
 * `older`, if so: than the superblock, which knows of a later configuration: put back or exchanged.
 * `mended`, where there are corrupt ones: the next start misses nothing of them, since it stands
 * further on or in a snapshot; that is good. Such a frame is there until its segment is forgotten.
 *
 * Threads: any one.
 */

#include <jansson.h>
#include <stdbool.h>

#include "control/reason.h"

enum {
	CTL_VERIFY_PIECES_MAX = 1000
};

/*
 * Looks at the folder `path`. Returns 0, the report (given to the caller) and whether all is whole
 * or mended; or a negative errno and the sentence: there is nothing that can be looked at.
 */
int ctl_verify(const char *path, json_t **ret_report, bool *ret_good,
               struct ctl_reason *ret_reason);

/*
 * Sets journal and snapshots of the folder aside, so that the server's next start fetches all of it
 * from the others. Cuts nothing and throws nothing away. 0, or a negative errno and the sentence.
 */
int ctl_repair(const char *path, struct ctl_reason *ret_reason);
