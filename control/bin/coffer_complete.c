/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <editline/readline.h>

#include "control/bin/coffer_verbs.h"

enum {
	NAMES_MAX = 1000,  /* of a directory; whoever wants more types on */
	TIMEOUT_MS = 1000, /* of a person who pressed a key */
};

/* libedit's callbacks have no context. */
static struct {
	struct cli *cli;
	char *words[NAMES_MAX]; /* that fit; taken by libedit one by one */
	size_t count, next;
} completion;

static void add_word(const char *start, size_t start_size, const char *name, size_t name_size,
                     bool is_directory)
{
	char *word;

	if (completion.count == NAMES_MAX) {
		return;
	}
	word = malloc(start_size + name_size + 2);
	if (word == NULL) {
		return;
	}
	memcpy(word, start, start_size);
	memcpy(word + start_size, name, name_size);
	word[start_size + name_size] = is_directory ? '/' : '\0';
	word[start_size + name_size + 1] = '\0';
	completion.words[completion.count++] = word;
}

static void collect_verbs(const char *text)
{
	const struct cli_verb *verb;

	for (size_t i = 0; (verb = cli_verb_at(i)) != NULL; i++) {
		if (strncmp(verb->name, text, strlen(text)) == 0) {
			add_word("", 0, verb->name, strlen(verb->name), false);
		}
	}
}

struct match {
	const char *directory, *start; /* "/a/" and "b" of "/a/b" */
	size_t directory_size, start_size;
};

static int collect_entry(void *context, const struct coffer_entry *entry)
{
	const struct match *match = context;

	if (entry->name_size >= match->start_size &&
	    memcmp(entry->name, match->start, match->start_size) == 0) {
		add_word(match->directory, match->directory_size, entry->name, entry->name_size,
		         entry->is_directory);
	}
	return completion.count == NAMES_MAX;
}

/* Errors complete nothing: the verb will tell them. */
static void collect_paths(const char *text)
{
	const size_t size = (size_t)(strrchr(text, '/') - text) + 1;
	const struct match match = {.directory = text,
	                            .directory_size = size,
	                            .start = text + size,
	                            .start_size = strlen(text + size)};
	char directory[COFFER_PATH_SIZE_MAX + 1];
	const struct coffer_request request = {
		.verb = COFFER_LIST,
		.flags = COFFER_STALE,
		.path = directory,
		.timeout_ms = TIMEOUT_MS,
	};

	if (size > sizeof(directory)) {
		return;
	}
	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(size > 1 ? size - 1 : 1), text);
	(void)coffer_each(completion.cli->coffer, &request, collect_entry, (void *)&match, NULL,
	                  NULL);
}

/* libedit asks for one word after the other, and frees them. */
static char *next_word(const char *text, int state)
{
	(void)text;
	(void)state;
	return completion.next < completion.count ? completion.words[completion.next++] : NULL;
}

static char **complete(const char *text, int start, int end)
{
	char **words;
	size_t blanks;

	(void)end;
	/* Of libedit's own, which completes names of files here, nothing is wanted. */
	rl_attempted_completion_over = 1;
	blanks = strspn(rl_line_buffer, " \t");
	completion.count = 0;
	completion.next = 0;
	if (text[0] == '/') {
		collect_paths(text);
	} else if ((size_t)start <= blanks) {
		collect_verbs(text);
	}
	words = rl_completion_matches(text, next_word);
	/* One directory alone: go on below it. */
	rl_completion_append_character =
		words != NULL && words[0][0] != '\0' && words[0][strlen(words[0]) - 1] == '/' ? '\0'
											      : ' ';
	while (completion.next < completion.count) {
		free(completion.words[completion.next++]);
	}
	return words;
}

void cli_complete_begin(struct cli *cli)
{
	static char breaks[] = " \t\"'";

	completion.cli = cli;
	rl_attempted_completion_function = complete;
	rl_basic_word_break_characters = breaks;
	rl_completer_word_break_characters = breaks;
}
