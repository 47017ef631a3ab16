/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/hist.h"
#include "bench/report.h"
#include "control/journal_disk.h"
#include "control/journal_segment.h"
#include "store/base/check.h"

enum {
	BLOCKS = 4096, /* of a file: 16 MiB; behind the last comes the first */
	WARM_UP = 100, /* writes, not counted */
	FOLDER_SIZE = 256,
	READY_S = 10, /* until all of them are */
};

/* Shared with the processes that write. */
struct shared {
	_Atomic unsigned ready, failed;
	struct writer {
		int error; /* 0 or a negative errno */
		struct ctl_reason reason;
		double seconds;
		struct hist hist;
	} writers[DISK_PROCESSES_MAX];
};

/* --- one process that writes ----------------------------------------------------------------- */

static int write_all(struct ctl_disk *disk, int fd, double seconds, struct writer *writer)
{
	static _Alignas(CTL_BLOCK_SIZE) uint8_t block[CTL_BLOCK_SIZE];
	uint64_t begin_ns = report_now_ns(), now_ns = begin_ns, done_ns;
	int r = 0;

	for (uint64_t i = 0;
	     r == 0 && (i <= WARM_UP || (double)(now_ns - begin_ns) < seconds * 1e9); i++) {
		memcpy(block, &i, sizeof(i)); /* no two are alike */
		r = ctl_disk_write(disk, fd, block, sizeof(block), i % BLOCKS * CTL_BLOCK_SIZE);
		done_ns = report_now_ns();
		if (i < WARM_UP) {
			begin_ns = done_ns;
		} else {
			hist_add(&writer->hist, done_ns - now_ns);
		}
		now_ns = done_ns;
	}
	writer->seconds = (double)(now_ns - begin_ns) / 1e9;
	return r;
}

static int prepare(int folder, unsigned self, struct ctl_disk *disk, int *ret_fd,
                   struct ctl_reason *ret_reason)
{
	uint32_t blocks;
	int r = ctl_disk_open(disk, ret_reason);

	if (r < 0) {
		return r;
	}
	r = ctl_segment_open(folder, self + 1, &blocks);
	*ret_fd = r;
	return r < 0 ? r : 0;
}

/* Nobody begins before all can, or one never will. */
static bool all_are_ready(struct shared *shared, unsigned processes)
{
	const uint64_t end_ns = report_now_ns() + READY_S * UINT64_C(1000000000);

	(void)atomic_fetch_add(&shared->ready, 1);
	while (atomic_load(&shared->ready) < processes) {
		if (report_now_ns() > end_ns) {
			return false;
		}
		(void)sched_yield();
	}
	return atomic_load(&shared->failed) == 0;
}

static _Noreturn void serve(struct shared *shared, int folder, unsigned self, unsigned processes,
                            double seconds)
{
	struct writer *writer = &shared->writers[self];
	struct ctl_disk disk;
	int fd = -1;

	/* The end of the process gives all of it back. */
	writer->error = prepare(folder, self, &disk, &fd, &writer->reason);
	if (writer->error < 0) {
		(void)atomic_fetch_add(&shared->failed, 1);
	}
	if (!all_are_ready(shared, processes)) {
		writer->error = writer->error < 0 ? writer->error : -ETIMEDOUT;
	} else {
		writer->error = write_all(&disk, fd, seconds, writer);
	}
	_exit(EXIT_SUCCESS);
}

/* --- all of them ----------------------------------------------------------------------------- */

/* The folders that we made, open. */
struct folders {
	unsigned count;
	int fds[DISK_PROCESSES_MAX];
	char paths[DISK_PROCESSES_MAX][FOLDER_SIZE];
};

/* Ends the processes if `ends`; waits for them. 0, or -ECHILD if one did not end by itself. */
static int wait_for(const pid_t *children, unsigned count, bool ends)
{
	int r = 0, status;

	for (unsigned i = 0; i < count; i++) {
		if (ends) {
			(void)kill(children[i], SIGKILL); /* ours, not yet waited for */
		}
		if (waitpid(children[i], &status, 0) < 0 || status != 0) {
			r = -ECHILD;
		}
	}
	return r;
}

static int run(struct shared *shared, const struct folders *folders, unsigned processes,
               double seconds)
{
	pid_t children[DISK_PROCESSES_MAX];

	memset(shared, 0, sizeof(*shared));
	for (unsigned i = 0; i < processes; i++) {
		const pid_t parent = getpid();

		hist_init(&shared->writers[i].hist);
		children[i] = fork();
		if (children[i] < 0) {
			const int r = -errno;

			(void)wait_for(children, i, true);
			return r;
		}
		if (children[i] == 0) {
			/* If the measuring process dies, so do we; it may have died already. */
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent) {
				_exit(EXIT_FAILURE);
			}
			serve(shared, folders->fds[i % folders->count], i, processes, seconds);
		}
	}
	return wait_for(children, processes, false);
}

static json_t *report_run(const struct disk_config *config, const struct shared *shared,
                          unsigned processes)
{
	struct hist all = shared->writers[0].hist;
	double per_s = (double)all.total / shared->writers[0].seconds;
	const unsigned disks = config->folder_count < processes ? config->folder_count : processes;
	json_t *report;

	for (unsigned i = 1; i < processes; i++) {
		hist_merge(&all, &shared->writers[i].hist);
		per_s += (double)shared->writers[i].hist.total / shared->writers[i].seconds;
	}
	report = report_latency(&all);
	(void)json_object_set_new(report, "processes", json_integer(processes));
	(void)json_object_set_new(report, "writes_per_s", json_real(per_s));
	(void)json_object_set_new(report, "size", json_integer(CTL_BLOCK_SIZE));
	(void)json_object_set_new(report, "disks", json_integer(disks));
	(void)json_object_set_new(report, "folder", json_string(config->folders[0]));
	return report;
}

/* Appends the figures of so many processes at once to the report. */
static int measure(const struct disk_config *config, struct shared *shared,
                   const struct folders *folders, unsigned processes, json_t *report,
                   struct ctl_reason *ret_reason)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < processes; i++) {
		r = ctl_segment_make(folders->fds[i % folders->count], i + 1, BLOCKS, NULL);
	}
	if (r == 0) {
		r = run(shared, folders, processes, config->seconds);
	}
	for (unsigned i = 0; i < processes && (r == 0 || r == -ETIMEDOUT); i++) {
		r = shared->writers[i].error < 0 ? shared->writers[i].error : r;
		*ret_reason = shared->writers[i].reason; /* whoever waited for it has none */
	}
	for (unsigned i = 0; i < DISK_PROCESSES_MAX; i++) {
		/* May never have been made. */
		(void)ctl_segment_remove(folders->fds[i % folders->count], i + 1);
	}
	if (r == 0) {
		(void)json_array_append_new(report, report_run(config, shared, processes));
	}
	return r;
}

static json_t *measure_both(const struct disk_config *config, struct shared *shared,
                            const struct folders *folders, struct ctl_reason *ret_reason)
{
	json_t *report = json_array();
	int r = measure(config, shared, folders, 1, report, ret_reason);

	r = r < 0 ? r : measure(config, shared, folders, config->processes, report, ret_reason);
	if (r < 0) {
		if (ret_reason->text[0] == '\0') {
			ctl_reason_say(ret_reason, "%s: %s", config->folders[0], strerror(-r));
		}
		json_decref(report);
		return NULL;
	}
	return report;
}

static void give_back(const struct folders *folders)
{
	for (unsigned i = 0; i < folders->count; i++) {
		(void)close(folders->fds[i]);
		(void)rmdir(folders->paths[i]);
	}
}

/* True, or none is left and the sentence. */
static bool make_folders(const struct disk_config *config, struct folders *ret_folders,
                         struct ctl_reason *ret_reason)
{
	ret_folders->count = 0;
	for (unsigned i = 0; i < config->folder_count; i++) {
		char *path = ret_folders->paths[i];

		(void)snprintf(path, FOLDER_SIZE, "%s/coffer-disk-XXXXXX", config->folders[i]);
		if (mkdtemp(path) == NULL) {
			ctl_reason_say(ret_reason, "%s: %s", config->folders[i], strerror(errno));
			give_back(ret_folders);
			return false;
		}
		ret_folders->fds[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (ret_folders->fds[i] < 0) {
			ctl_reason_say(ret_reason, "%s: %s", path, strerror(errno));
			(void)rmdir(path);
			give_back(ret_folders);
			return false;
		}
		ret_folders->count++;
	}
	return true;
}

void disk_option(struct disk_config *config, const char *folder, struct argp_state *state)
{
	if (config->folder_count == DISK_PROCESSES_MAX) {
		argp_error(state, "--disk: at most %d of them", DISK_PROCESSES_MAX);
	}
	config->folders[config->folder_count++] = folder;
}

json_t *disk_measure(const struct disk_config *config, struct ctl_reason *ret_reason)
{
	struct folders folders;
	struct shared *shared;
	json_t *report;

	must(config->processes >= 1 && config->processes <= DISK_PROCESSES_MAX);
	must(config->folder_count >= 1 && config->folder_count <= DISK_PROCESSES_MAX);
	*ret_reason = (struct ctl_reason){0};
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	              0);
	if (shared == MAP_FAILED) {
		ctl_reason_say(ret_reason, "memory: %s", strerror(errno));
		return NULL;
	}
	report = NULL;
	if (make_folders(config, &folders, ret_reason)) {
		report = measure_both(config, shared, &folders, ret_reason);
		give_back(&folders);
	}
	(void)munmap(shared, sizeof(*shared));
	return report;
}
