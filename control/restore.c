/* SPDX-License-Identifier: Apache-2.0 */
#include "control/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "store/base/check.h"

/* The first snapshot of the new cluster. */
static int keep(struct store *store, int folder, uint64_t cluster, uint8_t node,
                struct store_digest *ret_digest, struct ctl_reason *ret_reason)
{
	struct ctl_snapshot_head head = {.cluster = cluster, .node = node};
	char name[CTL_SNAPSHOT_NAME_SIZE];
	struct store_snapshot *snapshot;
	int r = store_snapshot_open(store, &snapshot);

	if (r < 0) {
		ctl_reason_say(ret_reason, "no memory for a snapshot (%s); raise quota_mb",
		               strerror(-r));
		return r;
	}
	head.index = store_snapshot_index(snapshot);
	ctl_snapshot_name(head.index, name);
	r = ctl_snapshot_write(folder, name, false, &head, snapshot, NULL, ret_digest, ret_reason);
	store_snapshot_close(store, snapshot);
	return r;
}

int ctl_restore(struct store *store, const char *path, int folder, uint64_t cluster, uint8_t node,
                struct store_digest *ret_digest, struct ctl_reason *ret_reason)
{
	struct ctl_snapshot_head head;
	struct store_digest digest;
	int r;

	must(store_applied(store) == 0);
	r = ctl_snapshot_load(AT_FDCWD, path, store, &head, &digest, ret_reason);
	if (r < 0) {
		return r;
	}
	if (head.cluster == cluster) {
		ctl_reason_say(ret_reason,
		               "%s: is of cluster %016" PRIx64 " itself; give the new cluster an "
		               "id of its own (`cluster` in the configuration), so that clients "
		               "and servers of the old one are refused",
		               path, cluster);
		return -EEXIST;
	}
	if (store_root_revision(store_root(store)) > INT64_MAX - CTL_RESTORE_RAISE) {
		ctl_reason_say(ret_reason, "%s: its revision cannot be raised any more", path);
		return -EOVERFLOW;
	}
	store_refound(store, CTL_RESTORE_RAISE);
	return keep(store, folder, cluster, node, ret_digest, ret_reason);
}
