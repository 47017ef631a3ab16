/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cofferctl - the operator's tool: asks a server by its management socket
 *
 * Exit: 0 done; 1 the server refused; 2 usage; 3 nobody answers there.
 */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/bin/cofferctl_offline.h"
#include "control/options.h"
#include "control/status_text.h"

const char *argp_program_version = "cofferctl (Coffer) " COFFER_VERSION;

enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_NOBODY = 3,
	ANSWER_SIZE_MAX = 1 << 20,
	LOOKS_MAX = 500, /* for a new leader, 10 ms apart */
	LOOK_GAP_MS = 10,
	LOOKS_AGAIN = 50, /* then it is asked again: a datagram may be lost */
	WORDS_MAX = 16,
	MEMBER_S = 60, /* the server gives up before */
};

#define COMMANDS                                                                                   \
	"status | leader transfer [NODE] | member list | member add N[=IP:PORT] ... | "            \
	"member remove N ... | member replace OLD NEW[=IP:PORT] | member promote N ... | "         \
	"snapshot save FILE | snapshot verify FILE | verify DIR | repair DIR | help"

struct order {
	const char *socket;
	const char *words[WORDS_MAX];
	unsigned count;
	bool json;
	bool even, learner; /* options of `member` */
};

static void print_status(const struct order *order, const json_t *answer)
{
	(void)order;
	ctl_status_print(stdout, answer);
}

static void print_told(const struct order *order, const json_t *answer)
{
	(void)order;
	(void)printf("%s\n", json_string_value(json_object_get(answer, "told")));
}

static void print_members(const struct order *order, const json_t *answer)
{
	(void)order;
	ctl_members_print(stdout, answer);
}

static void print_help(const struct order *order, const json_t *answer)
{
	json_t *texts = json_object_get(answer, "commands"), *text;
	const char *key;

	(void)order;
	json_object_foreach(texts, key, text)
	{
		(void)printf("%-10s %s\n", key, json_string_value(text));
	}
}

static void print_saved(const struct order *order, const json_t *answer)
{
	(void)printf("%s: index %" JSON_INTEGER_FORMAT ", digest %s\n", order->words[2],
	             json_integer_value(json_object_get(answer, "index")),
	             json_string_value(json_object_get(answer, "digest")));
}

static void print_leader(const struct order *order, const json_t *answer)
{
	(void)order;
	(void)printf("server %" JSON_INTEGER_FORMAT " leads\n",
	             json_integer_value(json_object_get(answer, "leader")));
}

/* The server may stand in another folder than the operator: a file is told by its whole path. */
static int make_absolute(struct order *order, char path[PATH_MAX])
{
	char folder[PATH_MAX];

	if (order->words[2][0] == '/') {
		return 0;
	}
	if (getcwd(folder, sizeof(folder)) == NULL) {
		return -errno;
	}
	if (snprintf(path, PATH_MAX, "%s/%s", folder, order->words[2]) >= PATH_MAX) {
		return -ENAMETOOLONG;
	}
	order->words[2] = path;
	return 0;
}

/* What can be asked; how many words, the command's own included; how its answer looks as text. */
static const struct command {
	const char *name, *action; /* the first two words; action may be NULL */
	unsigned words;            /* 0: action and at least one more */
	unsigned patience_s;
	void (*print)(const struct order *order, const json_t *answer);
} commands[] = {
	{"status", NULL, 1, 5, print_status},
	{"leader", "transfer", 2, 5, print_leader},
	{"leader", "transfer", 3, 5, print_leader},
	{"snapshot", "save", 3, 600, print_saved},
	{"snapshot", "verify", 3, 0, NULL}, /* without a server */
	{"verify", NULL, 2, 0, NULL},
	{"repair", NULL, 2, 0, NULL},
	{"member", "list", 2, 5, print_members},
	{"member", "add", 0, MEMBER_S, print_told},
	{"member", "remove", 0, MEMBER_S, print_told},
	{"member", "replace", 0, MEMBER_S, print_told},
	{"member", "promote", 0, MEMBER_S, print_told},
	{"help", NULL, 1, 5, print_help},
};

/* The command that the words begin with, or NULL. */
static const struct command *find_command(const struct order *order)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *command = &commands[i];

		if ((command->words == 0 ? order->count > 2 : order->count == command->words) &&
		    strcmp(order->words[0], command->name) == 0 &&
		    (command->action == NULL || strcmp(order->words[1], command->action) == 0)) {
			return command;
		}
	}
	return NULL;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct order *order = state->input;

	switch (key) {
	case 's':
		order->socket = argument;
		return 0;
	case 'o':
		if (strcmp(argument, "json") != 0 && strcmp(argument, "text") != 0) {
			argp_error(state, "-o takes text or json, not %s", argument);
		}
		order->json = strcmp(argument, "json") == 0;
		return 0;
	case CTL_OPTION_EVEN:
		order->even = true;
		return 0;
	case CTL_OPTION_LEARNER:
		order->learner = true;
		return 0;
	case ARGP_KEY_ARG:
		if (order->count == WORDS_MAX) {
			argp_error(state, "%s: too many words", argument);
		}
		order->words[order->count++] = argument;
		return 0;
	case ARGP_KEY_END:
		if (order->count == 0 || find_command(order) == NULL) {
			argp_error(state, "the commands are: %s", COMMANDS);
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int dial(const char *path, unsigned patience_s)
{
	const struct timeval patience = {.tv_sec = patience_s};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	return fd;
}

/* The words as an object, so that an argument may have spaces. */
static int send_line(int fd, const struct order *order)
{
	json_t *object = json_object(), *arguments = json_array();
	const bool lists = find_command(order)->print == print_members; /* a status is enough */
	char *line;
	int r = -ENOMEM;

	for (unsigned i = 1; i < order->count && !lists; i++) {
		(void)json_array_append_new(arguments, json_string(order->words[i]));
	}
	if (order->even) {
		(void)json_array_append_new(arguments, json_string("--even"));
	}
	if (order->learner) {
		(void)json_array_append_new(arguments, json_string("--learner"));
	}
	(void)json_object_set_new(object, "command",
	                          json_string(lists ? "status" : order->words[0]));
	(void)json_object_set_new(object, "arguments", arguments);
	line = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (line != NULL) {
		const size_t size = strlen(line);

		line[size] = '\n'; /* in place of the end */
		r = send(fd, line, size + 1, MSG_NOSIGNAL) == (ssize_t)size + 1 ? 0 : -EPIPE;
		free(line);
	}
	return r;
}

/* One line, without its end; given to the caller (free). Returns 0 or a negative errno. */
static int read_line(int fd, char **ret_line)
{
	char *line = malloc(ANSWER_SIZE_MAX);
	size_t size = 0;
	int r = -ENOMEM;

	while (line != NULL && size < ANSWER_SIZE_MAX) {
		const ssize_t got = read(fd, line + size, ANSWER_SIZE_MAX - size);
		char *end;

		if (got <= 0) {
			r = got == 0 ? -ECONNRESET : -errno;
			break;
		}
		end = memchr(line + size, '\n', (size_t)got);
		size += (size_t)got;
		if (end != NULL) {
			*end = '\0';
			*ret_line = line;
			return 0;
		}
		r = -EMSGSIZE;
	}
	free(line);
	return r;
}

static int ask(const struct order *order, char **ret_line)
{
	const int fd = dial(order->socket, find_command(order)->patience_s);
	int r;

	if (fd < 0) {
		return fd;
	}
	r = send_line(fd, order);
	if (r == 0) {
		r = read_line(fd, ret_line);
	}
	(void)close(fd);
	return r;
}

/*
 * The server has only told the others: who leads is seen in its status. Writes it into the answer;
 * false if that did not come about.
 */
static bool await_leader(const struct order *order, json_t *answer)
{
	const struct order look = {.socket = order->socket, .words = {"status"}, .count = 1};
	const json_int_t former = json_integer_value(json_object_get(answer, "former"));
	const json_int_t wanted = order->count == 3 ? strtoll(order->words[2], NULL, 10) : 0;
	json_int_t leader = json_is_true(json_object_get(answer, "done")) ? wanted : 0;

	for (unsigned i = 0; i < LOOKS_MAX && leader == 0; i++) {
		json_t *status, *ballot;
		char *line;

		if (ask(&look, &line) < 0) {
			return false;
		}
		status = json_loads(line, 0, NULL);
		free(line);
		leader = json_integer_value(json_object_get(status, "leader"));
		ballot = json_object_get(status, "ballot");
		if (json_integer_value(json_object_get(ballot, "node")) != leader) {
			leader = 0; /* expected, and not promised to yet */
		}
		json_decref(status);
		if (leader == 0 || (wanted != 0 ? leader != wanted : leader == former)) {
			leader = 0;
			(void)poll(NULL, 0, LOOK_GAP_MS);
			if (i % LOOKS_AGAIN == LOOKS_AGAIN - 1 && ask(order, &line) == 0) {
				free(line);
			}
		}
	}
	(void)json_object_del(answer, "done");
	(void)json_object_set_new(answer, "leader", json_integer(leader));
	return leader != 0;
}

static void print(const struct order *order, json_t *answer)
{
	(void)json_object_del(answer, "ok");
	if (order->json) {
		(void)json_dumpf(answer, stdout, JSON_INDENT(2));
		(void)printf("\n");
	} else {
		find_command(order)->print(order, answer);
	}
}

static int tell(const struct order *order, const char *line)
{
	json_t *answer = json_loads(line, 0, NULL);
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *wrong = NULL;
	int code = EXIT_DONE;

	if (!json_is_true(json_object_get(answer, "ok"))) {
		wrong = error != NULL ? error : "the answer makes no sense";
	} else if (strcmp(order->words[0], "leader") == 0 && !await_leader(order, answer)) {
		wrong = "it was told, but no other server took over; see status";
	}
	if (wrong == NULL) {
		print(order, answer);
	} else {
		(void)fprintf(stderr, "cofferctl: %s: %s\n", order->socket, wrong);
		code = EXIT_REFUSED;
	}
	json_decref(answer);
	return code;
}

static int do_offline(const struct order *order)
{
	if (strcmp(order->words[0], "verify") == 0) {
		return cofferctl_verify(order->words[1], order->json);
	}
	if (strcmp(order->words[0], "repair") == 0) {
		return cofferctl_repair(order->words[1]);
	}
	return cofferctl_snapshot_verify(order->words[2], order->json);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {ctl_cofferctl_options,
	                                 parse,
	                                 COMMANDS,
	                                 "Asks a Coffer server by its management socket.",
	                                 NULL,
	                                 NULL,
	                                 NULL};
	const char *named = getenv("COFFER_MANAGEMENT");
	struct order order = {.socket = named != NULL ? named : CTL_MANAGEMENT_DEFAULT};
	char path[PATH_MAX], *line = NULL;
	int r;

	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &order) != 0) {
		return EXIT_USAGE;
	}
	if (find_command(&order)->print == NULL) {
		r = do_offline(&order);
		return fflush(stdout) != 0 ? EXIT_REFUSED : r;
	}
	r = strcmp(order.words[0], "snapshot") == 0 ? make_absolute(&order, path) : 0;
	r = r < 0 ? r : ask(&order, &line);
	if (r < 0) {
		(void)fprintf(
			stderr,
			"cofferctl: %s: no answer (%s); is the server up, is this its socket, "
			"and may this user use it?\n",
			order.socket, strerror(-r));
		return EXIT_NOBODY;
	}
	r = tell(&order, line);
	free(line);
	if (fflush(stdout) != 0) {
		return EXIT_REFUSED;
	}
	return r;
}
