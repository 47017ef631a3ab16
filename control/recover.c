/* SPDX-License-Identifier: Apache-2.0 */
#include "control/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "consensus/record.h"
#include "control/snapshot_file.h"
#include "control/superblock.h"
#include "store/base/check.h"

enum {
	NAME_SIZE = sizeof("damaged-4294967295.4294967295"),
	ASIDE_MAX = 1000, /* of one start */
};

/* --- the snapshot ---------------------------------------------------------------------------- */

/* Loads the newest snapshot that is whole. 0 also if there is none. */
static int load_snapshot(const struct ctl_journal_config *config, uint64_t cluster,
                         struct paxos_replica *replica, struct store *store,
                         struct ctl_recovered *recovered, struct ctl_reason *ret_reason)
{
	char name[CTL_SNAPSHOT_NAME_SIZE];
	struct ctl_snapshot_head head;
	struct store_digest digest;
	uint64_t index = UINT64_MAX;
	int r;

	while ((r = ctl_snapshot_newest(config->folder, index, &index)) == 0) {
		ctl_snapshot_name(index, name);
		r = ctl_snapshot_load(config->folder, name, store, &head, &digest, ret_reason);
		if (r == 0 && (head.cluster != cluster || head.index != index)) {
			ctl_reason_say(ret_reason, "%s/%s: is of another cluster or index",
			               config->path, name);
			return -EBADMSG; /* the store has it now */
		}
		if (r == 0) {
			recovered->snapshot = index;
			return paxos_replica_recover_snapshot(replica, &digest);
		}
		if (r != -EBADMSG) {
			return r;
		}
		recovered->snapshots_damaged++;
	}
	if (r != -ENOENT) {
		ctl_reason_say(ret_reason, "%s: cannot be read (%s)", config->path, strerror(-r));
		return r;
	}
	return 0;
}

/* --- the first reading ----------------------------------------------------------------------- */

struct survey {
	struct ctl_recovered *recovered;
	uint64_t begin;         /* first record behind the last gap that nothing is known of */
	uint32_t configuration; /* the latest that anything tells of */
	bool gap;               /* one is open: the next frame ends it */
	enum ctl_piece_kind at_end;
};

static int survey_piece(void *context, const struct ctl_piece *piece)
{
	struct survey *survey = context;
	struct ctl_recovered *recovered = survey->recovered;

	survey->at_end = piece->kind;
	survey->configuration = ctl_piece_configuration(piece, survey->configuration);
	switch (piece->kind) {
	case CTL_PIECE_WHOLE:
		recovered->frames++;
		if (survey->gap || survey->begin == 0) {
			survey->begin = piece->first;
			survey->gap = false;
		}
		break;
	case CTL_PIECE_CORRUPT:
		recovered->frames_bad++;
		survey->gap |= !piece->has_mark;
		break;
	case CTL_PIECE_TORN:
		recovered->torn = true;
		break;
	case CTL_PIECE_BLANK:
		break;
	}
	return 0;
}

/* --- the second ------------------------------------------------------------------------------ */

struct replay {
	struct paxos_replica *replica;
	struct ctl_recovered *recovered;
	uint64_t begin;
	uint64_t from;   /* the first record that is needed: of the last BASE that counts */
	uint64_t failed; /* the record that could not be redone */
};

static int redo(struct replay *replay, uint64_t number, struct slice bytes)
{
	struct paxos_record record;
	const int r = paxos_replica_recover(replay->replica, number, bytes);

	if (r < 0) {
		replay->failed = number;
		return r;
	}
	if (paxos_record_decode(bytes, &record) && record.kind == PAXOS_RECORD_BASE &&
	    record.place.index <= replay->recovered->snapshot) {
		replay->from = record.from;
	}
	replay->recovered->records++;
	return 0;
}

static int replay_piece(void *context, const struct ctl_piece *piece)
{
	struct replay *replay = context;
	struct slice left = piece->records, record;
	int r = 0;

	if (piece->count == 0 || piece->first < replay->begin) {
		return 0;
	}
	if (piece->kind == CTL_PIECE_CORRUPT) {
		replay->recovered->records_lost += piece->count;
		replay->failed = piece->first;
		return paxos_replica_recover_lost(replay->replica, piece->first,
		                                  piece->first + piece->count - 1, &piece->mark);
	}
	if (piece->kind != CTL_PIECE_WHOLE) {
		return 0;
	}
	for (uint64_t i = 0; i < piece->count && r == 0; i++) {
		r = ctl_frame_next(&left, &record) ? redo(replay, piece->first + i, record)
		                                   : -EBADMSG;
	}
	return r;
}

static int say_beyond(const struct ctl_journal_config *config, uint64_t record,
                      struct ctl_reason *ret_reason)
{
	ctl_reason_say(ret_reason,
	               "%s/" CTL_JOURNAL_NAME
	               ": too much of it is lost to mend it in place (at record %" PRIu64 ")",
	               config->path, record);
	return -EBADMSG;
}

static int say_older(const struct ctl_journal_config *config, uint32_t configuration,
                     struct ctl_reason *ret_reason)
{
	ctl_reason_say(ret_reason,
	               "%s/" CTL_JOURNAL_NAME ": knows of no later configuration than %" PRIu32
	               ", but the superblock is of configuration %" PRIu32
	               ": an older copy was put in its place",
	               config->path, configuration, config->configuration);
	return -EBADMSG;
}

/* What was read once, and is to be read again: a journal that is open, or its folder. */
struct source {
	struct ctl_journal *journal; /* NULL: the folder */
	int folder;
	uint64_t last; /* record; 0: none */
};

static int read_again(const struct source *source, const struct ctl_journal_config *config,
                      const struct ctl_journal_reader *reader, struct ctl_reason *ret_reason)
{
	struct ctl_journal_end end;

	return source->journal != NULL
	               ? ctl_journal_read(source->journal, reader, ret_reason)
	               : ctl_journal_scan(source->folder, config->incarnation, reader, &end);
}

static int replay_all(const struct source *source, const struct ctl_journal_config *config,
                      const struct survey *survey, struct paxos_replica *replica,
                      struct ctl_recovered *recovered, struct ctl_reason *ret_reason)
{
	struct replay replay = {
		.replica = replica,
		.recovered = recovered,
		.begin = survey->begin,
		.from = 1,
	};
	const struct ctl_journal_reader reader = {.visit = replay_piece, .context = &replay};
	int r;

	if (survey->at_end == CTL_PIECE_CORRUPT || survey->begin == 0) {
		return say_beyond(config, source->last + 1, ret_reason);
	}
	if (ctl_superblock_is_ahead(config->configuration, survey->configuration)) {
		return say_older(config, survey->configuration, ret_reason);
	}
	r = read_again(source, config, &reader, ret_reason);
	if (r == 0 && replay.begin > replay.from) {
		replay.failed = replay.from;
		r = -EBADMSG;
	}
	/* Before the first record there is nothing to be sure of. */
	if (r == 0 && (source->last != 0 || recovered->frames_bad != 0)) {
		replay.failed = source->last;
		r = paxos_replica_recover_end(replica);
	}
	return r == -EBADMSG || r == -ENOSPC ? say_beyond(config, replay.failed, ret_reason) : r;
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int ctl_recover(struct ctl_journal **ret_journal, const struct ctl_journal_config *config,
                uint64_t cluster, struct paxos_replica *replica, struct store *store,
                struct ctl_recovered *ret_recovered, struct ctl_reason *ret_reason)
{
	const uint64_t begin_ns = clock_ns();
	struct ctl_recovered recovered = {0};
	struct survey survey = {.recovered = &recovered};
	const struct ctl_journal_reader reader = {.visit = survey_piece, .context = &survey};
	struct ctl_journal *journal = NULL;
	int r;

	r = load_snapshot(config, cluster, replica, store, &recovered, ret_reason);
	if (r == 0) {
		r = ctl_journal_open(&journal, config, &reader, ret_reason);
		r = r == -ENOENT ? say_beyond(config, 1, ret_reason) : r;
	}
	if (r == 0) {
		const struct source source = {.journal = journal,
		                              .last = ctl_journal_last(journal)};

		r = replay_all(&source, config, &survey, replica, &recovered, ret_reason);
	}
	recovered.took_ns = clock_ns() - begin_ns;
	*ret_recovered = recovered;
	if (r < 0) {
		ctl_journal_close(journal);
		return r;
	}
	*ret_journal = journal;
	return 0;
}

int ctl_recover_look(const struct ctl_journal_config *config, uint64_t cluster,
                     struct paxos_replica *replica, struct store *store,
                     struct ctl_recovered *ret_recovered, struct ctl_reason *ret_reason)
{
	struct survey survey = {.recovered = ret_recovered};
	const struct ctl_journal_reader reader = {.visit = survey_piece, .context = &survey};
	struct ctl_journal_end end;
	struct source source;
	int r;

	*ret_recovered = (struct ctl_recovered){0};
	r = load_snapshot(config, cluster, replica, store, ret_recovered, ret_reason);
	if (r < 0) {
		return r;
	}
	source = (struct source){.folder = openat(config->folder, CTL_JOURNAL_NAME,
	                                          O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (source.folder < 0) {
		ctl_reason_say(ret_reason, "%s/" CTL_JOURNAL_NAME ": cannot be read (%s)",
		               config->path, strerror(errno));
		return -errno;
	}
	r = ctl_journal_scan(source.folder, config->incarnation, &reader, &end);
	if (r == 0) {
		source.last = end.record - 1;
		r = replay_all(&source, config, &survey, replica, ret_recovered, ret_reason);
	}
	(void)close(source.folder);
	return r;
}

/* --- aside ----------------------------------------------------------------------------------- */

static int move_into(int folder, int aside, const char *name)
{
	return renameat(folder, name, aside, name) < 0 && errno != ENOENT ? -errno : 0;
}

static int move_all(int folder, int aside)
{
	char name[CTL_SNAPSHOT_NAME_SIZE];
	uint64_t index = UINT64_MAX;
	int r = move_into(folder, aside, CTL_JOURNAL_NAME);

	while (r == 0 && (r = ctl_snapshot_newest(folder, index, &index)) == 0) {
		ctl_snapshot_name(index, name);
		r = move_into(folder, aside, name);
	}
	if (r != -ENOENT) {
		return r;
	}
	return fsync(aside) < 0 || fsync(folder) < 0 ? -errno : 0;
}

/* Makes a folder of a name that was never used, and opens it. */
static int make_aside(int folder, uint32_t start, char ret_name[NAME_SIZE])
{
	int r = -EEXIST, fd;

	for (unsigned i = 1; i < ASIDE_MAX && r == -EEXIST; i++) {
		(void)snprintf(ret_name, NAME_SIZE, "damaged-%" PRIu32 ".%u", start, i);
		r = mkdirat(folder, ret_name, 0700) < 0 ? -errno : 0;
	}
	if (r < 0) {
		return r;
	}
	fd = openat(folder, ret_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* True if there is anything to be set aside. */
static bool is_anything(int folder)
{
	uint64_t index;

	return faccessat(folder, CTL_JOURNAL_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       ctl_snapshot_newest(folder, UINT64_MAX, &index) == 0;
}

int ctl_set_aside(const struct ctl_journal_config *config, uint32_t start,
                  struct ctl_reason *ret_reason)
{
	char name[NAME_SIZE] = "damaged";
	int aside, r;

	if (!is_anything(config->folder)) {
		return 0;
	}
	aside = make_aside(config->folder, start, name);
	r = aside < 0 ? aside : move_all(config->folder, aside);
	if (aside >= 0) {
		(void)close(aside);
	}
	if (r < 0) {
		ctl_reason_say(
			ret_reason,
			"%s: what is damaged cannot be set aside as %s (%s); move it by hand",
			config->path, name, strerror(-r));
	}
	return r;
}
