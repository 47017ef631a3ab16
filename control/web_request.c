/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_request.h"

#include <stdint.h>
#include <string.h>

static const struct {
	const char *name;
	enum ctl_web_verb verb;
} verbs[] = {
	{"watch", CTL_WEB_WATCH},     {"get", CTL_WEB_GET}, {"stat", CTL_WEB_STAT},
	{"history", CTL_WEB_HISTORY}, {"set", CTL_WEB_SET}, {"delete", CTL_WEB_DELETE},
	{"access", CTL_WEB_ACCESS},
};

static bool take_verb(const json_t *object, enum ctl_web_verb *ret_verb)
{
	const char *name = json_string_value(json_object_get(object, "do"));

	for (size_t i = 0; name != NULL && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) == 0) {
			*ret_verb = verbs[i].verb;
			return true;
		}
	}
	return false;
}

static bool take_text(const json_t *object, const char *key, struct slice *ret_text)
{
	const json_t *text = json_object_get(object, key);

	if (!json_is_string(text)) {
		return false;
	}
	*ret_text = slice_make(json_string_value(text), json_string_length(text));
	return true;
}

/* A number from 0 on; `fallback` if it is left out, and that is negative where it may not be. */
static bool take_number(const json_t *object, const char *key, json_int_t fallback,
                        json_int_t *ret_number)
{
	const json_t *number = json_object_get(object, key);
	const json_int_t value = number == NULL ? fallback : json_integer_value(number);

	if ((number != NULL && !json_is_integer(number)) || value < 0) {
		return false;
	}
	*ret_number = value;
	return true;
}

static bool take_all(const json_t *object, struct ctl_web_request *request)
{
	json_int_t rev = 0, most = 0;
	bool writes;

	if (!take_verb(object, &request->verb)) {
		return false;
	}
	if (request->verb == CTL_WEB_ACCESS) {
		return take_text(object, "secret", &request->text);
	}
	if (request->verb == CTL_WEB_WATCH) {
		if (!take_text(object, "glob", &request->path) ||
		    !take_number(object, "from", 0, &rev)) {
			return false;
		}
		request->rev = rev;
		return true;
	}
	writes = request->verb == CTL_WEB_SET || request->verb == CTL_WEB_DELETE;
	if (!take_number(object, "id", -1, &request->id) ||
	    !take_text(object, "path", &request->path) ||
	    !take_number(object, "rev", writes ? -1 : 0, &rev) ||
	    !take_number(object, "most", INT64_MAX, &most) ||
	    (request->verb == CTL_WEB_SET && !take_text(object, "text", &request->text))) {
		return false;
	}
	request->rev = rev;
	request->most = (size_t)most;
	return true;
}

bool ctl_web_request_parse(struct slice message, struct ctl_web_request *ret_request)
{
	struct ctl_web_request request = {0};

	request.owner = json_loadb((const char *)message.data, message.size,
	                           JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (request.owner == NULL || !take_all(request.owner, &request)) {
		json_decref(request.owner);
		return false;
	}
	*ret_request = request;
	return true;
}

void ctl_web_request_free(struct ctl_web_request *request)
{
	json_decref(request->owner);
	*request = (struct ctl_web_request){0};
}
