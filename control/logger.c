/* SPDX-License-Identifier: Apache-2.0 */
#include "control/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/base/check.h"

/* --- a line -------------------------------------------------------------------------------- */

/* A line being written; the last byte is kept for its end. */
struct line {
	char *next;
	char *end;
};

static void put_char(struct line *line, char c)
{
	if (line->next < line->end) {
		*line->next++ = c;
	}
}

static void put_text(struct line *line, const char *text)
{
	for (; *text != '\0'; text++) {
		put_char(line, *text);
	}
}

static bool is_plain(const char *text)
{
	if (*text == '\0') {
		return false;
	}
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text > '~' || *text == '"' || *text == '=' || *text == '\\') {
			return false;
		}
	}
	return true;
}

static void put_value(struct line *line, const char *text)
{
	static const char digits[] = "0123456789abcdef";

	if (is_plain(text)) {
		put_text(line, text);
		return;
	}
	put_char(line, '"');
	for (; *text != '\0'; text++) {
		const uint8_t byte = (uint8_t)*text;

		if (byte == '"' || byte == '\\') {
			put_char(line, '\\');
			put_char(line, *text);
		} else if (byte < ' ' || byte > '~') {
			put_text(line, "\\x");
			put_char(line, digits[byte >> 4]);
			put_char(line, digits[byte & 15]);
		} else {
			put_char(line, *text);
		}
	}
	put_char(line, '"');
}

static void put_time(struct line *line, uint64_t now_ns)
{
	const time_t seconds = (time_t)(now_ns / 1000000000);
	char text[40];
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL || strftime(text, 32, "%FT%T", &parts) == 0) {
		put_text(line, "?");
		return;
	}
	put_text(line, text);
	(void)snprintf(text, sizeof(text), ".%06uZ", (unsigned)(now_ns / 1000 % 1000000));
	put_text(line, text);
}

size_t ctl_log_format(char ret_line[CTL_LOG_LINE_MAX], uint64_t now_ns, enum ctl_level level,
                      const char *event, const struct ctl_field *fields, size_t count)
{
	static const char *const levels[] = {"info", "warning", "error"};
	struct line line = {.next = ret_line, .end = ret_line + CTL_LOG_LINE_MAX - 1};

	must(level <= CTL_ERROR);
	put_text(&line, "time=");
	put_time(&line, now_ns);
	put_text(&line, " level=");
	put_text(&line, levels[level]);
	put_text(&line, " event=");
	put_value(&line, event);
	for (size_t i = 0; i < count; i++) {
		char number[32];

		put_char(&line, ' ');
		put_text(&line, fields[i].key);
		put_char(&line, '=');
		(void)snprintf(number, sizeof(number), fields[i].hex ? "%016" PRIx64 : "%" PRIu64,
		               fields[i].number);
		put_value(&line, fields[i].text != NULL ? fields[i].text : number);
	}
	*line.next++ = '\n';
	return (size_t)(line.next - ret_line);
}

/* --- a file -------------------------------------------------------------------------------- */

static int open_log(const char *path)
{
	const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : fd;
}

int ctl_log_open(struct ctl_logger *logger, const char *path, struct ctl_reason *ret_reason)
{
	const int fd = strcmp(path, "stderr") == 0 ? STDERR_FILENO : open_log(path);

	if (fd < 0) {
		ctl_reason_say(
			ret_reason,
			"log = %s: cannot be opened (%s); name a file that this user may write, or "
			"stderr",
			path, strerror(-fd));
		return fd;
	}
	*logger = (struct ctl_logger){.path = path};
	atomic_store(&logger->fd, fd);
	return 0;
}

int ctl_log_reopen(struct ctl_logger *logger)
{
	const int old = atomic_load(&logger->fd);
	int fd, r;

	if (old == STDERR_FILENO) {
		return 0;
	}
	fd = open_log(logger->path);
	if (fd < 0) {
		return fd;
	}
	/* The number stays, so that no other thread ever writes to a closed one. */
	r = dup3(fd, old, O_CLOEXEC) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

void ctl_log_close(struct ctl_logger *logger)
{
	const int fd = atomic_exchange(&logger->fd, -1);

	if (fd > STDERR_FILENO) {
		(void)close(fd);
	}
}

void ctl_log_fields(struct ctl_logger *logger, enum ctl_level level, const char *event,
                    const struct ctl_field *fields, size_t count)
{
	const int fd = atomic_load_explicit(&logger->fd, memory_order_relaxed);
	char line[CTL_LOG_LINE_MAX];
	struct timespec now;
	size_t size;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* for people only; never decides anything */
	size = ctl_log_format(line, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
	                      level, event, fields, count);
	if (write(fd, line, size) != (ssize_t)size) {
		atomic_fetch_add_explicit(&logger->lost, 1, memory_order_relaxed);
	}
}

/* --- trace events -------------------------------------------------------------------------- */

struct trace_text {
	const char *event;
	const char *a, *b; /* names of the two numbers; NULL: none */
	enum ctl_level level;
};

static const struct trace_text traces[PAXOS_TRACE_COUNT] = {
	[PAXOS_TRACE_STARTED] = {"ready", "incarnation", "takes_part", CTL_INFO},
	[PAXOS_TRACE_UNHAPPY] = {"unhappy", "silence_ns", NULL, CTL_WARNING},
	[PAXOS_TRACE_STANDS] = {"stands", "round", NULL, CTL_INFO},
	[PAXOS_TRACE_PROMISED] = {"promised", "round", "node", CTL_INFO},
	[PAXOS_TRACE_GAVE_UP] = {"gave_up", "round", "why", CTL_INFO},
	[PAXOS_TRACE_ADOPTED] = {"adopted", "round", "length", CTL_INFO},
	[PAXOS_TRACE_LEADS] = {"leads", "round", "length", CTL_INFO},
	[PAXOS_TRACE_ABDICATED] = {"abdicated", "round", NULL, CTL_WARNING},
	[PAXOS_TRACE_CUT] = {"cut", "from", "length", CTL_INFO},
	[PAXOS_TRACE_REJOINED] = {"rejoined", "index", NULL, CTL_INFO},
	[PAXOS_TRACE_SNAPSHOT_IN] = {"snapshot_in", "index", NULL, CTL_INFO},
	[PAXOS_TRACE_SNAPSHOT_OUT] = {"snapshot_out", "index", "peer", CTL_INFO},
	[PAXOS_TRACE_EXPIRED] = {"expired", "sessions", NULL, CTL_INFO},
	[PAXOS_TRACE_SLEPT] = {"slept", "gap_ns", NULL, CTL_WARNING},
	[PAXOS_TRACE_CHECKPOINT] = {"checkpoint", "index", "behind", CTL_INFO},
	[PAXOS_TRACE_KEPT] = {"kept", "index", NULL, CTL_INFO},
	[PAXOS_TRACE_FORGOT] = {"forgot", "record", NULL, CTL_INFO},
	[PAXOS_TRACE_DISK_FULL] = {"disk_full", "full", NULL, CTL_WARNING},
	[PAXOS_TRACE_DISK_STALLED] = {"disk_stalled", "waits_ns", NULL, CTL_WARNING},
	[PAXOS_TRACE_DISK_FAILED] = {"disk_failed", NULL, NULL, CTL_ERROR},
	[PAXOS_TRACE_DIFFERS] = {"differs", "index", "peer", CTL_ERROR},
	[PAXOS_TRACE_DAMAGED] = {"damaged", "first", "last", CTL_WARNING},
	[PAXOS_TRACE_REPAIRED] = {"repaired", "first", "last", CTL_INFO},
	[PAXOS_TRACE_ROLLED_BACK] = {"rolled_back", "start", "peer", CTL_ERROR},
	[PAXOS_TRACE_HANDOVER] = {"handover", "round", "to", CTL_INFO},
	[PAXOS_TRACE_REPORTED_DEAD] = {"reported_dead", "start", "node", CTL_WARNING},
	[PAXOS_TRACE_CONFIGURATION] = {"configuration", "number", "voters", CTL_INFO},
	[PAXOS_TRACE_ENTERED] = {"entered", "number", "voters", CTL_INFO},
	[PAXOS_TRACE_REMOVED] = {"removed", "configuration", NULL, CTL_WARNING},
};

/* An incarnation is written alike everywhere. */
static struct ctl_field first_field(const struct paxos_trace *trace)
{
	const char *name = traces[trace->kind].a;

	return trace->kind == PAXOS_TRACE_STARTED ? CTL_HEX(name, trace->a)
	                                          : CTL_NUMBER(name, trace->a);
}

enum {
	SET_TEXT_SIZE = 3 * STORE_NODES_MAX + 1
};

/* "1 2 4" */
static const char *set_text(uint64_t set, char text[SET_TEXT_SIZE])
{
	size_t size = 0;

	text[0] = '\0';
	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		if ((set >> node & 1) != 0) {
			size += (size_t)snprintf(text + size, SET_TEXT_SIZE - size, "%s%u",
			                         size == 0 ? "" : " ", node + 1);
		}
	}
	return text;
}

/* Peers are indexes in code and numbers for people; why a candidacy ended is a word. */
static struct ctl_field second_field(const struct paxos_trace *trace, char set[SET_TEXT_SIZE])
{
	static const char *const why[] = {"?", "promised_higher", "refused", "time"};
	const struct trace_text *text = &traces[trace->kind];

	if (trace->kind == PAXOS_TRACE_GAVE_UP) {
		return CTL_TEXT(text->b, why[trace->b <= PAXOS_GAVE_UP_TIME ? trace->b : 0]);
	}
	if (trace->kind == PAXOS_TRACE_CONFIGURATION || trace->kind == PAXOS_TRACE_ENTERED) {
		return CTL_TEXT(text->b, set_text(trace->b, set));
	}
	if (trace->kind == PAXOS_TRACE_PROMISED || trace->kind == PAXOS_TRACE_SNAPSHOT_OUT ||
	    trace->kind == PAXOS_TRACE_DIFFERS || trace->kind == PAXOS_TRACE_ROLLED_BACK ||
	    trace->kind == PAXOS_TRACE_HANDOVER || trace->kind == PAXOS_TRACE_REPORTED_DEAD) {
		return CTL_NUMBER(text->b, trace->b + 1);
	}
	return CTL_NUMBER(text->b, trace->b);
}

void ctl_log_trace(struct ctl_logger *logger, const struct paxos_trace *trace)
{
	const struct trace_text *text;
	char set[SET_TEXT_SIZE];
	struct ctl_field fields[2];
	size_t count = 0;

	if ((unsigned)trace->kind >= PAXOS_TRACE_COUNT || traces[trace->kind].event == NULL) {
		ctl_log(logger, CTL_WARNING, "unknown_trace",
		        CTL_NUMBER("kind", (uint64_t)trace->kind));
		return;
	}
	text = &traces[trace->kind];
	if (text->a != NULL) {
		fields[count++] = first_field(trace);
	}
	if (text->b != NULL) {
		fields[count++] = second_field(trace, set);
	}
	ctl_log_fields(logger, text->level, text->event, fields, count);
}
