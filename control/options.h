/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * options.h - the command lines of cofferd and cofferctl
 *
 * Tables of argp, apart from the programs so that a test can compare the man pages with them.
 */

#include <argp.h>

enum {
	CTL_OPTION_NEW_CLUSTER = 256, /* without a letter */
	CTL_OPTION_RESTORE,
	CTL_OPTION_CHECK,
	CTL_OPTION_PRINT_CONFIG,
	CTL_OPTION_NO_SUPERVISOR,
	CTL_OPTION_JOIN,
	CTL_OPTION_LISTEN,
	CTL_OPTION_NAME,
	CTL_OPTION_SETTINGS,
	CTL_OPTION_SET,
	CTL_OPTION_EVEN,
	CTL_OPTION_LEARNER,
};

#define CTL_MANAGEMENT_DEFAULT "/run/coffer/cofferd.sock"

/* Both end with an empty row. */
extern const struct argp_option ctl_cofferd_options[];
extern const struct argp_option ctl_cofferctl_options[];
