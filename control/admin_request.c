/* SPDX-License-Identifier: Apache-2.0 */
#include "control/admin_request.h"

#include <jansson.h>
#include <string.h>

#include "store/base/check.h"

static const char wrong_word[] = "a command has 1 to 31 lower case letters, digits and -";
static const char wrong_argument[] = "an argument is not empty and has no control characters";
static const char wrong_object[] =
	"a request is {\"command\": NAME, \"arguments\": [TEXT, ...]} and nothing else";

static const char *take_command(const char *word, size_t size, struct ctl_admin_request *request)
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
	memcpy(request->command, word, size);
	request->command[size] = '\0';
	return NULL;
}

/* `used` bytes of the text are taken. All arguments together are shorter than their line. */
static const char *take_argument(const char *word, size_t size, struct ctl_admin_request *request,
                                 size_t *used)
{
	if (request->count == CTL_ADMIN_ARGUMENTS_MAX) {
		return "a command has at most 8 arguments";
	}
	if (size == 0) {
		return wrong_argument;
	}
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)word[i] < ' ' || word[i] == 127) {
			return wrong_argument;
		}
	}
	must(*used + size + 1 <= sizeof(request->text));
	memcpy(request->text + *used, word, size);
	request->text[*used + size] = '\0';
	request->arguments[request->count++] = request->text + *used;
	*used += size + 1;
	return NULL;
}

static const char *take_array(const json_t *array, struct ctl_admin_request *request)
{
	const char *wrong = NULL;
	size_t used = 0;

	for (size_t i = 0; i < json_array_size(array) && wrong == NULL; i++) {
		const json_t *argument = json_array_get(array, i);

		if (!json_is_string(argument)) {
			return wrong_object;
		}
		wrong = take_argument(json_string_value(argument), json_string_length(argument),
		                      request, &used);
	}
	return wrong;
}

static const char *take_object(struct slice line, struct ctl_admin_request *request)
{
	json_t *object =
		json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES, NULL);
	const char *wrong = "this is not a JSON object";
	const json_t *command, *arguments;

	if (json_is_object(object)) {
		command = json_object_get(object, "command");
		arguments = json_object_get(object, "arguments");
		if (!json_is_string(command) || (arguments != NULL && !json_is_array(arguments)) ||
		    json_object_size(object) != (arguments != NULL ? 2 : 1)) {
			wrong = wrong_object;
		} else {
			wrong = take_command(json_string_value(command),
			                     json_string_length(command), request);
			wrong = wrong != NULL ? wrong : take_array(arguments, request);
		}
	}
	json_decref(object);
	return wrong;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static const char *take_words(struct slice line, struct ctl_admin_request *request)
{
	const char *wrong = NULL;
	size_t used = 0, at = 0, end;

	for (unsigned words = 0; wrong == NULL; words++) {
		while (words != 0 && at < line.size && is_space(line.data[at])) {
			at++;
		}
		if (words != 0 && at == line.size) {
			break;
		}
		for (end = at; end < line.size && !is_space(line.data[end]); end++) {
		}
		if (words == 0) {
			wrong = take_command((const char *)line.data + at, end - at, request);
		} else {
			wrong = take_argument((const char *)line.data + at, end - at, request,
			                      &used);
		}
		at = end;
	}
	return wrong;
}

const char *ctl_admin_parse(struct slice line, struct ctl_admin_request *ret_request)
{
	if (line.size > CTL_ADMIN_LINE_MAX) {
		return "a request has at most 1024 bytes";
	}
	ret_request->count = 0;
	if (line.size != 0 && line.data[0] == '{') {
		return take_object(line, ret_request);
	}
	return take_words(line, ret_request);
}
