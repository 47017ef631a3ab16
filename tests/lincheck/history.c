/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/history.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* One line under way. */
struct line {
	struct lincheck_operation operation;
	char client[32]; /* a number as text */
	bool has_op, has_key, has_call, has_ret;
	const char *fault;     /* of the first field that makes no sense */
	const char *fault_key; /* its name */
};

struct field {
	const char *name;
	bool (*take)(struct line *line, const json_t *value); /* false: not of the right kind */
};

static bool take_slice(const json_t *value, struct slice *ret_slice)
{
	if (!json_is_string(value)) {
		return false;
	}
	*ret_slice = slice_make(json_string_value(value), json_string_length(value));
	return true;
}

static bool take_number(const json_t *value, uint64_t *ret_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0) {
		return false;
	}
	*ret_number = (uint64_t)json_integer_value(value);
	return true;
}

static bool take_bool(const json_t *value, bool *ret_bool)
{
	*ret_bool = json_is_true(value);
	return json_is_boolean(value);
}

/* --- args ---------------------------------------------------------------------------------- */

static bool take_value(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_HAS_VALUE;
	return take_slice(value, &line->operation.value);
}

static bool take_expect(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_HAS_EXPECT;
	line->operation.expect_absent = json_is_null(value);
	return json_is_null(value) || take_slice(value, &line->operation.expect);
}

static bool take_expect_rev(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_HAS_EXPECT_REV;
	return take_number(value, &line->operation.expect_rev);
}

static bool take_max_rev(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_HAS_MAX_REV;
	line->operation.max_rev = json_integer_value(value);
	return json_is_integer(value);
}

static bool take_token(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_HAS_TOKEN;
	return take_number(value, &line->operation.token);
}

static bool take_at_rev(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_HAS_AT_REV;
	return take_number(value, &line->operation.at_rev);
}

static bool take_limit(struct line *line, const json_t *value)
{
	uint64_t limit = 0;

	line->operation.has |= LINCHECK_HAS_LIMIT;
	if (!take_number(value, &limit) || limit > UINT32_MAX) {
		return false;
	}
	line->operation.limit = (uint32_t)limit;
	return true;
}

static const struct field args_fields[] = {
	{"value", take_value},           {"expect", take_expect},
	{"expect_rev", take_expect_rev}, {"max_rev", take_max_rev},
	{"token", take_token},           {"at_rev", take_at_rev},
	{"limit", take_limit},           {NULL, NULL},
};

/* --- result -------------------------------------------------------------------------------- */

static bool take_ok(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_TOLD_OK;
	return take_bool(value, &line->operation.ok);
}

static bool take_found(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_TOLD_FOUND;
	return take_bool(value, &line->operation.found);
}

static bool take_told_value(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_TOLD_VALUE;
	return take_slice(value, &line->operation.told_value);
}

static bool take_rev(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_TOLD_REV;
	return take_number(value, &line->operation.rev);
}

static bool take_told_token(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_TOLD_TOKEN;
	return take_number(value, &line->operation.told_token);
}

static bool take_holder(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_TOLD_HOLDER;
	return take_number(value, &line->operation.holder);
}

static bool take_srev(struct line *line, const json_t *value)
{
	line->operation.has |= LINCHECK_TOLD_SREV;
	return take_number(value, &line->operation.srev);
}

static const struct field result_fields[] = {
	{"ok", take_ok},         {"found", take_found}, {"value", take_told_value},
	{"rev", take_rev},       {"srev", take_srev},   {"token", take_told_token},
	{"holder", take_holder}, {NULL, NULL},
};

/* --- the line ------------------------------------------------------------------------------ */

static void take_fields(struct line *line, const struct field *fields, json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		const struct field *field = fields;

		while (field->name != NULL && strcmp(field->name, name) != 0) {
			field++;
		}
		if (line->fault != NULL) {
			return;
		}
		if (field->name == NULL) {
			line->fault = "is not a field";
			line->fault_key = name;
		} else if (!field->take(line, value)) {
			line->fault =
				line->fault != NULL ? line->fault : "is not of the right kind";
			line->fault_key = line->fault_key != NULL ? line->fault_key : name;
		}
	}
}

static bool take_client(struct line *line, const json_t *value)
{
	if (json_is_integer(value)) {
		const int size = snprintf(line->client, sizeof(line->client),
		                          "%" JSON_INTEGER_FORMAT, json_integer_value(value));

		line->operation.client = slice_make(line->client, (size_t)size);
		return true;
	}
	return take_slice(value, &line->operation.client);
}

static bool take_op(struct line *line, const json_t *value)
{
	line->has_op = true;
	for (unsigned kind = 0; json_is_string(value) && kind < LINCHECK_KIND_COUNT; kind++) {
		if (strcmp(json_string_value(value), lincheck_kind_text(kind)) == 0) {
			line->operation.kind = kind;
			return true;
		}
	}
	line->fault = "is an unknown operation";
	return false;
}

static bool take_key(struct line *line, const json_t *value)
{
	line->has_key = true;
	return take_slice(value, &line->operation.key);
}

static bool take_args(struct line *line, const json_t *value)
{
	take_fields(line, args_fields, (json_t *)(uintptr_t)value);
	return json_is_object(value);
}

static bool take_result(struct line *line, const json_t *value)
{
	take_fields(line, result_fields, (json_t *)(uintptr_t)value);
	return json_is_object(value);
}

static bool take_call(struct line *line, const json_t *value)
{
	line->has_call = true;
	line->operation.call_ns = json_integer_value(value);
	return json_is_integer(value);
}

static bool take_ret(struct line *line, const json_t *value)
{
	line->has_ret = true;
	line->operation.ret_ns = json_integer_value(value);
	return json_is_integer(value);
}

static bool take_unknown(struct line *line, const json_t *value)
{
	return take_bool(value, &line->operation.unknown);
}

static const struct field line_fields[] = {
	{"client", take_client}, {"op", take_op},           {"key", take_key},
	{"args", take_args},     {"call", take_call},       {"ret", take_ret},
	{"result", take_result}, {"unknown", take_unknown}, {NULL, NULL},
};

static const char *missing_of(const struct line *line)
{
	if (!line->has_op) {
		return "op";
	}
	if (!line->has_key) {
		return "key";
	}
	if (line->operation.kind == LINCHECK_INIT) {
		return NULL;
	}
	if (!line->has_call) {
		return "call";
	}
	return line->has_ret || line->operation.unknown ? NULL : "ret";
}

static int take_line(struct lincheck *lincheck, uint64_t number, const char *data, size_t size,
                     char ret_reason[256])
{
	struct line line = {.operation = {.line = number}};
	const char *reason = "";
	json_error_t error;
	json_t *object;
	int r = -EBADMSG;

	object = json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (object == NULL) {
		(void)snprintf(ret_reason, 256, "line %ju: %s", (uintmax_t)number, error.text);
		return r;
	}
	take_fields(&line, line_fields, object);
	if (!json_is_object(object)) {
		(void)snprintf(ret_reason, 256, "line %ju: is no object", (uintmax_t)number);
	} else if (line.fault != NULL) {
		(void)snprintf(ret_reason, 256, "line %ju: \"%s\" %s", (uintmax_t)number,
		               line.fault_key, line.fault);
	} else if (missing_of(&line) != NULL) {
		(void)snprintf(ret_reason, 256, "line %ju: \"%s\" is missing", (uintmax_t)number,
		               missing_of(&line));
	} else {
		r = lincheck_add(lincheck, &line.operation, &reason);
		if (r != 0) {
			(void)snprintf(ret_reason, 256, "line %ju: %s", (uintmax_t)number, reason);
		}
		r = r == -EINVAL ? -EBADMSG : r;
	}
	json_decref(object);
	return r;
}

static bool is_blank(const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (strchr(" \t\r\n", data[i]) == NULL || data[i] == 0) {
			return false;
		}
	}
	return true;
}

int history_read(struct lincheck *lincheck, FILE *file, char ret_reason[256])
{
	char *data = NULL;
	size_t room = 0;
	uint64_t number = 0;
	ssize_t size;
	int r = 0;

	while (r == 0 && (size = getline(&data, &room, file)) >= 0) {
		number++;
		if (data[0] != '#' && !is_blank(data, (size_t)size)) {
			r = take_line(lincheck, number, data, (size_t)size, ret_reason);
		}
	}
	if (r == 0 && ferror(file)) {
		(void)snprintf(ret_reason, 256, "cannot be read");
		r = -EIO;
	}
	free(data);
	return r;
}
