/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_load.c - the configuration out of its file; names of hosts become addresses here
 */
#include "control/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/host.h"

int ctl_config_load(struct ctl_config *ret_config, const char *file, struct ctl_reason *ret_reason)
{
	uint8_t *text;
	ssize_t size;
	int fd, r;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		ctl_reason_say(
			ret_reason,
			"%s: the configuration cannot be opened (%s); name a readable file with -c",
			file, strerror(-r));
		return r;
	}
	text = malloc(CTL_CONFIG_SIZE_MAX + 1);
	if (text == NULL) {
		r = -ENOMEM;
		ctl_reason_say(ret_reason, "%s: no memory to read it; free some", file);
		goto close_file;
	}
	size = read(fd, text, CTL_CONFIG_SIZE_MAX + 1);
	if (size < 0 || size > CTL_CONFIG_SIZE_MAX) {
		r = size < 0 ? -errno : -EINVAL;
		ctl_reason_say(ret_reason,
		               "%s: cannot be read (%s); name a file of at most %d bytes with -c",
		               file, size < 0 ? strerror(-r) : "too large", CTL_CONFIG_SIZE_MAX);
		goto free_text;
	}
	r = ctl_config_parse(ret_config, file, slice_make(text, (size_t)size), ctl_host_resolve,
	                     ret_reason);

free_text:
	free(text);
close_file:
	(void)close(fd);
	return r;
}
