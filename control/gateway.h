/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gateway.h - Doozer's own protocol, for clients that speak it
 *
 *      client -- TCP, perhaps with TLS --> gateway --> inside --> the cluster
 *
 * control/DOOZER.md says where this differs from Doozer, and why. What a client may cost is
 * bounded: connections, bytes kept of each and of all, waits, handshakes that are not done, the
 * time for one, and the time without taking answers; whoever goes beyond is closed and counted. At
 * most CTL_GATEWAY_WINDOW requests of all connections are under way in the cluster; the
 * connections beyond that are not read until it is their turn, so that a busy gateway costs the
 * replica no more than one busy client.
 *
 * Threads: the control thread's, on its loop. The process ignores SIGPIPE.
 */

#include "control/gateway_tls.h"
#include "control/gateway_types.h"
#include "control/reason.h"

/*
 * Listens. What config points to is borrowed until close. 0, or a negative errno and the sentence;
 * then, too, the loop has to run once more.
 */
int ctl_gateway_open(struct ctl_gateway **ret_gateway, const struct ctl_gateway_config *config,
                     struct ctl_reason *ret_reason);

/*
 * Reads the files of TLS again: connections from now on have what is in them now. Only where there
 * is a certificate. 0, or a negative errno and the sentence; then all is as it was.
 */
int ctl_gateway_renew(struct ctl_gateway *gateway, struct ctl_reason *ret_reason);

/* What it shows to clients; NULL: there is no TLS. Borrowed until the next renew. */
const struct ctl_tls_certificate *ctl_gateway_certificate(const struct ctl_gateway *gateway);

/* This server is a member from now on: connections that are accepted may write. NULL is fine. */
void ctl_gateway_member(struct ctl_gateway *gateway);

void ctl_gateway_counters(const struct ctl_gateway *gateway,
                          struct ctl_gateway_counters *ret_counters);

/* Closes all connections. The loop has to run until nothing is left in it. NULL is fine. */
void ctl_gateway_close(struct ctl_gateway *gateway);
