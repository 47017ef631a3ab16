/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/cofferctl_offline.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "control/snapshot_file.h"
#include "control/verify.h"
#include "store/store.h"

static json_t *describe(const struct store *store, const struct ctl_snapshot_head *head,
                        struct store_digest digest)
{
	const struct store_root *root = store_root(store);
	char cluster[17], sum[33];

	(void)snprintf(cluster, sizeof(cluster), "%016" PRIx64, head->cluster);
	(void)snprintf(sum, sizeof(sum), "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
	return json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:s}", "cluster", cluster, "node",
	                 (int)head->node, "index", (json_int_t)head->index, "revision",
	                 (json_int_t)store_root_revision(root), "files",
	                 (json_int_t)store_root_files(root), "bytes",
	                 (json_int_t)store_root_bytes(root), "sessions",
	                 (json_int_t)store_session_count(store), "digest", sum);
}

static void print_text(const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		if (json_is_string(value)) {
			(void)printf("%-10s %s\n", key, json_string_value(value));
		} else {
			(void)printf("%-10s %" JSON_INTEGER_FORMAT "\n", key,
			             json_integer_value(value));
		}
	}
}

int cofferctl_snapshot_verify(const char *path, bool json)
{
	const struct store_config config = {.quota_bytes = STORE_QUOTA_MAX,
	                                    .sessions_max = STORE_SESSIONS_MAX,
	                                    .events_max = 1};
	struct ctl_snapshot_head head;
	struct store_digest digest;
	struct ctl_reason reason = {{0}};
	struct store *store;
	json_t *object;
	int r = store_new(&store, &config);

	if (r < 0) {
		(void)fprintf(stderr, "cofferctl: no memory to read it into (%s)\n", strerror(-r));
		return 1;
	}
	r = ctl_snapshot_load(AT_FDCWD, path, store, &head, &digest, &reason);
	if (r < 0) {
		(void)fprintf(stderr, "cofferctl: %s\n", reason.text);
	} else {
		object = describe(store, &head, digest);
		if (json) {
			(void)json_dumpf(object, stdout, JSON_INDENT(2));
			(void)printf("\n");
		} else {
			print_text(object);
		}
		json_decref(object);
	}
	store_free(store);
	return r < 0 ? 1 : 0;
}

/* --- verify, repair -------------------------------------------------------------------------- */

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "?";
}

static void print_superblock(const json_t *superblock)
{
	json_t *copies = json_object_get(superblock, "copies_good"), *good;
	size_t i;

	(void)printf("superblock server %lld of cluster %s, durability %s, start number %lld%s\n",
	             number_of(superblock, "node"), text_of(superblock, "cluster"),
	             text_of(superblock, "durability"), number_of(superblock, "starts"),
	             json_is_true(json_object_get(superblock, "rejoining")) ? ", rejoining" : "");
	if (number_of(superblock, "configuration") != 0) {
		(void)printf("           in configuration %lld of servers",
		             number_of(superblock, "configuration"));
		json_array_foreach(json_object_get(superblock, "voters"), i, good)
		{
			(void)printf(" %lld", (long long)json_integer_value(good));
		}
		(void)printf("\n");
	}
	json_array_foreach(copies, i, good)
	{
		if (!json_is_true(good)) {
			(void)printf("           copy %zu is damaged\n", i + 1);
		}
	}
}

static void print_journal(const json_t *journal)
{
	json_t *piece;
	size_t i;

	(void)printf("journal    %lld frames, records %lld to %lld; %lld torn, %lld corrupt\n",
	             number_of(journal, "frames"), number_of(journal, "first"),
	             number_of(journal, "last"), number_of(journal, "torn"),
	             number_of(journal, "corrupt"));
	if (number_of(journal, "first") > number_of(journal, "needed_from")) {
		(void)printf("           its beginning is missing: needed from record %lld\n",
		             number_of(journal, "needed_from"));
	}
	if (json_is_true(json_object_get(journal, "older"))) {
		(void)printf("           it is older than the superblock: it knows of no later "
		             "configuration than %lld\n",
		             number_of(journal, "configuration"));
	}
	if (json_object_get(journal, "error") != NULL) {
		(void)printf("           cannot be read: %s\n", text_of(journal, "error"));
	}
	json_array_foreach(json_object_get(journal, "pieces"), i, piece)
	{
		(void)printf("           %s: segment %s, block %lld, frame %lld, %lld records from "
		             "%lld%s\n",
		             text_of(piece, "kind"), text_of(piece, "segment"),
		             number_of(piece, "block"), number_of(piece, "frame"),
		             number_of(piece, "records"), number_of(piece, "first_record"),
		             json_is_true(json_object_get(piece, "known")) ? "" : " at least");
	}
}

static void print_report(const json_t *report)
{
	const json_t *journal = json_object_get(report, "journal");
	const char *whole = json_is_true(json_object_get(journal, "mended"))
	                            ? "mended: all that the corrupt frames held stands elsewhere"
	                            : "all whole";
	json_t *snapshot;
	size_t i;

	print_superblock(json_object_get(report, "superblock"));
	if (journal != NULL) {
		print_journal(journal);
	}
	json_array_foreach(json_object_get(report, "snapshots"), i, snapshot)
	{
		(void)printf("snapshot   at %lld, %s\n", number_of(snapshot, "index"),
		             json_is_true(json_object_get(snapshot, "good"))
		                     ? text_of(snapshot, "digest")
		                     : text_of(snapshot, "why"));
	}
	(void)printf("%s\n", json_is_true(json_object_get(report, "good"))
	                             ? whole
	                             : "damaged: the next start mends it from the other servers");
}

int cofferctl_verify(const char *path, bool json)
{
	struct ctl_reason reason = {{0}};
	json_t *report;
	bool good;

	if (ctl_verify(path, &report, &good, &reason) < 0) {
		(void)fprintf(stderr, "cofferctl: %s\n", reason.text);
		return 1;
	}
	if (json) {
		(void)json_dumpf(report, stdout, JSON_INDENT(2));
		(void)printf("\n");
	} else {
		print_report(report);
	}
	json_decref(report);
	return good ? 0 : 1;
}

int cofferctl_repair(const char *path)
{
	struct ctl_reason reason = {{0}};

	if (ctl_repair(path, &reason) < 0) {
		(void)fprintf(stderr, "cofferctl: %s\n", reason.text);
		return 1;
	}
	(void)printf("%s: set aside; the next start fetches everything from the other servers. Do "
	             "this to one server at a time.\n",
	             path);
	return 0;
}
