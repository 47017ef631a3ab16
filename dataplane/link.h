/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * link.h - datagrams between two processes of one machine, through a shared file
 *
 *      first end                  the file                      second end
 *      dp_link_put   -- head -->  [ slots, first to second ] -- tail --> dp_link_get
 *      dp_link_get   <-- tail --  [ slots, second to first ] <-- head -- dp_link_put
 *      bell          <----------- one word for each end ------------->   bell
 *
 * No handshake, no thread, no DPDK, no rights but those on the file. Each end writes only its own
 * head, tail and slots, and keeps its own copies: whoever dies, the other goes on, finds its
 * ring full, and finds it emptied when the dead one is back. What a killed writer had put but
 * not flushed is lost; a killed reader may read one datagram twice.
 *
 * The other process is not trusted: what it writes is checked each time it is read. A slot that
 * is not what its place says (number, size) is counted and skipped; a counter that makes no
 * sense puts the link back to empty. Only one who may write the file can make it shorter, and
 * that kills whoever has it mapped; so the file is made with mode 0600.
 *
 * The file is best on tmpfs (/dev/shm, /run): on a disk the kernel writes it back now and then.
 *
 * Threads: one for each end. dp_link_counters() may be asked by any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/bell.h"
#include "store/base/slice.h"
#include "store/limits.h"

enum {
	DP_LINK_SLOTS = 1024, /* each way; a power of two */
};

struct dp_link;

struct dp_link_counters {
	uint64_t in;      /* datagrams given by dp_link_get() */
	uint64_t out;     /* put and flushed */
	uint64_t full;    /* refused by dp_link_put() */
	uint64_t damaged; /* slots skipped, and counters that made no sense */
	uint64_t healed;  /* times the file was found gone or another, and opened again */
};

/*
 * Opens one end, and makes the file if it is not there. Either end may come first.
 *
 * Returns 0; -EBUSY: another process holds this end; -EPROTO: the other end is held by a process
 * of another layout; -EINVAL: not an ordinary file, or the path is too long; -EAGAIN: somebody
 * else is opening it and does not get on; or what the system said (-EACCES, -ENOSPC, -ENOENT ...).
 * Given back to dp_link_close().
 */
int dp_link_open(struct dp_link **ret_link, const char *path, bool second);

/* The file stays, with what is in it. NULL is fine. */
void dp_link_close(struct dp_link *link);

/*
 * Puts one datagram (copied), 1 to STORE_DATAGRAM_SIZE_MAX bytes (must). The other end sees it
 * after dp_link_flush(). Returns false, and counts it, if the ring is full.
 */
bool dp_link_put(struct dp_link *link, struct slice bytes);

/* Shows the other end what was put, and wakes it if it sleeps. Cheap if nothing was put. */
void dp_link_flush(struct dp_link *link);

/*
 * Takes the next datagram: copied to `memory` (STORE_DATAGRAM_SIZE_MAX bytes), so that what is
 * looked at afterwards cannot change. Returns its size, or 0 if there is none.
 */
size_t dp_link_get(struct dp_link *link, void *memory);

/* True if there is nothing to get. */
bool dp_link_is_empty(const struct dp_link *link);

/* The bell this end sleeps on; the other end rings it. Good until close or heal. */
struct dp_bell *dp_link_bell(struct dp_link *link);

/*
 * Sleeps until one of the links has something or timeout_ns has passed; `count` is 1 to
 * DP_BELLS_MAX. For a process that has nothing but links; returns at once if one is not empty.
 */
void dp_link_sleep(struct dp_link *const *links, unsigned count, uint64_t timeout_ns);

/*
 * Looks whether the path still names our file, and opens the one that stands there now (or makes
 * it) if not; mends the file's header. A system call: once a second is enough.
 *
 * Returns 0 (all is well), 1 (opened again) or what dp_link_open() returns; then the link goes on
 * with the old file.
 */
int dp_link_heal(struct dp_link *link);

void dp_link_counters(const struct dp_link *link, struct dp_link_counters *ret_counters);
