/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   who supervises tells the others when its server died and in no other case, ends as the
 *         server did, passes signals on, and takes the server along when it dies itself.
 * Method: servers that are a function of a few lines, supervised in a process of their own; the
 *         notes arrive at a socket of the test, which stands for the other servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consensus/msg.h"
#include "control/supervisor.h"

enum {
	PATIENCE_MS = 20000,
	START = 7,
	CLUSTER = 77,
};

/* What becomes of a server. */
enum life {
	DIES,
	DIES_UNBORN,
	ENDS,
	DIES_TWICE,
	WAITS,
};

struct fixture {
	char file[64];
	int peer;     /* where notes arrive */
	int lines[2]; /* what servers say of themselves: a pipe */
	enum life life;
};

static int peer_socket(uint16_t *ret_port)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_ANY);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void set_up(struct fixture *f, enum life life, bool restart)
{
	uint16_t port;
	FILE *file;
	int fd;

	memset(f, 0, sizeof(*f));
	f->life = life;
	f->peer = peer_socket(&port);
	assert_int_equal(pipe(f->lines), 0);
	(void)snprintf(f->file, sizeof(f->file), "/tmp/coffer-supervisor-XXXXXX");
	fd = mkstemp(f->file);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	fprintf(file,
	        "cluster = %x\nnode = 1\nlisten = 127.0.0.1:1\nlog = /dev/null\nrestart = %s\n"
	        "server.1 = 127.0.0.1:1\nserver.2 = 127.0.0.2:%u\nserver.3 = 127.0.0.3:%u\n",
	        CLUSTER, restart ? "yes" : "no", port, port);
	assert_int_equal(fclose(file), 0);
}

static void tear_down(struct fixture *f)
{
	(void)unlink(f->file);
	(void)close(f->peer);
	(void)close(f->lines[0]);
	(void)close(f->lines[1]);
}

static int serve(void *context, struct ctl_birth *birth, bool again)
{
	const struct fixture *f = context;
	const struct paxos_config paxos = {
		.cluster = CLUSTER, .node = 0, .incarnation = 5, .start = START + again};
	const pid_t pid = getpid();

	if (f->life != DIES_UNBORN && ctl_birth_tell(birth, &paxos) == 0) {
		return 99;
	}
	if (write(f->lines[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid)) {
		return 98;
	}
	if (f->life == WAITS) {
		for (;;) {
			(void)pause();
		}
	}
	if (f->life == ENDS || (f->life == DIES_TWICE && again)) {
		return 5;
	}
	(void)raise(SIGKILL);
	return 97;
}

/* The supervisor's process. */
static pid_t begin(struct fixture *f)
{
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct ctl_reason reason;

		_exit(ctl_supervise(f->file, serve, f, &reason));
	}
	return pid;
}

static int code_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static pid_t next_server(const struct fixture *f)
{
	pid_t pid;

	assert_int_equal(read(f->lines[0], &pid, sizeof(pid)), sizeof(pid));
	return pid;
}

/* Notes that came to the two others, of this start. */
static unsigned notes(const struct fixture *f, uint32_t start)
{
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	unsigned count = 0;
	ssize_t size;

	while ((size = recv(f->peer, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		struct store_datagram datagram;
		struct paxos_msg msg;

		assert_int_equal(store_datagram_open(slice_make(bytes, (size_t)size), &datagram),
		                 STORE_DATAGRAM_GOOD);
		assert_int_equal(datagram.kind, STORE_DATAGRAM_PEER);
		assert_true(datagram.cluster == CLUSTER);
		assert_true(paxos_msg_decode(datagram.body, &msg));
		assert_int_equal(msg.kind, PAXOS_MSG_DEAD);
		assert_int_equal(msg.node, 0);
		assert_true(msg.incarnation == 5 && msg.secret != 0);
		count += msg.start == start;
	}
	return count;
}

static void test_killed_server_is_told_of_and_its_signal_is_the_code(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, DIES, false);
	assert_int_equal(code_of(begin(&f)), CTL_SUPERVISOR_KILLED + SIGKILL);
	assert_true(notes(&f, START) >= 2);
	tear_down(&f);
}

static void test_code_of_a_server_that_ends_is_passed_on(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, ENDS, true);
	assert_int_equal(code_of(begin(&f)), 5);
	assert_true(notes(&f, START) >= 2);
	tear_down(&f);
}

static void test_server_that_was_nobody_yet_is_not_told_of(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, DIES_UNBORN, false);
	assert_int_equal(code_of(begin(&f)), CTL_SUPERVISOR_KILLED + SIGKILL);
	assert_int_equal(notes(&f, START), 0);
	tear_down(&f);
}

static void test_restart_is_another_start_with_a_note_of_its_own(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, DIES_TWICE, true);
	assert_int_equal(code_of(begin(&f)), 5);
	assert_true(notes(&f, START) >= 2);
	assert_int_not_equal(next_server(&f), next_server(&f));
	tear_down(&f);
}

static void test_signal_to_end_is_passed_on_and_ends_restarts(void **state)
{
	struct fixture f;
	pid_t supervisor;

	(void)state;
	set_up(&f, WAITS, true);
	supervisor = begin(&f);
	(void)next_server(&f);
	assert_int_equal(kill(supervisor, SIGTERM), 0);
	assert_int_equal(code_of(supervisor), CTL_SUPERVISOR_KILLED + SIGTERM);
	tear_down(&f);
}

static void test_server_dies_with_its_supervisor_and_nobody_is_told(void **state)
{
	struct fixture f;
	pid_t supervisor;
	struct pollfd gone;
	int status;

	(void)state;
	set_up(&f, WAITS, true);
	supervisor = begin(&f);
	(void)next_server(&f);
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
	/* The pipe ends when the last process that could write to it is gone. */
	(void)close(f.lines[1]);
	f.lines[1] = -1;
	gone = (struct pollfd){.fd = f.lines[0], .events = POLLIN};
	assert_int_equal(poll(&gone, 1, PATIENCE_MS), 1);
	assert_true((gone.revents & POLLHUP) != 0);
	assert_int_equal(notes(&f, START), 0);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_server_is_told_of_and_its_signal_is_the_code),
		cmocka_unit_test(test_code_of_a_server_that_ends_is_passed_on),
		cmocka_unit_test(test_server_that_was_nobody_yet_is_not_told_of),
		cmocka_unit_test(test_restart_is_another_start_with_a_note_of_its_own),
		cmocka_unit_test(test_signal_to_end_is_passed_on_and_ends_restarts),
		cmocka_unit_test(test_server_dies_with_its_supervisor_and_nobody_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
