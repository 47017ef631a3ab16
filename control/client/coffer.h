/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer.h - the client library of Coffer
 *
 *      cc main.c $(pkg-config --cflags --libs coffer)
 *
 * Coffer keeps a small tree of files that a few servers agree on. This library talks to them over
 * UDP: it finds the leader, asks again what was lost, follows a failover, and sees to it that a
 * write which is sent twice has one effect.
 *
 * The short way: open, call, look at the result.
 *
 *      struct coffer *coffer;
 *      struct coffer_result result;
 *
 *      if (coffer_open(&coffer, "10.0.0.1,10.0.0.2,10.0.0.3", NULL) < 0) ...
 *      if (coffer_set(coffer, "/motd", "hello", 5, COFFER_ANY, &result) == COFFER_DONE) ...
 *      coffer_close(coffer);
 *
 * The fast way: up to 64 requests outstanding, a callback for each, one descriptor to poll.
 *
 *      coffer_submit(coffer, &request, on_done, context, NULL);   as often as wanted
 *      poll coffer_fd(coffer) for POLLIN; then coffer_process(coffer), which calls on_done
 *
 * Outcomes. A request that was taken ends exactly once, at its deadline at the latest, as
 *
 *      COFFER_DONE       the servers did it
 *      COFFER_REFUSED    the servers said no (result.answer says why); it had no effect
 *      COFFER_UNREACHED  no final word in time; it had no effect (a read, or never sent)
 *      COFFER_UNKNOWN    a write was sent, no final word in time: it may have happened, and for a
 *                        while it may still happen. Read before you write again, or write under a
 *                        condition.
 *
 * Sessions. The first write opens a session, which is kept alive by coffer_process() (so poll the
 * descriptor also when nothing is outstanding). It ends with coffer_close(), or when the servers
 * hear nothing of it for its time to live; then writes of it that were sent are UNKNOWN, and the
 * next write opens another, unless options say otherwise, or files or locks went with the session
 * (coffer_txn.h): then writes are REFUSED, COFFER_NO_SESSION, until coffer_renew(). A process can
 * leave its session to another (coffer_session()).
 *
 * Time goes on while the machine is suspended (CLOCK_BOOTTIME), for sessions and deadlines alike:
 * after a long sleep what was outstanding ends, with the answer if that waits in the socket.
 *
 * Watches. coffer_watch() calls back for each change that matches a glob, once and in order, from a
 * revision on, while servers come and go; coffer_wait() waits for one.
 *
 * Reads are linearizable: they see every write that was acknowledged to anybody before the read
 * began. With COFFER_STALE any server answers what it has.
 *
 * Revisions. Every change of the tree gives the next revision, a number that never falls. A file's
 * revision is that of its last change; a write can be made to depend on it.
 *
 * Threads. A handle belongs to one thread at a time; two handles have nothing in common. Callbacks
 * run inside coffer_process() (or a blocking call, or coffer_close()), on its thread. From inside
 * a callback all functions may be called but those that wait and coffer_process() (-EBUSY), and
 * coffer_close().
 * The library starts no thread and installs no signal handler. A handle does not survive fork().
 *
 * Memory. Each pointer here is borrowed for the call, if nothing else is said. All memory is taken
 * by coffer_open(), but that of transactions, locks and observers, each when it is made.
 *
 * Errors are negative errno values.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	COFFER_PORT = 8046,            /* of a server that is named without one */
	COFFER_SERVERS_MAX = 16,       /* named to one handle */
	COFFER_REQUESTS_MAX = 64,      /* outstanding at once */
	COFFER_PATH_SIZE_MAX = 512,    /* bytes, the leading '/' included */
	COFFER_VALUE_SIZE_MAX = 32768, /* bytes */
	COFFER_WATCHES_MAX = 65536,    /* at once */
};

#define COFFER_ANY ((int64_t)-1) /* as `if_rev`: whatever stands */

struct coffer;
struct coffer_txn; /* coffer_txn.h */

struct coffer_options {
	uint32_t timeout_ms;   /* of a request that names none; default 5000 */
	uint32_t ttl_ms;       /* time to live of the session, as asked for: 10 ms to a day; the
	                        * servers may grant more; default 10000 */
	uint64_t cluster;      /* id of the cluster; default 0: whichever answers */
	unsigned requests_max; /* outstanding at once, 1 to COFFER_REQUESTS_MAX (default); memory
	                        * is taken for twice as many messages of 36 KiB */
	bool one_session;      /* when the session is gone, writes fail (COFFER_NO_SESSION) */
	unsigned watches_max;  /* at once, 1 to COFFER_WATCHES_MAX; default 1024; memory is taken
	                        * for as many of 0.7 KiB, and touched when used */
	uint64_t session, session_secret; /* a session to go on with, see coffer_session(); 0
	                        * (default): a new one at the first write */
	bool keep_session;  /* coffer_close() leaves the session to its time to live, for the next
	                        * process to go on with */
	const char *secret; /* that the servers want to be known; copied in a way that does not
	                        * give it back. NULL (default): the environment variable
	                        * COFFER_SECRET; "": none */
};

/* Fills in the defaults. To be called first, so that later fields have a value too. */
void coffer_options_default(struct coffer_options *options);

/*
 * Makes a handle. Resolves the names (which may take a while) and opens sockets, but talks to
 * nobody yet: that no server answers is found out by the first request.
 *
 * servers  "HOST[:PORT],HOST[:PORT],...", IPv4 addresses or names; NULL: the environment variable
 *          COFFER_SERVERS. It is read once, and nobody else is ever asked: name also those that may
 *          join or lead later. Who is not there costs a time-out now and then; a
 *          name that does not resolve now is passed over, unless it is the only one
 * options  NULL: the defaults
 *
 * Returns 0; -EDESTADDRREQ: no servers are named; -EINVAL: the list or an option is malformed;
 * -E2BIG: more than COFFER_SERVERS_MAX; -EHOSTUNREACH: no name resolves; -ENOMEM; or what
 * the system said of sockets. Given back to coffer_close().
 */
int coffer_open(struct coffer **ret_coffer, const char *servers,
                const struct coffer_options *options);

/*
 * Ends the session (one datagram, not waited for; unless options.keep_session) and frees the
 * handle. What is outstanding gets its callback first, as UNREACHED or UNKNOWN; watches end without
 * one. NULL is fine. Not from inside a callback.
 */
void coffer_close(struct coffer *coffer);

/*
 * The servers of the cluster called `name`, as its name cluster tells them: what stands below
 * /ctl/ns/NAME there. Waits: for each page of their list, and for each of them,
 * options->timeout_ms at most.
 *
 * boot         servers of the name cluster, as coffer_open() takes them; NULL: the environment
 *              variable COFFER_BOOT
 * options      for the name cluster, its secret too; NULL: the defaults
 * ret_servers  a list for coffer_open()
 *
 * Returns how many there are, COFFER_SERVERS_MAX at most, 0 if none is told; as coffer_open();
 * -EINVAL: that is no name; -ENOSPC: `size` is too small; -ETIMEDOUT: the name cluster did not
 * answer; -EACCES: it is denied; -EPROTO, -EBADMSG: it refused, or answered nonsense.
 */
int coffer_cluster(const char *boot, const char *name, const struct coffer_options *options,
                   char *ret_servers, size_t size);

/* --- requests and results ------------------------------------------------------------------- */

enum coffer_verb {
	COFFER_CLOSE = 2,  /* ends the session, with all that goes with it, when all writes before
	                       * have ended; the next write opens another one */
	COFFER_SET = 4,    /* path, value; condition */
	COFFER_DELETE = 5, /* path; condition */
	COFFER_NOP = 6,    /* goes through agreement like a write, changes nothing */
	COFFER_GET = 7,    /* path; rev */
	COFFER_STAT = 8,   /* path of a file or directory; rev */
	COFFER_LIST = 9,   /* path of a directory; rev, after, offset, limit */
	COFFER_FIND = 10,  /* glob in `path`; rev, after, offset, limit */
	COFFER_REV = 11,   /* the revision of the store */
	COFFER_SELF = 12,  /* who answers, and who leads */
	COFFER_TXN = 14,   /* `txn`; a write of several operations, see coffer_txn.h */
	COFFER_SESSIONS = 15, /* those with ids above `rev`; limit; see coffer_sessions() */
	COFFER_OWNED = 16, /* paths of the files that go with session `rev`, which is to be there;
	                       * after, limit */
};

enum coffer_condition {
	COFFER_ALWAYS = 0,
	COFFER_IF_EQUAL = 1,   /* the file's revision is `rev`; 0: there is no such file */
	COFFER_IF_AT_MOST = 2, /* the file's revision is `rev` or lower; 0: there is no such file */
};

enum {
	COFFER_STALE = 1,   /* reads: what any one server has will do */
	COFFER_ORDERED = 2, /* writes: not before all writes submitted earlier */
};

struct coffer_request {
	enum coffer_verb verb;
	unsigned flags;    /* COFFER_STALE, COFFER_ORDERED */
	const char *path;  /* or glob; ends with a zero byte; NULL for CLOSE, NOP, REV, SELF,
	                    * SESSIONS, OWNED */
	const void *value; /* SET */
	size_t value_size; /* SET */
	enum coffer_condition condition; /* SET, DELETE */
	int64_t rev;                     /* of the condition; reads: the state after that revision,
	                                  * waited for if it has not come yet; 0: the present one */
	const char *after;   /* LIST, FIND: go on behind this name or path; NULL: from the start */
	uint32_t offset;     /* LIST, FIND: pass over so many entries first */
	unsigned limit;      /* LIST, FIND: entries at most; 0: as many as fit a message */
	uint32_t timeout_ms; /* 0: that of the options */
	struct coffer_txn *txn; /* TXN: copied as it stands; may be used again at once */
};

enum coffer_outcome {
	COFFER_DONE = 0,
	COFFER_REFUSED = 1,
	COFFER_UNREACHED = 2,
	COFFER_UNKNOWN = 3,
};

/* Why. Numbers are those of the protocol; more may come. */
enum coffer_answer {
	COFFER_OK = 0,
	COFFER_MISMATCH = 1,  /* the condition is false; result.revision is what stands */
	COFFER_NOT_FOUND = 2, /* no such file */
	COFFER_IS_DIRECTORY = 3,
	COFFER_NOT_DIRECTORY = 4, /* a name on the way is a file; or LIST of a file */
	COFFER_BAD_PATH = 5,
	COFFER_BAD_GLOB = 6,
	COFFER_TOO_LARGE = 7,
	COFFER_QUOTA = 8,    /* the store is full; deletes work */
	COFFER_TOO_LATE = 9, /* that revision is no longer kept */
	COFFER_NO_SESSION = 10,
	COFFER_BAD_SECRET = 11,
	COFFER_STALE_NUMBER = 12,
	COFFER_WINDOW = 13,
	COFFER_SESSIONS_FULL = 14,
	COFFER_NOT_LEADER = 15,
	COFFER_NO_QUORUM = 16,
	COFFER_OVERLOADED = 17,
	COFFER_BAD_REQUEST = 18,
	COFFER_BAD_VERSION = 19,
	COFFER_WRONG_CLUSTER = 20,
	COFFER_BAD_VERB = 21,
	COFFER_DISK_FULL = 22, /* of the servers; what does not grow works */
	COFFER_TOO_EARLY = 23, /* that revision has not come yet */
	COFFER_DENIED = 24,    /* the secret does not allow it */
	COFFER_LOCKED = 25,    /* others hold the lock; `revision` is a token of theirs */
	COFFER_NOT_HELD = 26,  /* the lock is not yours, or the token not its present one */
	COFFER_NOT_NUMBER = 27,
	COFFER_GUARDED = 28,      /* below /ctl/lock: locks alone change it */
	COFFER_SESSION_FULL = 29, /* the session owns as many files as it may */
};

enum coffer_role {
	COFFER_FOLLOWER = 1,
	COFFER_CANDIDATE = 2,
	COFFER_LEADER = 3,
	COFFER_OUTSIDER = 4, /* restarted, not yet let in again */
};

enum coffer_durability {
	COFFER_MEMORY = 1, /* acknowledged: in the memory of a majority */
	COFFER_DISK = 2,   /* acknowledged: on the disks of a majority */
};

struct coffer_result {
	enum coffer_outcome outcome;
	enum coffer_answer answer; /* UNREACHED, UNKNOWN: what was last heard; COFFER_NO_QUORUM if
	                            * nothing was */
	bool heard;                /* a server said something, if only that another one leads */
	int64_t revision;       /* of the change; of the file; on MISMATCH what stands, 0 = none */
	int64_t store_revision; /* of the store when it answered */
	uint64_t owner;         /* GET, STAT: session that the file goes with; 0: with none */
	int64_t first;          /* TXN: revision of the first change, 0: there was none; `revision`
	                         * is the last one's */
	int64_t number;         /* TXN: token, ticket or sum; of the last operation that has one */
	bool is_else;           /* TXN: a condition was false: the else list was run, or refused */
	bool is_condition;      /* TXN, REFUSED: it was a condition; else an operation */
	bool is_queued;         /* TXN: `number` is a ticket: the lock is waited for */
	unsigned op;            /* TXN, REFUSED: which of these it was in its list, from 0 */
	const void *value;      /* GET: the value; LIST, FIND: a page, see coffer_page_next() */
	size_t value_size;
	bool is_directory;   /* STAT */
	uint32_t children;   /* STAT of a directory; if has_more, there are at least as many */
	uint32_t count;      /* STAT of a file: its size; LIST, FIND: entries in the page */
	bool has_more;       /* LIST, FIND: the page is not the last, see coffer_page_rest() */
	uint8_t node;        /* who answered, from 1 */
	uint8_t leader;      /* who leads as far as that server knows; 0: not known */
	uint8_t role;        /* enum coffer_role of who answered */
	uint8_t durability;  /* enum coffer_durability of the cluster */
	unsigned sends;      /* how often the request was sent */
	uint64_t latency_ns; /* from the submission to the end */
};

/* "not found" and so on, for people. */
const char *coffer_answer_text(enum coffer_answer answer);
/* "done", "refused", "unreached", "unknown". */
const char *coffer_outcome_text(enum coffer_outcome outcome);
/* What coffer_open() and others returned, for people. */
const char *coffer_error_text(int error);

/* One entry of a page of LIST (name: of the file or directory) or FIND (name: the path). */
struct coffer_entry {
	const char *name; /* no zero byte at its end; good as long as the page */
	size_t name_size;
	bool is_directory;
	int64_t revision; /* 0 for a directory */
};

/*
 * Takes the next entry off a page. `*position` is 0 at the start.
 * Returns 1, 0 at the end, -EBADMSG if the page makes no sense, or -EINVAL if there is none at the
 * position.
 */
int coffer_page_next(const struct coffer_result *result, size_t *position,
                     struct coffer_entry *ret_entry);

/*
 * Where a page that is not the last goes on: `after` and `offset` of the next request. A server
 * looks at a bounded number of files for each request, so a page may have few entries, or none, and
 * not be the last.
 *
 * Returns 0, or -EBADMSG if it is the last, or makes no sense.
 */
int coffer_page_rest(const struct coffer_result *result, char after[COFFER_PATH_SIZE_MAX + 1],
                     uint32_t *ret_offset);

/* --- without waiting ------------------------------------------------------------------------ */

/* The end of a request. `result` and its value are good until the callback returns. */
typedef void coffer_done_fn(void *context, const struct coffer_result *result);

/*
 * Takes a request (copied) and sends it. `done` is called once, later, by coffer_process().
 *
 * ret_id  names the request for coffer_cancel(); may be NULL
 *
 * Returns 0; -EAGAIN: requests_max are outstanding; -EINVAL: no such verb, condition or flag, or a
 * path is missing. What is too long is taken, and ends as REFUSED, COFFER_TOO_LARGE; a transaction
 * that is, is not taken: -E2BIG.
 */
int coffer_submit(struct coffer *coffer, const struct coffer_request *request, coffer_done_fn *done,
                  void *context, uint64_t *ret_id);

/*
 * Gives up on a request: it ends as at its deadline. The callback comes with the next
 * coffer_process(). Returns 0 or -ENOENT (it has ended).
 */
int coffer_cancel(struct coffer *coffer, uint64_t id);

/* Writes may open another session where one is gone that none may replace. */
void coffer_renew(struct coffer *coffer);

/*
 * A descriptor that is readable (poll, select, epoll) whenever coffer_process() has something to
 * do, be it that an answer came or that time passed. Owned by the handle: do not read or close it.
 */
int coffer_fd(const struct coffer *coffer);

/*
 * Takes what came, sends what is due, calls back what ended. Does not wait.
 * Returns how many callbacks were called (the library's own, of locks, included), or -EBUSY from
 * inside a callback.
 */
int coffer_process(struct coffer *coffer);

/*
 * The session: its id, 0 if there is none (not yet, or no more), and its secret. Another handle, in
 * whatever process, goes on with it if both stand in its options. Use it from one at a time: when
 * the new one first writes, the old one's writes end as UNKNOWN or COFFER_STALE_NUMBER, for ever. A
 * session that was gone on with is never replaced: when it is gone, or was not there, writes are
 * REFUSED with what ended it (COFFER_NO_SESSION, COFFER_BAD_SECRET, COFFER_STALE_NUMBER).
 *
 * ret_secret  may be NULL. Whoever knows it can write in the session, and end it
 */
uint64_t coffer_session(const struct coffer *coffer, uint64_t *ret_secret);

/*
 * Until when the session is sure, in nanoseconds of CLOCK_BOOTTIME: no server ends it before, so
 * what it holds is still its own. 0: there is none, or nothing was heard of it yet.
 * coffer_process() moves it on, each third of the time to live.
 */
uint64_t coffer_valid_until_ns(const struct coffer *coffer);

/* Requests whose callback was not called yet. */
unsigned coffer_outstanding(const struct coffer *coffer);

/* --- watches --------------------------------------------------------------------------------
 *
 * A watch goes on until it is unwatched, or ends by itself: lost, when no server that can be
 * reached keeps events as old as it wants (servers keep the last 65,536, or fewer); or refused.
 * Servers that fall silent are left for others, however long that takes; there is no time-out.
 *
 * Who is slow slows nobody: a server sends the next page of a watch when the callbacks for the last
 * one have returned, so a watch that falls behind by more events than are kept is lost. Whoever
 * cannot take more for now pauses the watch.
 *
 * What changed at one stroke comes as one event each. Whoever wants to see no part of it keeps
 * events until `next` of the news is above their `entry_last`: with the last of them, or else with
 * a later event or note, which comes at once.
 */

enum coffer_event_kind {
	COFFER_EVENT_SET = 1,
	COFFER_EVENT_DELETE = 2,
};

enum coffer_cause {
	COFFER_CAUSE_ASKED = 0,    /* somebody wrote it */
	COFFER_CAUSE_RELEASED = 1, /* its session was closed, or the lock given back */
	COFFER_CAUSE_EXPIRED = 2,  /* its session was not heard for its time to live */
	COFFER_CAUSE_REVOKED = 3,  /* the lock was broken, or the session killed */
	COFFER_CAUSE_GRANTED = 4,  /* who waited for a lock has it */
	COFFER_CAUSE_RESTED = 5,   /* a lock's delay has passed */
};

/* One change. */
struct coffer_event {
	int64_t revision;
	int64_t previous;   /* revision of the event before it on this watch; 0: it is the first */
	int64_t entry_last; /* of the changes made at one stroke with it, as by a transaction: the
	                     * last one's revision, whether that matches or not */
	enum coffer_event_kind kind;
	enum coffer_cause cause;
	const char *path; /* no zero byte at its end */
	size_t path_size;
	const void *value; /* SET */
	size_t value_size;
};

enum coffer_news_kind {
	COFFER_NEWS_EVENT = 1, /* `event` happened */
	COFFER_NEWS_NOTE = 2,  /* all matching events below `next` were told; comes every few
	                        * seconds at least while servers answer */
	COFFER_NEWS_END = 3,   /* the watch is no more; `answer` tells why */
};

struct coffer_news {
	enum coffer_news_kind kind;
	uint64_t id;                      /* of the watch */
	const struct coffer_event *event; /* EVENT; else NULL */
	int64_t next; /* EVENT, NOTE: what to ask from to go on behind all that was told */
	int64_t store_revision; /* EVENT, NOTE: of the server's store */
	uint32_t age_ms; /* EVENT, NOTE: since that server was in touch with a leader that has a
	                  * majority: so old its news may be; UINT32_MAX: it never was */
	uint8_t node;    /* EVENT, NOTE: the server that keeps the watch, from 1 */
	enum coffer_answer answer; /* END: COFFER_TOO_LATE: it is lost; else why it was refused, as
	                            * COFFER_BAD_GLOB */
	int64_t oldest;            /* END, COFFER_TOO_LATE: the oldest revision still kept */
};

/* `news` and what it points to are good until the callback returns. */
typedef void coffer_news_fn(void *context, const struct coffer_news *news);

/*
 * Begins a watch: `fn` is called by coffer_process(), whenever there is news.
 *
 * glob    copied
 * from    events of this revision and later; 0: of those after the store's present revision, which
 *         is asked for first, so that what is written after this call is seen
 * ret_id  names the watch; may be NULL
 *
 * Returns 0; -EAGAIN: there are options.watches_max; -EINVAL: no glob or callback, or a negative
 * revision.
 */
int coffer_watch(struct coffer *coffer, const char *glob, int64_t from, coffer_news_fn *fn,
                 void *context, uint64_t *ret_id);

/* Ends a watch: its callback is not called any more. Returns 0 or -ENOENT. */
int coffer_unwatch(struct coffer *coffer, uint64_t id);

/*
 * Holds a watch: no event of it is told until it is resumed, and the servers do nothing for it.
 * From inside its callback too: what was not told yet will be told later. Returns 0 or -ENOENT.
 */
int coffer_pause(struct coffer *coffer, uint64_t id);
int coffer_resume(struct coffer *coffer, uint64_t id);

/* Watches there are. */
unsigned coffer_watches(const struct coffer *coffer);

/* --- waiting ---------------------------------------------------------------------------------
 *
 * Each sends one request, waits for its end, calling back whatever else ends meanwhile, and
 * returns its enum coffer_outcome (0 is COFFER_DONE), or -EBUSY from inside a callback, or as
 * coffer_submit(). `ret_result` is written if an outcome is returned; it may be NULL but where it
 * carries the answer. Its value belongs to the handle and is good until the next waiting call.
 */

int coffer_call(struct coffer *coffer, const struct coffer_request *request,
                struct coffer_result *ret_result);

/* if_rev: COFFER_ANY, 0 (there must be no such file), or the revision the file must have. */
int coffer_set(struct coffer *coffer, const char *path, const void *value, size_t value_size,
               int64_t if_rev, struct coffer_result *ret_result);
int coffer_delete(struct coffer *coffer, const char *path, int64_t if_rev,
                  struct coffer_result *ret_result);
int coffer_get(struct coffer *coffer, const char *path, struct coffer_result *ret_result);
int coffer_stat(struct coffer *coffer, const char *path, struct coffer_result *ret_result);
int coffer_rev(struct coffer *coffer, struct coffer_result *ret_result);
int coffer_nop(struct coffer *coffer, struct coffer_result *ret_result);
int coffer_self(struct coffer *coffer, struct coffer_result *ret_result);

/* One entry; returns 0 to go on, anything else to stop. */
typedef int coffer_entry_fn(void *context, const struct coffer_entry *entry);

/*
 * All entries that a LIST, FIND or OWNED request asks for, page by page: of a directory, or the
 * files whose path matches a glob, or that go with a session. Each page is consistent in itself;
 * between two pages the tree may change (compare store_revision). request->limit bounds a page, not
 * the whole.
 *
 * What `each` returned other than 0 ends it early and is in *ret_stopped, which may be NULL.
 * `ret_result` is that of the last page. Returns as coffer_call(), or -EBADMSG if a page makes no
 * sense.
 */
int coffer_each(struct coffer *coffer, const struct coffer_request *request, coffer_entry_fn *each,
                void *context, int *ret_stopped, struct coffer_result *ret_result);

int coffer_list(struct coffer *coffer, const char *path, coffer_entry_fn *each, void *context,
                struct coffer_result *ret_result);
int coffer_find(struct coffer *coffer, const char *glob, coffer_entry_fn *each, void *context,
                struct coffer_result *ret_result);

/* A session, as the leader sees it. */
struct coffer_session_entry {
	uint64_t id;
	uint32_t ttl_ms;  /* as granted */
	uint32_t left_ms; /* until it is over if it is not heard of again; a little later it ends */
	uint32_t owned;   /* files and locks that go with it */
};

/* As coffer_page_next(), of a result of COFFER_SESSIONS. */
int coffer_session_next(const struct coffer_result *result, size_t *position,
                        struct coffer_session_entry *ret_entry);

/* One session; returns 0 to go on, anything else to stop. */
typedef int coffer_session_fn(void *context, const struct coffer_session_entry *entry);

/*
 * All sessions there are, in the order of their ids (the oldest first), page by page. Returns as
 * coffer_each(). `ret_result` is that of the last page, and may be NULL.
 */
int coffer_sessions(struct coffer *coffer, coffer_session_fn *each, void *context,
                    struct coffer_result *ret_result);

/*
 * The first event that matches a glob, of revision `from` or later; 0: after the present one.
 * To see each event once, go on from its revision + 1 (coffer_watch() is faster for many).
 *
 * timeout_ms  0: for ever
 * ret_event   written for COFFER_DONE; path and value belong to the handle and are good until the
 *             next waiting call
 * ret_result  may be NULL. REFUSED: `answer`, and with COFFER_TOO_LATE `revision` is the oldest one
 *             that is kept. UNREACHED: no event in time; if servers were heard, `heard` is set and
 *             `revision` is where to go on from
 *
 * Returns DONE, REFUSED or UNREACHED, -EBUSY from inside a callback, or as coffer_watch().
 */
int coffer_wait(struct coffer *coffer, const char *glob, int64_t from, uint32_t timeout_ms,
                struct coffer_event *ret_event, struct coffer_result *ret_result);

#ifdef __cplusplus
}
#endif
