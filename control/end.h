/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * end.h - why a replica ended its process, and what to do (consensus/effect.h)
 */

#include "consensus/effect.h"
#include "control/reason.h"

/* `data` is the data folder. Returns -EIO and the sentence. */
int ctl_end_say(enum paxos_end end, const char *data, struct ctl_reason *ret_reason);
