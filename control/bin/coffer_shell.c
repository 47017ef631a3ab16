/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_shell.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include <editline/readline.h>
#include <histedit.h>

#include "control/bin/coffer_complete.h"
#include "control/bin/coffer_follow.h"
#include "control/bin/coffer_verbs.h"

enum {
	HISTORY_LINES = 1000,
	NAME_SIZE_MAX = 4096
};

/* Values may be secrets: the file is for its owner. Without HOME there is none. */
static bool history_name(char *name, size_t size)
{
	const char *named = getenv("COFFER_HISTORY");
	const char *home = getenv("HOME");
	int length;

	if (named != NULL) {
		length = snprintf(name, size, "%s", named);
	} else if (home != NULL) {
		length = snprintf(name, size, "%s/.coffer_history", home);
	} else {
		return false;
	}
	return length > 0 && (size_t)length < size;
}

static void remember(const char *line, const char *file)
{
	const mode_t before = umask(S_IRWXG | S_IRWXO);

	(void)add_history(line); /* without memory there is no history, and nothing else is lost */
	if (file != NULL && write_history(file) != 0) {
		(void)fprintf(stderr, "coffer: %s: %s; no history is kept\n", file,
		              strerror(errno));
	}
	(void)umask(before);
}

/* A terminal drops what was typed before a Ctrl-C, so what waited may be gone when it is read: of
 * its own description nothing is waited for but in cli_wait_typed(). */
static FILE *open_terminal(void)
{
	const char *name = ttyname(STDIN_FILENO);
	const int fd = name == NULL ? -1 : open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	FILE *terminal = fd < 0 ? NULL : fdopen(fd, "r");

	if (terminal == NULL && fd >= 0) {
		(void)close(fd); /* nothing was read */
	}
	return terminal;
}

/* False at the end of them, and at Ctrl-C. */
static bool next_byte(int fd, char *byte)
{
	while (cli_wait_typed(fd)) {
		const ssize_t got = read(fd, byte, 1);

		if (got >= 0 || (errno != EAGAIN && errno != EINTR)) {
			return got > 0;
		}
	}
	return false;
}

/* A character that was typed, or EOF. libedit's own way misses a Ctrl-C right before its read(). */
static int next_character(FILE *terminal)
{
	mbstate_t state = {0};
	wchar_t character;
	size_t length;
	char byte;

	do {
		if (!next_byte(fileno(terminal), &byte)) {
			return EOF;
		}
		length = mbrtowc(&character, &byte, 1, &state);
	} while (length == (size_t)-2); /* more bytes belong to it */
	return length == (size_t)-1 ? L'?' : (int)character;
}

/* Runs one line's words. */
static void run_words(const struct cli *shell, int count, const char **words)
{
	struct cli cli = *shell;
	const struct cli_verb *verb;
	/* argp permutes the words, and wants a program's name before them. */
	char **copy = calloc((size_t)count + 2, sizeof(*copy));

	if (copy == NULL) {
		(void)fprintf(stderr, "coffer: no memory\n");
		return;
	}
	copy[0] = program_invocation_short_name;
	memcpy(copy + 1, words, (size_t)count * sizeof(*copy));
	if (cli_options_parse(&cli.options, count + 1, copy, true) == CLI_DONE &&
	    cli.options.verb != NULL) {
		verb = cli_verb_find(&cli.options);
		if (verb != NULL && verb->run(&cli) == CLI_INTERRUPT) {
			(void)putchar('\n');
		}
	}
	free(copy);
	(void)fflush(stdout);
	clearerr(stdout);
}

static bool is_end(int count, const char **words)
{
	return count == 1 && (strcmp(words[0], "exit") == 0 || strcmp(words[0], "quit") == 0);
}

/* False: the shell is to end. */
static bool run_line(const struct cli *cli, Tokenizer *tokenizer, const char *line)
{
	static const char *const help[] = {"--help"};
	const char **words;
	int count;

	tok_reset(tokenizer);
	if (tok_str(tokenizer, line, &count, &words) != 0) {
		(void)fprintf(stderr, "coffer: a quote is not closed\n");
		return true;
	}
	if (count == 0) {
		return true;
	}
	if (is_end(count, words)) {
		return false;
	}
	if (count == 1 && strcmp(words[0], "help") == 0) {
		words = (const char **)help;
	}
	(void)cli_interrupted();
	run_words(cli, count, words);
	return true;
}

int cli_shell(struct cli *cli)
{
	char name[NAME_SIZE_MAX];
	const char *file = history_name(name, sizeof(name)) ? name : NULL;
	Tokenizer *tokenizer = tok_init(NULL);
	FILE *terminal = open_terminal(); /* libedit's until the end */
	bool goes_on = tokenizer != NULL;
	char *line;

	if (tokenizer == NULL) {
		(void)fprintf(stderr, "coffer: no memory\n");
		return CLI_USAGE;
	}
	(void)setlocale(LC_CTYPE, ""); /* what is typed; unknown ones are as none */
	rl_readline_name = "coffer";
	if (terminal != NULL) { /* before libedit begins */
		rl_instream = terminal;
		rl_getc_function = next_character;
	}
	using_history();
	stifle_history(HISTORY_LINES);
	if (file != NULL) {
		(void)read_history(file); /* the first time there is none */
	}
	cli->in_shell = true;
	cli_complete_begin(cli);
	cli_interrupt_catch();
	while (goes_on) {
		line = readline("coffer> ");
		if (line == NULL && !cli_interrupted()) {
			break;
		}
		if (line == NULL) {
			(void)putchar('\n');
			continue;
		}
		if (line[strspn(line, " \t")] != '\0') {
			remember(line, file);
		}
		goes_on = run_line(cli, tokenizer, line);
		free(line);
	}
	tok_end(tokenizer);
	return CLI_DONE;
}
