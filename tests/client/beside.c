/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beside.c - runs a program beside a tiny cluster
 *
 *      beside PROGRAM [ARGUMENT...]
 *
 * COFFER_SERVERS names the cluster's servers. Ends with the program's exit code.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/check.h"
#include "tests/client/tiny_cluster.h"

int main(int argc, char **argv)
{
	struct tiny_cluster *cluster;
	int status = 0;
	pid_t child;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: beside PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	cluster = tiny_cluster_new(0, 1);
	(void)tiny_cluster_leader(cluster);
	must(setenv("COFFER_SERVERS", tiny_cluster_servers(cluster), 1) == 0);
	child = fork();
	if (child == 0) {
		(void)execv(argv[1], argv + 1);
		(void)fprintf(stderr, "beside: %s: %s\n", argv[1], strerror(errno));
		_exit(127);
	}
	must(child > 0);
	must(waitpid(child, &status, 0) == child);
	tiny_cluster_free(cluster);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
