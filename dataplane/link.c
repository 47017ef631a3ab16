/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/base/check.h"

enum {
	LINE = 64,
	PAGE = 4096,
	LAYOUT = 1,             /* raised whenever struct file or struct slot changes */
	DAMAGED_AT_A_TIME = 32, /* slots skipped in one call at most */
	OPEN_TRIES = 1000,      /* a millisecond apart */
};

#define MAGIC UINT64_C(0x314b4e4c52464f43) /* "COFRLNK1" */

/* Odd in cache lines, so that the slots' first lines do not fall on one set of a cache. */
struct slot {
	_Alignas(LINE) _Atomic uint64_t number; /* of the datagram, from 1: position + 1 */
	_Atomic uint32_t size;
	uint32_t unused;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

struct way {
	_Alignas(LINE) _Atomic uint64_t head; /* datagrams ever flushed; the writer's */
	_Alignas(LINE) _Atomic uint64_t tail; /* datagrams ever taken; the reader's */
};

struct end {
	_Alignas(LINE) struct dp_bell bell; /* this end sleeps on it, the other rings it */
};

struct file {
	_Alignas(PAGE) _Atomic uint64_t magic; /* written last by who makes the file */
	uint32_t layout;
	uint32_t slot_count;
	uint32_t slot_size;
	struct end ends[2];
	struct way ways[2]; /* [0]: first to second */
	_Alignas(PAGE) struct slot slots[2][DP_LINK_SLOTS];
};

static_assert((DP_LINK_SLOTS & (DP_LINK_SLOTS - 1)) == 0, "positions are masked");
static_assert(sizeof(struct slot) % (2 * LINE) == LINE, "an odd number of lines");
static_assert(offsetof(struct slot, bytes) == 16, "number, size and padding");
static_assert(offsetof(struct way, tail) - offsetof(struct way, head) == LINE,
              "head and tail have lines of their own");
static_assert(offsetof(struct file, slots) == PAGE, "the header is one page");

/* Bytes of the file that are locked; a lock dies with its process. */
enum {
	LOCK_FIRST = 0,
	LOCK_SECOND = 1,
	LOCK_OPENING = 2,
};

struct dp_link {
	/* written at each datagram by the thread of this end */
	struct way *out;
	struct slot *out_slots;
	uint64_t put;       /* datagrams ever put */
	uint64_t flushed;   /* what out->head says */
	uint64_t tail_seen; /* our last look at out->tail */
	struct way *in;
	const struct slot *in_slots;
	uint64_t taken; /* what in->tail says */
	struct dp_bell *bell;
	struct dp_bell *other_bell;
	_Atomic uint64_t received, sent, full, damaged, healed;
	/* hardly ever */
	struct file *file;
	int descriptor;
	bool second;
	char path[PATH_MAX];
};

static void count(_Atomic uint64_t *counter, uint64_t more)
{
	/* One writer: no locked instruction is needed. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
	                      memory_order_relaxed);
}

/* --- the file -------------------------------------------------------------------------------- */

static int lock(int descriptor, off_t which)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};

	return fcntl(descriptor, F_OFD_SETLK, &range) == 0 ? 0 : -errno;
}

static void unlock(int descriptor, off_t which)
{
	struct flock range = {
		.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};

	(void)fcntl(descriptor, F_OFD_SETLK, &range); /* closing the file would do it, too */
}

static bool is_locked_by_another(int descriptor, off_t which)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};

	return fcntl(descriptor, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

/* Opening takes microseconds; who holds this lock for longer was stopped in the middle. */
static int lock_opening(int descriptor)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int r = -EAGAIN;

	for (unsigned i = 0; i < OPEN_TRIES && (r == -EAGAIN || r == -EACCES); i++) {
		r = lock(descriptor, LOCK_OPENING);
		if (r == -EAGAIN || r == -EACCES) {
			(void)nanosleep(&pause, NULL);
		}
	}
	return r;
}

static bool header_is_ours(const struct file *file)
{
	return atomic_load_explicit(&file->magic, memory_order_acquire) == MAGIC &&
	       file->layout == LAYOUT && file->slot_count == DP_LINK_SLOTS &&
	       file->slot_size == sizeof(struct slot);
}

static void write_header(struct file *file)
{
	file->layout = LAYOUT;
	file->slot_count = DP_LINK_SLOTS;
	file->slot_size = sizeof(struct slot);
	atomic_store_explicit(&file->magic, MAGIC, memory_order_release);
}

/*
 * Writes the header where it is missing or wrong. While the other end is held, its counters stay
 * as they are: both ends check them anyway.
 */
static int make_header(struct file *file, bool other_is_there)
{
	if (header_is_ours(file)) {
		return 0;
	}
	if (other_is_there && atomic_load_explicit(&file->magic, memory_order_relaxed) == MAGIC) {
		return -EPROTO;
	}
	if (!other_is_there) {
		memset(file->ends, 0, sizeof(file->ends));
		memset(file->ways, 0, sizeof(file->ways));
	}
	write_header(file);
	return 0;
}

/* With LOCK_OPENING held: takes our end, makes the file long enough, maps it. */
static int map(int descriptor, bool second, struct file **ret_file)
{
	struct file *file;
	struct stat is;
	int r;

	r = lock(descriptor, second ? LOCK_SECOND : LOCK_FIRST);
	if (r < 0) {
		return r == -EAGAIN || r == -EACCES ? -EBUSY : r;
	}
	if (fstat(descriptor, &is) != 0) {
		return -errno;
	}
	if (!S_ISREG(is.st_mode)) {
		return -EINVAL;
	}
	/* Never shorter: the other end may have it mapped. All of it now: no SIGBUS later. */
	if (is.st_size < (off_t)sizeof(*file) || is.st_blocks < (blkcnt_t)(sizeof(*file) / 512)) {
		r = -posix_fallocate(descriptor, 0, sizeof(*file));
		if (r < 0) {
			return r;
		}
	}
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	            descriptor, 0);
	if (file == MAP_FAILED) {
		return -errno;
	}
	r = make_header(file, is_locked_by_another(descriptor, second ? LOCK_FIRST : LOCK_SECOND));
	if (r < 0) {
		(void)munmap(file, sizeof(*file));
		return r;
	}
	*ret_file = file;
	return 0;
}

static int open_file(const char *path, bool second, int *ret_descriptor, struct file **ret_file)
{
	const int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	int r;

	if (descriptor < 0) {
		return -errno;
	}
	r = lock_opening(descriptor);
	if (r < 0) {
		goto close_descriptor;
	}
	r = map(descriptor, second, ret_file);
	if (r < 0) {
		goto close_descriptor;
	}
	unlock(descriptor, LOCK_OPENING);
	*ret_descriptor = descriptor;
	return 0;

close_descriptor:
	(void)close(descriptor); /* and with it every lock */
	return r;
}

/* --- open and close -------------------------------------------------------------------------- */

/* Goes on where an earlier process of this end stopped, as far as that makes sense. */
static void take_up(struct dp_link *link, struct file *file, int descriptor)
{
	link->file = file;
	link->descriptor = descriptor;
	link->out = &file->ways[link->second ? 1 : 0];
	link->out_slots = file->slots[link->second ? 1 : 0];
	link->in = &file->ways[link->second ? 0 : 1];
	link->in_slots = file->slots[link->second ? 0 : 1];
	link->bell = &file->ends[link->second ? 1 : 0].bell;
	link->other_bell = &file->ends[link->second ? 0 : 1].bell;
	dp_bell_init(link->bell);

	link->taken = atomic_load_explicit(&link->in->tail, memory_order_acquire);
	link->tail_seen = atomic_load_explicit(&link->out->tail, memory_order_acquire);
	link->put = atomic_load_explicit(&link->out->head, memory_order_acquire);
	if (link->put - link->tail_seen > DP_LINK_SLOTS) {
		link->put = link->tail_seen;
		atomic_store_explicit(&link->out->head, link->put, memory_order_release);
	}
	link->flushed = link->put;
}

int dp_link_open(struct dp_link **ret_link, const char *path, bool second)
{
	struct dp_link *link;
	struct file *file;
	int descriptor;
	int r;

	if (strlen(path) >= sizeof(link->path)) {
		return -EINVAL;
	}
	link = calloc(1, sizeof(*link));
	if (link == NULL) {
		return -ENOMEM;
	}
	memcpy(link->path, path, strlen(path) + 1);
	link->second = second;
	r = open_file(path, second, &descriptor, &file);
	if (r < 0) {
		free(link);
		return r;
	}
	take_up(link, file, descriptor);
	*ret_link = link;
	return 0;
}

static void let_go(struct dp_link *link)
{
	(void)munmap(link->file, sizeof(*link->file));
	(void)close(link->descriptor);
}

void dp_link_close(struct dp_link *link)
{
	if (link == NULL) {
		return;
	}
	dp_link_flush(link);
	let_go(link);
	free(link);
}

int dp_link_heal(struct dp_link *link)
{
	struct stat ours, there;
	struct file *file;
	int descriptor;
	int r;

	if (fstat(link->descriptor, &ours) != 0) {
		return -errno;
	}
	if (stat(link->path, &there) == 0 && ours.st_dev == there.st_dev &&
	    ours.st_ino == there.st_ino) {
		if (!header_is_ours(link->file)) {
			write_header(link->file); /* or the other end would not open it again */
		}
		return 0;
	}
	r = open_file(link->path, link->second, &descriptor, &file);
	if (r < 0) {
		return r;
	}
	let_go(link);
	take_up(link, file, descriptor);
	count(&link->healed, 1);
	return 1;
}

/* --- datagrams ------------------------------------------------------------------------------- */

static bool is_full(struct dp_link *link)
{
	if (link->put - link->tail_seen < DP_LINK_SLOTS) {
		return false;
	}
	/* A tail that makes no sense is full, too, until its owner mends it. */
	link->tail_seen = atomic_load_explicit(&link->out->tail, memory_order_acquire);
	return link->put - link->tail_seen >= DP_LINK_SLOTS;
}

bool dp_link_put(struct dp_link *link, struct slice bytes)
{
	struct slot *slot;

	must(bytes.size >= 1);
	must(bytes.size <= STORE_DATAGRAM_SIZE_MAX);
	if (is_full(link)) {
		count(&link->full, 1);
		return false;
	}
	slot = &link->out_slots[link->put & (DP_LINK_SLOTS - 1)];
	memcpy(slot->bytes, bytes.data, bytes.size);
	atomic_store_explicit(&slot->size, (uint32_t)bytes.size, memory_order_relaxed);
	link->put++;
	atomic_store_explicit(&slot->number, link->put, memory_order_relaxed);
	return true;
}

void dp_link_flush(struct dp_link *link)
{
	if (link->put == link->flushed) {
		return;
	}
	count(&link->sent, link->put - link->flushed);
	link->flushed = link->put;
	atomic_store_explicit(&link->out->head, link->put, memory_order_release);
	dp_bell_ring(link->other_bell);
}

static void set_tail(struct dp_link *link, uint64_t taken)
{
	link->taken = taken;
	atomic_store_explicit(&link->in->tail, taken, memory_order_release);
}

/* Copies the slot at our tail. 0: it is not what its place says. */
static size_t copy_slot(const struct dp_link *link, void *memory)
{
	const struct slot *slot = &link->in_slots[link->taken & (DP_LINK_SLOTS - 1)];
	const uint32_t size = atomic_load_explicit(&slot->size, memory_order_relaxed);

	if (atomic_load_explicit(&slot->number, memory_order_relaxed) != link->taken + 1 ||
	    size == 0 || size > STORE_DATAGRAM_SIZE_MAX) {
		return 0;
	}
	memcpy(memory, slot->bytes, size);
	return size;
}

size_t dp_link_get(struct dp_link *link, void *memory)
{
	const uint64_t head = atomic_load_explicit(&link->in->head, memory_order_acquire);

	if (head == link->taken) {
		/* Damaged by the other side it would look full there for ever. */
		if (atomic_load_explicit(&link->in->tail, memory_order_relaxed) != head) {
			set_tail(link, head);
		}
		return 0;
	}
	if (head - link->taken > DP_LINK_SLOTS) {
		count(&link->damaged, 1);
		set_tail(link, head);
		return 0;
	}
	for (unsigned i = 0; i < DAMAGED_AT_A_TIME && link->taken != head; i++) {
		const size_t size = copy_slot(link, memory);

		set_tail(link, link->taken + 1);
		if (size != 0) {
			count(&link->received, 1);
			return size;
		}
		count(&link->damaged, 1);
	}
	return 0;
}

bool dp_link_is_empty(const struct dp_link *link)
{
	return atomic_load_explicit(&link->in->head, memory_order_acquire) == link->taken;
}

struct dp_bell *dp_link_bell(struct dp_link *link)
{
	return link->bell;
}

void dp_link_sleep(struct dp_link *const *links, unsigned count_of_links, uint64_t timeout_ns)
{
	struct dp_bell *bells[DP_BELLS_MAX];
	bool is_idle = true;

	must(count_of_links >= 1);
	must(count_of_links <= DP_BELLS_MAX);
	for (unsigned i = 0; i < count_of_links; i++) {
		bells[i] = links[i]->bell;
	}
	dp_bells_arm(bells, count_of_links);
	for (unsigned i = 0; i < count_of_links; i++) {
		is_idle = is_idle && dp_link_is_empty(links[i]);
	}
	if (is_idle) {
		(void)dp_bells_wait(bells, count_of_links, timeout_ns);
	}
	dp_bells_disarm(bells, count_of_links);
}

void dp_link_counters(const struct dp_link *link, struct dp_link_counters *ret_counters)
{
	*ret_counters = (struct dp_link_counters){
		.in = atomic_load_explicit(&link->received, memory_order_relaxed),
		.out = atomic_load_explicit(&link->sent, memory_order_relaxed),
		.full = atomic_load_explicit(&link->full, memory_order_relaxed),
		.damaged = atomic_load_explicit(&link->damaged, memory_order_relaxed),
		.healed = atomic_load_explicit(&link->healed, memory_order_relaxed),
	};
}
