/* SPDX-License-Identifier: Apache-2.0 */
#include "control/home.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

#include "consensus/quorum.h"
#include "control/recover.h"
#include "store/base/check.h"

static int take_chance(uint32_t *ret_chance, struct ctl_reason *ret_reason)
{
	if (getrandom(ret_chance, sizeof(*ret_chance), 0) != (ssize_t)sizeof(*ret_chance)) {
		ctl_reason_say(ret_reason,
		               "the system gives no random bytes; is /dev/urandom there?");
		return -EIO;
	}
	return 0;
}

/* What the journal is judged by. */
static void tell_journal(struct ctl_home *home)
{
	home->journal.incarnation = home->superblock.incarnation;
	home->journal.configuration = home->superblock.configuration;
}

static int found(struct ctl_home *home, const struct ctl_superblock *first,
                 struct ctl_reason *ret_reason)
{
	int r = 0;

	home->superblock = *first;
	tell_journal(home);
	if (first->is_disk) {
		r = ctl_journal_found(&home->journal, ret_reason);
	}
	r = r < 0 ? r : ctl_superblock_found(home->folder, home->journal.path, first, ret_reason);
	home->begun = r == 0;
	home->founded = r == 0 && first->member;
	if (r == 0 && first->is_disk) {
		r = ctl_journal_settle(&home->journal, ret_reason);
	}
	return r;
}

int ctl_home_open(struct ctl_home *home, const struct ctl_config *config, enum ctl_start start,
                  struct ctl_reason *ret_reason)
{
	struct ctl_superblock first;
	uint32_t chance;
	int r;

	*home = (struct ctl_home){.folder = -1};
	r = take_chance(&chance, ret_reason);
	if (r < 0) {
		return r;
	}
	first = ctl_superblock_first(config->cluster, (uint8_t)config->node,
	                             (uint32_t)config->members,
	                             config->durability == CTL_DURABILITY_DISK, chance);
	if (start == CTL_START_NEW_CLUSTER && (config->members >> (config->node - 1) & 1) == 0) {
		ctl_reason_say(ret_reason,
		               "server %u is not among `members`, which found the cluster; start "
		               "it with --join",
		               (unsigned)config->node);
		return -EINVAL;
	}
	if (start == CTL_START_JOIN) {
		first.member = false;
		first.rejoining = first.is_disk;
		first.configuration = first.voters = 0;
	}
	home->folder = ctl_folder_open(config->data, start != CTL_START_AGAIN, ret_reason);
	if (home->folder < 0) {
		return home->folder;
	}
	home->journal = (struct ctl_journal_config){
		.folder = home->folder,
		.path = config->data,
		.segment_mb = (uint32_t)config->segment_mb,
		.data_max_mb = config->data_max_mb,
	};
	if (start != CTL_START_AGAIN) {
		return found(home, &first, ret_reason);
	}
	r = ctl_superblock_start(home->folder, config->data, &first, &home->superblock, ret_reason);
	tell_journal(home);
	return r;
}

void ctl_home_withdraw(struct ctl_home *home)
{
	if (home->begun) {
		ctl_superblock_withdraw(home->folder);
		ctl_journal_withdraw(&home->journal);
	}
}

int ctl_home_rejoin(struct ctl_home *home, struct ctl_reason *ret_reason)
{
	struct ctl_superblock *superblock = &home->superblock;
	uint32_t chance;
	int r;

	must(superblock->is_disk);
	r = take_chance(&chance, ret_reason);
	r = r < 0 ? r : ctl_set_aside(&home->journal, superblock->starts, ret_reason);
	if (r < 0) {
		return r;
	}
	superblock->incarnation = (uint64_t)superblock->starts << 32 | chance;
	superblock->rejoining = true;
	superblock->configuration = superblock->voters = 0;
	r = ctl_superblock_write(home->folder, home->journal.path, superblock, ret_reason);
	tell_journal(home);
	r = r < 0 ? r : ctl_journal_found(&home->journal, ret_reason);
	return r < 0 ? r : ctl_journal_settle(&home->journal, ret_reason);
}

int ctl_home_note(struct ctl_home *home, const struct paxos_trace *trace,
                  struct ctl_reason *ret_reason)
{
	struct ctl_superblock *superblock = &home->superblock;
	const bool votes = paxos_has((uint32_t)trace->b, superblock->node - 1u);

	if (trace->kind == PAXOS_TRACE_CONFIGURATION && votes && !superblock->member) {
		superblock->member = true;
	} else if (trace->kind == PAXOS_TRACE_ENTERED && trace->a > superblock->configuration) {
		superblock->configuration = (uint32_t)trace->a;
		superblock->voters = (uint32_t)trace->b;
	} else {
		return 0;
	}
	return ctl_superblock_write(home->folder, home->journal.path, superblock, ret_reason);
}

int ctl_home_rejoined(struct ctl_home *home, struct ctl_reason *ret_reason)
{
	home->superblock.rejoining = false;
	return ctl_superblock_write(home->folder, home->journal.path, &home->superblock,
	                            ret_reason);
}

void ctl_home_close(struct ctl_home *home)
{
	if (home->folder >= 0) {
		(void)close(home->folder); /* unlocks it */
		home->folder = -1;
	}
}
