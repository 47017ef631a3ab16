/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * admin_request.h - one line from the management socket
 *
 *      snapshot save /tmp/x                                       words
 *      {"command": "snapshot", "arguments": ["save", "/tmp/x"]}   or an object
 *
 * Pure but for jansson's allocations, which are bounded by the line's size.
 */

#include <stdbool.h>

#include "store/base/slice.h"

enum {
	CTL_ADMIN_LINE_MAX = 1024,
	CTL_ADMIN_COMMAND_MAX = 32, /* the end included */
	CTL_ADMIN_ARGUMENTS_MAX = 8,
};

struct ctl_admin_request {
	char command[CTL_ADMIN_COMMAND_MAX]; /* lower case letters, digits and `-` */
	unsigned count;
	const char *arguments[CTL_ADMIN_ARGUMENTS_MAX]; /* into `text`; none is empty */
	char text[CTL_ADMIN_LINE_MAX + CTL_ADMIN_ARGUMENTS_MAX];
};

/*
 * Returns NULL, or what is wrong with the line (without its end), as a static sentence. The
 * arguments point into *ret_request, which stays where it is.
 */
const char *ctl_admin_parse(struct slice line, struct ctl_admin_request *ret_request);
