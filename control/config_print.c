/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config.h"

#include <string.h>

#include "store/base/check.h"

enum {
	WIDTH = 98, /* of a comment's text; "# " stands before it */
	RANGE_SIZE = 64,
};

static const char head[] =
	"# SPDX-License-"
	"Identifier: Apache-2.0\n"
	"# coffer.conf - what cofferd is told at its start; its usual place is "
	"/etc/coffer/coffer.conf\n"
	"#\n"
	"#      key = value      # and a comment; a # inside of a word begins none\n"
	"#\n"
	"# Every key there is stands below, switched off, with its default, or with an example "
	"where "
	"it has\n"
	"# none. `cofferd -c FILE --check` says whether a file is good. Printed by "
	"`cofferd --print-config`.\n";

/* Lines for those keys whose default could not stand in a file, or that have none. */
static const struct {
	const char *name, *lines;
} examples[] = {
	{"cluster", "cluster = 4b0f6d12c3a85e97"},
	{"node", "node = 1"},
	{"server.N", "server.1 = 10.0.0.1:8046\n"
                     "server.2 = 10.0.0.2:8046\n"
                     "server.3 = 10.0.0.3:8046"},
	{"listen", "listen = 10.0.0.1:8046"},
	{"gateway", "gateway = 10.0.0.1:8046"},
	{"port.N", "port.1 = link /dev/shm/coffer-1-2 first peer 2\n"
                   "port.2 = ethdev 0000:01:00.0 address 10.0.0.1/24 gateway 10.0.0.254"},
};

static const char *example_of(const struct ctl_key *key)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		if (strcmp(examples[i].name, key->name) == 0) {
			return examples[i].lines;
		}
	}
	return NULL;
}

/* A comment, broken between words; one that is longer than a line stands on a line of its own. */
static void print_comment(FILE *out, const char *text)
{
	while (*text != '\0') {
		size_t size = strcspn(text, " "), next;

		while (text[size] == ' ') {
			next = size + 1 + strcspn(text + size + 1, " ");
			if (next > WIDTH) {
				break;
			}
			size = next;
		}
		(void)fprintf(out, "# %.*s\n", (int)size, text);
		text += size + (text[size] == ' ' ? 1 : 0);
	}
}

/* "server.1 = ...\nserver.2 = ...", each switched off. */
static void print_lines(FILE *out, const char *lines)
{
	while (*lines != '\0') {
		const size_t size = strcspn(lines, "\n");

		(void)fprintf(out, "#%.*s\n", (int)size, lines);
		lines += size + (lines[size] == '\n' ? 1 : 0);
	}
}

static void print_key(FILE *out, const struct ctl_key *key)
{
	const char *example = example_of(key);
	const bool must_be_given = key->fallback == NULL && key->type != CTL_KEY_PORT;
	char range[RANGE_SIZE];

	ctl_config_range_text(key, range, sizeof(range));
	(void)fputs("\n", out);
	print_comment(out, key->text);
	if (must_be_given || range[0] != '\0') {
		(void)fprintf(out, "# (%s%s%s)\n", must_be_given ? "must be given" : "",
		              must_be_given && range[0] != '\0' ? "; " : "", range);
	}
	must(example != NULL || key->fallback != NULL);
	if (example != NULL) {
		print_lines(out, example);
	} else {
		(void)fprintf(out, "#%s =%s%s\n", key->name, key->fallback[0] != '\0' ? " " : "",
		              key->fallback);
	}
}

void ctl_config_print(FILE *out)
{
	unsigned count;
	const struct ctl_key *keys = ctl_config_keys(&count);

	(void)fputs(head, out);
	for (unsigned i = 0; i < count; i++) {
		print_key(out, &keys[i]);
	}
}
