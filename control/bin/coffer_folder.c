/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/client/coffer.h"
#include "store/base/crc32c.h"

enum {
	NAME_SIZE = 32,
	DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
};

static void stage_name(unsigned number, char name[static NAME_SIZE])
{
	(void)snprintf(name, NAME_SIZE, "new-%u", number);
}

/* --- opening ------------------------------------------------------------------------------ */

/* What a process that was killed had made ready. */
static int forget_stages(struct folder *folder)
{
	const int fd = openat(folder->own, ".", DIRECTORY);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r = 0;

	if (names == NULL) {
		return -errno;
	}
	while ((entry = readdir(names)) != NULL) {
		if (strncmp(entry->d_name, "new-", 4) == 0 &&
		    unlinkat(folder->own, entry->d_name, 0) < 0) {
			r = -errno;
		}
	}
	(void)closedir(names); /* was only read */
	return r;
}

int folder_open(struct folder *folder, const char *name)
{
	int r;

	*folder = (struct folder){.root = -1, .own = -1};
	if (mkdir(name, 0777) < 0 && errno != EEXIST) {
		return -errno;
	}
	folder->root = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->root < 0) {
		return -errno;
	}
	if (flock(folder->root, LOCK_EX | LOCK_NB) < 0 ||
	    (mkdirat(folder->root, FOLDER_OWN, 0700) < 0 && errno != EEXIST)) {
		r = -errno;
		goto close;
	}
	folder->own = openat(folder->root, FOLDER_OWN, DIRECTORY);
	if (folder->own < 0) {
		r = -errno;
		goto close;
	}
	r = forget_stages(folder);
	if (r == 0) {
		return 0;
	}
close:
	folder_close(folder);
	return r;
}

/* What was written was synced before, so closing cannot lose it. */
void folder_close(struct folder *folder)
{
	if (folder->own >= 0) {
		(void)close(folder->own);
	}
	if (folder->root >= 0) {
		(void)close(folder->root);
	}
}

/* --- names -------------------------------------------------------------------------------- */

static bool is_name(const char *name, size_t size)
{
	return size != 0 && size <= NAME_MAX && !(size == 1 && name[0] == '.') &&
	       !(size == 2 && name[0] == '.' && name[1] == '.');
}

bool folder_takes(const char *path)
{
	const char *name = path;

	if (strncmp(path, FOLDER_OWN, strlen(FOLDER_OWN)) == 0) {
		return false;
	}
	for (;;) {
		const size_t size = strcspn(name, "/");

		if (!is_name(name, size)) {
			return false;
		}
		if (name[size] == '\0') {
			return true;
		}
		name += size + 1;
	}
}

/* Syncs and closes a directory, or only closes it. */
static int end_directory(int fd, bool is_changed)
{
	const int r = is_changed && fsync(fd) < 0 ? -errno : 0;

	(void)close(fd); /* was only read */
	return r;
}

/*
 * Opens the directory that holds `path`, step by step; `makes` those that are not there. Returns
 * its descriptor; *ret_name is the last name.
 */
static int open_parent(const struct folder *folder, const char *path, bool makes,
                       const char **ret_name)
{
	int fd = openat(folder->root, ".", DIRECTORY);
	char name[NAME_MAX + 1];
	int next, r;

	for (size_t size = strcspn(path, "/"); fd >= 0 && path[size] == '/';
	     path += size + 1, size = strcspn(path, "/")) {
		bool is_made = false;

		(void)snprintf(name, sizeof(name), "%.*s", (int)size, path);
		next = openat(fd, name, DIRECTORY);
		if (next < 0 && errno == ENOENT && makes) {
			is_made = mkdirat(fd, name, 0777) == 0;
			next = openat(fd, name, DIRECTORY);
		}
		r = next < 0 ? -errno : 0;
		if (r == 0) {
			r = end_directory(fd, is_made);
		} else {
			(void)end_directory(fd, false);
		}
		if (r < 0) {
			if (next >= 0) {
				(void)close(next);
			}
			return r;
		}
		fd = next;
	}
	*ret_name = path;
	return fd < 0 ? -errno : fd;
}

bool folder_is_in_the_way(int error)
{
	return error == -EEXIST || error == -EISDIR || error == -ENOTDIR || error == -ELOOP ||
	       error == -ENOTEMPTY || error == -EXDEV || error == -ENAMETOOLONG || error == -EBUSY;
}

/* --- writing ------------------------------------------------------------------------------ */

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size != 0) {
		const ssize_t written = write(fd, bytes, size);

		if (written < 0 && errno != EINTR) {
			return -errno;
		}
		bytes += written > 0 ? written : 0;
		size -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

int folder_stage(struct folder *folder, const void *value, size_t size, unsigned *ret_number)
{
	char name[NAME_SIZE];
	int fd, r;

	stage_name(folder->next, name);
	fd = openat(folder->own, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0) {
		return -errno;
	}
	r = write_all(fd, value, size);
	if (r == 0 && fsync(fd) < 0) {
		r = -errno;
	}
	if (close(fd) < 0 && r == 0) {
		r = -errno;
	}
	if (r < 0) {
		(void)unlinkat(folder->own, name, 0); /* the next start does it, too */
		return r;
	}
	*ret_number = folder->next++;
	return 0;
}

void folder_drop(struct folder *folder, unsigned number)
{
	char name[NAME_SIZE];

	stage_name(number, name);
	(void)unlinkat(folder->own, name, 0); /* the next start does it, too */
}

int folder_put(struct folder *folder, unsigned number, const char *path, bool is_new)
{
	char stage[NAME_SIZE];
	const char *name;
	const int parent = open_parent(folder, path, true, &name);
	int r;

	if (parent < 0) {
		return parent;
	}
	stage_name(number, stage);
	r = renameat2(folder->own, stage, parent, name, is_new ? RENAME_NOREPLACE : 0);
	if (r < 0 && errno == EINVAL && is_new) {
		/* A file system that does not know the flag: it was looked at before. */
		r = renameat(folder->own, stage, parent, name);
	}
	if (r < 0) {
		r = -errno;
		(void)end_directory(parent, false);
		return r;
	}
	return end_directory(parent, true);
}

/* Removes the directories on the way to `path` that are empty, from below. */
static void remove_empty(struct folder *folder, const char *path)
{
	char directory[COFFER_PATH_SIZE_MAX + 1];
	const char *name;
	char *end;
	bool is_gone = true;
	int parent;

	(void)snprintf(directory, sizeof(directory), "%s", path);
	while (is_gone && (end = strrchr(directory, '/')) != NULL) {
		*end = '\0';
		parent = open_parent(folder, directory, false, &name);
		if (parent < 0) {
			return;
		}
		is_gone = unlinkat(parent, name, AT_REMOVEDIR) == 0;
		(void)end_directory(parent, is_gone); /* an empty one that comes back is no harm */
	}
}

int folder_remove(struct folder *folder, const char *path)
{
	const char *name;
	const int parent = open_parent(folder, path, false, &name);
	int r;

	if (parent < 0) {
		return parent == -ENOENT || parent == -ENOTDIR ? 0 : parent;
	}
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT) {
		r = -errno;
		(void)end_directory(parent, false);
		return r;
	}
	r = end_directory(parent, true);
	if (r == 0) {
		remove_empty(folder, path);
	}
	return r;
}

/* --- reading ------------------------------------------------------------------------------ */

static int sum_up(int fd, struct folder_look *ret_look)
{
	static uint8_t bytes[65536];
	struct folder_look look = {0};
	struct stat stat;

	if (fstat(fd, &stat) < 0) {
		return -errno;
	}
	if (!S_ISREG(stat.st_mode)) {
		return S_ISDIR(stat.st_mode) ? -EISDIR : -ELOOP;
	}
	for (;;) {
		const ssize_t size = read(fd, bytes, sizeof(bytes));

		if (size < 0 && errno != EINTR) {
			return -errno;
		}
		if (size == 0) {
			*ret_look = look;
			return 0;
		}
		if (size > 0) {
			look.size += (size_t)size;
			look.crc = crc32c(look.crc, slice_make(bytes, (size_t)size));
		}
	}
}

int folder_look(const struct folder *folder, const char *path, struct folder_look *ret_look)
{
	const char *name;
	const int parent = open_parent(folder, path, false, &name);
	int fd, r;

	if (parent < 0) {
		return parent;
	}
	/* O_NONBLOCK: a pipe that stands there is not waited for. */
	fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	r = fd < 0 ? -errno : sum_up(fd, ret_look);
	if (fd >= 0) {
		(void)close(fd); /* was only read */
	}
	(void)end_directory(parent, false);
	return r;
}
