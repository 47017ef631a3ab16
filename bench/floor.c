/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/floor.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/hist.h"
#include "bench/post.h"
#include "bench/report.h"
#include "store/base/check.h"
#include "store/limits.h"

enum {
	CLIENT = 0,
	LEADER = 1,
	FOLLOWER_1 = 2,
	FOLLOWER_2 = 3,
	PROCESSES = 4,
	TURN_MAX = 64,             /* datagrams taken in one turn, as the servers do */
	SLOTS = FLOOR_WINDOW_MAX,  /* sequence numbers remembered by their low bits */
	LOST_NS = 100 * 1000000,   /* an answer that did not come by then never will */
	WARM_UP_NS = 50 * 1000000, /* not counted */
	PATH_MAX_SIZE = POST_PATH_SIZE_MAX,
};

/* What travels: the first bytes of each datagram; the rest is filling. */
struct message {
	uint64_t number;
};

/* Shared by the four. */
struct shared {
	_Atomic bool stop;
	_Atomic unsigned ready;
};

/* A link for each line of the star, named by its two ends. */
static const unsigned lines[][2] = {{LEADER, CLIENT}, {LEADER, FOLLOWER_1}, {LEADER, FOLLOWER_2}};

enum {
	LINES = sizeof(lines) / sizeof(lines[0])
};

struct chain {
	const struct floor_config *config;
	char folder[PATH_MAX_SIZE / 2];
	struct sockaddr_in addresses[PROCESSES];
	struct shared *shared;
	pid_t children[PROCESSES]; /* 0: none */
};

struct run {
	struct hist hist;
	uint64_t done, lost, gap_max_ns;
	double seconds;
};

static void line_path(const struct chain *chain, unsigned line, char path[PATH_MAX_SIZE])
{
	(void)snprintf(path, PATH_MAX_SIZE, "%s/line-%u", chain->folder, line);
}

/* The post of one process: its peers are in the order of their numbers, its own left out. */
static int open_post(const struct chain *chain, unsigned self, struct post **ret_post)
{
	struct post_config config = {.is_link = chain->config->is_link};

	config.own = chain->addresses[self];
	for (unsigned i = 0; i < LINES; i++) {
		const unsigned other = lines[i][0] == self ? lines[i][1] : lines[i][0];

		if (lines[i][0] != self && lines[i][1] != self) {
			continue;
		}
		config.peers[config.count] = chain->addresses[other];
		line_path(chain, i, config.paths[config.count]);
		config.second[config.count] = lines[i][1] == self;
		config.count++;
	}
	return post_open(ret_post, &config);
}

static struct message message_of(struct slice bytes)
{
	struct message message = {0};

	if (bytes.size >= sizeof(message)) {
		memcpy(&message, bytes.data, sizeof(message));
	}
	return message;
}

/* --- leader and followers ------------------------------------------------------------------- */

/* The leader's post has the client as 0 and the followers as 1 and 2. */
static void lead(struct post *post, unsigned peer, struct slice bytes, uint64_t answered[SLOTS])
{
	const uint64_t number = message_of(bytes).number;

	if (peer == 0) {
		post_put(post, 1, bytes);
		post_put(post, 2, bytes);
	} else if (answered[number % SLOTS] < number) {
		/* Not the second ack, which may come a long time after the first. */
		answered[number % SLOTS] = number;
		post_put(post, 0, bytes);
	}
}

static unsigned serve_turn(struct post *post, bool leads, uint64_t answered[SLOTS])
{
	struct slice bytes;
	unsigned peer, done = 0;

	while (done < TURN_MAX && post_get(post, &peer, &bytes)) {
		done++;
		if (leads) {
			lead(post, peer, bytes, answered);
		} else {
			post_put(post, peer, bytes);
		}
	}
	if (done != 0) {
		post_flush(post);
	}
	return done;
}

static _Noreturn void serve(const struct chain *chain, unsigned self, pid_t parent)
{
	static uint64_t answered[SLOTS];
	struct post *post;

	/* If the measuring process dies, so do we; it may have died already. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || open_post(chain, self, &post) < 0) {
		_exit(EXIT_FAILURE);
	}
	(void)atomic_fetch_add(&chain->shared->ready, 1);
	while (!atomic_load_explicit(&chain->shared->stop, memory_order_relaxed)) {
		if (serve_turn(post, self == LEADER, answered) == 0) {
			(void)sched_yield();
		}
	}
	post_close(post);
	_exit(EXIT_SUCCESS);
}

/* --- client --------------------------------------------------------------------------------- */

struct client_state {
	struct post *post;
	unsigned size;
	uint64_t next;           /* number, from 1 */
	uint64_t numbers[SLOTS]; /* under way in this slot; 0: none */
	uint64_t sent_ns[SLOTS]; /* when */
	uint64_t count_from_ns;  /* what was sent earlier is warm-up */
	uint64_t last_ns;        /* of the turn before */
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

static void client_send(struct client_state *client, uint64_t now_ns)
{
	const struct message message = {.number = client->next};

	client->numbers[client->next % SLOTS] = client->next;
	client->sent_ns[client->next % SLOTS] = now_ns;
	memcpy(client->bytes, &message, sizeof(message));
	post_put(client->post, 0, slice_make(client->bytes, client->size));
	client->next++;
}

static bool client_hear(struct client_state *client, uint64_t now_ns, struct slice bytes,
                        struct run *run)
{
	const uint64_t number = message_of(bytes).number;
	const unsigned slot = (unsigned)(number % SLOTS);

	if (number == 0 || client->numbers[slot] != number) {
		return false;
	}
	client->numbers[slot] = 0;
	if (client->sent_ns[slot] >= client->count_from_ns) {
		hist_add(&run->hist, now_ns - client->sent_ns[slot]);
		run->done++;
	}
	return true;
}

/* Messages that were lost (kernel UDP) would stop a window for ever: others take their place. */
static unsigned client_forget(struct client_state *client, uint64_t now_ns, struct run *run)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		if (client->numbers[i] != 0 && client->sent_ns[i] + LOST_NS < now_ns) {
			client->numbers[i] = 0;
			lost++;
		}
	}
	run->lost += lost;
	return lost;
}

/* One turn: burst in, one look at the clock, as many out. Returns how many came. */
static unsigned client_turn(struct client_state *client, struct run *run)
{
	struct slice bytes;
	unsigned peer, came = 0;
	uint64_t now_ns = report_now_ns();

	if (now_ns >= client->count_from_ns && now_ns - client->last_ns > run->gap_max_ns) {
		run->gap_max_ns = now_ns - client->last_ns;
	}
	client->last_ns = now_ns;
	while (came < TURN_MAX && post_get(client->post, &peer, &bytes)) {
		if (came == 0) {
			now_ns = report_now_ns();
		}
		if (client_hear(client, now_ns, bytes, run)) {
			client_send(client, now_ns);
		}
		came++;
	}
	if (came != 0) {
		post_flush(client->post);
	}
	return came;
}

static void measure_window(struct post *post, const struct floor_config *config, unsigned window,
                           struct run *run)
{
	static struct client_state client;
	uint64_t end_ns, looked_ns, now_ns = report_now_ns();

	memset(run, 0, sizeof(*run));
	hist_init(&run->hist);
	/* Numbers go on from window to window, so that a late answer fits nothing. */
	client.post = post;
	client.size = config->size;
	client.next = client.next == 0 ? 1 : client.next;
	client.count_from_ns = now_ns + WARM_UP_NS;
	client.last_ns = now_ns;
	looked_ns = now_ns;
	end_ns = client.count_from_ns + (uint64_t)(config->seconds * 1e9);
	memset(client.numbers, 0, sizeof(client.numbers));
	for (unsigned i = 0; i < window; i++) {
		client_send(&client, now_ns);
	}
	post_flush(post);
	while ((now_ns = client.last_ns) < end_ns) {
		if (client_turn(&client, run) == 0) {
			(void)sched_yield();
		}
		if (now_ns - looked_ns > LOST_NS) {
			looked_ns = now_ns;
			for (unsigned i = client_forget(&client, now_ns, run); i > 0; i--) {
				client_send(&client, now_ns);
			}
			post_flush(post);
		}
	}
	run->seconds = (double)(client.last_ns - client.count_from_ns) / 1e9;
}

/* What is still under way from the window before is taken and forgotten. */
static void drain(struct post *post)
{
	const uint64_t end_ns = report_now_ns() + 20 * 1000000;
	struct slice bytes;
	unsigned peer;

	while (report_now_ns() < end_ns) {
		if (!post_get(post, &peer, &bytes)) {
			(void)sched_yield();
		}
	}
}

static json_t *report_run(const struct run *run, unsigned window)
{
	json_t *report = report_latency(&run->hist);

	(void)json_object_set_new(report, "window", json_integer(window));
	(void)json_object_set_new(report, "throughput_per_s",
	                          json_real((double)run->done / run->seconds));
	(void)json_object_set_new(report, "lost", json_integer((json_int_t)run->lost));
	(void)json_object_set_new(report, "poll_gap_us", report_us(run->gap_max_ns));
	return report;
}

/* --- the four together ---------------------------------------------------------------------- */

static int start_children(struct chain *chain)
{
	const pid_t parent = getpid();

	for (unsigned i = LEADER; i < PROCESSES; i++) {
		const pid_t pid = fork();

		if (pid < 0) {
			return -errno;
		}
		if (pid == 0) {
			serve(chain, i, parent);
		}
		chain->children[i] = pid;
	}
	return 0;
}

static int wait_for_children(const struct chain *chain)
{
	const uint64_t end_ns = report_now_ns() + 2000000000u;

	while (atomic_load(&chain->shared->ready) < PROCESSES - 1) {
		if (report_now_ns() > end_ns) {
			return -ETIMEDOUT;
		}
		(void)sched_yield();
	}
	return 0;
}

static void stop_children(struct chain *chain)
{
	atomic_store(&chain->shared->stop, true);
	for (unsigned i = 0; i < PROCESSES; i++) {
		if (chain->children[i] != 0) {
			/* Ours, and not yet waited for: the number cannot be another's. */
			(void)kill(chain->children[i], SIGKILL);
			(void)waitpid(chain->children[i], NULL, 0);
		}
	}
}

/* Takes a free port of loopback for each process, and gives them back for the children. */
static int choose_ports(struct chain *chain)
{
	int fds[PROCESSES], r = 0;
	unsigned count = 0;

	for (; count < PROCESSES && r == 0; count++) {
		struct sockaddr_in *address = &chain->addresses[count];
		socklen_t size = sizeof(*address);

		address->sin_family = AF_INET;
		address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fds[count] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fds[count] < 0 ||
		    bind(fds[count], (const struct sockaddr *)address, size) < 0 ||
		    getsockname(fds[count], (struct sockaddr *)address, &size) < 0) {
			r = -errno;
		}
	}
	while (count > 0) {
		count--;
		if (fds[count] >= 0) {
			(void)close(fds[count]);
		}
	}
	return r;
}

static void remove_files(const struct chain *chain)
{
	char path[PATH_MAX_SIZE];

	for (unsigned i = 0; chain->config->is_link && i < LINES; i++) {
		line_path(chain, i, path);
		(void)unlink(path); /* may never have been made */
	}
	if (chain->config->is_link) {
		(void)rmdir(chain->folder);
	}
}

static json_t *measure_all(const struct chain *chain, struct post *post)
{
	const struct floor_config *config = chain->config;
	json_t *report = json_object(), *windows = json_array();
	static struct run run;

	(void)json_object_set_new(report, "what", json_string("floor"));
	(void)json_object_set_new(report, "transport",
	                          json_string(config->is_link ? "shm" : "kernel"));
	(void)json_object_set_new(report, "size", json_integer(config->size));
	for (unsigned i = 0; i < config->window_count; i++) {
		json_t *window;

		measure_window(post, config, config->windows[i], &run);
		window = report_run(&run, config->windows[i]);
		if (i == 0) {
			(void)json_object_set(report, "chain", window);
		}
		(void)json_array_append_new(windows, window);
		drain(post);
	}
	(void)json_object_set_new(report, "windows", windows);
	(void)json_object_set_new(report, "commit", json_string(report_commit()));
	(void)json_object_set_new(report, "machine", report_machine());
	return report;
}

json_t *floor_measure(const struct floor_config *config, int *ret_error)
{
	struct chain chain = {.config = config};
	struct post *post = NULL;
	json_t *report = NULL;
	int r;

	must(config->window_count >= 1 && config->window_count <= FLOOR_WINDOWS_MAX);
	must(config->size >= sizeof(struct message) && config->size <= STORE_DATAGRAM_SIZE_MAX);
	(void)snprintf(chain.folder, sizeof(chain.folder), "%s/coffer-floor-XXXXXX",
	               config->folder);
	chain.shared = mmap(NULL, sizeof(*chain.shared), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (chain.shared == MAP_FAILED) {
		*ret_error = -errno;
		return NULL;
	}
	if (config->is_link && mkdtemp(chain.folder) == NULL) {
		r = -errno;
		goto unmap;
	}
	r = config->is_link ? 0 : choose_ports(&chain);
	if (r == 0) {
		r = start_children(&chain);
	}
	if (r == 0) {
		r = wait_for_children(&chain);
	}
	if (r == 0) {
		r = open_post(&chain, CLIENT, &post);
	}
	if (r == 0) {
		report = measure_all(&chain, post);
	}
	stop_children(&chain);
	post_close(post);
	remove_files(&chain);
unmap:
	(void)munmap(chain.shared, sizeof(*chain.shared));
	*ret_error = r;
	return report;
}
