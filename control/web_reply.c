/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_reply.h"

#include "control/web_text.h"
#include "store/answer.h"
#include "store/path.h"
#include "store/proto_page.h"

json_t *ctl_web_reply(const struct client_result *result, size_t most, bool *ret_ok)
{
	const struct proto_answer *answer = &result->answer;
	json_t *object;

	*ret_ok = result->outcome == CLIENT_DONE;
	if (result->outcome == CLIENT_UNKNOWN) {
		return json_pack("{s:s}", "answer", "no answer in time; it may have happened");
	}
	if (result->outcome == CLIENT_UNREACHED) {
		return json_pack("{s:s}", "answer", "no answer in time; nothing was changed");
	}
	object = json_pack("{s:s, s:i, s:I}", "answer", store_answer_text(answer->answer), "code",
	                   (int)answer->answer, "revision", (json_int_t)answer->revision);
	if (result->verb == PROTO_GET && *ret_ok) {
		(void)ctl_web_put_bytes(object, answer->value, most);
	}
	if (result->verb == PROTO_STAT && *ret_ok) {
		(void)json_object_set_new(object, "is_directory",
		                          json_boolean(answer->is_directory));
		(void)json_object_set_new(object, "children", json_integer(answer->children));
		(void)json_object_set_new(object, "more", json_boolean(answer->has_more));
		(void)json_object_set_new(object, "size", json_integer(answer->count));
	}
	return object;
}

json_t *ctl_web_reply_files(const struct proto_answer *answer)
{
	struct slice page = answer->value;
	struct proto_page_entry entry;
	json_t *files = json_array();
	bool bad = false;

	while (proto_page_next(&page, &entry, &bad) && entry.name.size <= STORE_PATH_SIZE_MAX) {
		(void)json_array_append_new(
			files, json_stringn((const char *)entry.name.data, entry.name.size));
		(void)json_array_append_new(files, json_integer(entry.revision));
	}
	if (bad) {
		json_decref(files);
		return NULL;
	}
	return files;
}
