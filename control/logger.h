/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * logger.h - what happened, as lines of key=value
 *
 *      time=2026-01-31T12:00:00.123456Z level=info event=leads round=4 length=17
 *
 * A value with a blank, a quote, a `=` or a byte that does not print stands in quotes, with those
 * bytes escaped: nothing that came from outside can begin a line of its own. A line is one
 * write() of at most CTL_LOG_LINE_MAX bytes; a longer one is cut.
 *
 * Threads: any may log. ctl_log_reopen() belongs to the thread that opened.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consensus/effect.h"
#include "control/reason.h"

enum {
	CTL_LOG_LINE_MAX = 1024,
	CTL_LOG_FIELDS_MAX = 16,
};

enum ctl_level {
	CTL_INFO = 0,
	CTL_WARNING,
	CTL_ERROR,
};

struct ctl_field {
	const char *key;
	const char *text; /* NULL: the number; borrowed for the call */
	uint64_t number;
	bool hex;
};

#define CTL_TEXT(name, value)                                                                      \
	(struct ctl_field)                                                                         \
	{                                                                                          \
		.key = (name), .text = (value)                                                     \
	}
#define CTL_NUMBER(name, value)                                                                    \
	(struct ctl_field)                                                                         \
	{                                                                                          \
		.key = (name), .number = (value)                                                   \
	}
#define CTL_HEX(name, value)                                                                       \
	(struct ctl_field)                                                                         \
	{                                                                                          \
		.key = (name), .number = (value), .hex = true                                      \
	}

struct ctl_logger {
	_Atomic int fd;
	const char *path;      /* borrowed for the logger's life; "stderr" */
	_Atomic uint64_t lost; /* lines that could not be written */
};

/* Returns 0, or a negative errno and the sentence. */
int ctl_log_open(struct ctl_logger *logger, const char *path, struct ctl_reason *ret_reason);

/* Opens the file again, for who rotates it. On failure the old one stays. */
int ctl_log_reopen(struct ctl_logger *logger);

void ctl_log_close(struct ctl_logger *logger);

/* Writes a line. What cannot be written is counted. */
void ctl_log_fields(struct ctl_logger *logger, enum ctl_level level, const char *event,
                    const struct ctl_field *fields, size_t count);

/* ctl_log(logger, CTL_INFO, "ready", CTL_NUMBER("node", 1), ...); at least one field. */
#define ctl_log(logger, level, event, ...)                                                         \
	ctl_log_fields((logger), (level), (event), (const struct ctl_field[]){__VA_ARGS__},        \
	               sizeof((const struct ctl_field[]){__VA_ARGS__}) / sizeof(struct ctl_field))

/* The line of a trace event. A kind that is not known gives a line, too. */
void ctl_log_trace(struct ctl_logger *logger, const struct paxos_trace *trace);

/*
 * Formats a line, its end included, without writing it; pure. Returns its size.
 * `now_ns` is since 1970.
 */
size_t ctl_log_format(char ret_line[CTL_LOG_LINE_MAX], uint64_t now_ns, enum ctl_level level,
                      const char *event, const struct ctl_field *fields, size_t count);
