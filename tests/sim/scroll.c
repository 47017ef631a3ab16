/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/scroll.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "consensus/msg.h"
#include "consensus/replica.h"
#include "store/proto.h"
#include "tests/sim/net.h"

void scroll_init(struct scroll *scroll, bool verbose)
{
	memset(scroll, 0, sizeof(*scroll));
	scroll->verbose = verbose;
	scroll->digest = 0x2545f4914f6cdd1du;
}

static const char *const fault_texts[SCROLL_FAULT_COUNT] = {
	[SCROLL_CRASH] = "crash",         [SCROLL_START] = "start",
	[SCROLL_PAUSE] = "pause",         [SCROLL_STALL] = "stall",
	[SCROLL_DISK_STALL] = "disk",     [SCROLL_CUT] = "cut",
	[SCROLL_OPEN] = "open",           [SCROLL_HEAL] = "heal",
	[SCROLL_CLOG] = "clog",           [SCROLL_SLOW] = "slow",
	[SCROLL_LOSSY] = "lossy",         [SCROLL_RATE] = "rate",
	[SCROLL_RESIGN] = "resign",       [SCROLL_RELEASE] = "release",
	[SCROLL_SET_ASIDE] = "set aside", [SCROLL_FULL] = "full",
	[SCROLL_ROLL_BACK] = "roll back", [SCROLL_HURT] = "hurt",
	[SCROLL_FAIL] = "write fails",    [SCROLL_HANDOVER] = "handover",
	[SCROLL_NOTE] = "note",           [SCROLL_MEMBERS] = "change",
};

static void print_end(FILE *file, unsigned end)
{
	fprintf(file, "%c%u", end < NET_CLIENT ? 's' : 'c',
	        end < NET_CLIENT ? end : end - NET_CLIENT);
}

static const char *message_text(uint64_t kind)
{
	if (kind >> 8 == STORE_DATAGRAM_PEER && (kind & 255) < PAXOS_MSG_COUNT) {
		return paxos_msg_text((enum paxos_msg_kind)(kind & 255));
	}
	return kind >> 8 == STORE_DATAGRAM_REQUEST  ? "request"
	       : kind >> 8 == STORE_DATAGRAM_ANSWER ? "answer"
	                                            : "?";
}

static void print_packet(const struct scroll_line *line, FILE *file)
{
	print_end(file, line->node);
	fputs(line->kind == SCROLL_SEND ? " -> " : " <- ", file);
	print_end(file, line->peer);
	fprintf(file, " %s %" PRIu64 " bytes", message_text(line->b), line->a);
}

static void print_trace(const struct scroll_line *line, FILE *file)
{
	fprintf(file, "s%u %s a=%" PRIu64 " b=%" PRIu64, line->node,
	        paxos_trace_text((enum paxos_trace_kind)line->peer), line->a, line->b);
}

static void print_line(const struct scroll_line *line, FILE *file)
{
	const uint64_t a = line->a, b = line->b;

	fprintf(file, "%12" PRIu64 ".%03" PRIu64 " us  ", line->time_ns / 1000,
	        line->time_ns % 1000);
	switch ((enum scroll_kind)line->kind) {
	case SCROLL_SEND:
	case SCROLL_ARRIVE:
		print_packet(line, file);
		break;
	case SCROLL_TURN:
		fprintf(file, "s%u turn, %" PRIu64 " packets, its clock %" PRIu64, line->node, a,
		        b);
		break;
	case SCROLL_STATE:
		fprintf(file, "s%u decided %" PRIu64 " of %" PRIu64, line->node, a, b);
		break;
	case SCROLL_ROLE:
		fprintf(file, "s%u is %s, round %" PRIu64, line->node,
		        paxos_role_text((enum paxos_role)a), b);
		break;
	case SCROLL_TRACE:
		print_trace(line, file);
		break;
	case SCROLL_DISK:
		fprintf(file, "s%u disk has %" PRIu64 " records", line->node, a);
		break;
	case SCROLL_CALL:
		fprintf(file, "c%u asks, operation %" PRIu64 ", verb %" PRIu64, line->node, a, b);
		break;
	case SCROLL_RETURN:
		fprintf(file, "c%u operation %" PRIu64 " ends, outcome %" PRIu64 ", %s", line->node,
		        a, b >> 8, store_answer_text((enum store_answer)(b & 255)));
		break;
	case SCROLL_FAULT:
		fprintf(file, "* %s s%u %" PRIx64 " %" PRIx64, fault_texts[line->peer], line->node,
		        a, b);
		break;
	case SCROLL_KIND_COUNT:
	default:
		break;
	}
	fputc('\n', file);
}

void scroll_put(struct scroll *scroll, uint64_t time_ns, enum scroll_kind kind, unsigned node,
                unsigned peer, uint64_t a, uint64_t b)
{
	struct scroll_line *line = &scroll->lines[scroll->count++ & (SCROLL_LINES - 1)];

	*line = (struct scroll_line){.time_ns = time_ns,
	                             .kind = (uint8_t)kind,
	                             .node = (uint8_t)node,
	                             .peer = (uint8_t)peer,
	                             .a = a,
	                             .b = b};
	scroll_mix(scroll, time_ns);
	scroll_mix(scroll, (uint64_t)kind << 16 | node << 8 | peer);
	scroll_mix(scroll, a);
	scroll_mix(scroll, b);
	if (scroll->verbose) {
		print_line(line, stdout);
	}
}

void scroll_fail(struct scroll *scroll, uint64_t time_ns, const char *format, ...)
{
	va_list arguments;
	int size;

	if (scroll->failed) {
		return;
	}
	scroll->failed = true;
	size = snprintf(scroll->failure, sizeof(scroll->failure),
	                "at %" PRIu64 ".%03" PRIu64 " us: ", time_ns / 1000, time_ns % 1000);
	va_start(arguments, format);
	(void)vsnprintf(scroll->failure + size, sizeof(scroll->failure) - (size_t)size, format,
	                arguments);
	va_end(arguments);
}

void scroll_print(const struct scroll *scroll, FILE *file, unsigned max)
{
	const uint64_t kept = scroll->count < SCROLL_LINES ? scroll->count : SCROLL_LINES;
	const uint64_t shown = kept < max ? kept : max;

	for (uint64_t i = scroll->count - shown; i < scroll->count; i++) {
		print_line(&scroll->lines[i & (SCROLL_LINES - 1)], file);
	}
}
