/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_reigns.h - who led when, as this server saw it
 *
 * Kept for the time line of the page: the last CTL_WEB_REIGNS_MAX changes. All zero is empty.
 * Pure but for jansson's allocations.
 */

#include <jansson.h>
#include <stdint.h>

enum {
	CTL_WEB_REIGNS_MAX = 64
};

struct ctl_web_reign {
	uint64_t at_ms;           /* wall clock */
	json_int_t leader, round; /* number from 1, 0: nobody; of its ballot */
};

struct ctl_web_reigns {
	struct ctl_web_reign list[CTL_WEB_REIGNS_MAX]; /* a ring */
	uint64_t count;                                /* how many there were */
};

/*
 * Notes who leads by a status (control/status.h), if that is a change, and adds to the status
 * "time_ms" and "leaders": [{"at_ms", "leader", "round"}, ...], oldest first.
 */
void ctl_web_reigns_note(struct ctl_web_reigns *reigns, json_t *status, uint64_t now_ms);
