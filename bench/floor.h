/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * floor.h - what the links alone cost: a chain of four processes that do no work
 *
 *      client --> leader --> two followers --> leader --(at the first ack)--> client
 *
 * The same carriers as the servers' (shared-file links, or kernel UDP on loopback), polled as the
 * servers' adaptive mode polls under load: all that is there, then sched_yield() after a turn
 * that found nothing. No write can be faster on this machine.
 *
 * Makes its own three processes, and ends them and its files whatever happens; if it is killed
 * itself, the kernel ends them.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	FLOOR_WINDOWS_MAX = 8,
	FLOOR_WINDOW_MAX = 512,
};

struct floor_config {
	bool is_link;
	const char *folder; /* where the link files lie; a folder of our own is made in it */
	unsigned size;      /* of each datagram, bytes */
	unsigned windows[FLOOR_WINDOWS_MAX]; /* messages under way; each is measured */
	unsigned window_count;
	double seconds; /* for each window */
};

/* The report, or NULL; then ret_error says why (a negative errno). */
json_t *floor_measure(const struct floor_config *config, int *ret_error);
