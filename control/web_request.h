/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_request.h - what a page asks over its WebSocket
 *
 *      {"do": "access",  "secret": TEXT}
 *      {"do": "watch",   "glob": GLOB, "from": REVISION}         from 0: all there is, then events
 *      {"do": "get",     "id": N, "path": PATH, "rev": REVISION, "most": BYTES}
 *      {"do": "stat",    "id": N, "path": PATH}
 *      {"do": "history", "id": N, "path": PATH}
 *      {"do": "set",     "id": N, "path": PATH, "rev": REVISION, "text": TEXT}
 *      {"do": "delete",  "id": N, "path": PATH, "rev": REVISION}
 *
 * Left out: rev 0, most: all of it. SET and DELETE must have a rev; 0: there is no such file.
 *
 * Pure but for jansson's allocations. Whatever came, the call returns.
 */

#include <jansson.h>

#include "store/base/slice.h"
#include "store/store.h"

enum ctl_web_verb {
	CTL_WEB_WATCH = 1,
	CTL_WEB_GET,
	CTL_WEB_STAT,
	CTL_WEB_HISTORY,
	CTL_WEB_SET,
	CTL_WEB_DELETE,
	CTL_WEB_ACCESS,
};

struct ctl_web_request {
	enum ctl_web_verb verb;
	json_int_t id;
	struct slice path; /* or glob; this and the next borrow from `owner` */
	struct slice text; /* or secret */
	store_rev_t rev;   /* or from */
	size_t most;
	json_t *owner;
};

/*
 * Reads one message. True: ret_request is to be given back to ctl_web_request_free(); false: it
 * makes no sense.
 */
bool ctl_web_request_parse(struct slice message, struct ctl_web_request *ret_request);
void ctl_web_request_free(struct ctl_web_request *request);
