/* SPDX-License-Identifier: Apache-2.0 */
#include "control/snapshot_desk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "store/base/check.h"

#define ASKED_MAX_NS UINT64_C(5000000000) /* the worker's answer was lost: it was too full */

enum {
	SAVES_MAX = 4,
	PATH_SIZE = 1024,
};

enum state {
	FREE = 0,
	ASKED,   /* waits for the worker's pin */
	WRITES,  /* on a thread of the pool */
	WRITTEN, /* the pin waits for room in the mailbox */
};

struct save {
	struct ctl_snapshot_desk *desk;
	enum state state;
	bool is_point;
	struct paxos_address address;
	uint64_t began_ns;
	struct store_snapshot *snapshot;
	struct ctl_snapshot_saved saved;
	uv_work_t work;
	char path[PATH_SIZE];
};

struct ctl_snapshot_desk {
	uv_loop_t *loop;
	struct ctl_snapshot_desk_config config;
	ctl_snapshot_cancel_t cancel;
	unsigned works; /* on threads of the pool */
	bool closing;
	struct save saves[SAVES_MAX + 1]; /* the last is for points, one at a time */
};

int ctl_snapshot_desk_open(struct ctl_snapshot_desk **ret_desk, uv_loop_t *loop,
                           const struct ctl_snapshot_desk_config *config)
{
	struct ctl_snapshot_desk *desk = calloc(1, sizeof(*desk));

	if (desk == NULL) {
		return -ENOMEM;
	}
	desk->loop = loop;
	desk->config = *config;
	*ret_desk = desk;
	return 0;
}

static struct save *free_save(struct ctl_snapshot_desk *desk, uint64_t now_ns)
{
	for (unsigned i = 0; i < SAVES_MAX; i++) {
		struct save *save = &desk->saves[i];

		if (save->state == FREE ||
		    (save->state == ASKED && now_ns - save->began_ns > ASKED_MAX_NS)) {
			return save;
		}
	}
	return NULL;
}

const char *ctl_snapshot_desk_save(struct ctl_snapshot_desk *desk,
                                   const struct paxos_address *address, const char *path)
{
	const uint64_t now_ns = ctl_clock_ns();
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_SNAPSHOT_ASK, .address = *address};
	struct save *save = free_save(desk, now_ns);

	if (path[0] != '/' || strlen(path) + sizeof(".new") > PATH_SIZE) {
		return "name an absolute path of less than 1019 bytes";
	}
	if (save == NULL) {
		return "four snapshots are being written; wait for one of them";
	}
	if (!paxos_mailbox_put_to_worker(desk->config.mailbox, &mail)) {
		return "the worker takes no more mail; try again";
	}
	memset(save, 0, sizeof(*save));
	save->desk = desk;
	save->state = ASKED;
	save->address = *address;
	save->began_ns = now_ns;
	memcpy(save->path, path, strlen(path) + 1);
	return NULL;
}

/* --- on a thread of the pool ----------------------------------------------------------------- */

/* What fails leaves a file too many, nothing worse; the next one tries again. */
static void remove_old(const struct save *save)
{
	const int folder = save->desk->config.folder;
	uint64_t former;

	if (ctl_snapshot_newest(folder, save->saved.index, &former) == 0) {
		(void)ctl_snapshot_remove_below(folder, former);
	}
}

static void write_file(uv_work_t *work)
{
	struct save *save = work->data;
	const struct ctl_snapshot_desk_config *config = &save->desk->config;
	const struct ctl_snapshot_head head = {
		.cluster = config->cluster, .index = save->saved.index, .node = config->node};

	save->saved.r = ctl_snapshot_write(
		save->is_point ? config->folder : AT_FDCWD, save->path, !save->is_point, &head,
		save->snapshot, &save->desk->cancel, &save->saved.digest, &save->saved.reason);
	if (save->is_point && save->saved.r == 0) {
		remove_old(save);
	}
}

/* --- on the control thread again ------------------------------------------------------------- */

static void tell(struct save *save)
{
	const struct ctl_snapshot_desk_config *config = &save->desk->config;

	save->saved.took_ns = ctl_clock_ns() - save->began_ns;
	if (save->is_point) {
		config->kept(config->context, &save->saved);
	} else {
		config->saved(config->context, &save->address, &save->saved);
	}
}

static void end(struct ctl_snapshot_desk *desk)
{
	for (unsigned i = 0; i <= SAVES_MAX; i++) {
		if (desk->saves[i].state == WRITTEN) {
			store_snapshot_close(desk->config.store, desk->saves[i].snapshot);
		}
	}
	free(desk);
}

static void after_write(uv_work_t *work, int status)
{
	struct save *save = work->data;
	struct ctl_snapshot_desk *desk = save->desk;

	must(status == 0); /* nobody calls uv_cancel() */
	must(desk->works > 0);
	desk->works--;
	save->state = WRITTEN;
	if (!desk->closing) {
		tell(save);
	} else if (desk->works == 0) {
		end(desk);
	}
}

/* The state is pinned and waits. False if no thread takes it. */
static bool begin_write(struct save *save)
{
	save->work.data = save;
	if (uv_queue_work(save->desk->loop, &save->work, write_file, after_write) < 0) {
		return false;
	}
	save->state = WRITES;
	save->desk->works++;
	return true;
}

static bool give_back(struct ctl_snapshot_desk *desk, const struct paxos_mail_snapshot *told)
{
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_SNAPSHOT_DONE,
	                                .bytes = slice_make(told, sizeof(*told))};

	return paxos_mailbox_put_to_worker(desk->config.mailbox, &mail);
}

static struct save *find_asked(struct ctl_snapshot_desk *desk, const struct paxos_address *address)
{
	for (unsigned i = 0; i < SAVES_MAX; i++) {
		struct save *save = &desk->saves[i];

		if (save->state == ASKED &&
		    memcmp(&save->address, address, sizeof(*address)) == 0) {
			return save;
		}
	}
	return NULL;
}

/* The place of a new point, or NULL if the last one is still here. */
static struct save *begin_point(struct ctl_snapshot_desk *desk,
                                const struct store_snapshot *snapshot)
{
	struct save *save = &desk->saves[SAVES_MAX];

	if (save->state != FREE) {
		return NULL;
	}
	memset(save, 0, sizeof(*save));
	save->desk = desk;
	save->is_point = true;
	save->began_ns = ctl_clock_ns();
	ctl_snapshot_name(store_snapshot_index(snapshot), save->path);
	return save;
}

bool ctl_snapshot_desk_mail(struct ctl_snapshot_desk *desk, const struct paxos_mail *mail)
{
	struct paxos_mail_snapshot told;
	struct save *save;

	must(mail->bytes.size == sizeof(told)); /* our own worker's */
	memcpy(&told, mail->bytes.data, sizeof(told));
	save = told.is_point ? begin_point(desk, told.snapshot) : find_asked(desk, &mail->address);
	if (save == NULL && told.snapshot != NULL) {
		told.r = -EBUSY; /* or it was given up */
		return give_back(desk, &told);
	}
	if (save == NULL) {
		return true;
	}
	save->snapshot = told.snapshot;
	save->saved.r = told.r;
	if (told.r == 0) {
		save->saved.index = store_snapshot_index(told.snapshot);
		if (begin_write(save)) {
			return true;
		}
		save->saved.r = -ENOMEM;
	}
	ctl_reason_say(&save->saved.reason, "the state could not be kept for it (%s); try again",
	               strerror(-save->saved.r));
	save->state = told.r == 0 ? WRITTEN : FREE;
	tell(save);
	return true;
}

bool ctl_snapshot_desk_tell(struct ctl_snapshot_desk *desk)
{
	for (unsigned i = 0; i <= SAVES_MAX; i++) {
		struct save *save = &desk->saves[i];
		const struct paxos_mail_snapshot told = {.snapshot = save->snapshot,
		                                         .r = save->saved.r,
		                                         .is_point = save->is_point,
		                                         .digest = save->saved.digest};

		if (save->state == WRITTEN) {
			if (!give_back(desk, &told)) {
				return false;
			}
			save->state = FREE;
		}
	}
	return true;
}

void ctl_snapshot_desk_close(struct ctl_snapshot_desk *desk)
{
	if (desk == NULL) {
		return;
	}
	desk->closing = true;
	atomic_store(&desk->cancel, true);
	if (desk->works == 0) {
		end(desk);
	}
}

void ctl_snapshot_log(struct ctl_logger *logger, const char *event,
                      const struct ctl_snapshot_saved *saved, char ret_digest[33])
{
	(void)snprintf(ret_digest, 33, "%016" PRIx64 "%016" PRIx64, saved->digest.high,
	               saved->digest.low);
	ctl_log(logger, CTL_INFO, event, CTL_NUMBER("index", saved->index),
	        CTL_TEXT("digest", ret_digest), CTL_NUMBER("took_us", saved->took_ns / 1000));
}
