/* SPDX-License-Identifier: Apache-2.0 */
#include "control/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_line(char *ret_secret, size_t size, const char *path)
{
	FILE *file = fopen(path, "re");
	int r = 0;

	if (file == NULL) {
		return -errno;
	}
	ret_secret[0] = '\0';
	if (fgets(ret_secret, (int)size, file) == NULL && ferror(file)) {
		r = -EIO;
	}
	(void)fclose(file); /* it was only read */
	if (r == 0 && strchr(ret_secret, '\n') == NULL && strlen(ret_secret) == size - 1) {
		return -EMSGSIZE;
	}
	ret_secret[strcspn(ret_secret, "\n")] = '\0';
	return r;
}

int ctl_secret_read(char *ret_secret, size_t size, const char *path, const char *variable,
                    struct ctl_reason *ret_reason)
{
	const char *given = getenv(variable);
	int r;

	if (strcmp(path, "none") == 0) {
		given = given == NULL ? "" : given;
		if (strlen(given) >= size) {
			ctl_reason_say(ret_reason, "%s is longer than %u bytes; shorten it",
			               variable, (unsigned)size - 1);
			return -EMSGSIZE;
		}
		memcpy(ret_secret, given, strlen(given) + 1);
		return 0;
	}
	r = read_line(ret_secret, size, path);
	if (r < 0) {
		ctl_reason_say(ret_reason, "the secret in %s cannot be had (%s); mend that file",
		               path, strerror(-r));
	}
	return r;
}
