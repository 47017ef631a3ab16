/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store.h - the replicated state: a tree of files, sessions, members' incarnations
 *
 *      writer                                    readers (any thread, RCU)
 *      store_apply(index, entry) ... xN
 *      store_publish() ----- root ------------>  store_root(), store_get(root, ...)
 *      store_grace_wanted() -> shell runs a grace period -> store_grace_passed()
 *
 * A root is immutable and stands at a batch border. A reader's root is good until its thread's
 * next quiescent state (liburcu QSBR); the writer's own until its next store_grace_passed(); a
 * pinned one until it is unpinned.
 *
 * Apply is a function of the state and the entry alone: no clock, no chance, no local setting but
 * those that must be equal on all servers (quota, sessions_max, grants_max, killed_max). So all
 * servers that applied the same entries hold the same state, and store_digest() says so.
 *
 * What other headers declare and this one shows: store_answer, store_result (answer.h),
 * store_session (session.h), store_event (event.h).
 *
 * Pure but for liburcu's globals. Memory comes from store/alloc. If the arena is used up all the
 * same (it is larger than what the quota lets in), the server stops: apply may not end otherwise
 * on one server than on the others.
 * Threads: functions that take a non-const `struct store *` belong to the writer (the replica's
 *          thread). store_root() and what takes a root may be called from any registered reader.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/answer.h"
#include "store/base/slice.h"
#include "store/entry.h"
#include "store/event.h"
#include "store/members.h"
#include "store/session.h"

struct store_config {
	uint64_t quota_bytes;  /* logical bytes; equal on all servers */
	uint32_t sessions_max; /* equal on all servers */
	uint32_t grants_max;   /* equal on all servers; 0: STORE_GRANTS_MAX. Tests take less */
	uint32_t killed_max;   /* likewise: STORE_KILLED_MAX */
	uint32_t events_max;   /* events kept in the ring; a power of two */
	uint64_t arena_bytes;  /* what the allocator may take at most; 0 = by the others */
};

struct store;
struct store_root;

/* A file as a reader sees it; borrows from the root. */
struct store_file {
	struct slice path;
	struct slice value;
	store_rev_t revision; /* of its last change; 0 for a directory */
	uint64_t owner; /* session with which it goes; STORE_OWNER_... (node.h); 0: nobody's */
	bool is_directory;
	uint32_t children; /* of a directory: how many entries; only from store_stat() */
	bool has_more;     /* children: there may be more, there was no looking further */
};

/* What a store of this configuration may take at most: of the allocator, and all of it. */
uint64_t store_arena_bytes(const struct store_config *config);
uint64_t store_bytes_max(const struct store_config *config);

/* Makes an empty store. Returns 0, -EINVAL (config) or -ENOMEM. Given back to store_free(). */
int store_new(struct store **ret_store, const struct store_config *config);

/* Frees everything, pinned roots too. No reader may be left. NULL is fine. */
void store_free(struct store *store);

/* --- writer ----------------------------------------------------------------------------- */

/*
 * Asks the processor for what applying this encoded entry will look at, and changes nothing.
 * Worth it a few entries ahead; what makes no sense does no harm.
 */
void store_apply_ahead(const struct store *store, struct slice bytes);

/*
 * Applies one entry. `index` is one above the last applied one (must). The entry is borrowed.
 * Every outcome is an answer; cannot fail. ret_result is written for OP, OPEN, CLOSE.
 *
 * Exactly once (4.1 l): an OP or CLOSE whose number was answered before gets the kept answer and
 * changes nothing; one below the session's base gets STALE.
 */
void store_apply(struct store *store, uint64_t index, const struct store_entry *entry,
                 struct store_result *ret_result);

/* Makes all applied entries visible to readers, the root first, then the events' head. */
void store_publish(struct store *store);

/* Last applied index (may be ahead of the published root's). */
uint64_t store_applied(const struct store *store);

/* Time of the last applied entry. */
uint64_t store_time_ns(const struct store *store);

/* Of all entries applied, about what they take in a journal. Replicated: equal on all. */
uint64_t store_log_bytes(const struct store *store);

/*
 * Memory that was replaced is freed in three steps: the writer lists it (publish), all readers
 * pass a quiescent state (the shell), the writer frees it. `wanted` counts publishes that left
 * something to free; when a grace period that began after it was read has ended, the shell
 * reports that number back.
 */
uint64_t store_grace_wanted(const struct store *store);
void store_grace_passed(struct store *store, uint64_t number);

/* Keeps the published root for a walker or a snapshot, until unpinned. NULL: too many pinned. */
const struct store_root *store_pin(struct store *store);
void store_unpin(struct store *store, const struct store_root *root);

/*
 * Makes what was restored the beginning of another cluster: sessions, members and events are gone,
 * and the revision is `raise` higher, so that no revision of the former cluster comes twice. The
 * files, their revisions and the index stay. Published. Alike on all servers that do it to the
 * same state.
 */
void store_refound(struct store *store, store_rev_t raise);

/* --- sessions and members, for the replica -------------------------------------------------- */

/*
 * The session as applied so far, or NULL. Good until the next store_apply(); what it has answered
 * is asked by store_session_kept(). Writer only.
 */
const struct store_session *store_session(const struct store *store, uint64_t id);

/* Sessions in the order of their ids: the first with id > after, or NULL. Writer only. */
const struct store_session *store_session_next(const struct store *store, uint64_t after);
uint32_t store_session_count(const struct store *store);

/*
 * Files that go with a session, in tree order: the first behind the path `after`, empty: of all.
 * False: there is no more. The path is good until a change. Writer only.
 */
bool store_owned_behind(const struct store *store, uint64_t session, struct slice after,
                        struct slice *ret_path, store_rev_t *ret_revision);

/*
 * Locks that rest after their holder's death, in tree order: the first behind the path `after`
 * (empty: the first of all). False if there is none. An UNDELAY entry of that path whose time is
 * not below until_ns ends it. Good until the next store_apply(). Writer only.
 */
bool store_delayed_next(const struct store *store, struct slice after, struct slice *ret_path,
                        uint64_t *ret_until_ns);

/*
 * A lock of whose waiters more could have it than one entry grants: the file that says so. An
 * UNDELAY entry of that path goes on. False if there is none. Good until the next store_apply().
 * Writer only.
 */
bool store_passing_next(const struct store *store, struct slice *ret_path);

/* As applied so far. Good until the next store_apply(). Writer only. */
const struct store_members *store_members(const struct store *store);

/* The incarnation under which a member takes part; 0 until a REJOIN entry named one. */
uint64_t store_member_incarnation(const struct store *store, unsigned node);

/* --- readers ------------------------------------------------------------------------------- */

/* The published root (rcu_dereference). Never NULL. */
const struct store_root *store_root(const struct store *store);

store_rev_t store_root_revision(const struct store_root *root);
uint64_t store_root_index(const struct store_root *root);
uint64_t store_root_bytes(const struct store_root *root); /* logical bytes, as the quota counts */
uint64_t store_root_files(const struct store_root *root);

/* OK, NOT_FOUND, IS_DIRECTORY, NOT_DIRECTORY, BAD_PATH or TOO_LARGE. */
enum store_answer store_get(const struct store_root *root, struct slice path,
                            struct store_file *ret_file);

/* As store_get(), but a directory is OK too: revision 0, children counted. */
enum store_answer store_stat(const struct store_root *root, struct slice path,
                             struct store_file *ret_file);

/*
 * The files as they were after a revision: a root, and the events behind that revision undone. Of
 * the root's own revision it is the root as it stands, at no cost.
 *
 * Exact at each revision, also at one between two batches, as long as every event behind it is
 * kept. The writer may drop events while a reader looks: what is read of a view that is lost is
 * void. Good as long as the root.
 */
struct store_view {
	const struct store_root *root;
	const struct store_events *events; /* private */
	store_rev_t rev;
	store_rev_t oldest; /* revision that can be read, as far as known */
	uint32_t looks;     /* how much may still be looked at, see below */
};

/*
 * Looks bound what one read costs: STAT's count of children, and cursors, stop when none is left.
 * Each file, each path that is gone and each event undone takes one, and a search, or a long glob,
 * a few; some 50 ns each. There is no bound unless the caller sets `looks`, to 1 or more. What else
 * is read takes looks, but does not stop.
 */
enum {
	STORE_LOOKS_SEARCH = 4, /* for a search */
};

/* A root as it stands. It is never lost. */
struct store_view store_present(const struct store_root *root);

/*
 * A root, or what it was at `rev` (0: as it stands). OK; TOO_EARLY if it is not so far yet;
 * TOO_LATE if the events behind `rev` are no longer all kept. ret_view is written in any case:
 * `oldest` is of use.
 */
enum store_answer store_past(const struct store *store, const struct store_root *root,
                             store_rev_t rev, struct store_view *ret_view);

static inline bool store_view_is_lost(const struct store_view *view)
{
	return view->oldest > view->rev;
}

/* As store_get() and store_stat(); TOO_LATE if the view is lost. */
enum store_answer store_get_at(struct store_view *view, struct slice path,
                               struct store_file *ret_file);
enum store_answer store_stat_at(struct store_view *view, struct slice path,
                                struct store_file *ret_file);

/*
 * A cursor over one root; visible so that it needs no memory of its own.
 *
 * store_list():  the names directly in a directory, in byte order, after the name `after`.
 * store_walk():  the files whose path matches a glob, in tree order, after the path `after`.
 * Both answer OK, or BAD_PATH, BAD_GLOB, TOO_LARGE, NOT_FOUND, NOT_DIRECTORY; a list at a view
 * TOO_LATE, too. The view is copied.
 * A walk goes over directories below which its glob matches nothing.
 * store_cursor_next() gives each in turn (for a list: `path` is the full path of the entry).
 *
 * When view.looks are used up it gives nothing more, and store_cursor_cut() tells the `after` with
 * which another cursor goes on at the same revision. That of a list is a name; or a path below the
 * directory with a slash behind it: it stopped among files of a name that was not given yet.
 */
struct store_cursor {
	struct store_view view;
	uint8_t pattern[STORE_GLOB_SIZE_MAX];
	uint16_t pattern_size;
	bool is_list;
	uint8_t key[STORE_PATH_SIZE_MAX + 2]; /* next to look at; private */
	uint16_t key_size;
	uint8_t path[STORE_PATH_SIZE_MAX + 1]; /* last one looked at; private */
	uint16_t path_size;
	bool is_cut;
};

enum store_answer store_list(struct store_cursor *cursor, const struct store_root *root,
                             struct slice path, struct slice after);
enum store_answer store_walk(struct store_cursor *cursor, const struct store_root *root,
                             struct slice glob, struct slice after);
enum store_answer store_list_at(struct store_cursor *cursor, struct store_view *view,
                                struct slice path, struct slice after);
enum store_answer store_walk_at(struct store_cursor *cursor, const struct store_view *view,
                                struct slice glob, struct slice after);
/*
 * False at the end, or if cursor->view is lost. What it gives borrows from root and cursor, until
 * the next call.
 */
bool store_cursor_next(struct store_cursor *cursor, struct store_file *ret_file);

/* True if it ended for want of looks. `ret_after` borrows from the cursor. */
bool store_cursor_cut(const struct store_cursor *cursor, struct slice *ret_after);

/* --- events -------------------------------------------------------------------------------- */

/*
 * The event of one revision. OK; TOO_LATE if it is no longer kept; NOT_FOUND if it has not
 * happened yet (as published). Any registered reader.
 */
enum store_answer store_event(const struct store *store, store_rev_t revision,
                              const struct store_event **ret_event);

/* The last event that readers see, 0 if there never was one; the first that is kept, or last + 1 */
store_rev_t store_event_last(const struct store *store);
store_rev_t store_event_first(const struct store *store);

/* --- the whole ------------------------------------------------------------------------------ */

/* 128 bits over everything that is replicated, of the pinned or published root. */
struct store_digest {
	uint64_t low, high;
};
struct store_digest store_digest(const struct store *store, const struct store_root *root);

struct store_counters {
	uint64_t applied; /* entries */
	uint64_t answers[STORE_ANSWER_COUNT];
	uint64_t memory_bytes;   /* taken from the arena */
	uint64_t memory_waiting; /* listed, not yet freed */
};
/* Any thread; may be late. */
void store_counters(const struct store *store, struct store_counters *ret_counters);
