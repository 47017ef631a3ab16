/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/cofferctl_offline.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "control/snapshot_file.h"
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
