/* SPDX-License-Identifier: Apache-2.0 */
#include "control/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "consensus/quorum.h"
#include "consensus/record.h"
#include "consensus/replica.h"
#include "control/journal.h"
#include "control/recover.h"
#include "control/snapshot_file.h"
#include "control/superblock.h"
#include "store/store.h"

static void set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static json_t *number(uint64_t value)
{
	return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static json_t *hexadecimal(uint64_t value)
{
	char text[17];

	(void)snprintf(text, sizeof(text), "%016" PRIx64, value);
	return json_string(text);
}

/* The numbers of a set. */
static json_t *servers(uint32_t nodes)
{
	json_t *array = json_array();

	for (unsigned node = 0; paxos_each(nodes, &node); node++) {
		(void)json_array_append_new(array, number(node + 1));
	}
	return array;
}

/* --- superblock ------------------------------------------------------------------------------ */

static int look_at_superblock(int folder, const char *path, json_t *report, bool *good,
                              struct ctl_superblock *ret_superblock, struct ctl_reason *ret_reason)
{
	bool copies[CTL_SUPERBLOCK_COPIES] = {false};
	json_t *object = json_object(), *array = json_array();
	const int count = ctl_superblock_read(folder, copies, ret_superblock);

	for (unsigned i = 0; i < CTL_SUPERBLOCK_COPIES; i++) {
		(void)json_array_append_new(array, json_boolean(copies[i]));
	}
	set(object, "copies_good", array);
	set(report, "superblock", object);
	*good = *good && count == CTL_SUPERBLOCK_COPIES;
	if (count <= 0) {
		ctl_reason_say(ret_reason, "%s/superblock: %s", path,
		               count == 0 ? "none of its four copies is whole" : strerror(-count));
		return count == 0 ? -EBADMSG : count;
	}
	set(object, "cluster", hexadecimal(ret_superblock->cluster));
	set(object, "node", number(ret_superblock->node));
	set(object, "incarnation", hexadecimal(ret_superblock->incarnation));
	set(object, "starts", number(ret_superblock->starts));
	set(object, "durability", json_string(ret_superblock->is_disk ? "disk" : "memory"));
	set(object, "rejoining", json_boolean(ret_superblock->rejoining));
	set(object, "configuration", number(ret_superblock->configuration));
	set(object, "voters", servers(ret_superblock->voters));
	return 0;
}

/* --- journal --------------------------------------------------------------------------------- */

struct count {
	json_t *pieces;
	uint64_t frames, records, first, last, torn, corrupt;
	uint32_t configuration;
	uint64_t snapshot; /* the newest good one */
	uint64_t from;     /* the first record that is needed beside it */
};

/* A BASE of a snapshot that is here tells what may have been forgotten. */
static void look_for_base(struct count *count, struct slice records)
{
	struct paxos_record record;
	struct slice bytes;

	while (ctl_frame_next(&records, &bytes)) {
		if (paxos_record_decode(bytes, &record) && record.kind == PAXOS_RECORD_BASE &&
		    record.place.index <= count->snapshot) {
			count->from = record.from;
		}
	}
}

static int count_piece(void *context, const struct ctl_piece *piece)
{
	struct count *count = context;
	json_t *object;

	count->configuration = ctl_piece_configuration(piece, count->configuration);
	if (piece->kind == CTL_PIECE_WHOLE) {
		count->frames++;
		count->records += piece->count;
		look_for_base(count, piece->records);
		if (piece->count != 0) {
			count->first = count->first == 0 ? piece->first : count->first;
			count->last = piece->first + piece->count - 1;
		}
		return 0;
	}
	count->torn += piece->kind == CTL_PIECE_TORN;
	count->corrupt += piece->kind == CTL_PIECE_CORRUPT;
	if (piece->kind == CTL_PIECE_BLANK ||
	    json_array_size(count->pieces) >= CTL_VERIFY_PIECES_MAX) {
		return 0;
	}
	object = json_object();
	set(object, "kind", json_string(ctl_piece_text(piece->kind)));
	set(object, "segment", hexadecimal(piece->segment));
	set(object, "block", number(piece->block));
	set(object, "blocks", number(piece->blocks));
	set(object, "frame", number(piece->number));
	set(object, "first_record", number(piece->first));
	set(object, "records", number(piece->count));
	set(object, "known", json_boolean(piece->has_mark));
	(void)json_array_append_new(count->pieces, object);
	return 0;
}

/* Does the next start miss nothing of what the corrupt frames held? With the default bounds. */
static bool is_mended(int folder, const char *path, const struct ctl_superblock *superblock)
{
	const struct ctl_journal_config journal = {
		.folder = folder, .path = path, .incarnation = superblock->incarnation};
	const struct store_config config = {.quota_bytes = STORE_QUOTA_MAX,
	                                    .sessions_max = STORE_SESSIONS_MAX,
	                                    .events_max = 1};
	struct paxos_replica *replica = NULL;
	struct paxos_config paxos = {0};
	struct ctl_recovered recovered;
	struct ctl_reason reason = {{0}};
	struct paxos_status status;
	struct store *store;
	bool mended = false;

	if (store_new(&store, &config) < 0) {
		return false;
	}
	paxos_config_default(&paxos);
	paxos.founders = paxos_first(1); /* any: what was decided does not ask who voted */
	paxos.durability = PAXOS_DISK;
	paxos.cluster = superblock->cluster;
	paxos.incarnation = superblock->incarnation;
	paxos.rejoining = superblock->rejoining;
	if (paxos_replica_new(&replica, &paxos, store) == 0 &&
	    ctl_recover_look(&journal, superblock->cluster, replica, store, &recovered, &reason) ==
	            0) {
		paxos_replica_status(replica, &status);
		mended = status.holes == 0;
	}
	paxos_replica_free(replica);
	store_free(store);
	return mended;
}

static void look_at_journal(int folder, const char *path, const struct ctl_superblock *superblock,
                            uint64_t snapshot, json_t *report, bool *good)
{
	struct count count = {.pieces = json_array(), .snapshot = snapshot, .from = 1};
	const struct ctl_journal_reader reader = {.visit = count_piece, .context = &count};
	json_t *object = json_object();
	struct ctl_journal_end end;
	const int journal = openat(folder, CTL_JOURNAL_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool mended;
	int r = journal < 0 ? -errno : 0;

	if (r == 0) {
		r = ctl_journal_scan(journal, superblock->incarnation, &reader, &end);
		(void)close(journal);
	}
	set(object, "frames", number(count.frames));
	set(object, "records", number(count.records));
	set(object, "first", number(count.first));
	set(object, "last", number(count.last));
	set(object, "needed_from", number(count.from));
	set(object, "configuration", number(count.configuration));
	set(object, "torn", number(count.torn));
	set(object, "corrupt", number(count.corrupt));
	set(object, "pieces", count.pieces);
	if (r < 0) {
		set(object, "error", json_string(strerror(-r)));
	}
	set(report, "journal", object);
	if (r == 0 && ctl_superblock_is_ahead(superblock->configuration, count.configuration)) {
		set(object, "older", json_true());
		*good = false;
	}
	if (r < 0 || count.corrupt == 0) {
		*good = *good && r == 0 && count.first <= count.from;
		return;
	}
	mended = is_mended(folder, path, superblock);
	set(object, "mended", json_boolean(mended));
	*good = *good && mended;
}

/* --- snapshots ------------------------------------------------------------------------------- */

static bool look_at_snapshot(int folder, uint64_t index, uint64_t cluster, json_t *object)
{
	const struct store_config config = {.quota_bytes = STORE_QUOTA_MAX,
	                                    .sessions_max = STORE_SESSIONS_MAX,
	                                    .events_max = 1};
	char name[CTL_SNAPSHOT_NAME_SIZE], sum[33];
	struct ctl_reason reason = {{0}};
	struct ctl_snapshot_head head;
	struct store_digest digest;
	struct store *store;
	int r = store_new(&store, &config);

	ctl_snapshot_name(index, name);
	set(object, "name", json_string(name));
	set(object, "index", number(index));
	if (r == 0) {
		r = ctl_snapshot_load(folder, name, store, &head, &digest, &reason);
		store_free(store);
	} else {
		ctl_reason_say(&reason, "no memory to read it into (%s)", strerror(-r));
	}
	if (r == 0 && (head.cluster != cluster || head.index != index)) {
		ctl_reason_say(&reason, "%s: is of another cluster or index", name);
		r = -EBADMSG;
	}
	set(object, "good", json_boolean(r == 0));
	if (r < 0) {
		set(object, "why", json_string(reason.text));
		return false;
	}
	(void)snprintf(sum, sizeof(sum), "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
	set(object, "digest", json_string(sum));
	return true;
}

/* Returns the index of the newest one that is good; 0: none. */
static uint64_t look_at_snapshots(int folder, uint64_t cluster, json_t *report, bool *good)
{
	json_t *array = json_array();
	uint64_t index = UINT64_MAX, newest = 0;

	while (ctl_snapshot_newest(folder, index, &index) == 0) {
		json_t *object = json_object();

		if (look_at_snapshot(folder, index, cluster, object)) {
			newest = newest == 0 ? index : newest;
		} else {
			*good = false;
		}
		(void)json_array_append_new(array, object);
	}
	set(report, "snapshots", array);
	return newest;
}

/* --- all of it ------------------------------------------------------------------------------- */

int ctl_verify(const char *path, json_t **ret_report, bool *ret_good, struct ctl_reason *ret_reason)
{
	struct ctl_superblock superblock;
	json_t *report;
	bool good = true;
	int folder, r;

	folder = ctl_folder_open(path, false, ret_reason); /* locked: nobody writes meanwhile */
	if (folder < 0) {
		return folder;
	}
	report = json_object();
	r = look_at_superblock(folder, path, report, &good, &superblock, ret_reason);
	if (r == 0) {
		const uint64_t newest =
			look_at_snapshots(folder, superblock.cluster, report, &good);

		if (superblock.is_disk) {
			look_at_journal(folder, path, &superblock, newest, report, &good);
		}
		set(report, "good", json_boolean(good));
		*ret_good = good;
		*ret_report = report;
	} else {
		json_decref(report);
	}
	(void)close(folder);
	return r;
}

int ctl_repair(const char *path, struct ctl_reason *ret_reason)
{
	bool copies[CTL_SUPERBLOCK_COPIES];
	struct ctl_journal_config journal = {.path = path};
	struct ctl_superblock superblock;
	int r;

	journal.folder = ctl_folder_open(path, false, ret_reason);
	if (journal.folder < 0) {
		return journal.folder;
	}
	r = ctl_superblock_read(journal.folder, copies, &superblock);
	if (r <= 0 || !superblock.is_disk) {
		ctl_reason_say(ret_reason,
		               "%s/superblock: is %s; there is nothing here to be mended: have "
		               "this server replaced (cofferctl member replace)",
		               path, r <= 0 ? "not whole" : "of durability memory");
		r = -EBADMSG;
	} else {
		r = ctl_set_aside(&journal, superblock.starts, ret_reason);
	}
	(void)close(journal.folder);
	return r;
}
