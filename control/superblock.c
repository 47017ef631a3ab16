/* SPDX-License-Identifier: Apache-2.0 */
#include "control/superblock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/wire.h"

#define NAME     "superblock"
#define NAME_NEW "superblock.new"

enum {
	MAGIC = 0x42534643, /* "CFSB" */
	VERSION = 1,
	SUMMED = CTL_SUPERBLOCK_SIZE - 4
};

void ctl_superblock_encode(const struct ctl_superblock *superblock,
                           uint8_t ret_bytes[CTL_SUPERBLOCK_SIZE])
{
	struct wire_writer writer = wire_writer_make(ret_bytes, CTL_SUPERBLOCK_SIZE);

	wire_put_u32(&writer, MAGIC);
	wire_put_u32(&writer, VERSION);
	wire_put_u64(&writer, superblock->cluster);
	wire_put_u64(&writer, superblock->incarnation);
	wire_put_u32(&writer, superblock->starts);
	wire_put_u8(&writer, superblock->node);
	wire_put_u8(&writer, superblock->member ? 1 : 0);
	wire_put_u16(&writer, 0);
	wire_put_u32(&writer, crc32c(0, slice_make(ret_bytes, SUMMED)));
	must(wire_written_ok(&writer));
	must(wire_room(&writer) == 0);
}

int ctl_superblock_decode(struct slice bytes, struct ctl_superblock *ret_superblock)
{
	struct wire_reader reader = wire_reader_make(bytes);
	struct ctl_superblock superblock = {0};
	bool good;

	good = wire_u32(&reader) == MAGIC;
	good = wire_u32(&reader) == VERSION && good;
	superblock.cluster = wire_u64(&reader);
	superblock.incarnation = wire_u64(&reader);
	superblock.starts = wire_u32(&reader);
	superblock.node = wire_u8(&reader);
	const uint8_t member = wire_u8(&reader);
	good = wire_u16(&reader) == 0 && good;
	const uint32_t crc = wire_u32(&reader);

	if (!good || !wire_done(&reader) || crc != crc32c(0, slice_make(bytes.data, SUMMED))) {
		return -EBADMSG;
	}
	if (member > 1 || superblock.starts == 0 || superblock.node == 0 ||
	    superblock.incarnation >> 32 != superblock.starts) {
		return -EBADMSG;
	}
	superblock.member = member == 1;
	*ret_superblock = superblock;
	return 0;
}

/* Makes a name in the folder durable: the entry itself stands in the folder's parent. */
static int sync_parent(int folder)
{
	const int parent = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (parent < 0) {
		return -errno;
	}
	if (fsync(parent) < 0) {
		r = -errno;
	}
	(void)close(parent);
	return r;
}

int ctl_folder_open(const char *path, bool make, struct ctl_reason *ret_reason)
{
	bool made = false;
	int folder, r;

	if (make) {
		made = mkdir(path, 0700) == 0;
		if (!made && errno != EEXIST) {
			r = -errno;
			ctl_reason_say(
				ret_reason,
				"data = %s: the folder cannot be made (%s); make it, or name one "
				"that this user may make",
				path, strerror(-r));
			return r;
		}
	}
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		r = -errno;
		ctl_reason_say(
			ret_reason,
			"data = %s: the folder cannot be opened (%s); name the right one, or start "
			"a new cluster with --new-cluster",
			path, strerror(-r));
		return r;
	}
	if (flock(folder, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		ctl_reason_say(
			ret_reason,
			"data = %s: %s; stop that server, or give this one a folder of its own",
			path, r == -EBUSY ? "another cofferd is using it" : strerror(-r));
		goto close_folder;
	}
	r = made ? sync_parent(folder) : 0;
	if (r < 0) {
		ctl_reason_say(
			ret_reason,
			"data = %s: the new folder cannot be made durable (%s); look at the disk",
			path, strerror(-r));
		goto close_folder;
	}
	return folder;

close_folder:
	(void)close(folder);
	return r;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size != 0) {
		const ssize_t written = write(fd, bytes, size);

		if (written < 0) {
			if (errno == EINTR) {
				continue;
			}
			return -errno;
		}
		bytes += written;
		size -= (size_t)written;
	}
	return 0;
}

/* Replaces the file as a whole; when it returns 0, the new one outlives a power failure. */
static int put(int folder, const struct ctl_superblock *superblock)
{
	uint8_t bytes[CTL_SUPERBLOCK_SIZE];
	int fd, r;

	ctl_superblock_encode(superblock, bytes);
	fd = openat(folder, NAME_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		return -errno;
	}
	r = write_all(fd, bytes, sizeof(bytes));
	if (r == 0 && fsync(fd) < 0) {
		r = -errno;
	}
	if (close(fd) < 0 && r == 0) {
		r = -errno;
	}
	if (r == 0 && renameat(folder, NAME_NEW, folder, NAME) < 0) {
		r = -errno;
	}
	if (r == 0 && fsync(folder) < 0) {
		r = -errno;
	}
	return r;
}

static int get(int folder, struct ctl_superblock *ret_superblock)
{
	uint8_t bytes[CTL_SUPERBLOCK_SIZE + 1]; /* one more, to see that it ends */
	const int fd = openat(folder, NAME, O_RDONLY | O_CLOEXEC);
	ssize_t size;
	int r;

	if (fd < 0) {
		return -errno;
	}
	size = read(fd, bytes, sizeof(bytes));
	r = size < 0 ? -errno : 0;
	(void)close(fd);
	return r < 0 ? r : ctl_superblock_decode(slice_make(bytes, (size_t)size), ret_superblock);
}

static int put_or_say(int folder, const char *path, const struct ctl_superblock *superblock,
                      struct ctl_reason *ret_reason)
{
	const int r = put(folder, superblock);

	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": cannot be written (%s); give this user the right to write "
		               "there, or make room",
		               path, strerror(-r));
	}
	return r;
}

int ctl_superblock_found(int folder, const char *path, uint64_t cluster, uint8_t node,
                         uint32_t chance, struct ctl_superblock *ret_superblock,
                         struct ctl_reason *ret_reason)
{
	const struct ctl_superblock superblock = {
		.cluster = cluster,
		.incarnation = (uint64_t)1 << 32 | chance,
		.starts = 1,
		.node = node,
		.member = true,
	};
	int r;

	must(node >= 1);
	if (faccessat(folder, NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": this server was started before, so it cannot begin a new "
		               "cluster; start it without --new-cluster",
		               path);
		return -EEXIST;
	}
	r = put_or_say(folder, path, &superblock, ret_reason);
	if (r == 0) {
		*ret_superblock = superblock;
	}
	return r;
}

void ctl_superblock_withdraw(int folder)
{
	(void)unlinkat(folder, NAME, 0);
	(void)fsync(folder);
}

/* The sentence of a superblock that could not be had. */
static void say_unread(struct ctl_reason *ret_reason, const char *path, int r)
{
	if (r == -ENOENT) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": is not there; if this is the very first start of a new "
		               "cluster, say --new-cluster, else name the right folder by `data`",
		               path);
	} else if (r == -EBADMSG) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": is damaged; a server that lost it is a new one and cannot "
		               "come back under this number",
		               path);
	} else {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": cannot be read (%s); give this user the right to read it",
		               path, strerror(-r));
	}
}

int ctl_superblock_start(int folder, const char *path, uint64_t cluster, uint8_t node,
                         uint32_t chance, struct ctl_superblock *ret_superblock,
                         struct ctl_reason *ret_reason)
{
	struct ctl_superblock superblock;
	int r;

	must(node >= 1);
	r = get(folder, &superblock);
	if (r < 0) {
		say_unread(ret_reason, path, r);
		return r;
	}
	if (superblock.cluster != cluster || superblock.node != node) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME ": belongs to server %u of cluster %016" PRIx64
		               ", not to server %u of cluster %016" PRIx64
		               "; mend `data`, `node` or `cluster` in the configuration",
		               path, superblock.node, superblock.cluster, node, cluster);
		return -EPERM;
	}
	if (superblock.starts == UINT32_MAX) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": has counted its last start; replace this server by a new one",
		               path);
		return -EOVERFLOW;
	}
	superblock.starts++;
	superblock.incarnation = (uint64_t)superblock.starts << 32 | chance;
	r = put_or_say(folder, path, &superblock, ret_reason);
	if (r == 0) {
		*ret_superblock = superblock;
	}
	return r;
}
