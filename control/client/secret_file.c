/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client/secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int ctl_secret_file(char ret_secret[CTL_SECRET_SIZE_MAX], const char *path)
{
	FILE *file = fopen(path, "re");
	int r = 0;

	if (file == NULL) {
		return -errno;
	}
	ret_secret[0] = '\0';
	if (fgets(ret_secret, CTL_SECRET_SIZE_MAX, file) == NULL && ferror(file)) {
		r = -EIO;
	}
	(void)fclose(file); /* it was only read */
	if (r == 0 && strchr(ret_secret, '\n') == NULL &&
	    strlen(ret_secret) == CTL_SECRET_SIZE_MAX - 1) {
		return -EMSGSIZE;
	}
	ret_secret[strcspn(ret_secret, "\n")] = '\0';
	return r == 0 && ret_secret[0] == '\0' ? -ENODATA : r;
}
