/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * status_text.h - a status for people
 *
 *      server 2   follower of 1
 *      ballot     round 4 of server 1
 *      log        1 to 17, decided 17, applied 17
 *      ...
 */

#include <jansson.h>
#include <stdio.h>

/* Prints a status as the management socket gave it; what is missing or strange shows as `?`. */
void ctl_status_print(FILE *out, const json_t *status);

/* Who is in the cluster, as that status says: a line for each. */
void ctl_members_print(FILE *out, const json_t *status);
