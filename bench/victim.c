/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/victim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/players.h"

enum {
	PATIENCE_MS = 10000,
	TURN_NS = 200 * 1000, /* it shall not take the core of whom it waits for */
};

#define NS_PER_MS UINT64_C(1000000)

/* --- the other process ------------------------------------------------------------------------ */

static void on_done(void *context, unsigned player, uint64_t now_ns,
                    const struct client_result *result)
{
	const int *fd = context;
	const store_rev_t token = result->answer.number;

	(void)player;
	(void)now_ns;
	if (result->outcome != CLIENT_DONE || result->answer.answer != STORE_OK ||
	    write(*fd, &token, sizeof(token)) != (ssize_t)sizeof(token)) {
		_exit(1);
	}
}

static void on_event(void *context, unsigned player, uint64_t now_ns,
                     const struct proto_event *event)
{
	(void)context;
	(void)player;
	(void)now_ns;
	(void)event;
}

/* Does not return. */
static void live(const struct post_config *post, uint64_t seed, const char *lock, uint32_t ttl_ms,
                 int fd)
{
	const struct players_config config = {.count = 1,
	                                      .requests = 1,
	                                      .timeout_ns = PATIENCE_MS * NS_PER_MS,
	                                      .seed = seed,
	                                      .post = *post};
	const struct store_op op = {.verb = STORE_VERB_LOCK,
	                            .path = slice_text(lock),
	                            .limit = 1,
	                            .flags = STORE_OP_TRY};
	const struct timespec turn = {.tv_nsec = TURN_NS};
	struct players *players;

	if (players_new(&players, &config) < 0 || players_replace(players, 0, ttl_ms) < 0) {
		_exit(1);
	}
	players_listen(players, on_done, on_event, &fd);
	players_ask(players, 0, &op, 0);
	for (;;) {
		players_turn(players);
		(void)nanosleep(&turn, NULL);
	}
}

/* --- who made it ------------------------------------------------------------------------------ */

int victim_begin(struct victim *victim, const struct post_config *post, uint64_t seed,
                 const char *lock, uint32_t ttl_ms)
{
	const pid_t parent = getpid();
	struct pollfd ready = {.events = POLLIN};
	bool holds;
	int ends[2];

	if (pipe(ends) < 0) {
		return -errno;
	}
	victim->pid = fork();
	if (victim->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent) {
			live(post, seed, lock, ttl_ms, ends[1]);
		}
		_exit(1);
	}
	(void)close(ends[1]); /* the other's */
	ready.fd = ends[0];
	holds = victim->pid > 0 && poll(&ready, 1, PATIENCE_MS) == 1 &&
	        read(ends[0], &victim->token, sizeof(victim->token)) ==
	                (ssize_t)sizeof(victim->token);
	(void)close(ends[0]); /* it says no more */
	if (!holds) {
		victim_end(victim);
		return -ENETUNREACH;
	}
	return 0;
}

void victim_kill(const struct victim *victim)
{
	(void)kill(victim->pid, SIGKILL);
}

void victim_end(struct victim *victim)
{
	if (victim->pid > 0) {
		victim_kill(victim);
		(void)waitpid(victim->pid, NULL, 0);
	}
	victim->pid = 0;
}
