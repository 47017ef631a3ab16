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

/* How the sentence of a superblock ends that is not there. */
#define LOST                                                                                       \
	"; the very first start of a new cluster says --new-cluster. A server that lost its "      \
	"folder is a new one and cannot come back under its old number: give it another, start "   \
	"it with --join, and have the old one replaced (cofferctl member replace OLD NEW)"

enum {
	MAGIC = 0x42534643, /* "CFSB" */
	VERSION = 3,
	VERSION_BEFORE = 2, /* without a configuration */
	SUMMED = CTL_SUPERBLOCK_SIZE - 4,
	IS_MEMBER = 1,
	IS_REJOINING = 2,
	IS_DISK = 4,
	PAIR = 2, /* copies written at once */
};

void ctl_superblock_encode(const struct ctl_superblock *superblock,
                           uint8_t ret_bytes[CTL_SUPERBLOCK_SIZE])
{
	struct wire_writer writer = wire_writer_make(ret_bytes, CTL_SUPERBLOCK_SIZE);
	const unsigned flags = (superblock->member ? IS_MEMBER : 0u) |
	                       (superblock->rejoining ? IS_REJOINING : 0u) |
	                       (superblock->is_disk ? IS_DISK : 0u);

	memset(ret_bytes, 0, CTL_SUPERBLOCK_SIZE);
	wire_put_u32(&writer, MAGIC);
	wire_put_u32(&writer, VERSION);
	wire_put_u64(&writer, superblock->sequence);
	wire_put_u64(&writer, superblock->cluster);
	wire_put_u64(&writer, superblock->incarnation);
	wire_put_u32(&writer, superblock->starts);
	wire_put_u8(&writer, superblock->node);
	wire_put_u8(&writer, (uint8_t)flags);
	wire_put_u16(&writer, 0);
	wire_put_u32(&writer, superblock->configuration);
	wire_put_u32(&writer, superblock->voters);
	writer.next = writer.start + SUMMED;
	wire_put_u32(&writer, crc32c(0, slice_make(ret_bytes, SUMMED)));
	must(wire_written_ok(&writer));
	must(wire_room(&writer) == 0);
}

static bool is_sane(const struct ctl_superblock *superblock)
{
	const uint64_t start = superblock->incarnation >> 32; /* that it was made at */

	if (superblock->starts == 0 || superblock->node == 0 || superblock->sequence == 0 ||
	    (superblock->configuration == 0) != (superblock->voters == 0)) {
		return false;
	}
	return superblock->is_disk ? start != 0 && start <= superblock->starts
	                           : start == superblock->starts && !superblock->rejoining;
}

int ctl_superblock_decode(struct slice bytes, struct ctl_superblock *ret_superblock)
{
	struct wire_reader reader = wire_reader_make(bytes);
	struct ctl_superblock superblock = {0};
	uint32_t version;
	bool good;

	if (bytes.size != CTL_SUPERBLOCK_SIZE) {
		return -EBADMSG;
	}
	good = wire_u32(&reader) == MAGIC;
	version = wire_u32(&reader);
	superblock.sequence = wire_u64(&reader);
	superblock.cluster = wire_u64(&reader);
	superblock.incarnation = wire_u64(&reader);
	superblock.starts = wire_u32(&reader);
	superblock.node = wire_u8(&reader);
	const uint8_t flags = wire_u8(&reader);

	if (version == VERSION) {
		good = wire_u16(&reader) == 0 && good;
		superblock.configuration = wire_u32(&reader);
		superblock.voters = wire_u32(&reader);
	} else {
		good = version == VERSION_BEFORE && good;
	}
	while (wire_left(&reader) > 4) {
		good = wire_u8(&reader) == 0 && good;
	}
	good = wire_u32(&reader) == crc32c(0, slice_make(bytes.data, SUMMED)) && good;
	superblock.member = (flags & IS_MEMBER) != 0;
	superblock.rejoining = (flags & IS_REJOINING) != 0;
	superblock.is_disk = (flags & IS_DISK) != 0;
	if (!good || flags > (IS_MEMBER | IS_REJOINING | IS_DISK) || !is_sane(&superblock)) {
		return -EBADMSG;
	}
	*ret_superblock = superblock;
	return 0;
}

bool ctl_superblock_is_ahead(uint32_t configuration, uint32_t known)
{
	return configuration > 1 && configuration > known;
}

struct ctl_superblock ctl_superblock_first(uint64_t cluster, uint8_t node, uint32_t voters,
                                           bool is_disk, uint32_t chance)
{
	must(node >= 1);
	return (struct ctl_superblock){
		.sequence = 1,
		.cluster = cluster,
		.incarnation = (uint64_t)1 << 32 | chance,
		.starts = 1,
		.configuration = voters != 0 ? 1 : 0,
		.voters = voters,
		.node = node,
		.member = true,
		.is_disk = is_disk,
	};
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
		ctl_reason_say(ret_reason,
		               "data = %s: the folder cannot be opened (%s); name the right one%s",
		               path, strerror(-r), r == -ENOENT ? LOST : "");
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

/* Writes `count` copies from `copy` on, and makes them durable. */
static int put_copies(int fd, const uint8_t *bytes, unsigned copy, unsigned count)
{
	for (unsigned i = copy; i < copy + count; i++) {
		const off_t at = (off_t)i * CTL_SUPERBLOCK_SIZE;
		ssize_t written;

		do {
			written = pwrite(fd, bytes, CTL_SUPERBLOCK_SIZE, at);
		} while (written < 0 && errno == EINTR);
		if (written != CTL_SUPERBLOCK_SIZE) {
			return written < 0 ? -errno : -EIO;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* A file with all copies, under its name only when it is whole and durable. */
static int make(int folder, const struct ctl_superblock *superblock)
{
	uint8_t bytes[CTL_SUPERBLOCK_SIZE];
	int fd, r;

	ctl_superblock_encode(superblock, bytes);
	fd = openat(folder, NAME_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		return -errno;
	}
	r = put_copies(fd, bytes, 0, CTL_SUPERBLOCK_COPIES);
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

/* Which copies are good, and which one counts; -1: none. */
static int find(int fd, bool ret_good[CTL_SUPERBLOCK_COPIES], struct ctl_superblock *ret_superblock)
{
	int best = -1;

	for (unsigned i = 0; i < CTL_SUPERBLOCK_COPIES; i++) {
		uint8_t bytes[CTL_SUPERBLOCK_SIZE];
		struct ctl_superblock superblock;
		const ssize_t size =
			pread(fd, bytes, sizeof(bytes), (off_t)i * CTL_SUPERBLOCK_SIZE);

		/* What cannot be read is as good as damaged. */
		ret_good[i] =
			size == sizeof(bytes) &&
			ctl_superblock_decode(slice_make(bytes, sizeof(bytes)), &superblock) == 0;
		if (ret_good[i] && (best < 0 || superblock.sequence > ret_superblock->sequence)) {
			*ret_superblock = superblock;
			best = (int)i;
		}
	}
	return best;
}

int ctl_superblock_read(int folder, bool ret_good[CTL_SUPERBLOCK_COPIES],
                        struct ctl_superblock *ret_superblock)
{
	const int fd = openat(folder, NAME, O_RDONLY | O_CLOEXEC);
	int count = 0;

	if (fd < 0) {
		return -errno;
	}
	(void)find(fd, ret_good, ret_superblock);
	(void)close(fd);
	for (unsigned i = 0; i < CTL_SUPERBLOCK_COPIES; i++) {
		count += ret_good[i] ? 1 : 0;
	}
	return count;
}

/* Writes over what is there: first the two copies that do not count. */
static int put(int folder, const struct ctl_superblock *superblock)
{
	uint8_t bytes[CTL_SUPERBLOCK_SIZE];
	bool good[CTL_SUPERBLOCK_COPIES];
	struct ctl_superblock before;
	unsigned first;
	int fd, r;

	ctl_superblock_encode(superblock, bytes);
	fd = openat(folder, NAME, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	first = find(fd, good, &before) < PAIR ? PAIR : 0;
	r = put_copies(fd, bytes, first, PAIR);
	if (r == 0) {
		r = put_copies(fd, bytes, PAIR - first, PAIR);
	}
	if (close(fd) < 0 && r == 0) {
		r = -errno;
	}
	return r;
}

static int say_unwritten(int r, const char *path, struct ctl_reason *ret_reason)
{
	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": cannot be written (%s); give this user the right to write "
		               "there, or make room",
		               path, strerror(-r));
	}
	return r;
}

int ctl_superblock_write(int folder, const char *path, struct ctl_superblock *superblock,
                         struct ctl_reason *ret_reason)
{
	superblock->sequence++;
	return say_unwritten(put(folder, superblock), path, ret_reason);
}

int ctl_superblock_found(int folder, const char *path, const struct ctl_superblock *first,
                         struct ctl_reason *ret_reason)
{
	if (faccessat(folder, NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": this server was started before, so it cannot %s; start it "
		               "without %s",
		               path, first->member ? "begin a new cluster" : "join as a new one",
		               first->member ? "--new-cluster" : "--join");
		return -EEXIST;
	}
	return say_unwritten(make(folder, first), path, ret_reason);
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
		               "%s/" NAME ": is not there; name the right folder by `data`" LOST,
		               path);
	} else if (r == -EBADMSG) {
		ctl_reason_say(ret_reason, "%s/" NAME ": none of its four copies is whole" LOST,
		               path);
	} else {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": cannot be read (%s); give this user the right to read it",
		               path, strerror(-r));
	}
}

static int compare(const struct ctl_superblock *found, const struct ctl_superblock *first,
                   const char *path, struct ctl_reason *ret_reason)
{
	if (found->cluster != first->cluster || found->node != first->node) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME ": belongs to server %u of cluster %016" PRIx64
		               ", not to server %u of cluster %016" PRIx64
		               "; mend `data`, `node` or `cluster` in the configuration",
		               path, found->node, found->cluster, first->node, first->cluster);
		return -EPERM;
	}
	if (found->is_disk != first->is_disk) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME ": this server began with durability = %s, and a cluster "
		               "keeps its mode for life; mend `durability` in the configuration",
		               path, found->is_disk ? "disk" : "memory");
		return -EPERM;
	}
	if (found->starts == UINT32_MAX) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": has counted its last start; replace this server by a new one",
		               path);
		return -EOVERFLOW;
	}
	return 0;
}

/* At most a 65536th of the numbers that are left, so that many more starts can step as well. */
static uint32_t step(uint32_t starts, uint32_t chance)
{
	return 1 + chance % (1 + (UINT32_MAX - starts) / 65536);
}

int ctl_superblock_start(int folder, const char *path, const struct ctl_superblock *first,
                         struct ctl_superblock *ret_superblock, struct ctl_reason *ret_reason)
{
	const uint32_t chance = (uint32_t)first->incarnation;
	bool good[CTL_SUPERBLOCK_COPIES];
	struct ctl_superblock superblock;
	int r = ctl_superblock_read(folder, good, &superblock);

	r = r == 0 ? -EBADMSG : r;
	if (r < 0) {
		say_unread(ret_reason, path, r);
		return r;
	}
	r = compare(&superblock, first, path, ret_reason);
	if (r < 0) {
		return r;
	}
	superblock.starts += superblock.is_disk ? step(superblock.starts, chance) : 1;
	if (!superblock.is_disk) {
		superblock.incarnation = (uint64_t)superblock.starts << 32 | chance;
	}
	r = ctl_superblock_write(folder, path, &superblock, ret_reason);
	if (r == 0) {
		*ret_superblock = superblock;
	}
	return r;
}
