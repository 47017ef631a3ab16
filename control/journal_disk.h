/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * journal_disk.h - one durable write at a time, by io_uring, and a bell
 *
 * While a write is under way nobody has to ring: who comes back from it looks for more by himself.
 * So the bell stands beside the ring, which would take three calls in place of two to hear it.
 *
 * Threads: one; ctl_disk_ring() may be called by any.
 */

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>

#include "control/reason.h"

struct ctl_disk {
	struct io_uring ring;
	int bell; /* eventfd; -1: not open */
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
