/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contenders.c - clients that fight for one lock, and count under its token
 *
 *      contenders SERVERS CLIENTS TTL_MS LOCK FILE HISTORY [LIMIT ...]
 *
 * Each client has a handle and so a session of its own. Who holds the lock reads the number in
 * FILE, and in a later turn writes it back with one more: a read and a write that are torn apart,
 * so two at once lose a count. Both are done under the token, which FILE keeps: lower ones are
 * refused. Then it counts in the tree, too, by a transaction that depends on the token, gives the
 * lock back, and asks for it again. The process may be stopped at any point, however long.
 *
 * LIMITs are taken by the clients in turn: 1 alone, N permits, 0 shared; without one all are alone.
 * Where some are not, FILE is "-": nothing but the tree is counted in.
 *
 * HISTORY tells of the lock, for coffer-lincheck: grants, tokens that the tree took or refused, and
 * the ends. One that may have been an expiry is told as that, from the time on until which the
 * holder was sure of it, or at which it gave it back.
 *
 * On standard input, each answered by a line:
 *
 *      count        "GRANTS WRITTEN FENCED COUNTED UNSURE REFUSED LOST": locks held; written to
 *                   FILE and refused there; counted in the tree, not known, refused for the token;
 *                   locks lost
 *      sleep        "ok"; and the next who reads the number stops the process then
 *      finish       nobody asks any more; when all is given back, as count
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "control/client/coffer_lock.h"
#include "store/base/check.h"

enum {
	CLIENTS_MAX = 256,
	WORD_SIZE = 16,
};

#define TREE_FILE "/fight/count"

enum step {
	STEP_IDLE,
	STEP_ASKED,    /* for the lock */
	STEP_READ,     /* holds it, and has read the file */
	STEP_COUNTING, /* holds it, and waits for the tree */
	STEP_LEAVING,  /* gives it back */
};

struct contender {
	struct fight *fight;
	struct coffer *coffer;
	struct coffer_lock *lock;
	enum step step;
	unsigned limit;
	int64_t token;    /* as it was told when it was granted; 0: not */
	int64_t counting; /* likewise, when it began to count in the tree */
	int64_t number;   /* read from the file */
	bool is_settled;  /* the lock came to its end: it may be freed */
	uint64_t sure_ns; /* until then it is held, as it was told last */
	uint64_t asked_ns, counting_ns, leaving_ns; /* when each was called for */
};

struct fight {
	struct contender contenders[CLIENTS_MAX];
	unsigned count;
	const char *lock, *path;
	FILE *history;
	struct coffer_txn *txn;
	bool is_over, sleeps;
	uint64_t grants, written, fenced, counted, unsure, refused, lost;
};

/* --- the history ----------------------------------------------------------------------------- */

/* Of the clock that leases are told in. */
static uint64_t now_ns(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void put_head(const struct contender *contender, const char *op)
{
	const struct fight *fight = contender->fight;

	(void)fprintf(fight->history, "{\"client\":\"%d-%td\",\"op\":\"%s\",\"key\":\"%s\",",
	              getpid(), contender - fight->contenders, op, fight->lock);
}

static void put_grant(const struct contender *contender)
{
	put_head(contender, "acquire");
	(void)fprintf(contender->fight->history,
	              "\"args\":{\"limit\":%u},\"result\":{\"ok\":true,\"token\":%" PRIi64
	              "},\"call\":%" PRIu64 ",\"ret\":%" PRIu64 "}\n",
	              contender->limit, contender->token, contender->asked_ns, now_ns());
}

static void put_token(const struct contender *contender, const char *op, int64_t token, bool is_ok,
                      uint64_t call_ns)
{
	put_head(contender, op);
	(void)fprintf(contender->fight->history,
	              "\"args\":{\"token\":%" PRIi64 "},\"result\":{\"ok\":%s},\"call\":%" PRIu64
	              ",\"ret\":%" PRIu64 "}\n",
	              token, is_ok ? "true" : "false", call_ns, now_ns());
}

/* It is given back, or was lost before, or while that was asked for: nobody knows which. */
static void put_end(struct contender *contender, bool is_lost)
{
	uint64_t call_ns = contender->sure_ns;

	if (contender->token == 0) {
		return; /* waited only, as far as it knows */
	}
	if (!is_lost && now_ns() < contender->sure_ns) {
		put_token(contender, "release", contender->token, true, contender->leaving_ns);
	} else {
		if (contender->step == STEP_LEAVING && contender->leaving_ns < call_ns) {
			call_ns = contender->leaving_ns;
		}
		put_head(contender, "expire");
		(void)fprintf(contender->fight->history,
		              "\"args\":{\"token\":%" PRIi64 "},\"unknown\":true,\"call\":%" PRIu64
		              "}\n",
		              contender->token, call_ns);
	}
	contender->token = 0;
}

/* --- the resource: a file with the highest token and a number ------------------------------- */

/* Under the file's own lock: the number, unless the token is too low. */
static bool read_number(int fd, int64_t token, int64_t *ret_number)
{
	char text[64] = {0};
	int64_t highest = 0;

	*ret_number = 0;
	must(pread(fd, text, sizeof(text) - 1, 0) >= 0);
	(void)sscanf(text, "%" SCNd64 " %" SCNd64, &highest, ret_number);
	return token >= highest;
}

/* Reads the number, or writes it, and keeps the token. False: it is too low. */
static bool touch(struct fight *fight, int64_t token, int64_t *number, bool writes)
{
	bool is_good;
	int64_t found;
	char text[64];
	int fd, size;

	if (strcmp(fight->path, "-") == 0) {
		return true;
	}
	fd = open(fight->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	must(fd >= 0);
	must(flock(fd, LOCK_EX) == 0);
	is_good = read_number(fd, token, &found);
	if (is_good) {
		*number = writes ? *number : found;
		size = snprintf(text, sizeof(text), "%020" PRIi64 " %020" PRIi64 "\n", token,
		                *number);
		must(pwrite(fd, text, (size_t)size, 0) == size);
	}
	must(close(fd) == 0);
	return is_good;
}

/* --- one client ----------------------------------------------------------------------------- */

static void leave(struct contender *contender)
{
	contender->step = STEP_LEAVING;
	contender->leaving_ns = now_ns();
	coffer_lock_release(contender->lock);
}

static void on_counted(void *context, const struct coffer_result *result)
{
	struct contender *contender = context;
	struct fight *fight = contender->fight;

	if (result->outcome == COFFER_DONE ||
	    (result->outcome == COFFER_REFUSED && result->answer == COFFER_NOT_HELD)) {
		put_token(contender, "check", contender->counting, result->outcome == COFFER_DONE,
		          contender->counting_ns);
	}
	if (result->outcome == COFFER_DONE) {
		fight->counted++;
	} else if (result->outcome == COFFER_UNKNOWN) {
		fight->unsure++;
	} else {
		fight->refused++;
	}
	if (contender->step == STEP_COUNTING) {
		leave(contender);
	}
}

static void on_news(void *context, struct coffer_lock *lock, const struct coffer_lock_news *news)
{
	struct contender *contender = context;

	(void)lock;
	switch (news->kind) {
	case COFFER_LOCK_HELD:
		contender->fight->grants++;
		contender->token = news->token;
		contender->sure_ns = news->expires_ns;
		contender->step = STEP_READ;
		put_grant(contender);
		if (!touch(contender->fight, news->token, &contender->number, false)) {
			contender->fight->fenced++;
			leave(contender);
		} else if (contender->fight->sleeps) {
			contender->fight->sleeps = false;
			must(raise(SIGSTOP) == 0);
		}
		break;
	case COFFER_LOCK_LOST:
		contender->fight->lost++;
		put_end(contender, true);
		contender->is_settled = true;
		break;
	case COFFER_LOCK_RELEASED:
		put_end(contender, false);
		contender->is_settled = true;
		break;
	case COFFER_LOCK_REFUSED:
		contender->is_settled = true;
		break;
	case COFFER_LOCK_WAITING:
	case COFFER_LOCK_WARNING:
		break;
	}
}

/* Holds the lock, as far as it knows: nothing here looks at a clock. The token has to do. */
static void act(struct contender *contender)
{
	struct fight *fight = contender->fight;

	contender->number++;
	if (!touch(fight, contender->token, &contender->number, true)) {
		fight->fenced++;
		leave(contender);
		return;
	}
	fight->written++;
	coffer_txn_clear(fight->txn);
	coffer_txn_if_token(fight->txn, fight->lock, contender->token);
	coffer_txn_add(fight->txn, TREE_FILE, 1);
	contender->step = STEP_COUNTING;
	contender->counting = contender->token;
	contender->counting_ns = now_ns();
	must(coffer_txn_submit(contender->coffer, fight->txn, on_counted, contender, NULL) == 0);
}

static void ask(struct contender *contender)
{
	const struct coffer_lock_options options = {
		.claim = {.is_shared = contender->limit == 0, .permits = contender->limit}};

	contender->is_settled = false;
	contender->step = STEP_ASKED;
	contender->token = 0;
	contender->asked_ns = now_ns();
	coffer_renew(contender->coffer);
	must(coffer_lock(contender->coffer, contender->fight->lock, &options, on_news, contender,
	                 &contender->lock) == 0);
}

/* Keep-alives move it on; what it was told last stands when it is lost. */
static void look_at_lease(struct contender *contender)
{
	const uint64_t expires_ns =
		contender->lock != NULL ? coffer_lock_expires_ns(contender->lock) : 0;

	if (contender->token != 0 && expires_ns > contender->sure_ns) {
		contender->sure_ns = expires_ns;
	}
}

static void go_on(struct contender *contender)
{
	if (contender->step == STEP_READ) {
		act(contender); /* however long ago it read, and whatever waits in the socket */
	}
	must(coffer_process(contender->coffer) >= 0);
	look_at_lease(contender);
	if (contender->is_settled && coffer_outstanding(contender->coffer) == 0) {
		coffer_lock_free(contender->lock);
		contender->lock = NULL;
		contender->is_settled = false;
		contender->step = STEP_IDLE;
	}
	if (contender->step == STEP_IDLE && !contender->fight->is_over) {
		ask(contender);
	}
}

/* --- all of them ---------------------------------------------------------------------------- */

static void print_counts(const struct fight *fight)
{
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
	       "\n",
	       fight->grants, fight->written, fight->fenced, fight->counted, fight->unsure,
	       fight->refused, fight->lost);
	(void)fflush(stdout);
}

static bool is_idle(const struct fight *fight)
{
	for (unsigned i = 0; i < fight->count; i++) {
		if (fight->contenders[i].step != STEP_IDLE) {
			return false;
		}
	}
	return true;
}

static void finish(struct fight *fight)
{
	fight->is_over = true;
	for (unsigned i = 0; i < fight->count; i++) {
		if (fight->contenders[i].step == STEP_ASKED) {
			coffer_lock_release(fight->contenders[i].lock);
		}
	}
}

/* False: nobody asks any more. */
static bool obey(struct fight *fight)
{
	char word[WORD_SIZE];

	if (fgets(word, sizeof(word), stdin) == NULL) {
		return false;
	}
	if (strcmp(word, "finish\n") == 0) {
		finish(fight);
	} else if (strcmp(word, "sleep\n") == 0) {
		fight->sleeps = true;
		(void)printf("ok\n");
		(void)fflush(stdout);
	} else {
		print_counts(fight);
	}
	return true;
}

static void run(struct fight *fight)
{
	struct pollfd polls[CLIENTS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};

	for (unsigned i = 0; i < fight->count; i++) {
		polls[i + 1] = (struct pollfd){.fd = coffer_fd(fight->contenders[i].coffer),
		                               .events = POLLIN};
		go_on(&fight->contenders[i]);
	}
	while (!(fight->is_over && is_idle(fight))) {
		must(poll(polls, fight->count + 1, -1) >= 0);
		if (polls[0].revents != 0 && !obey(fight)) {
			return;
		}
		for (unsigned i = 0; i < fight->count; i++) {
			/* Who has read writes in its next turn, whatever comes. */
			if (polls[i + 1].revents != 0 || fight->contenders[i].step == STEP_READ) {
				go_on(&fight->contenders[i]);
			}
		}
	}
	print_counts(fight);
}

int main(int argc, char **argv)
{
	static struct fight fight;
	struct coffer_options options;

	must(argc >= 7);
	fight.count = (unsigned)atoi(argv[2]);
	must(fight.count >= 1 && fight.count <= CLIENTS_MAX);
	fight.lock = argv[4];
	fight.path = argv[5];
	fight.history = fopen(argv[6], "w");
	must(fight.history != NULL);
	fight.txn = coffer_txn_new();
	must(fight.txn != NULL);
	coffer_options_default(&options);
	options.ttl_ms = (uint32_t)atoi(argv[3]);
	options.requests_max = 8;
	options.watches_max = 8;
	for (unsigned i = 0; i < fight.count; i++) {
		fight.contenders[i].fight = &fight;
		fight.contenders[i].limit =
			argc == 7 ? 1 : (unsigned)atoi(argv[7 + i % ((unsigned)argc - 7)]);
		must(coffer_open(&fight.contenders[i].coffer, argv[1], &options) == 0);
	}
	run(&fight);
	for (unsigned i = 0; i < fight.count; i++) {
		coffer_close(fight.contenders[i].coffer);
	}
	coffer_txn_free(fight.txn);
	must(fclose(fight.history) == 0);
	return 0;
}
