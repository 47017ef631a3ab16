/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client/secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The first line into `ret_secret`. 0, or a negative errno. */
static int read_line(FILE *file, char ret_secret[CTL_SECRET_SIZE_MAX])
{
	size_t size;
	int next;

	if (fgets(ret_secret, CTL_SECRET_SIZE_MAX, file) == NULL) {
		return ferror(file) ? -EIO : -ENODATA;
	}
	size = strcspn(ret_secret, "\n");
	next = ret_secret[size] == '\n' ? '\n' : fgetc(file);
	if (next != '\n' && next != EOF) {
		return -EMSGSIZE;
	}
	ret_secret[size] = '\0';
	return size == 0 ? -ENODATA : 0;
}

int ctl_secret_file(char ret_secret[CTL_SECRET_SIZE_MAX], const char *path)
{
	FILE *file = fopen(path, "re");
	int r;

	if (file == NULL) {
		return -errno;
	}
	r = read_line(file, ret_secret);
	(void)fclose(file); /* it was only read */
	return r;
}
