/* SPDX-License-Identifier: Apache-2.0 */
#include "control/boot.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "control/recover.h"
#include "control/restore.h"

enum {
	EVENTS_MAX = 1 << 16, /* revisions a wait may begin in the past */
};

static bool is_disk(const struct ctl_boot *boot)
{
	return boot->config->durability == CTL_DURABILITY_DISK;
}

struct store_config ctl_boot_store_config(const struct ctl_config *config)
{
	return (struct store_config){
		.quota_bytes = config->quota_mb << 20,
		.sessions_max = (uint32_t)config->sessions_max,
		.events_max = EVENTS_MAX,
	};
}

static int make_store(struct ctl_boot *boot, struct ctl_reason *ret_reason)
{
	const struct store_config config = ctl_boot_store_config(boot->config);
	const int r = store_new(&boot->store, &config);

	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "the store cannot be made (%s); lower quota_mb or "
		               "sessions_max",
		               strerror(-r));
	}
	return r;
}

static int make_replica(struct ctl_boot *boot, struct ctl_reason *ret_reason)
{
	const struct ctl_config *config = boot->config;
	struct paxos_config paxos;
	int r;

	memset(&paxos, 0, sizeof(paxos));
	paxos_config_default(&paxos);
	paxos.node = (uint8_t)(config->node - 1);
	/* Who has not been a member is no founder, whatever the file says by now. */
	paxos.founders = boot->home.superblock.member ? (uint32_t)config->members : 0;
	for (unsigned i = 0; i < config->count; i++) {
		paxos.addresses[i] = (struct store_address){.ip = config->servers[i].ip,
		                                            .port = config->servers[i].port};
	}
	paxos.promote_ns = config->promote_ns;
	paxos.cluster = config->cluster;
	paxos.incarnation = boot->home.superblock.incarnation;
	paxos.start = boot->home.superblock.starts;
	paxos.founding = boot->home.founded;
	paxos.durability = is_disk(boot) ? PAXOS_DISK : PAXOS_MEMORY;
	paxos.rejoining = boot->home.superblock.rejoining;
	paxos.snapshot_bytes = is_disk(boot) ? config->snapshot_mb << 20 : 0;
	paxos.priority = (uint8_t)config->priority;
	paxos.keys = *boot->keys;
	paxos.secret = ctl_birth_tell(boot->birth, &paxos);
	paxos.heartbeat_ns = config->heartbeat_ns;
	paxos.lease_ns = config->lease_ns;
	paxos.suspicion_ns = config->suspicion_ns;
	paxos.drift_ppm = (uint32_t)config->drift_ppm;
	paxos.log_bytes = config->log_mb << 20;
	paxos.log_entries = (uint32_t)config->log_entries;
	paxos.window = (uint32_t)config->window;
	paxos.watches_max = (uint32_t)config->watches_max;
	if (getrandom(&paxos.seed, sizeof(paxos.seed), 0) != (ssize_t)sizeof(paxos.seed)) {
		paxos.seed = paxos.incarnation; /* for back-off only */
	}
	r = paxos_replica_new(&boot->replica, &paxos, boot->store);
	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "the replica cannot be made (%s); lower log_mb, "
		               "log_entries or watches_max",
		               strerror(-r));
	}
	return r;
}

static void tell_recovered(struct ctl_boot *boot, const struct ctl_recovered *recovered)
{
	ctl_log(boot->logger, recovered->frames_bad == 0 ? CTL_INFO : CTL_WARNING, "recovered",
	        CTL_NUMBER("snapshot", recovered->snapshot),
	        CTL_NUMBER("snapshots_damaged", recovered->snapshots_damaged),
	        CTL_NUMBER("records", recovered->records),
	        CTL_NUMBER("records_lost", recovered->records_lost),
	        CTL_NUMBER("frames", recovered->frames),
	        CTL_NUMBER("frames_bad", recovered->frames_bad),
	        CTL_TEXT("torn", recovered->torn ? "yes" : "no"),
	        CTL_NUMBER("took_us", recovered->took_ns / 1000));
}

/* Brings back what the folder holds. -EBADMSG: it cannot be mended in place. */
static int recover(struct ctl_boot *boot, struct ctl_reason *ret_reason)
{
	struct ctl_recovered recovered;
	struct paxos_status status;
	int r;

	if (!is_disk(boot)) {
		return 0;
	}
	r = ctl_recover(&boot->journal, &boot->home.journal, boot->config->cluster, boot->replica,
	                boot->store, &recovered, ret_reason);
	tell_recovered(boot, &recovered);
	if (r < 0 || !boot->home.superblock.rejoining) {
		return r;
	}
	paxos_replica_status(boot->replica, &status);
	return paxos_ballot_is_none(status.promised) ? 0
	                                             : ctl_home_rejoined(&boot->home, ret_reason);
}

static int pass_by(void *context, const struct ctl_piece *piece)
{
	(void)context;
	(void)piece;
	return 0;
}

/* A new cluster that begins with a snapshot of another one. */
static int begin_with(struct ctl_boot *boot, const char *restore_path,
                      struct ctl_reason *ret_reason)
{
	const struct ctl_config *config = boot->config;
	const struct ctl_journal_reader reader = {.visit = pass_by}; /* just founded: empty */
	struct store_digest digest;
	int r;

	r = ctl_restore(boot->store, restore_path, boot->home.folder, config->cluster,
	                (uint8_t)config->node, &digest, ret_reason);
	r = r < 0 ? r : paxos_replica_recover_snapshot(boot->replica, &digest);
	return r < 0 || !is_disk(boot)
	               ? r
	               : ctl_journal_open(&boot->journal, &boot->home.journal, &reader, ret_reason);
}

/* A store, and a replica over it with all it knew. */
static int make_all(struct ctl_boot *boot, const char *restore_path, struct ctl_reason *ret_reason)
{
	int r = make_store(boot, ret_reason);

	r = r < 0 ? r : make_replica(boot, ret_reason);
	if (r < 0) {
		return r;
	}
	return restore_path != NULL ? begin_with(boot, restore_path, ret_reason)
	                            : recover(boot, ret_reason);
}

/* The same; and where the folder cannot be mended in place, as a new server that rejoins. */
static int make_or_rejoin(struct ctl_boot *boot, const char *restore_path,
                          struct ctl_reason *ret_reason)
{
	int r = make_all(boot, restore_path, ret_reason);

	if (r != -EBADMSG || !is_disk(boot) || boot->home.founded) {
		return r;
	}
	ctl_log(boot->logger, CTL_WARNING, "set_aside", CTL_TEXT("why", ret_reason->text),
	        CTL_NUMBER("start", boot->home.superblock.starts));
	paxos_replica_free(boot->replica);
	boot->replica = NULL;
	store_free(boot->store);
	boot->store = NULL;
	r = ctl_home_rejoin(&boot->home, ret_reason);
	return r < 0 ? r : make_all(boot, restore_path, ret_reason);
}

int ctl_boot_begin(struct ctl_boot *boot, enum ctl_start start, const char *restore,
                   struct ctl_reason *ret_reason)
{
	const int r = ctl_home_open(&boot->home, boot->config, start, ret_reason);

	return r < 0 ? r : make_or_rejoin(boot, restore, ret_reason);
}

void ctl_boot_end(struct ctl_boot *boot)
{
	paxos_replica_free(boot->replica);
	store_free(boot->store);
	ctl_journal_close(boot->journal);
	ctl_home_close(&boot->home);
}
