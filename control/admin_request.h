/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * admin_request.h - one line from the management socket
 *
 *      status                       a word
 *      {"command": "status"}        or an object
 *
 * Pure but for jansson's allocations, which are bounded by the line's size.
 */

#include <stdbool.h>

#include "store/base/slice.h"

enum {
	CTL_ADMIN_LINE_MAX = 1024,
	CTL_ADMIN_COMMAND_MAX = 32, /* the end included */
};

struct ctl_admin_request {
	char command[CTL_ADMIN_COMMAND_MAX]; /* lower case letters, digits and `-` */
};

/* Returns NULL, or what is wrong with the line (without its end), as a static sentence. */
const char *ctl_admin_parse(struct slice line, struct ctl_admin_request *ret_request);
