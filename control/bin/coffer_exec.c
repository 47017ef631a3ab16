/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/bin/coffer_options.h"

/*
 * A file in memory with the input: no pipe that may fill up, or that nobody reads. Returns its
 * descriptor, or a negative errno.
 */
static int make_input(const struct cli_command *command)
{
	const int fd = memfd_create("coffer-input", MFD_CLOEXEC);
	size_t done = 0;
	int error;

	if (fd < 0) {
		return -errno;
	}
	while (done < command->input_size) {
		const ssize_t size =
			write(fd, (const char *)command->input + done, command->input_size - done);

		if (size < 0 && errno != EINTR) {
			error = errno;
			(void)close(fd); /* holds nothing */
			return -error;
		}
		done += size > 0 ? (size_t)size : 0;
	}
	(void)lseek(fd, 0, SEEK_SET); /* a file in memory can seek */
	return fd;
}

static void become(const struct cli_command *command, int input)
{
	const struct sigaction usual = {.sa_handler = SIG_DFL};

	/* The shell of `coffer` catches Ctrl-C; its commands end by it. */
	(void)sigaction(SIGINT, &usual, NULL);
	for (size_t i = 0; i < CLI_VARIABLES_MAX && command->variables[i].name != NULL; i++) {
		if (setenv(command->variables[i].name, command->variables[i].value, 1) != 0) {
			_exit(127);
		}
	}
	if (dup2(input, STDIN_FILENO) < 0) {
		_exit(127);
	}
	(void)execl("/bin/sh", "sh", "-c", command->text, (char *)NULL);
	_exit(127);
}

static int say_failed(const char *text, int status)
{
	if (WIFSIGNALED(status)) {
		(void)fprintf(stderr, "coffer: `%s` was ended by signal %d\n", text,
		              WTERMSIG(status));
	} else {
		(void)fprintf(stderr, "coffer: `%s` ended with %d\n", text, WEXITSTATUS(status));
	}
	return CLI_COMMAND;
}

int cli_exec(const struct cli_command *command)
{
	const int input = make_input(command);
	int status = 0;
	pid_t child = -1;

	if (input >= 0) {
		child = fork();
	}
	if (child == 0) {
		become(command, input);
	}
	if (child < 0) {
		(void)fprintf(stderr, "coffer: `%s` cannot be run: %s\n", command->text,
		              strerror(input < 0 ? -input : errno));
	}
	if (input >= 0) {
		(void)close(input); /* the child has its own */
	}
	if (child < 0) {
		return CLI_COMMAND;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	return status == 0 ? 0 : say_failed(command->text, status);
}
