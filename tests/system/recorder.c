/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder - clients that write down what they asked and were told
 *
 * Some clients, each with sockets and session of its own and some requests under way, work on a few
 * shared files, and beside that make files that nobody else ever touches. Every operation goes to
 * the history (tests/lincheck/README.md) with the times of its call and its return: refusals that
 * had no effect are left out, what nobody answered is `unknown`.
 *
 * Commands come on standard input, one a line: `status` is answered with a line of JSON, `finish`
 * (or the end of the input) waits for what is under way, reads back every file that was made and
 * acknowledged, reads the shared files once more, and ends.
 *
 * Exit code: 0 all is there; 1 an acknowledged write is missing or was done twice, or an answer
 * came that nobody could give; 2 usage.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "store/base/check.h"
#include "tests/system/recorder.h"

#define NS_PER_MS ((uint64_t)1000000)

enum {
	READ_BACK_TRIES = 20,
};

struct options {
	struct recorder_config config;
	const char *output;
};

uint64_t recorder_now_ns(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- options ------------------------------------------------------------------------------- */

static const struct argp_option option_table[] = {
	{"servers", 's', "HOST:PORT,...", 0, "who is asked, in the order of their numbers", 0},
	{"output", 'o', "FILE", 0, "where the history goes", 0},
	{"clients", 'c', "N", 0, "each with a session (3)", 0},
	{"lanes", 'l', "N", 0, "requests under way for each client (2)", 0},
	{"keys", 'k', "N", 0, "shared files (4)", 0},
	{"prefix", 'p', "PATH", 0, "directory of all files (/r)", 0},
	{"pause-us", 'u', "N", 0, "of a lane between two requests (1000)", 0},
	{"timeout-ms", 't', "N", 0, "deadline of a request (4000)", 0},
	{"seed", 'e', "N", 0, "of the choice of operations (1)", 0},
	{0},
};

static uint64_t number_of(const char *text, uint64_t min, uint64_t max, struct argp_state *state)
{
	char *end = NULL;
	uint64_t number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != 0 || number < min || number > max) {
		argp_error(state, "not a number from %" PRIu64 " to %" PRIu64 ": %s", min, max,
		           text);
	}
	return number;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	struct recorder_config *config = &options->config;

	switch (key) {
	case 's':
		if (!recorder_parse_servers(config, argument)) {
			argp_error(state, "not a list of IPV4:PORT: %s", argument);
		}
		return 0;
	case 'o':
		options->output = argument;
		return 0;
	case 'c':
		config->clients = (unsigned)number_of(argument, 1, RECORDER_CLIENTS_MAX, state);
		return 0;
	case 'l':
		config->lanes = (unsigned)number_of(argument, 1, RECORDER_LANES_MAX, state);
		return 0;
	case 'k':
		config->keys = (unsigned)number_of(argument, 1, RECORDER_KEYS_MAX, state);
		return 0;
	case 'p':
		config->prefix = argument;
		return 0;
	case 'u':
		config->pause_ns = 1000 * number_of(argument, 0, 1000000, state);
		return 0;
	case 't':
		config->timeout_ns = NS_PER_MS * number_of(argument, 1, 600000, state);
		return 0;
	case 'e':
		config->seed = number_of(argument, 0, UINT64_MAX, state);
		return 0;
	case ARGP_KEY_END:
		if (options->output == NULL || config->server_count == 0) {
			argp_error(state, "--servers and --output are needed");
		}
		if (config->prefix[0] != '/' || strlen(config->prefix) > RECORDER_PREFIX_MAX) {
			argp_error(state, "not a short path: %s", config->prefix);
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- the loop ------------------------------------------------------------------------------ */

/* Waits for a datagram, a command or a deadline. */
static void wait_for_something(const struct recorder *recorder, struct pollfd *fds, bool commands)
{
	const uint64_t now_ns = recorder_now_ns();
	const uint64_t deadline_ns = recorder_deadline_ns(recorder);
	struct timespec timeout = {0};
	unsigned count = 0;

	for (; count < recorder->config.clients; count++) {
		fds[count] = (struct pollfd){.fd = recorder->members[count].fd, .events = POLLIN};
	}
	fds[count++] = (struct pollfd){.fd = commands ? STDIN_FILENO : -1, .events = POLLIN};
	if (deadline_ns > now_ns) {
		uint64_t wait_ns = deadline_ns - now_ns;

		wait_ns = wait_ns > 1000 * NS_PER_MS ? 1000 * NS_PER_MS : wait_ns;
		timeout.tv_sec = (time_t)(wait_ns / 1000000000u);
		timeout.tv_nsec = (long)(wait_ns % 1000000000u);
	}
	if (ppoll(fds, count, &timeout, NULL) < 0) {
		must(errno == EINTR);
	}
}

static void print_status(struct recorder *recorder)
{
	const struct recorder_counts *counts = &recorder->counts;

	(void)printf("{\"done\": %" PRIu64 ", \"acked\": %" PRIu64 ", \"unknown\": %" PRIu64
	             ", \"unreached\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"made\": %" PRIu64
	             ", \"gap_ms\": %.3f}\n",
	             counts->done, counts->acked, counts->unknown, counts->unreached,
	             counts->refused, recorder->made_count, 1e-6 * (double)counts->gap_ns);
	(void)fflush(stdout);
	recorder->counts.gap_ns = 0;
}

/* Reads commands; true when it is time to finish. */
static bool take_commands(struct recorder *recorder)
{
	static char line[256];
	static size_t size;
	ssize_t more = read(STDIN_FILENO, line + size, sizeof(line) - 1 - size);
	char *end;

	if (more <= 0) {
		return more == 0 || (errno != EINTR && errno != EAGAIN);
	}
	size += (size_t)more;
	line[size] = 0;
	while ((end = strchr(line, '\n')) != NULL) {
		*end = 0;
		if (strcmp(line, "finish") == 0) {
			return true;
		}
		if (strcmp(line, "status") == 0) {
			print_status(recorder);
		}
		size -= (size_t)(end + 1 - line);
		memmove(line, end + 1, size + 1);
	}
	return size + 1 == sizeof(line);
}

static void work(struct recorder *recorder)
{
	struct pollfd fds[RECORDER_CLIENTS_MAX + 1] = {0};
	bool finish = false;

	while (!finish) {
		recorder_turn(recorder);
		wait_for_something(recorder, fds, true);
		if (fds[recorder->config.clients].revents != 0) {
			finish = take_commands(recorder);
		}
	}
	recorder->is_draining = true;
	for (recorder_turn(recorder); recorder_outstanding(recorder) != 0;
	     recorder_turn(recorder)) {
		wait_for_something(recorder, fds, false);
	}
}

/* Reads until all is answered, some times over: servers may still be electing. */
static bool read_back(struct recorder *recorder)
{
	struct pollfd fds[RECORDER_CLIENTS_MAX + 1] = {0};

	for (unsigned try = 0; try < READ_BACK_TRIES; try++) {
		recorder_start_read_back(recorder);
		for (recorder_turn(recorder); !recorder_read_back_is_over(recorder);
		     recorder_turn(recorder)) {
			wait_for_something(recorder, fds, false);
		}
		if (recorder->unread == 0) {
			return true;
		}
	}
	(void)fprintf(stderr, "recorder: %" PRIu64 " files could not be read back\n",
	              recorder->unread);
	return false;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Works on a cluster and writes down what it asked and was told.",
	};
	struct options options = {.config = {.clients = 3,
	                                     .lanes = 2,
	                                     .keys = 4,
	                                     .prefix = "/r",
	                                     .pause_ns = NS_PER_MS,
	                                     .timeout_ns = 4000 * NS_PER_MS,
	                                     .seed = 1}};
	struct recorder *recorder = NULL;
	int result = 1;

	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0 ||
	    recorder_new(&recorder, &options.config, options.output) != 0) {
		(void)fprintf(stderr, "recorder: cannot start: %s\n", strerror(errno));
		return 2;
	}
	work(recorder);
	if (read_back(recorder) && recorder->faults == 0) {
		result = 0;
	}
	print_status(recorder);
	if (recorder_close(recorder) != 0) {
		(void)fprintf(stderr, "recorder: the history could not be written\n");
		result = 1;
	}
	return result;
}
