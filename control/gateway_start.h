/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gateway_start.h - the gateway as the configuration wants it
 *
 * Threads: the control thread.
 */

#include "control/gateway.h"
#include "control/logger.h"
#include "control/reason.h"

/*
 * Opens the gateway: `base` says whose it is and has the secrets, the configuration in it the rest.
 * No gateway is wanted, or none that was named can listen: *ret_gateway stays, 0. Else as
 * ctl_gateway_open().
 */
int ctl_gateway_start(struct ctl_gateway **ret_gateway, const struct ctl_gateway_config *base,
                      struct ctl_logger *logger, struct ctl_reason *ret_reason);

/* Whether the files that a gateway would need are good: 0, or a negative errno and the sentence. */
int ctl_gateway_check(const struct ctl_config *config, struct ctl_reason *ret_reason);

/*
 * Reads its certificate and key again, if it has some, and logs the outcome; those that are no good
 * change nothing. NULL is fine.
 */
void ctl_gateway_reload(struct ctl_gateway *gateway, struct ctl_logger *logger);
