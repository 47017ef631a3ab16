/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "tests/system/recorder.h"

enum {
	LONG_ONE_OF = 16,  /* values that need more than one datagram */
	HUGE_ONE_OF = 128, /* and near the limit */
	SHORT_SIZE = 48,   /* a short value is padded to this */
	LONG_SIZE = 5000,
	HUGE_SIZE = 30000,
};

/* The number behind the last '-' decides, so that a reader knows the size too. */
static size_t size_of(const char *text)
{
	const char *number = strrchr(text, '-');
	const uint64_t which = number != NULL ? strtoull(number + 1, NULL, 10) : 0;

	if (which % HUGE_ONE_OF == HUGE_ONE_OF - 1) {
		return HUGE_SIZE + which % 1000;
	}
	return which % LONG_ONE_OF == LONG_ONE_OF - 1 ? LONG_SIZE + which % 1000 : SHORT_SIZE;
}

size_t recorder_value_make(const char *text, uint8_t value[STORE_VALUE_SIZE_MAX])
{
	const size_t size = size_of(text), used = strlen(text);

	memcpy(value, text, used);
	for (size_t i = used; i < size; i++) {
		value[i] = i == used ? '.' : (uint8_t)('a' + (i * 7 + used) % 26);
	}
	return size;
}

bool recorder_value_check(struct slice value, char ret_text[RECORDER_TEXT_SIZE])
{
	static uint8_t expected[STORE_VALUE_SIZE_MAX];
	const uint8_t *end = value.size != 0 ? memchr(value.data, '.', value.size) : NULL;
	const size_t used = end != NULL ? (size_t)(end - value.data) : 0;

	if (used == 0 || used >= RECORDER_TEXT_SIZE) {
		return false;
	}
	memcpy(ret_text, value.data, used);
	ret_text[used] = 0;
	return slice_equal(value, slice_make(expected, recorder_value_make(ret_text, expected)));
}

static const char *op_of(enum recorder_kind kind)
{
	switch (kind) {
	case RECORDER_GET:
	case RECORDER_PAST:
	case RECORDER_LAST:
		return "get";
	case RECORDER_SET:
		return "set";
	case RECORDER_CAS:
		return "cas";
	case RECORDER_ADD:
		return "add";
	case RECORDER_DEL:
	case RECORDER_DEL_IF:
		return "del";
	case RECORDER_IDLE:
	case RECORDER_MAKE:
	case RECORDER_BACK:
		break;
	}
	return "";
}

static void put_head(FILE *output, const char *prefix, unsigned member,
                     const struct recorder_lane *lane)
{
	(void)fprintf(output, "{\"client\":%u,\"op\":\"%s\",\"key\":\"%s/k%u\"", member,
	              op_of(lane->kind), prefix, lane->key);
	switch (lane->kind) {
	case RECORDER_SET:
	case RECORDER_ADD:
		(void)fprintf(output, ",\"args\":{\"value\":\"%s\"}", lane->text);
		break;
	case RECORDER_CAS:
		(void)fprintf(output, ",\"args\":{\"value\":\"%s\",\"expect_rev\":%" PRId64 "}",
		              lane->text, lane->rev);
		break;
	case RECORDER_DEL_IF:
		(void)fprintf(output, ",\"args\":{\"expect_rev\":%" PRId64 "}", lane->rev);
		break;
	case RECORDER_PAST:
		(void)fprintf(output, ",\"args\":{\"at_rev\":%" PRId64 "}", lane->rev);
		break;
	case RECORDER_IDLE:
	case RECORDER_GET:
	case RECORDER_DEL:
	case RECORDER_MAKE:
	case RECORDER_BACK:
	case RECORDER_LAST:
		break;
	}
	(void)fprintf(output, ",\"call\":%" PRIu64, lane->call_ns);
}

static bool is_read(const struct recorder_lane *lane)
{
	return lane->kind == RECORDER_GET || lane->kind == RECORDER_PAST ||
	       lane->kind == RECORDER_LAST;
}

/* The result of what was done. */
static bool put_done(FILE *output, const struct recorder_lane *lane,
                     const struct proto_answer *answer)
{
	char text[RECORDER_TEXT_SIZE] = "";

	if (is_read(lane)) {
		const bool is_whole = recorder_value_check(answer->value, text);

		(void)fprintf(output,
		              ",\"result\":{\"found\":true,\"value\":\"%s\",\"rev\":%" PRId64
		              ",\"srev\":%" PRId64 "}",
		              is_whole ? text : "damaged", answer->revision,
		              answer->store_revision);
		return is_whole;
	}
	if (lane->kind == RECORDER_SET) {
		(void)fprintf(output, ",\"result\":{\"rev\":%" PRId64 "}", answer->revision);
	} else {
		(void)fprintf(output, ",\"result\":{\"ok\":true,\"rev\":%" PRId64 "}",
		              answer->revision);
	}
	return answer->revision > 0;
}

/* The result of what was refused because the file was not as asked. */
static bool put_refused(FILE *output, const struct recorder_lane *lane,
                        const struct proto_answer *answer)
{
	const bool is_delete = lane->kind == RECORDER_DEL || lane->kind == RECORDER_DEL_IF;

	if (answer->answer == STORE_NOT_FOUND) {
		(void)fprintf(output, ",\"result\":{\"%s\":false,\"srev\":%" PRId64 "}",
		              is_delete ? "ok" : "found", answer->store_revision);
		return is_delete || is_read(lane);
	}
	if (is_delete) {
		(void)fprintf(output,
		              ",\"result\":{\"ok\":false,\"rev\":%" PRId64 ",\"srev\":%" PRId64 "}",
		              answer->revision, answer->store_revision);
		return lane->kind == RECORDER_DEL_IF;
	}
	(void)fprintf(
		output,
		",\"result\":{\"ok\":false,\"found\":%s,\"rev\":%" PRId64 ",\"srev\":%" PRId64 "}",
		answer->revision != 0 ? "true" : "false", answer->revision, answer->store_revision);
	return lane->kind == RECORDER_CAS || lane->kind == RECORDER_ADD;
}

bool recorder_write(FILE *output, const char *prefix, unsigned member,
                    const struct recorder_lane *lane, const struct client_result *result,
                    uint64_t now_ns)
{
	bool can_be = true;

	switch (result->outcome) {
	case CLIENT_DONE:
		put_head(output, prefix, member, lane);
		can_be = put_done(output, lane, &result->answer);
		break;
	case CLIENT_REFUSED:
		if (result->answer.answer != STORE_MISMATCH &&
		    result->answer.answer != STORE_NOT_FOUND) {
			return true;
		}
		put_head(output, prefix, member, lane);
		can_be = put_refused(output, lane, &result->answer);
		break;
	case CLIENT_UNREACHED:
		return true;
	case CLIENT_UNKNOWN:
		put_head(output, prefix, member, lane);
		(void)fprintf(output, ",\"unknown\":true}\n");
		return !is_read(lane);
	}
	(void)fprintf(output, ",\"ret\":%" PRIu64 "}\n", now_ns);
	return can_be;
}
