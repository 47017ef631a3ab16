/* SPDX-License-Identifier: Apache-2.0 */
#include "control/admin_request.h"

#include <jansson.h>
#include <string.h>

static const char wrong_word[] = "a command has 1 to 31 lower case letters, digits and -";

static const char *take_word(const char *word, size_t size, struct ctl_admin_request *ret_request)
{
	if (size == 0 || size >= CTL_ADMIN_COMMAND_MAX) {
		return wrong_word;
	}
	for (size_t i = 0; i < size; i++) {
		const char c = word[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
			return wrong_word;
		}
	}
	memcpy(ret_request->command, word, size);
	ret_request->command[size] = '\0';
	return NULL;
}

static const char *take_object(struct slice line, struct ctl_admin_request *ret_request)
{
	json_t *object =
		json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES, NULL);
	const char *wrong = "this is not a JSON object";
	const json_t *command;

	if (json_is_object(object)) {
		command = json_object_get(object, "command");
		if (!json_is_string(command) || json_object_size(object) != 1) {
			wrong = "a request is {\"command\": NAME} and nothing else";
		} else {
			wrong = take_word(json_string_value(command), json_string_length(command),
			                  ret_request);
		}
	}
	json_decref(object);
	return wrong;
}

const char *ctl_admin_parse(struct slice line, struct ctl_admin_request *ret_request)
{
	if (line.size > CTL_ADMIN_LINE_MAX) {
		return "a request has at most 1024 bytes";
	}
	while (line.size != 0 && strchr(" \t\r", line.data[line.size - 1]) != NULL &&
	       line.data[line.size - 1] != '\0') {
		line.size--;
	}
	if (line.size != 0 && line.data[0] == '{') {
		return take_object(line, ret_request);
	}
	return take_word((const char *)line.data, line.size, ret_request);
}
