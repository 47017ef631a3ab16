/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a shared-file link outlives the death of either process in the middle of a flood, and
 *         goes on whoever died and in whatever order they come back.
 * Method: two processes flood each other; a third kills them by -9, first one many times, then
 *         the other, then in turn, then one or both by chance. Every datagram carries the start
 *         of its writer, a number and a checksum; the reader demands each number once and in
 *         order, but for one datagram at its own death. Between two kills both must have received
 *         `packets` datagrams. The survivor may not die, nor gain descriptors, mappings or memory.
 */
#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/link.h"
#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/prng.h"

enum {
	BURST = 32,
	IDLE_TURNS = 64,
	ERA_SHIFT = 40, /* of a place in the stream: start of the writer, number in it */
	GROWTH_PAGES_MAX = 64,
	STUCK_MS = 60000,
};

#define SLEEP_NS UINT64_C(2000000)

/* What a datagram begins with. */
struct head {
	uint64_t place;
	uint32_t size;
	uint32_t crc;
};

/* One for each end; outlives its processes. */
struct end {
	_Alignas(64) _Atomic uint64_t received;
	_Atomic uint64_t last;   /* place of the last datagram received */
	_Atomic uint64_t bad;    /* checksum or size */
	_Atomic uint64_t astray; /* doubled, lost or out of order */
	_Atomic uint64_t border; /* lost at a death of the reader */
	_Atomic uint64_t sleeps;
	uint64_t starts;
	pid_t pid;
	uint64_t descriptors, mappings, pages; /* of the process, when it had got going */
};

struct options {
	uint64_t kills, packets, seed;
};

static struct end *ends; /* [2], shared with the children */
static char folder[64];
static char path[128];

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_us(uint64_t us)
{
	const struct timespec pause = {.tv_nsec = (long)us * 1000};

	(void)nanosleep(&pause, NULL);
}

static void add(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static uint64_t look(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- a process at one end -------------------------------------------------------------------- */

static size_t compose(uint8_t *memory, uint64_t place, struct prng *prng)
{
	/* Mostly small, as acks are; one in 16 as long as a datagram may be. */
	const uint64_t bound = prng_chance(prng, 1, 16) ? STORE_DATAGRAM_SIZE_MAX : 128;
	const size_t size = sizeof(struct head) + prng_below(prng, bound - sizeof(struct head));
	struct head head = {.place = place, .size = (uint32_t)size};

	memset(memory + sizeof(head), (int)(place & 255), size - sizeof(head));
	memcpy(memory, &head, sizeof(head));
	head.crc = crc32c(0, slice_make(memory, size));
	memcpy(memory, &head, sizeof(head));
	return size;
}

static void check(struct end *end, uint8_t *memory, size_t size, bool is_first)
{
	const uint64_t last = look(&end->last);
	struct head head;
	uint64_t next;
	uint32_t crc;

	if (size < sizeof(head)) {
		add(&end->bad, 1);
		return;
	}
	memcpy(&head, memory, sizeof(head));
	crc = head.crc;
	head.crc = 0;
	memcpy(memory, &head, sizeof(head));
	if (head.size != size || crc32c(0, slice_make(memory, size)) != crc) {
		add(&end->bad, 1);
		return;
	}
	next = head.place >> ERA_SHIFT == last >> ERA_SHIFT
	               ? last + 1
	               : (head.place >> ERA_SHIFT << ERA_SHIFT) + 1;
	if (is_first && head.place == next + 1) {
		add(&end->border, 1); /* our former self took it, and died before it could say so */
	} else if (head.place != next || head.place < last) {
		add(&end->astray, 1);
	}
	atomic_store_explicit(&end->last, head.place, memory_order_relaxed);
	add(&end->received, 1);
}

static unsigned receive(struct dp_link *link, struct end *end, bool *is_first)
{
	uint8_t memory[STORE_DATAGRAM_SIZE_MAX];
	unsigned done = 0;

	for (; done < 2 * BURST; done++) {
		const size_t size = dp_link_get(link, memory);

		if (size == 0) {
			break;
		}
		check(end, memory, size, *is_first);
		*is_first = false;
	}
	return done;
}

static _Noreturn void flood(unsigned which, uint64_t seed)
{
	struct end *end = &ends[which];
	uint64_t place = end->starts << ERA_SHIFT;
	uint8_t memory[STORE_DATAGRAM_SIZE_MAX];
	struct dp_link *link;
	struct prng prng;
	bool is_first = true;
	unsigned idle = 0;
	size_t size;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	prng_init(&prng, seed + end->starts * 2 + which);
	r = dp_link_open(&link, path, which == 1);
	if (r < 0) {
		(void)fprintf(stderr, "end %u: cannot open the link: %s\n", which, strerror(-r));
		_exit(1);
	}
	size = compose(memory, ++place, &prng);
	for (;;) {
		unsigned done = receive(link, end, &is_first);

		for (unsigned i = 0; i < BURST && dp_link_put(link, slice_make(memory, size));
		     i++) {
			size = compose(memory, ++place, &prng);
			done++;
		}
		dp_link_flush(link);
		idle = done == 0 ? idle + 1 : 0;
		if (idle > IDLE_TURNS) {
			add(&end->sleeps, 1);
			dp_link_sleep(&link, 1, SLEEP_NS);
		} else if (idle != 0) {
			(void)sched_yield();
		}
	}
}

/* --- the one who kills ----------------------------------------------------------------------- */

static uint64_t count_descriptors(pid_t pid)
{
	char name[64];
	uint64_t count = 0;
	DIR *list;

	(void)snprintf(name, sizeof(name), "/proc/%d/fd", (int)pid);
	list = opendir(name);
	while (list != NULL && readdir(list) != NULL) {
		count++;
	}
	if (list != NULL) {
		(void)closedir(list);
	}
	return count;
}

static uint64_t count_mappings(pid_t pid)
{
	char name[64];
	uint64_t count = 0;
	FILE *file;
	int c;

	(void)snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	file = fopen(name, "re");
	while (file != NULL && (c = fgetc(file)) != EOF) {
		count += c == '\n';
	}
	if (file != NULL) {
		(void)fclose(file);
	}
	return count;
}

static uint64_t count_pages(pid_t pid)
{
	unsigned long size = 0, resident = 0;
	char name[64];
	FILE *file;

	(void)snprintf(name, sizeof(name), "/proc/%d/statm", (int)pid);
	file = fopen(name, "re");
	if (file != NULL) {
		if (fscanf(file, "%lu %lu", &size, &resident) != 2) {
			resident = 0;
		}
		(void)fclose(file);
	}
	return resident;
}

static void start(unsigned which, uint64_t seed)
{
	struct end *end = &ends[which];
	pid_t pid;

	end->starts++;
	end->descriptors = 0;
	(void)fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		flood(which, seed);
	}
	end->pid = pid;
}

static void stop(unsigned which)
{
	int status;

	if (ends[which].pid > 0) {
		(void)kill(ends[which].pid, SIGKILL);
		(void)waitpid(ends[which].pid, &status, 0);
		ends[which].pid = 0;
	}
}

/* False, and a sentence, if an end died by itself or grew. */
static bool is_sound(unsigned which, bool is_going)
{
	struct end *end = &ends[which];
	uint64_t descriptors, mappings, pages;
	int status;

	if (waitpid(end->pid, &status, WNOHANG) != 0) {
		(void)printf("end %u died by itself, status 0x%x\n", which, (unsigned)status);
		end->pid = 0;
		return false;
	}
	if (look(&end->bad) + look(&end->astray) != 0) {
		(void)printf("end %u: %lu damaged, %lu doubled, lost or out of order\n", which,
		             look(&end->bad), look(&end->astray));
		return false;
	}
	if (!is_going) {
		return true;
	}
	descriptors = count_descriptors(end->pid);
	mappings = count_mappings(end->pid);
	pages = count_pages(end->pid);
	if (end->descriptors == 0) {
		end->descriptors = descriptors;
		end->mappings = mappings;
		end->pages = pages;
	}
	if (descriptors != end->descriptors || mappings != end->mappings ||
	    pages > end->pages + GROWTH_PAGES_MAX) {
		(void)printf("end %u grew: %lu descriptors, %lu mappings, %lu pages; was %lu, %lu, "
		             "%lu\n",
		             which, descriptors, mappings, pages, end->descriptors, end->mappings,
		             end->pages);
		return false;
	}
	return true;
}

/* Until both ends have received `packets` more. False, and a sentence, if that does not happen. */
static bool flows(uint64_t packets)
{
	const uint64_t until_ms = now_ms() + STUCK_MS;
	const uint64_t goals[2] = {look(&ends[0].received) + packets,
	                           look(&ends[1].received) + packets};

	while (look(&ends[0].received) < goals[0] || look(&ends[1].received) < goals[1]) {
		if (!is_sound(0, false) || !is_sound(1, false)) {
			return false;
		}
		if (now_ms() > until_ms) {
			(void)printf("stuck: %lu and %lu datagrams missing\n",
			             goals[0] - look(&ends[0].received),
			             goals[1] - look(&ends[1].received));
			return false;
		}
		pause_us(2000);
	}
	return is_sound(0, true) && is_sound(1, true);
}

/* Bit 0: the first end dies, bit 1: the second. */
static unsigned victims(const struct options *options, uint64_t kill, struct prng *prng)
{
	switch (kill * 4 / options->kills) {
	case 0:
		return 2;
	case 1:
		return 1;
	case 2:
		return kill % 2 == 0 ? 1 : 2;
	default:
		return 1 + (unsigned)prng_below(prng, 3);
	}
}

static void kill_and_start(unsigned mask, uint64_t seed, struct prng *prng)
{
	const unsigned order = (unsigned)prng_below(prng, 2);

	for (unsigned i = 0; i < 2; i++) {
		if ((mask & 1u << (i ^ order)) != 0) {
			stop(i ^ order);
		}
	}
	/* The survivor fills its ring and falls asleep, or does not have the time to. */
	pause_us(prng_below(prng, 2) * prng_below(prng, 10000));
	for (unsigned i = 0; i < 2; i++) {
		if ((mask & 2u >> (i ^ order)) != 0) {
			start(1 ^ i ^ order, seed);
			pause_us(prng_below(prng, 2) * prng_below(prng, 5000));
		}
	}
}

static bool run(const struct options *options)
{
	const uint64_t begin_ms = now_ms();
	struct prng prng;
	uint64_t total;

	prng_init(&prng, options->seed);
	start(0, options->seed);
	start(1, options->seed);
	for (uint64_t i = 0; i < options->kills; i++) {
		if (!flows(options->packets)) {
			(void)printf("after %lu kills\n", i);
			return false;
		}
		kill_and_start(victims(options, i, &prng), options->seed, &prng);
	}
	if (!flows(options->packets)) {
		(void)printf("after the last kill\n");
		return false;
	}
	total = look(&ends[0].received) + look(&ends[1].received);
	(void)printf("summary: kills %lu datagrams %lu seconds %.1f lost_at_reader_death %lu "
	             "sleeps %lu\n",
	             options->kills, total, (double)(now_ms() - begin_ms) / 1000.0,
	             look(&ends[0].border) + look(&ends[1].border),
	             look(&ends[0].sleeps) + look(&ends[1].sleeps));
	return true;
}

/* --- options --------------------------------------------------------------------------------- */

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	uint64_t *number = key == 'k'   ? &options->kills
	                   : key == 'p' ? &options->packets
	                   : key == 's' ? &options->seed
	                                : NULL;
	char *end;

	if (key == 'a') {
		options->kills = 1000;
		return 0;
	}
	if (number == NULL) {
		return ARGP_ERR_UNKNOWN;
	}
	*number = strtoull(argument, &end, 10);
	if (*end != '\0' || *argument == '\0') {
		argp_error(state, "%s: not a number", argument);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option keys[] = {
		{"kills", 'k', "N", 0, "how often one or both ends are killed (100)", 0},
		{"packets", 'p', "N", 0, "datagrams each way between two kills (100000)", 0},
		{"seed", 's', "N", 0, "of the order of kills (1)", 0},
		{"all", 'a', NULL, 0, "1,000 kills", 0},
		{0},
	};
	static const struct argp argp = {.options = keys, .parser = parse};
	struct options options = {.kills = 100, .packets = 100000, .seed = 1};
	bool good;

	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0) {
		return 2;
	}
	ends = mmap(NULL, 2 * sizeof(*ends), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	            0);
	must(ends != MAP_FAILED);
	(void)snprintf(folder, sizeof(folder), "/tmp/link_kills.XXXXXX");
	must(mkdtemp(folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/link", folder);
	good = run(&options);
	stop(0);
	stop(1);
	(void)unlink(path);
	if (rmdir(folder) != 0) {
		(void)printf("something was left in %s\n", folder);
		good = false;
	}
	return good ? 0 : 1;
}
