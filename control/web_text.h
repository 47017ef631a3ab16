/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_text.h - what the web server says and believes, as text
 *
 * Pure but for jansson's allocations. Texts from a browser are hostile; none reaches a must().
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"

enum {
	CTL_WEB_HOST_SIZE_MAX = 256, /* of the header Host, the end included */
};

/*
 * Whether a browser may be believed that it meant this server: `host` (the header) is an IPv4
 * address, "localhost" or `own` (the machine's name, with or without a domain behind it), with or
 * without a port. Any other name could have been pointed here by whoever owns it.
 */
bool ctl_web_host_good(const char *host, const char *own);

/*
 * Whether the page that opens a WebSocket came from here: `origin` is http:// or https:// and then
 * exactly `host`. A program that is no browser sends no origin ("") and is let in.
 */
bool ctl_web_origin_good(const char *origin, const char *host);

/* NULL if the server takes part and knows who leads; else a sentence (static) for /health. */
const char *ctl_web_unhealthy(const json_t *status);

/*
 * The numbers of a status (control/status.h) in Prometheus' text format; given (free). NULL without
 * memory.
 */
char *ctl_web_metrics(const json_t *status);

/*
 * Puts bytes into an object: as "text" if they are UTF-8, else as "base64"; no more than `most`
 * bytes of them, with "size" for all there are. False without memory.
 */
bool ctl_web_put_bytes(json_t *object, struct slice bytes, size_t most);
