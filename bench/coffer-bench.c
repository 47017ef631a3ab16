/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coffer-bench.c - options of the load generator and of the floor; the work is in load.c, floor.c
 */
#include <argp.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/disk.h"
#include "bench/fan.h"
#include "bench/floor.h"
#include "bench/load.h"
#include "bench/locks.h"
#include "bench/option.h"
#include "bench/pulse.h"
#include "bench/report.h"
#include "bench/stages.h"
#include "control/wakeup.h"
#include "store/client.h"
#include "store/limits.h"

enum {
	EXIT_USAGE = 2,
	EXIT_NOBODY = 3,
	SECONDS_MAX = 86400,
	FLOOR_SIZE_MIN = 8,
};

enum option_key {
	OPTION_CLIENTS = 256,
	OPTION_OUTSTANDING,
	OPTION_RATE,
	OPTION_VALUE_SIZE,
	OPTION_KEYS,
	OPTION_SECONDS,
	OPTION_REQUESTS,
	OPTION_WARM_UP,
	OPTION_READS,
	OPTION_STALE,
	OPTION_SERVERS,
	OPTION_LINKS,
	OPTION_TIMEOUT,
	OPTION_SEED,
	OPTION_TRANSPORT,
	OPTION_FOLDER,
	OPTION_WINDOWS,
	OPTION_DISK,
	OPTION_WRITERS,
	OPTION_WATCHES,
	OPTION_LOCKS,
	OPTION_DEATHS,
	OPTION_SESSIONS,
	OPTION_JSON,
};

static const struct argp_option options[] = {
	{"clients", OPTION_CLIENTS, "N", 0, "clients, each with a session (default 1)", 0},
	{"outstanding", OPTION_OUTSTANDING, "W", 0,
         "requests each client keeps under way, 1 to 64 (default 1)", 0},
	{"rate", OPTION_RATE, "R", 0,
         "open loop: R requests each second, by all clients together, and latency from the moment "
         "each was meant to be sent (default: closed loop)",
         0},
	{"value-size", OPTION_VALUE_SIZE, "BYTES", 0, "of each value (default 64)", 0},
	{"keys", OPTION_KEYS, "K", 0, "files that are written and read (default 1000)", 0},
	{"seconds", OPTION_SECONDS, "S", 0, "how long to measure (default 5)", 0},
	{"requests", OPTION_REQUESTS, "N", 0, "measure N requests instead, without warm-up", 0},
	{"warm-up", OPTION_WARM_UP, "S", 0, "seconds before, not counted (default 0.5)", 0},
	{"reads", OPTION_READS, "PERCENT", 0, "mixed: share of reads (default 90)", 0},
	{"stale", OPTION_STALE, NULL, 0, "reads may be answered by any server from what it has", 0},
	{"servers", OPTION_SERVERS, "LIST", 0,
         "host:port,host:port of all servers (default: COFFER_SERVERS); kernel UDP", 0},
	{"links", OPTION_LINKS, "PREFIX", 0,
         "shared-file links PREFIX-1, PREFIX-2 ... to servers 1, 2 ..., instead of UDP", 0},
	{"timeout", OPTION_TIMEOUT, "S", 0, "seconds until a request is given up (default 5)", 0},
	{"seed", OPTION_SEED, "N", 0, "of the choice of keys (default 1)", 0},
	{"transport", OPTION_TRANSPORT, "KIND", 0, "floor: shm or kernel (default shm)", 0},
	{"link", OPTION_FOLDER, "DIR", 0, "floor: folder of the link files (default /dev/shm)", 0},
	{"windows", OPTION_WINDOWS, "LIST", 0,
         "floor: messages under way, each measured; the first is `chain` (default 1,8,32)", 0},
	{"disk", OPTION_DISK, "DIR", 0,
         "also measure the disk of DIR: one durable write of 4 KiB after the other; or several", 0},
	{"writers", OPTION_WRITERS, "N", 0,
         "processes that write to it at once, after one alone (default 3)", 0},
	{"watches", OPTION_WATCHES, "N", 0, "watch: how many wait for each write (default 100)", 0},
	{"locks", OPTION_LOCKS, "N", 0,
         "lock: how many there are where there are many (default 10000)", 0},
	{"sessions", OPTION_SESSIONS, "N", 0,
         "lock: how many keep-alives are counted of (default 256)", 0},
	{"deaths", OPTION_DEATHS, "N", 0,
         "lock: how many holders are killed for each time to live (default 10)", 0},
	{"json", OPTION_JSON, NULL, 0, "print one JSON object", 0},
	{0},
};

static const char usage[] = "write|read|mixed|watch|lock|floor|stages";
static const char text[] =
	"Measures a Coffer cluster: latency of writes, reads or both, throughput, how long until "
	"watches are told, and locks.\v"
	"`floor` measures what the links alone cost, with a chain of four processes that do no "
	"work, and `--disk` what the disk alone costs; `stages` tells the cycles of a write stage "
	"by stage, on three replicas in one thread without a network. Both need no cluster. Every "
	"report names the durability the servers told, the number of servers, payload, transport, "
	"the largest gap between two turns of the measuring thread, commit and machine.\n\n"
	"Exit: 0 measured; 1 it could not be done; 2 usage; 3 no server answered.";

enum command {
	COMMAND_NONE = 0,
	COMMAND_LOAD,
	COMMAND_FAN,
	COMMAND_LOCKS,
	COMMAND_FLOOR,
	COMMAND_STAGES,
};

struct arguments {
	enum command command;
	struct load_config load;
	struct floor_config floor;
	struct disk_config disk; /* no folder: not measured */
	const char *servers, *links;
	unsigned watches, locks, sessions, deaths;
	bool json;
};

/* --- values --------------------------------------------------------------------------------- */

static void take_windows(struct argp_state *state, const char *argument, struct floor_config *floor)
{
	char *copy = strdup(argument), *rest = copy, *one;

	floor->window_count = 0;
	while (copy != NULL && (one = strsep(&rest, ",")) != NULL) {
		if (floor->window_count == FLOOR_WINDOWS_MAX) {
			argp_error(state, "--windows: at most %d of them", FLOOR_WINDOWS_MAX);
		}
		floor->windows[floor->window_count++] =
			option_count(state, "windows", one, 1, FLOOR_WINDOW_MAX);
	}
	free(copy);
}

static void take_transport(struct argp_state *state, const char *argument,
                           struct floor_config *floor)
{
	if (strcmp(argument, "shm") != 0 && strcmp(argument, "kernel") != 0) {
		argp_error(state, "--transport %s: want shm or kernel", argument);
	}
	floor->is_link = strcmp(argument, "shm") == 0;
}

static void take_command(struct argp_state *state, const char *argument,
                         struct arguments *arguments)
{
	static const struct {
		const char *name;
		enum command command;
		enum load_kind kind;
	} commands[] = {
		{"write", COMMAND_LOAD, LOAD_WRITE},    {"read", COMMAND_LOAD, LOAD_READ},
		{"mixed", COMMAND_LOAD, LOAD_MIXED},    {"floor", COMMAND_FLOOR, LOAD_WRITE},
		{"stages", COMMAND_STAGES, LOAD_WRITE}, {"watch", COMMAND_FAN, LOAD_WRITE},
		{"lock", COMMAND_LOCKS, LOAD_WRITE},
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (arguments->command == COMMAND_NONE && strcmp(argument, commands[i].name) == 0) {
			arguments->command = commands[i].command;
			arguments->load.kind = commands[i].kind;
			return;
		}
	}
	argp_error(state, "%s: want one of %s", argument, usage);
}

/* What only the load generator knows; false: none of them. */
static bool take_load_option(int key, char *argument, struct argp_state *state,
                             struct load_config *load)
{
	switch (key) {
	case OPTION_CLIENTS:
		load->clients = option_count(state, "clients", argument, 1, LOAD_CLIENTS_MAX);
		return true;
	case OPTION_OUTSTANDING:
		load->outstanding =
			option_count(state, "outstanding", argument, 1, CLIENT_REQUESTS_MAX);
		return true;
	case OPTION_RATE:
		load->rate = option_number(state, "rate", argument, 0.001, 1e8);
		return true;
	case OPTION_KEYS:
		load->keys = option_count(state, "keys", argument, 1, LOAD_KEYS_MAX);
		return true;
	case OPTION_REQUESTS:
		load->requests = option_count(state, "requests", argument, 1, UINT32_MAX);
		return true;
	case OPTION_WARM_UP:
		load->warm_up_seconds = option_number(state, "warm-up", argument, 0, SECONDS_MAX);
		return true;
	case OPTION_READS:
		load->read_percent = option_count(state, "reads", argument, 0, 100);
		return true;
	case OPTION_STALE:
		load->stale = true;
		return true;
	case OPTION_TIMEOUT:
		load->timeout_ns = (uint64_t)(1e9 * option_number(state, "timeout", argument, 0.001,
		                                                  SECONDS_MAX));
		return true;
	case OPTION_SEED:
		load->seed = option_count(state, "seed", argument, 0, UINT32_MAX);
		return true;
	default:
		return false;
	}
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	if (take_load_option(key, argument, state, &arguments->load)) {
		return 0;
	}
	switch (key) {
	case OPTION_VALUE_SIZE:
		arguments->load.value_size =
			option_count(state, "value-size", argument, 0, STORE_VALUE_SIZE_MAX);
		/* The floor sends single datagrams. */
		arguments->floor.size = arguments->load.value_size;
		break;
	case OPTION_SECONDS:
		arguments->load.seconds =
			option_number(state, "seconds", argument, 0.01, SECONDS_MAX);
		arguments->floor.seconds = arguments->load.seconds;
		arguments->disk.seconds = arguments->load.seconds;
		break;
	case OPTION_SERVERS:
		arguments->servers = argument;
		break;
	case OPTION_LINKS:
		arguments->links = argument;
		break;
	case OPTION_TRANSPORT:
		take_transport(state, argument, &arguments->floor);
		break;
	case OPTION_FOLDER:
		arguments->floor.folder = argument;
		break;
	case OPTION_WINDOWS:
		take_windows(state, argument, &arguments->floor);
		break;
	case OPTION_DISK:
		disk_option(&arguments->disk, argument, state);
		break;
	case OPTION_WRITERS:
		arguments->disk.processes =
			option_count(state, "writers", argument, 1, DISK_PROCESSES_MAX);
		break;
	case OPTION_WATCHES:
		arguments->watches = option_count(state, "watches", argument, 1, FAN_WATCHES_MAX);
		break;
	case OPTION_LOCKS:
		arguments->locks = option_count(state, "locks", argument, 1, LOCKS_MAX);
		break;
	case OPTION_SESSIONS:
		arguments->sessions =
			option_count(state, "sessions", argument, 1, PULSE_SESSIONS_MAX);
		break;
	case OPTION_DEATHS:
		arguments->deaths = option_count(state, "deaths", argument, 0, 10000);
		break;
	case OPTION_JSON:
		arguments->json = true;
		break;
	case ARGP_KEY_ARG:
		take_command(state, argument, arguments);
		break;
	case ARGP_KEY_END:
		if (arguments->command == COMMAND_NONE) {
			argp_error(state, "want one of %s", usage);
		}
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- servers -------------------------------------------------------------------------------- */

static int resolve(const char *text_of_one, struct sockaddr_in *ret_address)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found;
	char host[256], port[8];
	const char *colon = strrchr(text_of_one, ':');
	const size_t size = colon != NULL ? (size_t)(colon - text_of_one) : strlen(text_of_one);

	if (size == 0 || size >= sizeof(host)) {
		return -EINVAL;
	}
	memcpy(host, text_of_one, size);
	host[size] = '\0';
	(void)snprintf(port, sizeof(port), "%u", (unsigned)STORE_PORT);
	if (colon != NULL && snprintf(port, sizeof(port), "%s", colon + 1) >= (int)sizeof(port)) {
		return -EINVAL;
	}
	if (getaddrinfo(host, port, &hints, &found) != 0) {
		return -EINVAL;
	}
	memcpy(ret_address, found->ai_addr, sizeof(*ret_address));
	freeaddrinfo(found);
	return 0;
}

static int take_servers(const char *list, struct post_config *post)
{
	char *copy = strdup(list), *rest = copy, *one;
	int r = copy == NULL ? -ENOMEM : 0;

	while (r == 0 && (one = strsep(&rest, ",")) != NULL) {
		if (post->count == POST_PEERS_MAX) {
			(void)fprintf(stderr, "coffer-bench: more than %d servers\n",
			              POST_PEERS_MAX);
			r = -EINVAL;
		} else if (resolve(one, &post->peers[post->count++]) < 0) {
			(void)fprintf(stderr, "coffer-bench: server %s: want host:port (IPv4)\n",
			              one);
			r = -EINVAL;
		}
	}
	free(copy);
	return r;
}

/* Only links that stand there already: the servers make them. */
static int take_links(const char *prefix, struct post_config *post)
{
	struct stat status;
	char path[POST_PATH_SIZE_MAX];

	post->is_link = true;
	while (post->count < POST_PEERS_MAX) {
		const int size = snprintf(path, sizeof(path), "%s-%u", prefix, post->count + 1);

		if (size >= (int)sizeof(path) || stat(path, &status) < 0) {
			break;
		}
		memcpy(post->paths[post->count], path, sizeof(path));
		post->second[post->count] = true;
		post->count++;
	}
	if (post->count == 0) {
		(void)fprintf(stderr, "coffer-bench: there is no link %s-1\n", prefix);
		return -ENOENT;
	}
	return 0;
}

static int find_servers(const struct arguments *arguments, struct post_config *post)
{
	const char *secret = getenv("COFFER_SECRET");
	const char *list = arguments->servers;

	post->key = store_key_of(slice_text(secret != NULL ? secret : ""));
	if (arguments->links != NULL) {
		return take_links(arguments->links, post);
	}
	list = list != NULL ? list : getenv("COFFER_SERVERS");
	if (list == NULL || *list == '\0') {
		(void)fprintf(stderr, "coffer-bench: no servers: give --servers, --links, or "
		                      "COFFER_SERVERS in the environment\n");
		return -EINVAL;
	}
	return take_servers(list, post);
}

/* --- the disk ------------------------------------------------------------------------------- */

/* The disk's figures, if they are asked for, into *ret_disk; else NULL. False: it was told why. */
static bool measure_disk(const struct disk_config *config, json_t **ret_disk)
{
	struct ctl_reason reason;

	*ret_disk = NULL;
	if (config->folder_count == 0) {
		return true;
	}
	*ret_disk = disk_measure(config, &reason);
	if (*ret_disk == NULL) {
		(void)fprintf(stderr, "coffer-bench: disk: %s\n", reason.text);
	}
	return *ret_disk != NULL;
}

/* --- the commands -------------------------------------------------------------------------- */

static const char *reason_text(int error)
{
	switch (error) {
	case -ENETUNREACH:
		return "no server answered as a leader in time";
	case -ECANCELED:
		return "a request was refused or given up";
	case -EALREADY:
		return "somebody else has a lock below /bench";
	default:
		return strerror(-error);
	}
}

/* A report with the disk's figures (may be NULL), measured just before; or why there is none. */
static int tell(json_t *report, json_t *disk, int error, bool as_json)
{
	if (report == NULL) {
		(void)fprintf(stderr, "coffer-bench: %s\n", reason_text(error));
		json_decref(disk);
		return error == -ENETUNREACH ? EXIT_NOBODY : EXIT_FAILURE;
	}
	if (disk != NULL) {
		(void)json_object_set_new(report, "disk", disk);
	}
	report_print(report, as_json);
	return EXIT_SUCCESS;
}

static int run_load(struct arguments *arguments)
{
	json_t *report, *disk;
	int r = find_servers(arguments, &arguments->load.post);

	if (r < 0) {
		return EXIT_USAGE;
	}
	if (!measure_disk(&arguments->disk, &disk)) {
		return EXIT_FAILURE;
	}
	report = load_measure(&arguments->load, &r);
	return tell(report, disk, r, arguments->json);
}

static int run_fan(struct arguments *arguments)
{
	const struct load_config *load = &arguments->load;
	struct fan_config config = {
		.watches = arguments->watches,
		.value_size = load->value_size,
		.rate = load->rate,
		.warm_up_seconds = load->warm_up_seconds,
		.seconds = load->seconds,
		.requests = load->requests,
		.timeout_ns = load->timeout_ns,
		.seed = load->seed,
	};
	json_t *report;
	int r;

	if (config.value_size < FAN_VALUE_SIZE_MIN) {
		(void)fprintf(stderr, "coffer-bench: watch: --value-size at least %d\n",
		              FAN_VALUE_SIZE_MIN);
		return EXIT_USAGE;
	}
	if (find_servers(arguments, &config.post) < 0) {
		return EXIT_USAGE;
	}
	report = fan_measure(&config, &r);
	return tell(report, NULL, r, arguments->json);
}

static int run_locks(struct arguments *arguments)
{
	const struct load_config *load = &arguments->load;
	struct locks_config config = {
		.players = load->clients < 2 ? 16 : load->clients,
		.locks = arguments->locks,
		.sessions = arguments->sessions,
		.deaths = arguments->deaths,
		.seconds = load->seconds,
		.warm_up_seconds = load->warm_up_seconds,
		.timeout_ns = load->timeout_ns,
		.seed = load->seed,
	};
	json_t *report;
	int r;

	if (config.locks < config.players * LOCKS_UNDER_WAY) {
		(void)fprintf(stderr, "coffer-bench: lock: --locks at least %u: %d a client\n",
		              config.players * LOCKS_UNDER_WAY, LOCKS_UNDER_WAY);
		return EXIT_USAGE;
	}
	if (find_servers(arguments, &config.post) < 0) {
		return EXIT_USAGE;
	}
	report = locks_measure(&config, &r);
	return tell(report, NULL, r, arguments->json);
}

static int run_floor(struct arguments *arguments)
{
	json_t *report, *disk;
	int r;

	if (arguments->floor.size < FLOOR_SIZE_MIN ||
	    arguments->floor.size > STORE_DATAGRAM_SIZE_MAX) {
		(void)fprintf(stderr, "coffer-bench: floor: --value-size from %d to %d\n",
		              FLOOR_SIZE_MIN, STORE_DATAGRAM_SIZE_MAX);
		return EXIT_USAGE;
	}
	if (!measure_disk(&arguments->disk, &disk)) {
		return EXIT_FAILURE;
	}
	report = floor_measure(&arguments->floor, &r);
	if (report == NULL) {
		(void)fprintf(stderr, "coffer-bench: floor: %s\n", strerror(-r));
		json_decref(disk);
		return EXIT_FAILURE;
	}
	return tell(report, disk, 0, arguments->json);
}

static int run_stages(const struct arguments *arguments)
{
	const struct stages_config config = {.value_size = arguments->load.value_size,
	                                     .keys = arguments->load.keys,
	                                     .seconds = arguments->floor.seconds};
	json_t *report;
	int r;

	report = stages_measure(&config, &r);
	if (report == NULL) {
		(void)fprintf(stderr, "coffer-bench: stages: %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	report_print(report, arguments->json);
	return EXIT_SUCCESS;
}

static int run(struct arguments *arguments)
{
	switch (arguments->command) {
	case COMMAND_LOAD:
		return run_load(arguments);
	case COMMAND_FAN:
		return run_fan(arguments);
	case COMMAND_LOCKS:
		return run_locks(arguments);
	case COMMAND_FLOOR:
		return run_floor(arguments);
	case COMMAND_STAGES:
		return run_stages(arguments);
	case COMMAND_NONE:
		break;
	}
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {options, take_option, usage, text, NULL, NULL, NULL};
	static struct arguments arguments = {
		.load = {.clients = 1,
	                 .outstanding = 1,
	                 .read_percent = 90,
	                 .value_size = 64,
	                 .keys = 1000,
	                 .warm_up_seconds = 0.5,
	                 .seconds = 5,
	                 .timeout_ns = 5000000000u,
	                 .seed = 1},
		.floor = {.is_link = true,
	                  .folder = "/dev/shm",
	                  .size = 64,
	                  .windows = {1, 8, 32},
	                  .window_count = 3,
	                  .seconds = 1},
		.disk = {.processes = 3, .seconds = 1},
		.watches = 100,
		.locks = 10000,
		.sessions = 256,
		.deaths = 10,
	};

	argp_err_exit_status = EXIT_USAGE;
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for a signal that exists */
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
		return EXIT_USAGE;
	}
	ctl_wakeup_soon(true); /* else what else runs here is measured, where cores are shared */
	return run(&arguments);
}
