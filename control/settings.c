/* SPDX-License-Identifier: Apache-2.0 */
#include "control/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/host.h"
#include "control/whole_file.h"

enum {
	NAME_SIZE = 40 /* of a key, the end included; longer ones are none */
};

/* The rest of a configuration, so that settings can be read as one. */
static const char made_up[] = "cluster = 1\nnode = 1\nserver.1 = 127.0.0.1:1\n";

/* --- lines ----------------------------------------------------------------------------------- */

/* Cuts off a line, its end included; `ret_name` is its key, or "". False: there is none. */
static bool next_line(const char **text, struct slice *ret_line, char ret_name[NAME_SIZE])
{
	const char *end = strchr(*text, '\n');
	const char *name = *text + strspn(*text, " \t");
	const size_t size = strcspn(name, " \t=\r\n");

	if (**text == '\0') {
		return false;
	}
	*ret_line = slice_make(*text, end != NULL ? (size_t)(end + 1 - *text) : strlen(*text));
	(void)snprintf(ret_name, NAME_SIZE, "%.*s", *name == '#' ? 0 : (int)size, name);
	*text += ret_line->size;
	return true;
}

static bool has_key(const char *text, const char *name)
{
	char other[NAME_SIZE];
	struct slice line;

	while (next_line(&text, &line, other)) {
		if (strcmp(name, other) == 0) {
			return true;
		}
	}
	return false;
}

/* --- reading --------------------------------------------------------------------------------- */

static bool is_found_out(const char *name)
{
	static const char *const names[] = {"cluster", "name",   "node",     "members",
	                                    "boot",    "listen", "transport"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			return true;
		}
	}
	return strncmp(name, "server.", 7) == 0 || strncmp(name, "port.", 5) == 0;
}

/* Puts whole lines behind those there are. Takes `text`, which may be NULL: no memory. */
static int add_text(struct ctl_settings *settings, char *text, const char *from,
                    struct ctl_reason *ret_reason)
{
	const char *at = text;
	char name[NAME_SIZE], *both = NULL;
	unsigned number = 0;
	struct slice line;

	while (at != NULL && next_line(&at, &line, name)) {
		number++;
		if (is_found_out(name)) {
			ctl_reason_say(
				ret_reason,
				"%.200s:%u: `%s` is found out by --boot, or --join and --listen; "
				"remove it, or write a whole configuration",
				from, number, name);
			free(text);
			return -EINVAL;
		}
	}
	if (text == NULL || asprintf(&both, "%s%s\n", settings->text, text) < 0) {
		ctl_reason_say(ret_reason, "no memory for the settings; free some");
		free(text);
		return -ENOMEM;
	}
	free(text);
	free(settings->text);
	settings->text = both;
	return 0;
}

static int add_file(struct ctl_settings *settings, const char *file, struct ctl_reason *ret_reason)
{
	char *text;
	size_t size;
	int r = ctl_whole_file_read(file, CTL_CONFIG_SIZE_MAX, &text, &size);

	if (r == 0 && strlen(text) != size) {
		free(text);
		r = -EINVAL;
	}
	if (r < 0) {
		ctl_reason_say(ret_reason, "--settings %.200s: it cannot be read (%s)", file,
		               strerror(-r));
		return r;
	}
	return add_text(settings, text, file, ret_reason);
}

static int add_pair(struct ctl_settings *settings, const char *pair, struct ctl_reason *ret_reason)
{
	if (strchr(pair, '=') == NULL || strchr(pair, '\n') != NULL) {
		ctl_reason_say(ret_reason, "--set %.100s: it is KEY=VALUE", pair);
		return -EINVAL;
	}
	return add_text(settings, strdup(pair), "--set", ret_reason);
}

static int parse(const char *text, const char *name, struct ctl_config *ret_config,
                 struct ctl_reason *ret_reason)
{
	return ctl_config_parse(ret_config, name, slice_text(text), ctl_host_resolve, ret_reason);
}

int ctl_settings_read(struct ctl_settings *settings, const char *file, const char *const *pairs,
                      unsigned count, struct ctl_reason *ret_reason)
{
	char *whole = NULL;
	int r = 0;

	*settings =
		(struct ctl_settings){.text = strdup(""), .from = file != NULL ? file : "--set"};
	if (settings->text == NULL) {
		ctl_reason_say(ret_reason, "no memory for the settings; free some");
		return -ENOMEM;
	}
	if (file != NULL) {
		r = add_file(settings, file, ret_reason);
	}
	for (unsigned i = 0; r == 0 && i < count; i++) {
		r = add_pair(settings, pairs[i], ret_reason);
	}
	if (r == 0 && asprintf(&whole, "%s%s", settings->text, made_up) < 0) {
		whole = NULL;
		ctl_reason_say(ret_reason, "no memory for the settings; free some");
		r = -ENOMEM;
	}
	r = r < 0 ? r : parse(whole, settings->from, &settings->config, ret_reason);
	free(whole);
	return r;
}

void ctl_settings_free(struct ctl_settings *settings)
{
	free(settings->text);
	settings->text = NULL;
}

/* --- comparing ------------------------------------------------------------------------------- */

static bool is_same(const struct ctl_key *key, const struct ctl_config *one,
                    const struct ctl_config *other)
{
	const void *a = (const uint8_t *)one + key->offset;
	const void *b = (const uint8_t *)other + key->offset;
	const struct ctl_address *x = a, *y = b;
	const struct ctl_cores *c = a, *d = b;

	switch (key->type) {
	case CTL_KEY_HEX64:
	case CTL_KEY_NUMBER:
	case CTL_KEY_MILLIS:
	case CTL_KEY_CHOICE:
	case CTL_KEY_SET:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case CTL_KEY_TEXT:
	case CTL_KEY_NAME:
	case CTL_KEY_HOSTS:
		return strcmp(a, b) == 0;
	case CTL_KEY_ADDRESS:
		return x->is_none == y->is_none && x->ip == y->ip && x->port == y->port;
	case CTL_KEY_CORES:
		return c->count == d->count &&
		       memcmp(c->numbers, d->numbers, c->count * sizeof(c->numbers[0])) == 0;
	case CTL_KEY_SERVER:
	case CTL_KEY_PORT:
		return true; /* is_found_out() */
	}
	return false;
}

/* Of those keys that stand in `only`, too. */
static int agree(const struct ctl_settings *settings, const char *only,
                 const struct ctl_config *config, const char *name, struct ctl_reason *ret_reason)
{
	unsigned count;
	const struct ctl_key *keys = ctl_config_keys(&count);

	for (unsigned i = 0; i < count; i++) {
		if (has_key(settings->text, keys[i].name) && has_key(only, keys[i].name) &&
		    !is_same(&keys[i], &settings->config, config)) {
			ctl_reason_say(
				ret_reason,
				"`%s` is another one in %.200s than in %.200s; let both say the "
				"same, or one nothing",
				keys[i].name, settings->from, name);
			return -EINVAL;
		}
	}
	return 0;
}

int ctl_settings_agree(const struct ctl_settings *settings, const struct ctl_config *config,
                       const char *name, struct ctl_reason *ret_reason)
{
	return agree(settings, settings->text, config, name, ret_reason);
}

/* The lines of `text` whose keys do not stand in `but`. */
static void print_others(FILE *out, const char *text, const char *but)
{
	char name[NAME_SIZE];
	struct slice line;

	while (next_line(&text, &line, name)) {
		if (name[0] != '\0' && !has_key(but, name)) {
			(void)fprintf(out, "%.*s%s", (int)line.size, (const char *)line.data,
			              line.data[line.size - 1] == '\n' ? "" : "\n");
		}
	}
}

int ctl_settings_compose(const struct ctl_settings *settings, const char *base, const char *name,
                         const char *rest, char **ret_text, struct ctl_reason *ret_reason)
{
	static struct ctl_config config; /* large */
	char *text = NULL;
	size_t size;
	FILE *out;
	int r = parse(base, name, &config, ret_reason);

	r = r < 0 ? r : agree(settings, base, &config, name, ret_reason);
	if (r < 0) {
		return r;
	}
	out = open_memstream(&text, &size);
	if (out != NULL) {
		(void)fputs(base, out);
		print_others(out, settings->text, base);
		print_others(out, rest, settings->text);
	}
	if (out == NULL || fclose(out) != 0) {
		free(text);
		ctl_reason_say(ret_reason, "no memory for the configuration; free some");
		return -ENOMEM;
	}
	*ret_text = text;
	return 0;
}
