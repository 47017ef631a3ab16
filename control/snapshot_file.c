/* SPDX-License-Identifier: Apache-2.0 */
#include "control/snapshot_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/whole_file.h"
#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/wire.h"

#define MAGIC       UINT64_C(0x454c494652464643) /* "CFFRFILE" */
#define PREFIX      "snapshot-"

#define REST_MAX_NS 100000000u /* so that a write is cancelled soon */

enum {
	VERSION = 1,
	HEAD_SIZE = 44,
	FRAME_SIZE = 8, /* before each chunk */
	CHUNK_SIZE = 64 * 1024,
	DIGEST_SIZE = 16,        /* the last bytes of the stream */
	RANGE_SIZE = 256 * 1024, /* handed to the disk at a time */
	PATH_SIZE = 4096 + 8,
};

void ctl_snapshot_name(uint64_t index, char ret_name[CTL_SNAPSHOT_NAME_SIZE])
{
	(void)snprintf(ret_name, CTL_SNAPSHOT_NAME_SIZE, PREFIX "%016" PRIx64, index);
}

/* Up to `size` bytes; less only at the end of the file. Or a negative errno. */
static ssize_t read_all(int fd, uint8_t *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		const ssize_t got = read(fd, bytes + done, size - done);

		if (got < 0 && errno != EINTR) {
			return -errno;
		}
		if (got == 0) {
			break;
		}
		done += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)done;
}

/* Remembers the last bytes of a stream, which are its digest. */
static void note_tail(uint8_t tail[DIGEST_SIZE], struct slice bytes)
{
	const size_t kept = bytes.size < DIGEST_SIZE ? DIGEST_SIZE - bytes.size : 0;
	const size_t taken = DIGEST_SIZE - kept;

	memmove(tail, tail + taken, kept);
	memcpy(tail + kept, bytes.data + bytes.size - taken, taken);
}

static struct store_digest digest_of(const uint8_t tail[DIGEST_SIZE])
{
	struct wire_reader wire = wire_reader_make(slice_make(tail, DIGEST_SIZE));
	struct store_digest digest = {0};

	digest.low = wire_u64(&wire);
	digest.high = wire_u64(&wire);
	return digest;
}

/* --- writing --------------------------------------------------------------------------------- */

struct writer {
	const ctl_snapshot_cancel_t *cancel;
	int fd;
	uint32_t crc;
	off64_t written, handed; /* bytes; handed: the disk was asked to write them */
	uint8_t tail[DIGEST_SIZE];
	uint8_t frame[FRAME_SIZE + CHUNK_SIZE];
};

static int put_head(struct writer *writer, const struct ctl_snapshot_head *head)
{
	uint8_t bytes[HEAD_SIZE];
	struct wire_writer wire = wire_writer_make(bytes, sizeof(bytes));

	wire_put_u64(&wire, MAGIC);
	wire_put_u32(&wire, VERSION);
	wire_put_u8(&wire, head->node);
	wire_put_u8(&wire, 0);
	wire_put_u16(&wire, 0);
	wire_put_u64(&wire, head->cluster);
	wire_put_u64(&wire, head->index);
	wire_put_u64(&wire, 0);
	writer->crc = crc32c(0, slice_make(bytes, HEAD_SIZE - 4));
	wire_put_u32(&wire, writer->crc);
	must(wire_written_ok(&wire));
	must(wire_room(&wire) == 0);
	writer->written = HEAD_SIZE;
	return ctl_file_write(writer->fd, bytes, sizeof(bytes));
}

/*
 * Has the disk write what is new, waits for it, and leaves the disk to others for three times as
 * long: the journal's flushes beside it wait for a little at a time, and the sync at the end is
 * short. Where the file system has no such call, that sync does it all.
 */
static void hand_over(struct writer *writer)
{
	const off64_t size = writer->written - writer->handed;
	const uint64_t begun_ns = ctl_clock_ns();
	struct timespec rest = {0};
	uint64_t rest_ns;

	if (size < RANGE_SIZE) {
		return;
	}
	(void)sync_file_range(writer->fd, writer->handed, size,
	                      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
	                              SYNC_FILE_RANGE_WAIT_AFTER);
	writer->handed = writer->written;
	if (writer->cancel == NULL) {
		return; /* nobody is at work beside it */
	}
	rest_ns = 3 * (ctl_clock_ns() - begun_ns);
	rest.tv_nsec = (long)(rest_ns < REST_MAX_NS ? rest_ns : REST_MAX_NS);
	(void)nanosleep(&rest, NULL);
}

/* The chunk of `size` bytes that stands in the frame. */
static int put_chunk(struct writer *writer, size_t size)
{
	struct wire_writer wire = wire_writer_make(writer->frame, FRAME_SIZE);
	const struct slice bytes = slice_make(writer->frame + FRAME_SIZE, size);
	int r;

	wire_put_u32(&wire, (uint32_t)size);
	writer->crc = crc32c(writer->crc, slice_make(writer->frame, 4));
	writer->crc = crc32c(writer->crc, bytes);
	wire_put_u32(&wire, writer->crc);
	must(wire_written_ok(&wire));
	r = ctl_file_write(writer->fd, writer->frame, FRAME_SIZE + size);
	writer->written += (off64_t)(FRAME_SIZE + size);
	hand_over(writer);
	return r;
}

static int put_all(struct writer *writer, const struct ctl_snapshot_head *head,
                   struct store_snapshot *snapshot)
{
	size_t size = 1;
	int r = put_head(writer, head);

	while (r == 0 && size != 0) {
		size = store_snapshot_read(snapshot, writer->frame + FRAME_SIZE, CHUNK_SIZE);
		note_tail(writer->tail, slice_make(writer->frame + FRAME_SIZE, size));
		r = put_chunk(writer, size); /* the last one is empty: the end */
		if (writer->cancel != NULL && atomic_load(writer->cancel)) {
			r = -ECANCELED;
		}
	}
	if (r == 0 && fdatasync(writer->fd) < 0) {
		r = -errno;
	}
	return r;
}

static int make_file(int folder, const char *name, const char *path, bool fresh,
                     struct writer *writer, const struct ctl_snapshot_head *head,
                     struct store_snapshot *snapshot)
{
	int r;

	if (fresh && faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		return -EEXIST;
	}
	writer->fd = openat(folder, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (writer->fd < 0) {
		return -errno;
	}
	r = put_all(writer, head, snapshot);
	if (close(writer->fd) < 0 && r == 0) {
		r = -errno;
	}
	if (r == 0 && renameat2(folder, path, folder, name, fresh ? RENAME_NOREPLACE : 0) < 0) {
		r = -errno;
	}
	if (r < 0) {
		(void)unlinkat(folder, path, 0);
		return r;
	}
	return ctl_file_sync_name(folder, name);
}

int ctl_snapshot_write(int folder, const char *name, bool fresh,
                       const struct ctl_snapshot_head *head, struct store_snapshot *snapshot,
                       const ctl_snapshot_cancel_t *cancel, struct store_digest *ret_digest,
                       struct ctl_reason *ret_reason)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	char path[PATH_SIZE];
	int r = -ENOMEM;

	must(strlen(name) + sizeof(".new") <= sizeof(path));
	(void)snprintf(path, sizeof(path), "%s.new", name);
	if (writer != NULL) {
		writer->cancel = cancel;
		r = make_file(folder, name, path, fresh, writer, head, snapshot);
	}
	if (r < 0) {
		ctl_reason_say(ret_reason, "%s: the snapshot cannot be written (%s); %s", name,
		               strerror(-r),
		               r == -EEXIST ? "name a file that is not there yet"
		                            : "make room there, or mend the disk");
	} else {
		*ret_digest = digest_of(writer->tail);
	}
	free(writer);
	return r;
}

/* --- reading --------------------------------------------------------------------------------- */

struct reader {
	int fd;
	uint32_t crc;
	uint64_t at; /* bytes of the file that are behind */
	uint8_t tail[DIGEST_SIZE];
	uint8_t chunk[CHUNK_SIZE];
};

static int take_head(struct reader *reader, struct ctl_snapshot_head *ret_head)
{
	uint8_t bytes[HEAD_SIZE];
	const ssize_t size = read_all(reader->fd, bytes, sizeof(bytes));
	struct wire_reader wire = wire_reader_make(slice_make(bytes, HEAD_SIZE));
	bool good;

	if (size < 0) {
		return (int)size;
	}
	if (size != HEAD_SIZE) {
		return -EBADMSG;
	}
	good = wire_u64(&wire) == MAGIC;
	good = wire_u32(&wire) == VERSION && good;
	ret_head->node = wire_u8(&wire);
	good = wire_u8(&wire) == 0 && good;
	good = wire_u16(&wire) == 0 && good;
	ret_head->cluster = wire_u64(&wire);
	ret_head->index = wire_u64(&wire);
	good = wire_u64(&wire) == 0 && good;
	reader->crc = crc32c(0, slice_make(bytes, HEAD_SIZE - 4));
	good = wire_u32(&wire) == reader->crc && good;
	reader->at = HEAD_SIZE;
	return good ? 0 : -EBADMSG;
}

/* The size of the next chunk, which then stands in reader->chunk; 0 at the end. Or an errno. */
static ssize_t take_chunk(struct reader *reader)
{
	uint8_t frame[FRAME_SIZE];
	struct wire_reader wire = wire_reader_make(slice_make(frame, FRAME_SIZE));
	ssize_t got = read_all(reader->fd, frame, sizeof(frame));
	uint32_t size, crc;

	if (got != FRAME_SIZE) {
		return got < 0 ? got : -EBADMSG;
	}
	size = wire_u32(&wire);
	crc = wire_u32(&wire);
	if (size > CHUNK_SIZE) {
		return -EBADMSG;
	}
	got = read_all(reader->fd, reader->chunk, size);
	if (got != (ssize_t)size) {
		return got < 0 ? got : -EBADMSG;
	}
	reader->crc = crc32c(reader->crc, slice_make(frame, 4));
	reader->crc = crc32c(reader->crc, slice_make(reader->chunk, size));
	if (crc != reader->crc) {
		return -EBADMSG;
	}
	reader->at += FRAME_SIZE + size;
	return (ssize_t)size;
}

static int feed_all(struct reader *reader, struct store_restore *restore)
{
	ssize_t size;

	while ((size = take_chunk(reader)) > 0) {
		const struct slice bytes = slice_make(reader->chunk, (size_t)size);
		int r;

		note_tail(reader->tail, bytes);
		r = store_restore_feed(restore, bytes);
		if (r < 0) {
			return r;
		}
	}
	if (size == 0 && read_all(reader->fd, reader->chunk, 1) != 0) {
		return -EBADMSG; /* something behind the end */
	}
	return (int)size;
}

static int load(struct reader *reader, struct store *store, struct ctl_snapshot_head *ret_head,
                struct store_digest *ret_digest)
{
	struct store_restore *restore;
	int r = take_head(reader, ret_head);

	if (r < 0) {
		return r;
	}
	r = store_restore_begin(store, &restore);
	if (r < 0) {
		return r;
	}
	r = feed_all(reader, restore);
	if (r == 0 && store_restore_index(restore) != ret_head->index) {
		r = -EBADMSG;
	}
	if (r < 0) {
		store_restore_abort(restore);
		return r;
	}
	*ret_digest = digest_of(reader->tail);
	return store_restore_end(store, restore);
}

int ctl_snapshot_load(int folder, const char *name, struct store *store,
                      struct ctl_snapshot_head *ret_head, struct store_digest *ret_digest,
                      struct ctl_reason *ret_reason)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	struct ctl_snapshot_head head;
	struct store_digest digest;
	int r = -ENOMEM;

	if (reader != NULL) {
		reader->fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
		r = reader->fd < 0 ? -errno : load(reader, store, &head, &digest);
		if (reader->fd >= 0) {
			(void)close(reader->fd);
		}
	}
	if (r == 0) {
		*ret_head = head;
		*ret_digest = digest;
	} else if (r == -EBADMSG) {
		ctl_reason_say(ret_reason,
		               "%s: damaged at byte %" PRIu64
		               " or behind it; it is not used, another copy is needed",
		               name, reader->at);
	} else {
		ctl_reason_say(ret_reason, "%s: cannot be loaded (%s); %s", name, strerror(-r),
		               r == -EDQUOT ? "raise quota_mb or sessions_max"
		                            : "look at the file and its rights");
	}
	free(reader);
	return r;
}

/* --- the folder ------------------------------------------------------------------------------ */

/* The index that a name says, or false if it is not a snapshot's. */
static bool index_of(const char *name, uint64_t *ret_index)
{
	char again[CTL_SNAPSHOT_NAME_SIZE];
	uint64_t index;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) {
		return false;
	}
	index = strtoull(name + strlen(PREFIX), NULL, 16);
	ctl_snapshot_name(index, again);
	if (strcmp(name, again) != 0) {
		return false;
	}
	*ret_index = index;
	return true;
}

/* Calls `each` for every name in the folder. 0 or a negative errno. */
static int for_names(int folder, void (*each)(void *context, const char *name), void *context)
{
	const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r;

	if (names == NULL) {
		r = -errno;
		if (fd >= 0) {
			(void)close(fd);
		}
		return r;
	}
	errno = 0;
	while ((entry = readdir(names)) != NULL) {
		each(context, entry->d_name);
		errno = 0;
	}
	r = -errno;
	(void)closedir(names);
	return r;
}

struct search {
	int folder;
	uint64_t below, found;
	bool is_found;
};

static void look(void *context, const char *name)
{
	struct search *search = context;
	uint64_t index;

	if (index_of(name, &index) && index < search->below &&
	    (!search->is_found || index > search->found)) {
		search->found = index;
		search->is_found = true;
	}
}

int ctl_snapshot_newest(int folder, uint64_t below, uint64_t *ret_index)
{
	struct search search = {.below = below};
	const int r = for_names(folder, look, &search);

	if (r < 0 || !search.is_found) {
		return r < 0 ? r : -ENOENT;
	}
	*ret_index = search.found;
	return 0;
}

static void sweep(void *context, const char *name)
{
	const struct search *search = context;
	const size_t size = strlen(name);
	uint64_t index;

	if ((index_of(name, &index) && index < search->below) ||
	    (strncmp(name, PREFIX, strlen(PREFIX)) == 0 && size > 4 &&
	     strcmp(name + size - 4, ".new") == 0)) {
		(void)unlinkat(search->folder, name, 0); /* what stays costs room, nothing else */
	}
}

int ctl_snapshot_remove_below(int folder, uint64_t index)
{
	struct search search = {.folder = folder, .below = index};

	return for_names(folder, sweep, &search);
}
