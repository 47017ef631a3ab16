/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gateway.h - Doozer's own protocol, for clients that speak it
 *
 *      client -- TCP --> gateway --> inside --> the cluster
 *
 * control/DOOZER.md says where this differs from Doozer, and why. What a client may cost is
 * bounded: connections, bytes kept of each and of all, waits, time without taking answers; whoever
 * goes beyond is closed and counted. At most CLIENT_REQUESTS_MAX requests of all connections are
 * under way in the cluster; the connections beyond that are not read until it is their turn, so
 * that a busy gateway costs the replica no more than one busy client.
 *
 * Threads: the control thread's, on its loop. The process ignores SIGPIPE.
 */

#include "control/gateway_types.h"
#include "control/reason.h"

/*
 * Listens. What config points to is borrowed until close. 0, or a negative errno and the sentence;
 * then, too, the loop has to run once more.
 */
int ctl_gateway_open(struct ctl_gateway **ret_gateway, const struct ctl_gateway_config *config,
                     struct ctl_reason *ret_reason);

/* This server is a member from now on: connections that are accepted may write. */
void ctl_gateway_member(struct ctl_gateway *gateway);

void ctl_gateway_counters(const struct ctl_gateway *gateway,
                          struct ctl_gateway_counters *ret_counters);

/* Closes all connections. The loop has to run until nothing is left in it. NULL is fine. */
void ctl_gateway_close(struct ctl_gateway *gateway);
