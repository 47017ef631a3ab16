/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_session_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int cli_session_file_write(const struct coffer *coffer, const char *path)
{
	char line[64], beside[PATH_MAX];
	uint64_t secret;
	const uint64_t session = coffer_session(coffer, &secret);
	const int size = snprintf(line, sizeof(line), "%" PRIu64 " %" PRIu64 "\n", session, secret);
	int fd, r = 0;

	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside)) {
		return -ENAMETOOLONG;
	}
	(void)unlink(beside); /* of one that was killed here */
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		return -errno;
	}
	errno = EIO;
	if (write(fd, line, (size_t)size) != size || rename(beside, path) < 0) {
		r = -errno;
		(void)unlink(beside);
	}
	(void)close(fd); /* it need not outlive the machine, nor does the session */
	return r;
}

int cli_session_file_read(const char *path, struct coffer_options *options)
{
	char line[64] = "";
	char *rest = line;
	FILE *file = fopen(path, "re");
	const char *got;

	if (file == NULL) {
		return -errno;
	}
	got = fgets(line, sizeof(line), file);
	(void)fclose(file); /* was only read */
	/* 0 is neither an id nor a secret; what is too large to be one, servers refuse. */
	options->session = strtoull(line, &rest, 10);
	options->session_secret = *rest == ' ' ? strtoull(rest + 1, &rest, 10) : 0;
	if (got == NULL || *rest != '\n' || options->session == 0 || options->session_secret == 0) {
		return -EINVAL;
	}
	return 0;
}
