/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * host.h - the address of a server that is named by its host
 *
 * A server has one address as long as it runs, and so has each of its peers: names are resolved at
 * the start, and whoever moves is another address for the others only after their next start.
 *
 * Threads: any one that may wait.
 */

#include <stdint.h>

#include "control/reason.h"

/*
 * Asks the system's resolver, again each second for CTL_HOST_PATIENCE_S where that has no answer
 * for now. 0; -EHOSTUNREACH: there is no such name, or no answer; -EINVAL: it has several
 * addresses, and a server is at one. Then there is a sentence.
 */
int ctl_host_resolve(const char *host, uint32_t *ret_ip, struct ctl_reason *ret_reason);

enum {
	CTL_HOST_PATIENCE_S = 10
};
