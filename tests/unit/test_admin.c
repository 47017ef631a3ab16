/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the management socket answers each line with one line, and bears whatever is written
 *         to it.
 * Method: a real unix socket and a loop, both turned by this one thread; the worker is a stand-in
 *         whose answer the test gives when it likes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/admin.h"
#include "control/admin_request.h"

enum {
	TURNS_MAX = 2000 /* of the loop, each at most 5 ms */
};

static struct {
	uv_loop_t loop;
	uv_timer_t pace; /* so that a turn ends */
	struct ctl_admin *admin;
	char path[100], other[100];
	struct paxos_address asked;
	unsigned asks;
	bool refuses;
} house;

static const char *begin_status(void *context, const struct paxos_address *address,
                                const struct ctl_admin_request *request)
{
	(void)context;
	(void)request;
	house.asked = *address;
	house.asks++;
	return house.refuses ? "it takes no more mail" : NULL;
}

/* Answers at once: how many arguments there were, and the last one. */
static const char *begin_echo(void *context, const struct paxos_address *address,
                              const struct ctl_admin_request *request)
{
	(void)context;
	if (request->count == 0) {
		return "nothing to echo";
	}
	ctl_admin_answer(house.admin, address,
	                 json_pack("{s:i, s:s}", "count", (int)request->count, "last",
	                           request->arguments[request->count - 1]));
	return NULL;
}

static const struct ctl_admin_command commands[] = {
	{"status", "a stand-in", 500, begin_status},
	{"echo", "says it again", 500, begin_echo},
	{0},
};

static const struct ctl_admin_host host = {.commands = commands};

static void tell(const struct paxos_address *address, int node)
{
	ctl_admin_answer(house.admin, address, json_pack("{s:i}", "node", node));
}

static void on_pace(uv_timer_t *timer)
{
	(void)timer;
}

static int open_house(void **state)
{
	struct ctl_reason reason;

	(void)state;
	memset(&house, 0, sizeof(house));
	(void)snprintf(house.path, sizeof(house.path), "/tmp/coffer-admin-%d", (int)getpid());
	assert_int_equal(uv_loop_init(&house.loop), 0);
	assert_int_equal(uv_timer_init(&house.loop, &house.pace), 0);
	assert_int_equal(uv_timer_start(&house.pace, on_pace, 5, 5), 0);
	(void)snprintf(house.other, sizeof(house.other), "/tmp/coffer-dead-%d", (int)getpid());
	return ctl_admin_open(&house.admin, &house.loop, house.path, &host, &reason);
}

static int close_house(void **state)
{
	(void)state;
	ctl_admin_close(house.admin);
	uv_close((uv_handle_t *)&house.pace, NULL);
	(void)uv_run(&house.loop, UV_RUN_DEFAULT);
	(void)unlink(house.other);
	assert_int_equal(access(house.path, F_OK), -1);
	return uv_loop_close(&house.loop);
}

static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", house.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Turns the loop until a line has come, and gives it; "" if the other side hung up. */
static const char *hear(int fd)
{
	static char line[4096];
	size_t size = 0;

	for (unsigned i = 0; i < TURNS_MAX; i++) {
		char c;
		ssize_t r;

		while ((r = read(fd, &c, 1)) == 1 && c != '\n' && size < sizeof(line) - 1) {
			line[size++] = c;
		}
		line[size] = '\0';
		if (r == 1 || r == 0 || (r < 0 && errno == ECONNRESET)) {
			return line;
		}
		(void)uv_run(&house.loop, UV_RUN_ONCE);
	}
	fail_msg("no answer");
	return NULL;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void wait_for_asks(unsigned count)
{
	for (unsigned i = 0; i < TURNS_MAX && house.asks < count; i++) {
		(void)uv_run(&house.loop, UV_RUN_ONCE);
	}
	assert_int_equal(house.asks, count);
}

static void test_socket_is_for_its_owner_only(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(stat(house.path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_status_comes_from_the_worker(void **state)
{
	const int fd = dial();
	struct paxos_address old;

	(void)state;
	say(fd, "status\n");
	wait_for_asks(1);
	tell(&house.asked, 7);
	assert_string_equal(hear(fd), "{\"node\":7,\"ok\":true}");

	/* The same connection asks again, as an object; an answer for nobody is dropped. */
	say(fd, "{\"command\": \"status\"}\n");
	wait_for_asks(2);
	old = house.asked;
	old.bytes[0] = 200;
	tell(&old, 8);
	old.bytes[0] = 1;
	tell(&old, 8);
	tell(&house.asked, 9);
	tell(&house.asked, 10);
	assert_string_equal(hear(fd), "{\"node\":9,\"ok\":true}");
	assert_int_equal(close(fd), 0);
}

static void test_status_of_one_who_left_is_dropped(void **state)
{
	const int fd = dial();
	int next;

	(void)state;
	say(fd, "status\n");
	wait_for_asks(1);
	assert_int_equal(close(fd), 0);
	next = dial();
	say(next, "help\n");
	assert_non_null(strstr(hear(next), "\"ok\":true"));
	tell(&house.asked, 7);
	say(next, "help\n");
	assert_non_null(strstr(hear(next), "\"commands\""));
	assert_int_equal(close(next), 0);
}

static void test_worker_that_cannot_answer_is_told(void **state)
{
	const int fd = dial();

	(void)state;
	house.refuses = true;
	say(fd, "status\n");
	assert_non_null(strstr(hear(fd), "takes no more mail"));
	house.refuses = false;
	say(fd, "status\n");
	assert_non_null(strstr(hear(fd), "no answer in time"));
	tell(&house.asked, 7);
	say(fd, "status\n");
	wait_for_asks(3);
	ctl_admin_answer(house.admin, &house.asked, NULL);
	assert_non_null(strstr(hear(fd), "could not be made"));
	say(fd, "status\n");
	wait_for_asks(4);
	ctl_admin_refuse(house.admin, &house.asked, "not today");
	ctl_admin_refuse(house.admin, &house.asked, "nor tomorrow");
	assert_string_equal(hear(fd), "{\"ok\":false,\"error\":\"not today\"}");
	assert_int_equal(close(fd), 0);
}

static void test_arguments_come_as_words_or_as_an_array(void **state)
{
	const int fd = dial();

	(void)state;
	say(fd, "echo\n");
	assert_non_null(strstr(hear(fd), "nothing to echo"));
	say(fd, "echo  a \tb/c \r\n");
	assert_string_equal(hear(fd), "{\"count\":2,\"last\":\"b/c\",\"ok\":true}");
	say(fd, "{\"command\":\"echo\",\"arguments\":[\"x\",\"two words\"]}\n");
	assert_string_equal(hear(fd), "{\"count\":2,\"last\":\"two words\",\"ok\":true}");
	say(fd, "echo 1 2 3 4 5 6 7 8\n");
	assert_string_equal(hear(fd), "{\"count\":8,\"last\":\"8\",\"ok\":true}");
	say(fd, "echo 1 2 3 4 5 6 7 8 9\n");
	assert_non_null(strstr(hear(fd), "at most 8"));
	assert_int_equal(close(fd), 0);
}

static void test_lines_in_one_piece_are_answered_in_turn(void **state)
{
	const int fd = dial();

	(void)state;
	say(fd, "help\nnonsense\r\nhe");
	assert_non_null(strstr(hear(fd), "\"ok\":true"));
	assert_non_null(strstr(hear(fd), "unknown command"));
	say(fd, "lp\n{\"command\":1}\n\n");
	assert_non_null(strstr(hear(fd), "\"ok\":true"));
	assert_non_null(strstr(hear(fd), "\"ok\":false"));
	assert_non_null(strstr(hear(fd), "\"ok\":false"));
	assert_int_equal(close(fd), 0);
}

static void test_line_without_end_is_hung_up(void **state)
{
	char text[CTL_ADMIN_LINE_MAX + 2];
	const int fd = dial();

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	say(fd, text);
	assert_string_equal(hear(fd), "");
	assert_int_equal(close(fd), 0);
}

static void test_connections_are_bounded(void **state)
{
	int fds[CTL_ADMIN_CONNECTIONS_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < CTL_ADMIN_CONNECTIONS_MAX; i++) {
		fds[i] = dial();
		say(fds[i], "help\n");
		assert_non_null(strstr(hear(fds[i]), "\"ok\":true"));
	}
	fds[CTL_ADMIN_CONNECTIONS_MAX] = dial();
	assert_non_null(strstr(hear(fds[CTL_ADMIN_CONNECTIONS_MAX]), "too many"));
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[CTL_ADMIN_CONNECTIONS_MAX]), 0);
	say(fds[1], "help\n"); /* a turn or two, in which the slot is given back */
	assert_non_null(strstr(hear(fds[1]), "\"ok\":true"));
	fds[0] = dial();
	say(fds[0], "help\n");
	assert_non_null(strstr(hear(fds[0]), "\"ok\":true"));
	for (unsigned i = 0; i < CTL_ADMIN_CONNECTIONS_MAX; i++) {
		assert_int_equal(close(fds[i]), 0);
	}
}

static void test_dead_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ctl_admin *second = NULL;
	const char *path = house.other;
	struct ctl_reason reason;
	int fd;

	(void)state;
	assert_int_equal(ctl_admin_open(&second, &house.loop, house.path, &host, &reason),
	                 -EADDRINUSE);
	assert_non_null(strstr(reason.text, house.path));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ctl_admin_open(&second, &house.loop, path, &host, &reason), 0);
	ctl_admin_close(second);
	for (unsigned i = 0; i < TURNS_MAX && access(path, F_OK) == 0; i++) {
		(void)uv_run(&house.loop, UV_RUN_ONCE);
	}
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* no socket: not ours */
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ctl_admin_open(&second, &house.loop, path, &host, &reason), -EADDRINUSE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ctl_admin_open(&second, &house.loop, "/nowhere/s", &host, &reason),
	                 -EACCES);
	assert_non_null(strstr(reason.text, "no such folder"));
}

static void test_only_plain_words_are_commands(void **state)
{
	static const char *const wrong[] = {"",
	                                    " status",
	                                    "STATUS",
	                                    "{",
	                                    "{}",
	                                    "[]",
	                                    "{\"command\":\"\"}",
	                                    "sta\xc3",
	                                    "a b\x01",
	                                    "{\"command\":\"a\",\"arguments\":\"b\"}",
	                                    "{\"command\":\"a\",\"arguments\":[\"b\",1]}",
	                                    "{\"command\":\"a\",\"arguments\":[\"\"]}",
	                                    "{\"command\":\"a\",\"arguments\":[\"\\u0007\"]}",
	                                    "{\"command\":\"a\",\"more\":[]}"};
	struct ctl_admin_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_non_null(ctl_admin_parse(slice_text(wrong[i]), &request));
	}
	assert_non_null(ctl_admin_parse(slice_make("a\0b", 3), &request));
	assert_non_null(ctl_admin_parse(slice_text("{\"command\":\"status\",\"command\":\"help\"}"),
	                                &request));
	assert_null(ctl_admin_parse(slice_text("log-2 \t"), &request));
	assert_string_equal(request.command, "log-2");
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_socket_is_for_its_owner_only),
		WITH_HOUSE(test_status_comes_from_the_worker),
		WITH_HOUSE(test_status_of_one_who_left_is_dropped),
		WITH_HOUSE(test_worker_that_cannot_answer_is_told),
		WITH_HOUSE(test_arguments_come_as_words_or_as_an_array),
		WITH_HOUSE(test_lines_in_one_piece_are_answered_in_turn),
		WITH_HOUSE(test_line_without_end_is_hung_up),
		WITH_HOUSE(test_connections_are_bounded),
		WITH_HOUSE(test_dead_socket_is_replaced_and_a_live_one_is_not),
		cmocka_unit_test(test_only_plain_words_are_commands),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
