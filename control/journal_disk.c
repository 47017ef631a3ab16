/* SPDX-License-Identifier: Apache-2.0 */
#include "control/journal_disk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "store/base/check.h"

enum {
	ENTRIES = 1,
};

int ctl_disk_open(struct ctl_disk *disk, struct ctl_reason *ret_reason)
{
	int r = io_uring_queue_init(ENTRIES, &disk->ring, 0);

	disk->bell = -1;
	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "durability = disk needs io_uring, which this system refuses (%s); "
		               "allow it (sysctl kernel.io_uring_disabled, the seccomp profile of "
		               "the container, ulimit -l)",
		               strerror(-r));
		return r;
	}
	disk->bell = eventfd(0, EFD_CLOEXEC);
	if (disk->bell < 0) {
		r = -errno;
		io_uring_queue_exit(&disk->ring);
		ctl_reason_say(ret_reason, "eventfd: %s; allow more open files", strerror(-r));
		return r;
	}
	return 0;
}

void ctl_disk_close(struct ctl_disk *disk)
{
	if (disk->bell < 0) {
		return;
	}
	io_uring_queue_exit(&disk->ring);
	(void)close(disk->bell);
	disk->bell = -1;
}

void ctl_disk_ring(void *context)
{
	const struct ctl_disk *disk = context;
	const uint64_t one = 1;

	(void)!write(disk->bell, &one, sizeof(one));
}

/* Writes some of it. Bytes written or a negative errno. */
static int write_some(struct ctl_disk *disk, int fd, const uint8_t *bytes, size_t size,
                      uint64_t offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);
	struct io_uring_cqe *cqe;
	int r;

	must(sqe != NULL);
	io_uring_prep_write(sqe, fd, bytes, (unsigned)size, offset);
	sqe->rw_flags = RWF_DSYNC; /* the kernel uses FUA, or a flush, as the device can */
	do {
		r = io_uring_submit_and_wait(&disk->ring, 1);
	} while (r == -EINTR || r == -EAGAIN);
	while (r >= 0 || r == -EINTR || r == -EAGAIN) {
		r = io_uring_wait_cqe(&disk->ring, &cqe);
		if (r == 0) {
			r = cqe->res;
			io_uring_cqe_seen(&disk->ring, cqe);
			return r;
		}
	}
	return r;
}

int ctl_disk_write(struct ctl_disk *disk, int fd, const uint8_t *bytes, size_t size,
                   uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		const int r = write_some(disk, fd, bytes + done, size - done, offset + done);

		if (r == -EINTR || r == -EAGAIN) {
			continue;
		}
		if (r <= 0) {
			return r == 0 ? -EIO : r;
		}
		done += (size_t)r;
	}
	return 0;
}

void ctl_disk_wait(struct ctl_disk *disk, uint64_t timeout_ns)
{
	const struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / 1000000000),
		.tv_nsec = (long)(timeout_ns % 1000000000),
	};
	struct pollfd bell = {.fd = disk->bell, .events = POLLIN};
	uint64_t rung;

	if (ppoll(&bell, 1, &timeout, NULL) > 0) {
		(void)!read(disk->bell, &rung, sizeof(rung)); /* the records are in their ring */
	}
}
