/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LINES_SPARE = 10000 /* beyond four for each file, then it is written anew */
};

static const char HEAD[] = "coffer-sync 1\n";

/* --- files -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct ledger_file *)a)->path, ((const struct ledger_file *)b)->path);
}

static void free_file(void *node)
{
	struct ledger_file *file = node;

	free(file->path);
	free(file);
}

struct ledger_file *ledger_find(const struct ledger *ledger, const char *path)
{
	const struct ledger_file key = {.path = (char *)path};
	struct ledger_file *const *found = tfind(&key, &ledger->tree, compare);

	return found != NULL ? *found : NULL;
}

/* The file of this path, made if there is none. NULL: no memory. */
static struct ledger_file *get_file(struct ledger *ledger, const char *path)
{
	struct ledger_file *file = ledger_find(ledger, path);

	if (file != NULL) {
		return file;
	}
	file = calloc(1, sizeof(*file));
	if (file == NULL) {
		return NULL;
	}
	file->path = strdup(path);
	if (file->path == NULL || tsearch(file, &ledger->tree, compare) == NULL) {
		free_file(file);
		return NULL;
	}
	ledger->count++;
	return file;
}

static void forget(struct ledger *ledger, struct ledger_file *file)
{
	if (tdelete(file, &ledger->tree, compare) != NULL) {
		ledger->count--;
		free_file(file);
	}
}

struct each {
	void (*each)(struct ledger_file *, void *context);
	void *context;
};

static void visit(const void *node, VISIT order, void *context)
{
	const struct each *each = context;

	if (order == preorder || order == leaf) {
		each->each(*(struct ledger_file *const *)node, each->context);
	}
}

void ledger_each(const struct ledger *ledger, void (*each)(struct ledger_file *, void *context),
                 void *context)
{
	twalk_r(ledger->tree, visit, &(struct each){each, context});
}

/* --- writing ------------------------------------------------------------------------------ */

static void write_file(struct ledger_file *file, void *context)
{
	struct ledger *ledger = context;

	if (file->revision == 0) {
		(void)fprintf(ledger->file, "own %s\n", file->path);
	} else {
		(void)fprintf(ledger->file, "file %" PRId64 " %zu %08" PRIx32 " %s\n",
		              file->revision, file->size, file->crc, file->path);
	}
	ledger->lines++;
}

/* Writes all anew, beside what there is, which it replaces. */
static int write_anew(struct ledger *ledger)
{
	const int fd = openat(ledger->folder, "new-state",
	                      O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	int r;

	if (file == NULL) {
		return -errno;
	}
	if (ledger->file != NULL) {
		(void)fclose(ledger->file); /* what stands in it is written now */
	}
	ledger->file = file;
	ledger->lines = 0;
	(void)fputs(HEAD, file);
	ledger_each(ledger, write_file, ledger);
	(void)fprintf(file, "at %" PRId64 "\nran %" PRId64 "\n", ledger->at, ledger->ran);
	if (fflush(file) != 0 || ferror(file) != 0 || fdatasync(fd) < 0 ||
	    renameat(ledger->folder, "new-state", ledger->folder, "state") < 0) {
		return -errno;
	}
	r = fsync(ledger->folder);
	return r < 0 ? -errno : 0;
}

struct ledger_file *ledger_own(struct ledger *ledger, const char *path)
{
	struct ledger_file *file = get_file(ledger, path);

	if (file != NULL) {
		write_file(file, ledger);
	}
	return file;
}

void ledger_note(struct ledger *ledger, struct ledger_file *file)
{
	if (!file->is_gone) {
		write_file(file, ledger);
		return;
	}
	(void)fprintf(ledger->file, "gone %s\n", file->path);
	ledger->lines++;
	forget(ledger, file);
}

void ledger_note_at(struct ledger *ledger, int64_t revision)
{
	ledger->at = revision;
	(void)fprintf(ledger->file, "at %" PRId64 "\n", revision);
	ledger->lines++;
}

void ledger_note_ran(struct ledger *ledger)
{
	ledger->ran = ledger->at;
	(void)fprintf(ledger->file, "ran %" PRId64 "\n", ledger->at);
	ledger->lines++;
}

int ledger_sync(struct ledger *ledger)
{
	if (ledger->lines > 4 * ledger->count + LINES_SPARE) {
		return write_anew(ledger);
	}
	if (fflush(ledger->file) != 0 || ferror(ledger->file) != 0 ||
	    fdatasync(fileno(ledger->file)) < 0) {
		return errno != 0 ? -errno : -EIO;
	}
	return 0;
}

/* --- reading ------------------------------------------------------------------------------ */

static int read_file_line(struct ledger *ledger, const char *line)
{
	struct ledger_file read = {0};
	struct ledger_file *file;
	int path = 0;

	if (sscanf(line, "file %" SCNd64 " %zu %" SCNx32 " %n", &read.revision, &read.size,
	           &read.crc, &path) != 3 ||
	    path == 0 || line[path] == '\0' || read.revision < 1) {
		return -EBADMSG;
	}
	file = get_file(ledger, line + path);
	if (file == NULL) {
		return -ENOMEM;
	}
	file->revision = read.revision;
	file->size = read.size;
	file->crc = read.crc;
	return 0;
}

static int read_line(struct ledger *ledger, const char *line)
{
	struct ledger_file *file;

	if (strncmp(line, "own ", 4) == 0) {
		return get_file(ledger, line + 4) != NULL ? 0 : -ENOMEM;
	}
	if (strncmp(line, "file ", 5) == 0) {
		return read_file_line(ledger, line);
	}
	if (strncmp(line, "gone ", 5) == 0) {
		file = ledger_find(ledger, line + 5);
		if (file != NULL) {
			forget(ledger, file);
		}
		return 0;
	}
	return sscanf(line, "at %" SCNd64, &ledger->at) == 1 ||
	                       sscanf(line, "ran %" SCNd64, &ledger->ran) == 1
	               ? 0
	               : -EBADMSG;
}

static int read_all(struct ledger *ledger, FILE *file)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t size;
	int r = 0;

	for (bool is_first = true; r == 0 && (size = getline(&line, &room, file)) > 0;
	     is_first = false) {
		if (line[size - 1] != '\n') {
			break; /* never synced */
		}
		if (is_first) {
			r = strcmp(line, HEAD) == 0 ? 0 : -EBADMSG;
			continue;
		}
		line[size - 1] = '\0';
		r = strlen(line) == (size_t)size - 1 ? read_line(ledger, line) : -EBADMSG;
	}
	free(line);
	return r;
}

int ledger_open(struct ledger *ledger, int folder)
{
	const int fd = openat(folder, "state", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	int r = file == NULL ? -errno : 0;

	*ledger = (struct ledger){.folder = folder};
	if (file != NULL) {
		r = read_all(ledger, file);
		(void)fclose(file); /* was only read */
	}
	if (r == 0 || r == -ENOENT) {
		r = write_anew(ledger);
	}
	if (r < 0) {
		ledger_close(ledger);
	}
	return r;
}

void ledger_close(struct ledger *ledger)
{
	tdestroy(ledger->tree, free_file);
	ledger->tree = NULL;
	if (ledger->file != NULL) {
		(void)fclose(ledger->file); /* what matters was synced */
	}
	ledger->file = NULL;
}
