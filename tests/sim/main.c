/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coffer-sim - a cluster from a seed
 *
 * One seed: prints it first, runs the world, prints what was injected and what happened; on
 * failure the last events. Many seeds: a process each, so that one which aborts is one failure.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/plan.h"
#include "tests/sim/tally.h"

enum {
	JOBS_MAX = 64,
	FAILURES_SHOWN_MAX = 10,
};

struct choices {
	uint64_t first, seeds;
	bool is_many, demands, is_twice, until;
	unsigned jobs, lines;
	struct plan_limits limits;
	const char *history;
};

/* What a child tells its parent. */
struct report {
	bool is_good;
	uint64_t seed, digest, calm_ns, calm_stands;
	struct tally tally;
};

/* Minima over a thousand seeds; fewer seeds must show as much in proportion. */
static const struct {
	enum tally_kind kind;
	uint64_t least;
} demands[] = {
	{TALLY_LEADER_CHANGES, 1000}, {TALLY_RESTARTS, 1000},       {TALLY_CUTS, 100},
	{TALLY_LEASE_REFUSALS, 100},  {TALLY_DUPLICATES, 1000},     {TALLY_SNAPSHOTS, 100},
	{TALLY_REJOINS, 300},         {TALLY_TORN_TAILS, 100},      {TALLY_BAD_CRC, 1000},
	{TALLY_READS_LEASE, 1000},    {TALLY_READS_QUORUM, 1000},   {TALLY_HANDOVERS, 500},
	{TALLY_NOTES, 1000},          {TALLY_NOTES_REFUSED, 1000},  {TALLY_CHECKPOINTS, 5000},
	{TALLY_FORGOT, 2000},         {TALLY_SNAPSHOT_STARTS, 200}, {TALLY_HALF_FRAMES, 20},
	{TALLY_LOST_FRAMES, 100},     {TALLY_MENDED, 50},           {TALLY_SET_ASIDE, 100},
	{TALLY_DISK_REJOINS, 100},    {TALLY_DISK_REFUSALS, 500},   {TALLY_DISK_STALLS, 300},
	{TALLY_DISK_FAILURES, 100},   {TALLY_FOUND_OUT, 50},        {TALLY_HELIXES, 8},
	{TALLY_CONFIGURATIONS, 1500}, {TALLY_REMOVED, 300},         {TALLY_LOST_AMID, 15},
	{TALLY_MENDED_AMID, 2},       {TALLY_FAILED_AMID, 15},      {TALLY_READS_PAST, 10000},
	{TALLY_TOO_LATE, 500},        {TALLY_WATCH_PAGES, 50000},   {TALLY_WATCH_EVENTS, 50000},
	{TALLY_WATCH_AMID, 5000},     {TALLY_WATCHED_ASIDE, 20000}, {TALLY_STEPS, 50},
	{TALLY_WATCH_KNOWN, 5000},    {TALLY_WATCH_MOVED, 10000},   {TALLY_WATCH_LOST, 300},
	{TALLY_CLAIMS, 200},          {TALLY_RESUMED, 2000},        {TALLY_TXNS, 5000},
	{TALLY_ELSES, 1000},          {TALLY_READS_AMID, 1000},     {TALLY_LOCKED, 3000},
	{TALLY_PASSED_ON, 800},       {TALLY_RESTED, 200},          {TALLY_LOCKERS_LOST, 250},
	{TALLY_GUARDED, 3000},        {TALLY_ACTS, 3000},           {TALLY_FENCED, 100},
	{TALLY_REVOKED, 20},          {TALLY_WALKS_CUT, 500},
};

/* --- one seed -------------------------------------------------------------------------------- */

/* For the handler of signals alone: what to print when the code under test aborts. */
static const struct world *world_now;
static const struct plan *plan_now;
static unsigned lines_now;

static void on_abort(int number)
{
	if (world_now != NULL) {
		plan_print(plan_now, stdout);
		scroll_print(&world_now->stage.scroll, stdout, lines_now);
		printf("seed %" PRIu64 " FAILED: signal %d at %" PRIu64 " us\n", plan_now->seed,
		       number, world_now->stage.now_ns / 1000);
		fflush(stdout);
	}
	_exit(3);
}

static void write_history(const struct world *world, const char *path)
{
	FILE *file = fopen(path, "w");

	if (file == NULL) {
		fprintf(stderr, "coffer-sim: cannot write %s: %s\n", path, strerror(errno));
		exit(2);
	}
	ledger_write(&world->stage.ledger, file);
	fclose(file);
}

static void run_seed(const struct choices *choices, uint64_t seed, struct report *ret_report)
{
	static struct plan plan;
	struct world *world;

	memset(ret_report, 0, sizeof(*ret_report));
	plan_draw(&plan, seed, &choices->limits);
	world = world_new(&plan.options);
	world_now = world;
	plan_now = &plan;
	lines_now = choices->lines;
	ret_report->seed = seed;
	ret_report->is_good = plan_run(&plan, world);
	ret_report->digest = world->stage.scroll.digest;
	ret_report->calm_ns = plan.calm_ns;
	ret_report->calm_stands = plan.calm_stands;
	tally_world(world, &ret_report->tally);
	if (!choices->is_many || !ret_report->is_good) {
		plan_print(&plan, stdout);
	}
	if (!ret_report->is_good) {
		scroll_print(&world->stage.scroll, stdout, choices->lines);
		world_print(world, stdout);
		printf("seed %" PRIu64 " FAILED: %s\n", seed, world->stage.scroll.failure);
	}
	if (choices->history != NULL) {
		write_history(world, choices->history);
	}
	fflush(stdout);
	world_now = NULL;
	world_free(world);
}

static int run_one(const struct choices *choices)
{
	struct report report, again;

	printf("seed %" PRIu64 "\n", choices->first);
	fflush(stdout);
	run_seed(choices, choices->first, &report);
	tally_print(&report.tally, stdout);
	printf("digest %016" PRIx64 "\n", report.digest);
	if (choices->is_twice) {
		run_seed(choices, choices->first, &again);
		if (again.digest != report.digest) {
			printf("FAILED: the same seed ran differently: %016" PRIx64 "\n",
			       again.digest);
			return 1;
		}
	}
	return report.is_good ? 0 : 1;
}

/* --- many seeds ------------------------------------------------------------------------------ */

struct job {
	pid_t pid; /* 0: free */
	int pipe;
	uint64_t seed;
};

static void start_job(const struct choices *choices, struct job *job, uint64_t seed)
{
	int ends[2];

	if (pipe(ends) != 0) {
		perror("coffer-sim: pipe");
		exit(2);
	}
	job->seed = seed;
	job->pipe = ends[0];
	job->pid = fork();
	if (job->pid < 0) {
		perror("coffer-sim: fork");
		exit(2);
	}
	if (job->pid == 0) {
		struct report report;

		close(ends[0]);
		run_seed(choices, seed, &report);
		if (write(ends[1], &report, sizeof(report)) != (ssize_t)sizeof(report)) {
			_exit(2);
		}
		_exit(0);
	}
	close(ends[1]);
}

/* Waits for any job; its report is not good if it did not live to tell. */
static void end_job(struct job *jobs, struct report *ret_report)
{
	int status;
	const pid_t pid = wait(&status);

	memset(ret_report, 0, sizeof(*ret_report));
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		if (jobs[i].pid != pid || pid <= 0) {
			continue;
		}
		if (read(jobs[i].pipe, ret_report, sizeof(*ret_report)) !=
		    (ssize_t)sizeof(*ret_report)) {
			memset(ret_report, 0, sizeof(*ret_report));
			ret_report->seed = jobs[i].seed;
		}
		close(jobs[i].pipe);
		jobs[i].pid = 0;
		return;
	}
	perror("coffer-sim: wait");
	exit(2);
}

static bool meets_demands(const struct tally *sum, uint64_t seeds)
{
	bool is_good = true;

	for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
		const uint64_t least = demands[i].least * seeds / 1000;
		const uint64_t count = sum->counts[demands[i].kind];

		printf("demanded: %-20s %10" PRIu64 ", seen %10" PRIu64 "%s\n",
		       tally_name(demands[i].kind), least, count, count < least ? "  MISSED" : "");
		is_good &= count >= least;
	}
	/* For the reader of tests/run: what was seen, and how much of it had to be. */
	for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
		printf("%s %s %" PRIu64 " (%" PRIu64 ")", i % 5 == 0 ? "summary:" : ",",
		       tally_name(demands[i].kind), sum->counts[demands[i].kind],
		       demands[i].least * seeds / 1000);
		if (i % 5 == 4 || i + 1 == sizeof(demands) / sizeof(demands[0])) {
			putchar('\n');
		}
	}
	return is_good;
}

static int run_many(const struct choices *choices)
{
	struct job jobs[JOBS_MAX] = {0};
	struct tally sum = {0};
	uint64_t started = 0, ended = 0, failed = 0, digest = 0, calm_ns = 0, calm_stands = 0;
	uint64_t bad[FAILURES_SHOWN_MAX], lowest = UINT64_MAX;

	printf("seeds %" PRIu64 " to %" PRIu64 "\n", choices->first,
	       choices->first + choices->seeds - 1);
	fflush(stdout);
	while (ended < (choices->until && failed != 0 ? started : choices->seeds)) {
		struct report report;

		for (unsigned i = 0; i < choices->jobs && started < choices->seeds &&
		                     !(choices->until && failed != 0);
		     i++) {
			if (jobs[i].pid == 0) {
				start_job(choices, &jobs[i], choices->first + started++);
			}
		}
		end_job(jobs, &report);
		ended++;
		tally_add(&sum, &report.tally);
		digest += report.digest; /* a sum: jobs end in any order */
		calm_ns = report.calm_ns > calm_ns ? report.calm_ns : calm_ns;
		calm_stands = report.calm_stands > calm_stands ? report.calm_stands : calm_stands;
		if (!report.is_good) {
			lowest = report.seed < lowest ? report.seed : lowest;
			if (failed++ < FAILURES_SHOWN_MAX) {
				bad[failed - 1] = report.seed;
			}
		}
	}
	if (choices->until && failed != 0) {
		printf("failed after %" PRIu64 " seeds\n", lowest - choices->first + 1);
		return 1;
	}
	tally_print(&sum, stdout);
	printf("longest calm %" PRIu64 " ms, most candidacies in it %" PRIu64 "\n",
	       calm_ns / 1000000, calm_stands);
	printf("digest %016" PRIx64 "\n%" PRIu64 " seeds passed, %" PRIu64 " failed\n", digest,
	       choices->seeds - failed, failed);
	for (uint64_t i = 0; i < failed && i < FAILURES_SHOWN_MAX; i++) {
		printf("run it again: coffer-sim %" PRIu64 "\n", bad[i]);
	}
	if (choices->demands && !meets_demands(&sum, choices->seeds)) {
		return 1;
	}
	return failed == 0 ? 0 : 1;
}

/* --- command line ---------------------------------------------------------------------------- */

static uint64_t number(const char *text, struct argp_state *state)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0') {
		argp_error(state, "%s is no number", text);
	}
	return value;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct choices *choices = state->input;

	switch (key) {
	case 'n':
		choices->seeds = number(argument, state);
		choices->is_many = true;
		break;
	case 'f':
		choices->first = number(argument, state);
		break;
	case 'j':
		choices->jobs = (unsigned)number(argument, state);
		if (choices->jobs < 1 || choices->jobs > JOBS_MAX) {
			argp_error(state, "1 to %d jobs", JOBS_MAX);
		}
		break;
	case 's':
		choices->limits.servers = (unsigned)number(argument, state);
		if (choices->limits.servers != 3 && choices->limits.servers != 5 &&
		    choices->limits.servers != 7) {
			argp_error(state, "3, 5 or 7 servers");
		}
		break;
	case 'm':
		if (strcmp(argument, "memory") != 0 && strcmp(argument, "disk") != 0) {
			argp_error(state, "mode memory or disk");
		}
		choices->limits.durability = argument[0] == 'm' ? PAXOS_MEMORY : PAXOS_DISK;
		break;
	case 'd':
		choices->demands = true;
		break;
	case 'u':
		choices->until = true;
		break;
	case 't':
		choices->is_twice = true;
		break;
	case 'l':
		choices->lines = (unsigned)number(argument, state);
		break;
	case 'h':
		choices->history = argument;
		break;
	case 'v':
		choices->limits.verbose = true;
		break;
	case ARGP_KEY_ARG:
		choices->first = number(argument, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"seeds", 'n', "N", 0, "Run N seeds, a process each", 0},
		{"first", 'f', "SEED", 0, "Begin with this one (1)", 0},
		{"jobs", 'j', "N", 0, "Processes at once (1)", 0},
		{"servers", 's', "N", 0, "3, 5 or 7 instead of what the seed says", 0},
		{"mode", 'm', "MODE", 0, "memory or disk instead of what the seed says", 0},
		{"demand", 'd', NULL, 0, "Fail unless enough of each rare thing happened", 0},
		{"until", 'u', NULL, 0, "End with the first seed that fails", 0},
		{"twice", 't', NULL, 0, "Run the seed twice and compare the digests", 0},
		{"lines", 'l', "N", 0, "Events to print on failure (200)", 0},
		{"history", 'h', "FILE", 0, "Write what the clients did, for coffer-lincheck", 0},
		{"verbose", 'v', NULL, 0, "Print each event", 0},
		{0},
	};
	static const struct argp argp = {options,
	                                 parse,
	                                 "[SEED]",
	                                 "Runs a cluster, its clients and its network from a seed, "
	                                 "breaks what can break, and checks what must hold.",
	                                 NULL,
	                                 NULL,
	                                 NULL};
	struct choices choices = {.first = 1, .seeds = 1, .jobs = 1, .lines = 200};

	argp_parse(&argp, argc, argv, 0, NULL, &choices);
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	return choices.is_many ? run_many(&choices) : run_one(&choices);
}
