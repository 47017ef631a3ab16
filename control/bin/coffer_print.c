/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ctl_printer_init(struct ctl_printer *printer, bool is_json, enum coffer_verb verb,
                      const char *path)
{
	const bool is_list = verb == COFFER_LIST || verb == COFFER_FIND;

	*printer = (struct ctl_printer){.is_json = is_json, .verb = verb, .path = path};
	if (is_json && is_list) {
		printer->entries = json_array();
		printer->is_bad = printer->entries == NULL;
	}
}

void ctl_printer_abandon(struct ctl_printer *printer)
{
	json_decref(printer->entries);
	printer->entries = NULL;
}

static const char *role_text(unsigned role)
{
	static const char *const texts[] = {"unknown", "follower", "candidate", "leader",
	                                    "outsider"};

	return role < sizeof(texts) / sizeof(texts[0]) ? texts[role] : texts[0];
}

static const char *durability_text(unsigned durability)
{
	static const char *const texts[] = {"unknown", "memory", "disk"};

	return durability < sizeof(texts) / sizeof(texts[0]) ? texts[durability] : texts[0];
}

/* --- entries ------------------------------------------------------------------------------ */

/* Names are valid UTF-8 (store/path.h); if a server's is not, there is no JSON of it. */
static json_t *entry_object(const struct ctl_printer *printer, const struct coffer_entry *entry)
{
	return json_pack("{s:s%, s:s, s:I}", printer->verb == COFFER_FIND ? "path" : "name",
	                 entry->name, entry->name_size, "type",
	                 entry->is_directory ? "directory" : "file", "revision",
	                 (json_int_t)entry->revision);
}

int ctl_printer_entry(void *context, const struct coffer_entry *entry)
{
	struct ctl_printer *printer = context;

	if (printer->is_json) {
		/* append_new refuses NULL and takes the rest. */
		if (json_array_append_new(printer->entries, entry_object(printer, entry)) != 0) {
			printer->is_bad = true;
		}
	} else {
		(void)fwrite(entry->name, 1, entry->name_size, stdout);
		(void)fputs(entry->is_directory ? "/\n" : "\n", stdout);
	}
	/* A pipe that was closed wants no more. */
	return ferror(stdout) != 0 || printer->is_bad;
}

/* --- text --------------------------------------------------------------------------------- */

static void print_text(const struct ctl_printer *printer, const struct coffer_result *result)
{
	switch (printer->verb) {
	case COFFER_SET:
	case COFFER_DELETE:
		(void)printf("%lld\n", (long long)result->revision);
		break;
	case COFFER_GET:
		(void)fwrite(result->value, 1, result->value_size, stdout);
		break;
	case COFFER_STAT:
		if (result->is_directory) {
			(void)printf("directory children %u\n", result->children);
		} else {
			(void)printf("file revision %lld size %u\n", (long long)result->revision,
			             result->count);
		}
		break;
	case COFFER_REV:
		(void)printf("%lld\n", (long long)result->store_revision);
		break;
	case COFFER_SELF:
		(void)printf("node %u\nrole %s\nleader %u\ndurability %s\nrevision %lld\n",
		             result->node, role_text(result->role), result->leader,
		             durability_text(result->durability),
		             (long long)result->store_revision);
		break;
	case COFFER_LIST:
	case COFFER_FIND:
	case COFFER_NOP:
		break;
	}
}

/* --- JSON --------------------------------------------------------------------------------- */

/* The value as text if it is UTF-8, else its bytes in base 16. NULL: no memory. */
static json_t *value_object(const struct coffer_result *result)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = result->value;
	const size_t size = result->value_size;
	json_t *text = json_stringn(size != 0 ? result->value : "", size);
	char *hex;
	json_t *object;

	if (text != NULL) {
		return json_pack("{s:o}", "value", text);
	}
	hex = malloc(2 * size + 1);
	if (hex == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < size; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	object = json_pack("{s:s%}", "value_hex", hex, 2 * size);
	free(hex);
	return object;
}

static json_t *done_object(const struct ctl_printer *printer, const struct coffer_result *result)
{
	const json_int_t revision = result->revision;
	json_t *object = NULL;

	switch (printer->verb) {
	case COFFER_SET:
	case COFFER_DELETE:
		return json_pack("{s:s?, s:I, s:s}", "path", printer->path, "revision", revision,
		                 "durability", durability_text(result->durability));
	case COFFER_GET:
		object = value_object(result);
		if (object != NULL) {
			(void)json_object_update_new(
				object,
				json_pack("{s:s?, s:I, s:I}", "path", printer->path, "revision",
			                  revision, "size", (json_int_t)result->value_size));
		}
		return object;
	case COFFER_STAT:
		if (result->is_directory) {
			return json_pack("{s:s?, s:s, s:I}", "path", printer->path, "type",
			                 "directory", "children", (json_int_t)result->children);
		}
		return json_pack("{s:s?, s:s, s:I, s:I}", "path", printer->path, "type", "file",
		                 "revision", revision, "size", (json_int_t)result->count);
	case COFFER_SELF:
		return json_pack("{s:i, s:s, s:i, s:s, s:I}", "node", result->node, "role",
		                 role_text(result->role), "leader", result->leader, "durability",
		                 durability_text(result->durability), "revision",
		                 (json_int_t)result->store_revision);
	case COFFER_REV:
	case COFFER_NOP:
		return json_pack("{s:I}", "revision", (json_int_t)result->store_revision);
	case COFFER_LIST:
	case COFFER_FIND:
		break;
	}
	return json_incref(printer->entries);
}

static json_t *failed_object(const struct ctl_printer *printer, const struct coffer_result *result)
{
	json_t *object = json_pack("{s:s, s:s}", "outcome", coffer_outcome_text(result->outcome),
	                           "answer", coffer_answer_text(result->answer));

	if (object != NULL && printer->path != NULL) {
		/* A path of the command line that is not UTF-8 is left out. */
		(void)json_object_set_new(object, "path", json_string(printer->path));
	}
	if (object != NULL && result->answer == COFFER_MISMATCH) {
		(void)json_object_set_new(object, "revision", json_integer(result->revision));
	}
	return object;
}

static void print_json(struct ctl_printer *printer, const struct coffer_result *result)
{
	json_t *object = result->outcome == COFFER_DONE ? done_object(printer, result)
	                                                : failed_object(printer, result);

	if (object == NULL ||
	    json_dumpf(object, stdout, JSON_ENCODE_ANY | JSON_PRESERVE_ORDER) != 0) {
		printer->is_bad = true;
	}
	json_decref(object);
	(void)putchar('\n');
}

bool ctl_printer_end(struct ctl_printer *printer, const struct coffer_result *result)
{
	if (printer->is_json && !printer->is_bad) {
		print_json(printer, result);
	} else if (result->outcome == COFFER_DONE) {
		print_text(printer, result);
	}
	ctl_printer_abandon(printer);
	return fflush(stdout) == 0 && ferror(stdout) == 0 && !printer->is_bad;
}
