/* SPDX-License-Identifier: Apache-2.0 */
#include "control/journal_disk.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/base/check.h"

enum {
	ENTRIES = 4, /* a write and a read of the bell */
	BELL = 1,
	WRITE = 2,
};

int ctl_disk_open(struct ctl_disk *disk, struct ctl_reason *ret_reason)
{
	int r = io_uring_queue_init(ENTRIES, &disk->ring, 0);

	disk->bell = -1;
	disk->listens = disk->rang = false;
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
	io_uring_queue_exit(&disk->ring); /* ends the read of the bell */
	(void)close(disk->bell);
	disk->bell = -1;
}

void ctl_disk_ring(void *context)
{
	const struct ctl_disk *disk = context;
	const uint64_t one = 1;

	(void)!write(disk->bell, &one, sizeof(one));
}

/* Takes one completion: true and its result if it was the write's. */
static bool took_write(struct ctl_disk *disk, struct io_uring_cqe *cqe, int *ret_result)
{
	const bool is_write = io_uring_cqe_get_data64(cqe) == WRITE;

	if (is_write) {
		*ret_result = cqe->res;
	} else {
		disk->listens = false;
		disk->rang = true;
	}
	io_uring_cqe_seen(&disk->ring, cqe);
	return is_write;
}

/* Writes some of it. Bytes written or a negative errno. */
static int write_some(struct ctl_disk *disk, int fd, const uint8_t *bytes, size_t size,
                      uint64_t offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);
	struct io_uring_cqe *cqe;
	int r, result = 0;

	must(sqe != NULL);
	io_uring_prep_write(sqe, fd, bytes, (unsigned)size, offset);
	sqe->rw_flags = RWF_DSYNC; /* the kernel uses FUA, or a flush, as the device can */
	io_uring_sqe_set_data64(sqe, WRITE);
	do {
		r = io_uring_submit(&disk->ring);
	} while (r == -EINTR || r == -EAGAIN);
	if (r < 0) {
		return r;
	}
	for (;;) {
		r = io_uring_wait_cqe(&disk->ring, &cqe);
		if (r < 0 && r != -EINTR && r != -EAGAIN) {
			return r;
		}
		if (r == 0 && took_write(disk, cqe, &result)) {
			return result;
		}
	}
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

static void listen_to_bell(struct ctl_disk *disk)
{
	struct io_uring_sqe *sqe;

	if (disk->listens) {
		return;
	}
	sqe = io_uring_get_sqe(&disk->ring);
	must(sqe != NULL);
	io_uring_prep_read(sqe, disk->bell, &disk->rung, sizeof(disk->rung), 0);
	io_uring_sqe_set_data64(sqe, BELL);
	disk->listens = io_uring_submit(&disk->ring) >= 0;
}

void ctl_disk_wait(struct ctl_disk *disk, uint64_t timeout_ns)
{
	struct __kernel_timespec timeout = {
		.tv_sec = (long long)(timeout_ns / 1000000000),
		.tv_nsec = (long long)(timeout_ns % 1000000000),
	};
	struct io_uring_cqe *cqe;
	int result;

	listen_to_bell(disk);
	if (!disk->rang && io_uring_wait_cqe_timeout(&disk->ring, &cqe, &timeout) == 0) {
		must(!took_write(disk, cqe, &result)); /* none is under way */
	}
	disk->rang = false;
}
