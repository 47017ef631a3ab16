/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * journal_disk.h - one durable write at a time, and a bell, in one io_uring
 *
 * The ring waits for the write and for the bell alike. While a write is under way nobody has to
 * ring: who comes back from it looks for more by himself.
 *
 * Threads: one; ctl_disk_ring() may be called by any.
 */

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/reason.h"

struct ctl_disk {
	struct io_uring ring;
	int bell;      /* eventfd; -1: not open */
	bool listens;  /* a read of the bell is under way */
	bool rang;     /* and one has ended */
	uint64_t rung; /* what it reads */
};

/* 0, or a negative errno and the sentence. */
int ctl_disk_open(struct ctl_disk *disk, struct ctl_reason *ret_reason);

/* One that was never opened has bell -1. */
void ctl_disk_close(struct ctl_disk *disk);

/*
 * Writes and makes durable: when it returns 0, the bytes outlive a loss of power. Anything else
 * is a negative errno, and nothing is known of what stands there now.
 */
int ctl_disk_write(struct ctl_disk *disk, int fd, const uint8_t *bytes, size_t size,
                   uint64_t offset);

/* Sleeps until the bell rings or rang since the last call, for timeout_ns at most. */
void ctl_disk_wait(struct ctl_disk *disk, uint64_t timeout_ns);

/* `disk` is a struct ctl_disk. */
void ctl_disk_ring(void *disk);
