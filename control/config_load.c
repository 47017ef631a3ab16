/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_load.c - the configuration out of its file; names of hosts become addresses here
 */
#include "control/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/host.h"
#include "control/whole_file.h"

int ctl_config_load(struct ctl_config *ret_config, const char *file, struct ctl_reason *ret_reason)
{
	char *text;
	size_t size;
	int r = ctl_whole_file_read(file, CTL_CONFIG_SIZE_MAX, &text, &size);

	if (r == -EFBIG) {
		ctl_reason_say(ret_reason,
		               "%s: cannot be read (too large); name a file of at most %d bytes "
		               "with -c",
		               file, CTL_CONFIG_SIZE_MAX);
		return -EINVAL;
	}
	if (r < 0) {
		ctl_reason_say(
			ret_reason,
			"%s: the configuration cannot be read (%s); name a readable file with -c",
			file, strerror(-r));
		return r;
	}
	r = ctl_config_parse(ret_config, file, slice_make(text, size), ctl_host_resolve,
	                     ret_reason);
	free(text);
	return r;
}
