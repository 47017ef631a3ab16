/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

void ctl_printer_init(struct ctl_printer *printer, bool is_json, enum coffer_verb verb,
                      const char *path)
{
	*printer = (struct ctl_printer){
		.is_json = is_json, .separator = '\n', .verb = verb, .path = path};
}

static const char *role_text(unsigned role)
{
	static const char *const texts[] = {"unknown", "follower", "candidate", "leader",
	                                    "outsider"};

	return role < sizeof(texts) / sizeof(texts[0]) ? texts[role] : texts[0];
}

const char *ctl_durability_text(unsigned durability)
{
	static const char *const texts[] = {"unknown", "memory", "disk"};

	return durability < sizeof(texts) / sizeof(texts[0]) ? texts[durability] : texts[0];
}

const char *ctl_kind_text(enum coffer_event_kind kind)
{
	return kind == COFFER_EVENT_SET ? "set" : "del";
}

const char *ctl_cause_text(enum coffer_cause cause)
{
	static const char *const texts[] = {
		[COFFER_CAUSE_ASKED] = "asked",     [COFFER_CAUSE_RELEASED] = "released",
		[COFFER_CAUSE_EXPIRED] = "expired", [COFFER_CAUSE_REVOKED] = "revoked",
		[COFFER_CAUSE_GRANTED] = "granted", [COFFER_CAUSE_RESTED] = "rested",
	};

	return (size_t)cause < sizeof(texts) / sizeof(texts[0]) ? texts[cause] : "unknown";
}

/* --- JSON --------------------------------------------------------------------------------- */

bool ctl_print_object(json_t *object)
{
	bool is_good = object != NULL && json_dumpf(object, stdout, JSON_PRESERVE_ORDER) == 0;

	json_decref(object);
	return is_good && putchar('\n') != EOF;
}

/* Bytes in base 64 (RFC 4648, 4). Given to free(); NULL: no memory. */
static char *base64(const uint8_t *bytes, size_t size)
{
	const size_t room = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL);
	char *text = malloc(room);

	if (text != NULL) {
		(void)sodium_bin2base64(text, room, bytes, size, sodium_base64_VARIANT_ORIGINAL);
	}
	return text;
}

bool ctl_add_value(json_t *object, const void *value, size_t size)
{
	json_t *text = json_stringn(size != 0 ? value : "", size);
	char *bytes;
	bool is_good;

	if (text != NULL) {
		return json_object_set_new(object, "value", text) == 0;
	}
	bytes = base64(value, size);
	is_good = bytes != NULL &&
	          json_object_set_new(object, "value_base64", json_string(bytes)) == 0;
	free(bytes);
	return is_good;
}

void ctl_print_word(const void *bytes, size_t size)
{
	const unsigned char *text = bytes;
	json_t *string = json_stringn(size != 0 ? bytes : "", size);
	const bool is_utf8 = string != NULL;
	bool is_bare = size != 0 && text[0] != '#';

	json_decref(string);
	for (size_t i = 0; i < size; i++) {
		is_bare = is_bare && text[i] > ' ' && text[i] < 0x7f && text[i] != '"';
	}
	if (is_bare) {
		(void)fwrite(bytes, 1, size, stdout);
		return;
	}
	(void)putchar('"');
	for (size_t i = 0; i < size; i++) {
		const bool is_control = text[i] < ' ' || text[i] == 0x7f ||
		                        (text[i] >= 0x80 && !is_utf8) ||
		                        (text[i] == 0xc2 && text[i + 1] < 0xa0) ||
		                        (i > 0 && text[i - 1] == 0xc2 && text[i] < 0xa0);

		if (text[i] == '"' || text[i] == '\\') {
			(void)printf("\\%c", text[i]);
		} else if (is_control) {
			(void)printf("\\x%02x", text[i]);
		} else {
			(void)putchar(text[i]);
		}
	}
	(void)putchar('"');
}

/* --- entries ------------------------------------------------------------------------------ */

int ctl_printer_entry(void *context, const struct coffer_entry *entry)
{
	struct ctl_printer *printer = context;

	/* Names are valid UTF-8 (store/path.h); if a server's is not, there is no JSON of it. */
	if (printer->is_json) {
		if (!ctl_print_object(json_pack("{s:s%, s:s, s:I}",
		                                printer->verb == COFFER_FIND ? "path" : "name",
		                                entry->name, entry->name_size, "type",
		                                entry->is_directory ? "directory" : "file",
		                                "revision", (json_int_t)entry->revision))) {
			printer->is_bad = true;
		}
	} else {
		(void)fwrite(entry->name, 1, entry->name_size, stdout);
		if (entry->is_directory && printer->verb == COFFER_LIST) {
			(void)putchar('/');
		}
		(void)putchar(printer->separator);
	}
	/* A pipe that was closed wants no more. */
	return ferror(stdout) != 0 || printer->is_bad;
}

/* --- one result --------------------------------------------------------------------------- */

/* A file that goes with a session; a lock that rests goes with none. */
static bool has_session(const struct coffer_result *result)
{
	return result->owner != 0 && result->owner != UINT64_MAX;
}

static void print_text(const struct ctl_printer *printer, const struct coffer_result *result)
{
	switch (printer->verb) {
	case COFFER_SET:
	case COFFER_DELETE:
		if (printer->is_sequence) {
			(void)printf("%s\n", printer->path);
		} else {
			(void)printf("%lld\n", (long long)result->revision);
		}
		break;
	case COFFER_TXN:
		(void)printf("%lld\n", (long long)result->number);
		break;
	case COFFER_GET:
		(void)fwrite(result->value, 1, result->value_size, stdout);
		break;
	case COFFER_STAT:
		if (result->is_directory) {
			(void)printf("directory children %u%s\n", result->children,
			             result->has_more ? " or more" : "");
		} else {
			(void)printf("file revision %lld size %u", (long long)result->revision,
			             result->count);
			if (has_session(result)) {
				(void)printf(" session %llu", (unsigned long long)result->owner);
			}
			(void)putchar('\n');
		}
		break;
	case COFFER_REV:
		(void)printf("%lld\n", (long long)result->store_revision);
		break;
	case COFFER_SELF:
		(void)printf("node %u\nrole %s\nleader %u\ndurability %s\nrevision %lld\n",
		             result->node, role_text(result->role), result->leader,
		             ctl_durability_text(result->durability),
		             (long long)result->store_revision);
		break;
	case COFFER_LIST:
	case COFFER_FIND:
	case COFFER_NOP:
	case COFFER_CLOSE:
	case COFFER_SESSIONS:
	case COFFER_OWNED:
		break;
	}
}

static json_t *get_object(const struct ctl_printer *printer, const struct coffer_result *result)
{
	json_t *object =
		json_pack("{s:s?, s:I, s:I}", "path", printer->path, "revision",
	                  (json_int_t)result->revision, "size", (json_int_t)result->value_size);

	if (object != NULL && !ctl_add_value(object, result->value, result->value_size)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *stat_object(const struct ctl_printer *printer, const struct coffer_result *result)
{
	json_t *object;

	if (result->is_directory) {
		return json_pack("{s:s?, s:s, s:I, s:b}", "path", printer->path, "type",
		                 "directory", "children", (json_int_t)result->children, "more",
		                 result->has_more);
	}
	object = json_pack("{s:s?, s:s, s:I, s:I}", "path", printer->path, "type", "file",
	                   "revision", (json_int_t)result->revision, "size",
	                   (json_int_t)result->count);
	if (object != NULL && has_session(result)) {
		(void)json_object_set_new(object, "session",
		                          json_integer((json_int_t)result->owner));
	}
	return object;
}

static json_t *done_object(const struct ctl_printer *printer, const struct coffer_result *result)
{
	const json_int_t revision = result->revision;

	switch (printer->verb) {
	case COFFER_SET:
	case COFFER_DELETE:
		return json_pack("{s:s?, s:I, s:s}", "path", printer->path, "revision", revision,
		                 "durability", ctl_durability_text(result->durability));
	case COFFER_TXN:
		return json_pack("{s:s?, s:I, s:I, s:s}", "path", printer->path, "number",
		                 (json_int_t)result->number, "revision", revision, "durability",
		                 ctl_durability_text(result->durability));
	case COFFER_GET:
		return get_object(printer, result);
	case COFFER_STAT:
		return stat_object(printer, result);
	case COFFER_SELF:
		return json_pack("{s:i, s:s, s:i, s:s, s:I}", "node", result->node, "role",
		                 role_text(result->role), "leader", result->leader, "durability",
		                 ctl_durability_text(result->durability), "revision",
		                 (json_int_t)result->store_revision);
	case COFFER_REV:
	case COFFER_NOP:
	case COFFER_CLOSE:
	case COFFER_LIST:
	case COFFER_FIND:
	case COFFER_SESSIONS:
	case COFFER_OWNED:
		break;
	}
	return json_pack("{s:I}", "revision", (json_int_t)result->store_revision);
}

static json_t *failed_object(const struct ctl_printer *printer, const struct coffer_result *result)
{
	json_t *object = json_pack("{s:s, s:s}", "outcome", coffer_outcome_text(result->outcome),
	                           "answer", coffer_answer_text(result->answer));

	if (object != NULL && printer->path != NULL) {
		/* A path of the command line that is not UTF-8 is left out. */
		(void)json_object_set_new(object, "path", json_string(printer->path));
	}
	if (object != NULL && printer->place != NULL) {
		(void)json_object_set_new(object, "place", json_string(printer->place));
	}
	if (object != NULL &&
	    (result->answer == COFFER_MISMATCH || result->answer == COFFER_TOO_LATE)) {
		(void)json_object_set_new(object, "revision", json_integer(result->revision));
	}
	return object;
}

static bool flush(void)
{
	return fflush(stdout) == 0 && ferror(stdout) == 0;
}

bool ctl_printer_end(struct ctl_printer *printer, const struct coffer_result *result)
{
	const bool is_done = result->outcome == COFFER_DONE;
	const bool is_list = printer->verb == COFFER_LIST || printer->verb == COFFER_FIND;

	if (!printer->is_json && is_done) {
		print_text(printer, result);
	} else if (printer->is_json && !printer->is_bad && !(is_done && is_list)) {
		printer->is_bad = !ctl_print_object(is_done ? done_object(printer, result)
		                                            : failed_object(printer, result));
	}
	return flush() && !printer->is_bad;
}

/* --- events ------------------------------------------------------------------------------- */

bool ctl_print_event(bool is_json, const struct coffer_event *event)
{
	json_t *object;

	if (!is_json) {
		(void)fwrite(event->path, 1, event->path_size, stdout);
		(void)printf(" %lld %s %zu\n", (long long)event->revision,
		             ctl_kind_text(event->kind), event->value_size);
		(void)fwrite(event->value, 1, event->value_size, stdout);
		(void)putchar('\n');
		return flush();
	}
	object = json_pack("{s:s%, s:I, s:s, s:s, s:I, s:I}", "path", event->path, event->path_size,
	                   "revision", (json_int_t)event->revision, "kind",
	                   ctl_kind_text(event->kind), "cause", ctl_cause_text(event->cause),
	                   "previous", (json_int_t)event->previous, "entry_last",
	                   (json_int_t)event->entry_last);
	if (object != NULL && event->kind == COFFER_EVENT_SET &&
	    !ctl_add_value(object, event->value, event->value_size)) {
		json_decref(object);
		object = NULL;
	}
	return ctl_print_object(object) && flush();
}

bool ctl_print_no_event(int64_t next)
{
	return ctl_print_object(
		       json_pack("{s:s, s:I}", "outcome", "no event", "next", (json_int_t)next)) &&
	       flush();
}

bool ctl_print_sync(bool is_json, int64_t revision, unsigned written, unsigned removed,
                    unsigned passed)
{
	if (!is_json) {
		(void)printf("revision %lld written %u removed %u passed over %u\n",
		             (long long)revision, written, removed, passed);
		return flush();
	}
	return ctl_print_object(json_pack("{s:I, s:I, s:I, s:I}", "revision", (json_int_t)revision,
	                                  "written", (json_int_t)written, "removed",
	                                  (json_int_t)removed, "passed_over",
	                                  (json_int_t)passed)) &&
	       flush();
}
