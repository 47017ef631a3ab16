/* SPDX-License-Identifier: Apache-2.0 */
#include "control/journal_segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/check.h"

#define NAME_NEW "segment.new"

enum {
	NAME_SIZE = sizeof("segment-0123456789abcdef"),
	PIECE = 1 << 20, /* bytes read at a time */
	PIECE_MADE =
		1 << 18, /* bytes written at a time: a frame that comes meanwhile waits for it */
	UNREAD = 0xa5,   /* in place of what could not be read: neither blank nor anybody's */
};

static void name_of(uint64_t number, char ret_name[NAME_SIZE])
{
	(void)snprintf(ret_name, NAME_SIZE, "segment-%016" PRIx64, number);
}

/* 0 if it is no name of a segment. */
static uint64_t number_of(const char *name)
{
	char again[NAME_SIZE];
	uint64_t number;

	if (strlen(name) != NAME_SIZE - 1 || sscanf(name, "segment-%16" SCNx64, &number) != 1) {
		return 0;
	}
	name_of(number, again);
	return strcmp(name, again) == 0 ? number : 0;
}

/* --- the folder ------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int add(struct ctl_segment_list *list, size_t *room, uint64_t number)
{
	uint64_t *numbers;

	if (list->count == *room) {
		*room = *room == 0 ? 64 : 2 * *room;
		numbers = realloc(list->numbers, *room * sizeof(*numbers));
		if (numbers == NULL) {
			return -ENOMEM;
		}
		list->numbers = numbers;
	}
	list->numbers[list->count++] = number;
	return 0;
}

/* Another open of the folder, to read its names from the start. */
static DIR *open_names(int folder)
{
	const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd >= 0 ? fdopendir(fd) : NULL;

	if (fd >= 0 && names == NULL) {
		(void)close(fd);
	}
	return names;
}

int ctl_segment_list(int folder, struct ctl_segment_list *ret_list)
{
	struct ctl_segment_list list = {0};
	const struct dirent *name;
	size_t room = 0;
	DIR *names = open_names(folder);
	int r = names == NULL ? -errno : 0;

	while (r == 0 && (errno = 0, name = readdir(names)) != NULL) {
		const uint64_t number = number_of(name->d_name);

		if (number != 0) {
			r = list.count < CTL_SEGMENTS_MAX ? add(&list, &room, number) : -E2BIG;
		}
	}
	if (r == 0 && errno != 0) {
		r = -errno;
	}
	if (names != NULL) {
		(void)closedir(names);
	}
	if (r < 0) {
		free(list.numbers);
		return r;
	}
	if (list.count != 0) {
		qsort(list.numbers, list.count, sizeof(*list.numbers), compare);
	}
	*ret_list = list;
	return 0;
}

uint64_t ctl_folder_bytes(int folder)
{
	const struct dirent *name;
	uint64_t sum = 0;
	DIR *names = open_names(folder);

	while (names != NULL && (name = readdir(names)) != NULL) {
		struct stat status;

		if (fstatat(folder, name->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(status.st_mode)) {
			sum += (uint64_t)status.st_blocks * 512;
		}
	}
	if (names != NULL) {
		(void)closedir(names);
	}
	return sum;
}

/* --- making ---------------------------------------------------------------------------------- */

/*
 * Writes zeros, one piece at a time all the way to the device: what gathers in the page cache would
 * be in the way of the journal's own writes when it is flushed.
 */
static int fill(int fd, bool is_direct, uint64_t size, const _Atomic bool *stop)
{
	static _Alignas(CTL_BLOCK_SIZE) uint8_t zeros[PIECE_MADE]; /* stays as it is */
	int r = -posix_fallocate(fd, 0, (off_t)size);

	for (uint64_t at = 0; at < size && r == 0;) {
		const uint64_t left = size - at;
		ssize_t written;

		if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed)) {
			return -ECANCELED;
		}
		written = pwrite(fd, zeros, left < PIECE_MADE ? left : PIECE_MADE, (off_t)at);
		if (written > 0) {
			at += (uint64_t)written;
			r = !is_direct && fdatasync(fd) < 0 ? -errno : 0;
		} else if (written == 0 || errno != EINTR) {
			r = written == 0 ? -EIO : -errno;
		}
	}
	if (r == 0 && fsync(fd) < 0) {
		r = -errno;
	}
	return r;
}

/* Past the page cache where the file system can. */
static int open_direct(int folder, const char *name, int flags, bool *ret_is_direct)
{
	int fd = openat(folder, name, flags | O_CLOEXEC | O_DIRECT, 0600);

	*ret_is_direct = fd >= 0;
	if (fd < 0 && errno == EINVAL) {
		fd = openat(folder, name, flags | O_CLOEXEC, 0600);
	}
	return fd < 0 ? -errno : fd;
}

int ctl_segment_make(int folder, uint64_t number, uint32_t blocks, const _Atomic bool *stop)
{
	char name[NAME_SIZE];
	bool is_direct;
	int fd, r;

	must(number != 0);
	name_of(number, name);
	fd = open_direct(folder, NAME_NEW, O_WRONLY | O_CREAT | O_TRUNC, &is_direct);
	if (fd < 0) {
		return fd;
	}
	r = fill(fd, is_direct, (uint64_t)blocks * CTL_BLOCK_SIZE, stop);
	if (close(fd) < 0 && r == 0) {
		r = -errno;
	}
	if (r == 0 && renameat(folder, NAME_NEW, folder, name) < 0) {
		r = -errno;
	}
	if (r < 0) {
		(void)unlinkat(folder, NAME_NEW, 0);
		return r;
	}
	return fsync(folder) < 0 ? -errno : 0;
}

void ctl_segment_remove_unmade(int folder)
{
	(void)unlinkat(folder, NAME_NEW, 0);
}

int ctl_segment_renumber(int folder, uint64_t number, uint64_t other)
{
	char name[NAME_SIZE], name_other[NAME_SIZE];

	must(other > number);
	name_of(number, name);
	name_of(other, name_other);
	return renameat(folder, name, folder, name_other) < 0 || fsync(folder) < 0 ? -errno : 0;
}

int ctl_segment_remove(int folder, uint64_t number)
{
	char name[NAME_SIZE];

	name_of(number, name);
	return unlinkat(folder, name, 0) < 0 || fsync(folder) < 0 ? -errno : 0;
}

/* --- opening --------------------------------------------------------------------------------- */

static int blocks_of(int fd, uint32_t *ret_blocks)
{
	struct stat status;

	if (fstat(fd, &status) < 0) {
		return -errno;
	}
	if (!S_ISREG(status.st_mode) || status.st_size > (off_t)CTL_SEGMENT_MB_MAX << 20) {
		return -EFBIG;
	}
	*ret_blocks = (uint32_t)(status.st_size / CTL_BLOCK_SIZE);
	return 0;
}

int ctl_segment_open(int folder, uint64_t number, uint32_t *ret_blocks)
{
	char name[NAME_SIZE];
	bool is_direct; /* else RWF_DSYNC does it alone */
	int fd, r;

	name_of(number, name);
	fd = open_direct(folder, name, O_WRONLY, &is_direct);
	if (fd < 0) {
		return fd;
	}
	r = blocks_of(fd, ret_blocks);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Reads `size` bytes; what the device does not give is left as it is. False: not all was read. */
static bool read_piece(int fd, uint8_t *bytes, size_t size, uint64_t at)
{
	size_t done = 0;

	while (done < size) {
		const ssize_t got = pread(fd, bytes + done, size - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			return false;
		}
		done += (size_t)got;
	}
	return true;
}

static void read_all(int fd, struct ctl_segment_copy *copy, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += PIECE) {
		const uint64_t end = at + PIECE < size ? at + PIECE : size;

		if (read_piece(fd, copy->bytes + at, end - at, at)) {
			continue;
		}
		/* Somewhere in there: what can be had around it. */
		for (uint64_t block = at; block < end; block += CTL_BLOCK_SIZE) {
			if (!read_piece(fd, copy->bytes + block, CTL_BLOCK_SIZE, block)) {
				memset(copy->bytes + block, UNREAD, CTL_BLOCK_SIZE);
				copy->unread++;
			}
		}
	}
}

/* The size that the segment's frames say it had. */
static uint32_t blocks_told(const struct ctl_segment_copy *copy, uint64_t folder, uint64_t number)
{
	struct ctl_frame_head heads[CTL_FRAME_HEADS];

	for (uint32_t block = 0; block < copy->blocks; block++) {
		if (ctl_frame_heads(copy->bytes + (size_t)block * CTL_BLOCK_SIZE, folder, number,
		                    block, heads) != 0) {
			return heads[0].segment_size;
		}
	}
	return 0;
}

/* Memory for so many blocks; what was there stays. */
static int reserve(struct ctl_segment_copy *copy, uint32_t blocks)
{
	uint8_t *bytes;

	if (blocks <= copy->room && copy->bytes != NULL) {
		return 0;
	}
	bytes = realloc(copy->bytes, (size_t)blocks * CTL_BLOCK_SIZE + 1);
	if (bytes == NULL) {
		return -ENOMEM;
	}
	copy->bytes = bytes;
	copy->room = blocks;
	return 0;
}

static int grow(struct ctl_segment_copy *copy, uint32_t blocks)
{
	int r;

	if (blocks <= copy->blocks || blocks > CTL_SEGMENT_MB_MAX * (1u << 20) / CTL_BLOCK_SIZE) {
		return 0;
	}
	r = reserve(copy, blocks);
	if (r < 0) {
		return r;
	}
	memset(copy->bytes + (size_t)copy->blocks * CTL_BLOCK_SIZE, UNREAD,
	       (size_t)(blocks - copy->blocks) * CTL_BLOCK_SIZE);
	copy->unread += blocks - copy->blocks;
	copy->blocks = blocks;
	return 0;
}

int ctl_segment_read(int folder, uint64_t number, uint64_t incarnation,
                     struct ctl_segment_copy *copy)
{
	const uint32_t blocks_min = CTL_SEGMENT_MB_MIN * (1u << 20) / CTL_BLOCK_SIZE;
	char name[NAME_SIZE];
	int fd, r;

	name_of(number, name);
	fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	copy->unread = 0;
	r = blocks_of(fd, &copy->blocks);
	r = r < 0 ? r : reserve(copy, copy->blocks);
	if (r == 0) {
		read_all(fd, copy, (uint64_t)copy->blocks * CTL_BLOCK_SIZE);
		r = grow(copy, blocks_told(copy, incarnation, number));
	}
	if (r == 0) {
		r = grow(copy, blocks_min); /* no segment was ever smaller */
	}
	(void)close(fd);
	return r;
}
