/* SPDX-License-Identifier: Apache-2.0 */
#include "control/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "control/attach.h"
#include "control/client/coffer.h"
#include "control/client/coffer_txn.h"
#include "control/config.h"
#include "control/node_id.h"
#include "control/tree_plan.h"
#include "control/whole_file.h"

enum {
	LOOK_MS = 1000, /* between two looks at a name that another has claimed */
	TEXT_SIZE = CTL_PLACE_SIZE + 512,
};

struct claiming {
	const struct ctl_claim *claim;
	struct ctl_reason *reason;
	char own[CTL_ADDRESS_TEXT_SIZE];
	char file[CTL_PATH_SIZE_MAX]; /* FILE.claim */
	char path[CTL_TREE_PATH_SIZE];
	char names[CTL_TREE_PATH_SIZE];      /* /ctl/ns/NAME */
	char text[CTL_TREE_TEXT_SIZE];       /* of our claim */
	char address[CTL_ADDRESS_TEXT_SIZE]; /* in it */
	struct ctl_reason said;              /* why it waits, as logged last */
	struct coffer_options options;
};

/* --- files ----------------------------------------------------------------------------------- */

static void claim_file(const char *file, char ret_file[CTL_PATH_SIZE_MAX])
{
	(void)snprintf(ret_file, CTL_PATH_SIZE_MAX, "%.*s.claim", CTL_PATH_SIZE_MAX - 8, file);
}

void ctl_claim_file(const char *file, char ret_file[CTL_PATH_SIZE_MAX])
{
	claim_file(file, ret_file);
	if (access(file, F_OK) == 0 || access(ret_file, F_OK) != 0) {
		(void)snprintf(ret_file, CTL_PATH_SIZE_MAX, "%.*s", CTL_PATH_SIZE_MAX - 1, file);
	}
}

int ctl_claim_settle(const char *file, struct ctl_reason *ret_reason)
{
	char from[CTL_PATH_SIZE_MAX];
	int r;

	claim_file(file, from);
	if (access(file, F_OK) == 0 || access(from, F_OK) != 0) {
		return 0;
	}
	r = renameat(AT_FDCWD, from, AT_FDCWD, file) < 0 ? -errno
	                                                 : ctl_file_sync_name(AT_FDCWD, file);
	if (r < 0) {
		ctl_reason_say(ret_reason, "%s cannot become %s (%s)", from, file, strerror(-r));
	}
	return r;
}

void ctl_claim_withdraw(const char *file)
{
	char to[CTL_PATH_SIZE_MAX];

	claim_file(file, to);
	(void)rename(file,
	             to); /* if not: it says that there is no superblock, and is not claimed */
}

/* A cluster of one server, with an id by chance. */
static int write_claim(const struct claiming *claiming)
{
	const struct ctl_claim *claim = claiming->claim;
	char text[TEXT_SIZE];
	uint64_t cluster = 0;

	if (getrandom(&cluster, sizeof(cluster), 0) != (ssize_t)sizeof(cluster)) {
		ctl_reason_say(claiming->reason, "the system gives no random bytes for an id");
		return -EIO;
	}
	(void)snprintf(text, sizeof(text),
	               "# Made by this server, to make the cluster.\ncluster = %016" PRIx64
	               "\nname = %s\nnode = 1\nserver.1 = %s\nboot = %s\n",
	               cluster | 1, claim->name, claiming->own, claim->boot.servers);
	return ctl_attach_write(claiming->file, text, "--boot", claim->settings, claiming->reason);
}

/* A configuration from an earlier start, if the settings are those that it was made with. */
static int load(const struct ctl_claim *claim, const char *file, struct ctl_config *ret_config,
                struct ctl_reason *ret_reason)
{
	const int r = ctl_config_load(ret_config, file, ret_reason);

	return r < 0 ? r : ctl_settings_agree(claim->settings, ret_config, file, ret_reason);
}

/* What is claimed stands in the file, from this start or an earlier one. */
static int read_claim(struct claiming *claiming, struct ctl_config *config)
{
	int r = 0;

	if (access(claiming->file, F_OK) != 0) {
		r = write_claim(claiming);
	}
	r = r < 0 ? r : load(claiming->claim, claiming->file, config, claiming->reason);
	if (r < 0) {
		return r;
	}
	if (strcmp(config->name, claiming->claim->name) != 0) {
		ctl_reason_say(claiming->reason,
		               "%s claims the name %s, not %s; delete it if that is over",
		               claiming->file, config->name, claiming->claim->name);
		return -EINVAL;
	}
	ctl_address_text((struct store_address){.ip = config->servers[0].ip,
	                                        .port = config->servers[0].port},
	                 claiming->address);
	ctl_tree_claim_text(claiming->text, config->cluster, claiming->address);
	return 0;
}

/* --- the name cluster ------------------------------------------------------------------------ */

/* Each reason once. */
static void say_waits(struct claiming *claiming, const char *why)
{
	if (strcmp(claiming->said.text, why) != 0) {
		ctl_reason_say(&claiming->said, "%s", why);
		ctl_log(claiming->claim->logger, CTL_WARNING, "waits",
		        CTL_TEXT("cluster", claiming->claim->name), CTL_TEXT("why", why));
	}
	(void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L - 1}, NULL);
}

static void say_other(struct claiming *claiming, const char *claimed)
{
	char why[CTL_TREE_TEXT_SIZE];

	(void)snprintf(why, sizeof(why),
	               "it is to be made by %.64s (id, address); if that server is gone for good: "
	               "coffer del %.90s",
	               claimed, claiming->path);
	say_waits(claiming, why);
}

/* 1: the claim is ours; 0: it is another's, or not known; it was said why it waits. */
static int settle_claim(struct claiming *claiming, struct coffer *coffer)
{
	char claimed[CTL_TREE_TEXT_SIZE] = "";
	struct coffer_result result = {0};
	int r;

	/* Written again after any doubt: what it claims is the same at each start. */
	r = coffer_set(coffer, claiming->path, claiming->text, strlen(claiming->text), 0, &result);
	if (r == COFFER_DONE) {
		return 1;
	}
	if (r != COFFER_REFUSED || result.answer != COFFER_MISMATCH) {
		say_waits(claiming,
		          r < 0 ? coffer_error_text(r) : coffer_answer_text(result.answer));
		return 0;
	}
	r = coffer_get(coffer, claiming->path, &result);
	if (r != COFFER_DONE || result.value_size >= sizeof(claimed)) {
		say_waits(claiming, "the claim of its name cannot be read");
		return 0;
	}
	memcpy(claimed, result.value, result.value_size);
	if (strcmp(claimed, claiming->text) == 0) {
		return 1;
	}
	say_other(claiming, claimed);
	return 0;
}

/* As above, or a negative errno. */
static int compete(struct claiming *claiming, struct ctl_config *config)
{
	struct coffer *coffer;
	int r = read_claim(claiming, config);

	if (r < 0) {
		return r;
	}
	r = coffer_open(&coffer, claiming->claim->boot.servers, &claiming->options);
	if (r < 0) {
		say_waits(claiming, coffer_error_text(r));
		return 0;
	}
	r = settle_claim(claiming, coffer);
	coffer_close(coffer);
	return r;
}

/* One that has a superblock was cut short behind its first start, or has lived. */
static enum ctl_start start_of(const struct ctl_config *config, enum ctl_start first)
{
	char path[CTL_PATH_SIZE_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/superblock", config->data);
	return access(path, F_OK) == 0 ? CTL_START_AGAIN : first;
}

/* --- joining --------------------------------------------------------------------------------- */

/* The name is another's: our claim of it is in the way of that cluster, if it is there. */
static int give_back(struct claiming *claiming)
{
	struct coffer_txn *txn;
	struct coffer_result result = {0};
	struct coffer *coffer;
	int r = coffer_open(&coffer, claiming->claim->boot.servers, &claiming->options);

	if (r < 0) {
		return r;
	}
	txn = coffer_txn_new();
	r = -ENOMEM;
	if (txn != NULL) {
		coffer_txn_if_value(txn, claiming->path, COFFER_EQUAL, claiming->text,
		                    strlen(claiming->text));
		coffer_txn_delete(txn, claiming->path, COFFER_ANY);
		r = coffer_txn_run(coffer, txn, &result);
	}
	coffer_txn_free(txn);
	coffer_close(coffer);
	if (r == COFFER_DONE || (r == COFFER_REFUSED && result.answer == COFFER_MISMATCH)) {
		return 0;
	}
	return r < 0 ? r : -EIO;
}

/* What was made for a cluster that never was: its replica has said no word to anybody. */
static int set_aside(struct claiming *claiming, const struct ctl_config *config)
{
	char aside[CTL_PATH_SIZE_MAX + 16];
	int r = 0;

	if (start_of(config, CTL_START_JOIN) == CTL_START_JOIN) {
		return 0;
	}
	(void)snprintf(aside, sizeof(aside), "%s.unserved", config->data);
	if (rename(config->data, aside) < 0) {
		r = -errno;
		ctl_reason_say(
			claiming->reason,
			"%.300s was made for a cluster that another server makes now, and cannot "
			"become %.300s (%s); move it away",
			config->data, aside, strerror(-r));
	}
	return r;
}

/* 0: there is nothing left of a claim; or a negative errno. */
static int lose_claim(struct claiming *claiming)
{
	static struct ctl_config config; /* large */
	int r;

	if (access(claiming->file, F_OK) != 0) {
		return 0;
	}
	r = read_claim(claiming, &config);
	r = r < 0 ? r : set_aside(claiming, &config);
	if (r < 0) {
		return r;
	}
	r = give_back(claiming);
	if (r < 0) {
		say_waits(claiming, "its own claim of the name cannot be given back");
		return -EAGAIN;
	}
	(void)unlink(claiming->file);
	return 0;
}

/* Its replica has said no word yet, but its address is told: so it is the one to make it. */
static bool is_told(const struct claiming *claiming, const char *servers)
{
	const size_t size = strlen(claiming->own);

	for (const char *at = servers; (at = strstr(at, claiming->own)) != NULL; at += size) {
		if ((at == servers || at[-1] == ',') && (at[size] == ',' || at[size] == '\0')) {
			return access(claiming->file, F_OK) == 0;
		}
	}
	return false;
}

/* Why nobody there answers is not known; what to do if nobody ever will is. */
static void say_silent(struct claiming *claiming)
{
	struct ctl_reason why;

	ctl_reason_say(
		&why,
		"%.300s; if all servers that %.100s are gone for good: coffer del those files, "
		"then %.100s",
		claiming->reason->text, claiming->names, claiming->path);
	say_waits(claiming, why.text);
}

/* 1: it has a number; 0: not now; or a negative errno: it is refused. */
static int join(struct claiming *claiming, const char *servers)
{
	struct ctl_attach attach = {.listen = claiming->own,
	                            .file = claiming->claim->file,
	                            .settings = claiming->claim->settings,
	                            .secret = claiming->claim->secret};
	int r;

	if (!ctl_attach_add(&attach, servers)) {
		return -E2BIG;
	}
	r = lose_claim(claiming);
	if (r < 0) {
		return r == -EAGAIN ? 0 : r;
	}
	r = ctl_attach(&attach, claiming->reason);
	if (r == 0) {
		return 1;
	}
	if (r == -EPERM || r == -EINVAL || r == -EEXIST) {
		return r;
	}
	say_silent(claiming);
	return 0;
}

/* Who has a configuration and nothing else joins, be it with a folder that was lost. */
static int look_at_file(const struct ctl_claim *claim, enum ctl_start *ret_start,
                        struct ctl_reason *ret_reason)
{
	static struct ctl_config config; /* large */
	const int r = load(claim, claim->file, &config, ret_reason);

	if (r == 0) {
		*ret_start = start_of(&config, CTL_START_JOIN);
	}
	return r;
}

static int find_own(struct claiming *claiming)
{
	const struct ctl_claim *claim = claiming->claim;
	int r;

	if (claiming->own[0] != '\0') {
		return 1;
	}
	r = ctl_attach_own(claim->boot.servers, claim->listen, claiming->own, claiming->reason);
	if (r < 0 && r != -EINVAL) {
		say_waits(claiming, claiming->reason->text);
	}
	return r == 0 ? 1 : r == -EINVAL ? r : 0;
}

/* How many servers of the cluster are told; -EAGAIN: not known now; or it is refused. */
static int find_servers(struct claiming *claiming, char ret_servers[CTL_PLACE_SIZE])
{
	const struct ctl_claim *claim = claiming->claim;
	const int r = coffer_cluster(claim->boot.servers, claim->name, &claiming->options,
	                             ret_servers, CTL_PLACE_SIZE);

	if (r == -EINVAL || r == -EDESTADDRREQ || r == -E2BIG || r == -EACCES) {
		ctl_reason_say(claiming->reason, "--boot %s --name %s: %s", claim->boot.servers,
		               claim->name, coffer_error_text(r));
		return r;
	}
	if (r < 0) {
		say_waits(claiming, coffer_error_text(r));
		return -EAGAIN;
	}
	return r;
}

/* 1: it makes the cluster; 0: not now; or a negative errno. */
static int found(struct claiming *claiming, enum ctl_start *ret_start)
{
	static struct ctl_config config; /* large */
	char servers[CTL_PLACE_SIZE];
	int r = compete(claiming, &config);

	if (r != 1) {
		return r;
	}
	/* Behind the claim: a cluster whose claim was deleted since the first look is seen now. */
	r = find_servers(claiming, servers);
	if (r == -EAGAIN || (r > 0 && !is_told(claiming, servers))) {
		return 0;
	}
	if (r < 0) {
		return r;
	}
	ctl_log(claiming->claim->logger, CTL_INFO, "claimed",
	        CTL_TEXT("cluster", claiming->claim->name), CTL_HEX("id", config.cluster));
	*ret_start = start_of(&config, CTL_START_NEW_CLUSTER);
	return 1;
}

static int look(struct claiming *claiming, enum ctl_start *ret_start)
{
	char servers[CTL_PLACE_SIZE];
	int r = find_own(claiming);

	if (r <= 0) {
		return r;
	}
	r = find_servers(claiming, servers);
	if (r < 0) {
		return r == -EAGAIN ? 0 : r;
	}
	if (r == 0 || is_told(claiming, servers)) {
		return found(claiming, ret_start);
	}
	*ret_start = CTL_START_JOIN;
	return join(claiming, servers);
}

static int begin(struct claiming *claiming)
{
	const struct ctl_claim *claim = claiming->claim;
	const char *secret = getenv("COFFER_BOOT_SECRET");
	char name[CTL_NAME_SIZE_MAX];

	if (ctl_value_name(claim->name, sizeof(name) - 1, name) != NULL) {
		ctl_reason_say(claiming->reason,
		               "--name %.64s: it is letters, digits, dots and dashes", claim->name);
		return -EINVAL;
	}
	claim_file(claim->file, claiming->file);
	(void)snprintf(claiming->path, sizeof(claiming->path), "/ctl/boot/%s", name);
	(void)snprintf(claiming->names, sizeof(claiming->names), "/ctl/ns/%s", name);
	coffer_options_default(&claiming->options);
	claiming->options.secret = secret != NULL ? secret : claim->boot.secret;
	return 0;
}

int ctl_claim(const struct ctl_claim *claim, enum ctl_start *ret_start,
              struct ctl_reason *ret_reason)
{
	struct claiming claiming = {.claim = claim, .reason = ret_reason};
	int r;

	if (access(claim->file, F_OK) == 0) {
		return look_at_file(claim, ret_start, ret_reason);
	}
	for (r = begin(&claiming); r == 0;) {
		r = look(&claiming, ret_start);
	}
	return r < 0 ? r : 0;
}

/* --- confirming ------------------------------------------------------------------------------ */

/* 1: it is told, by now or since an earlier start; 0: not known; -ESTALE: the claim is not ours. */
static int tell(struct claiming *claiming, struct coffer *coffer, struct coffer_txn *txn,
                const char *path, const char *address)
{
	const size_t size = strlen(address);
	struct coffer_result result = {0};
	int r = coffer_get(coffer, path, &result);

	if (r == COFFER_DONE && result.value_size == size &&
	    memcmp(result.value, address, size) == 0) {
		return 1;
	}
	coffer_txn_clear(txn);
	coffer_txn_if_value(txn, claiming->path, COFFER_EQUAL, claiming->text,
	                    strlen(claiming->text));
	coffer_txn_set(txn, path, address, size, COFFER_ANY, 0);
	r = coffer_txn_run(coffer, txn, &result);
	if (r == COFFER_DONE) {
		return 1;
	}
	if (r == COFFER_REFUSED && result.answer == COFFER_MISMATCH) {
		ctl_reason_say(
			claiming->reason,
			"its claim of the name %s was deleted meanwhile, so another server may "
			"make that cluster, and this one does not; start it again, and it joins",
			claiming->claim->name);
		return -ESTALE;
	}
	say_waits(claiming, r < 0 ? coffer_error_text(r) : coffer_answer_text(result.answer));
	return 0;
}

int ctl_claim_confirm(const struct ctl_claim *claim, uint64_t incarnation,
                      struct ctl_reason *ret_reason)
{
	static struct ctl_config config; /* large */
	struct claiming claiming = {.claim = claim, .reason = ret_reason};
	char id[CTL_NODE_ID_SIZE], path[2 * CTL_TREE_PATH_SIZE];
	struct coffer_txn *txn;
	struct coffer *coffer;
	int r = begin(&claiming);

	if (r < 0 || access(claim->file, F_OK) == 0 || access(claiming.file, F_OK) != 0) {
		return r;
	}
	r = read_claim(&claiming, &config);
	if (r < 0) {
		return r;
	}
	ctl_node_id(config.cluster, (unsigned)config.node - 1, incarnation, id);
	(void)snprintf(path, sizeof(path), "%s/%s", claiming.names, id);
	txn = coffer_txn_new();
	if (txn == NULL) {
		ctl_reason_say(ret_reason, "no memory to ask the name cluster; free some");
		return -ENOMEM;
	}
	while (r == 0) {
		r = coffer_open(&coffer, claim->boot.servers, &claiming.options);
		if (r < 0) {
			say_waits(&claiming, coffer_error_text(r));
			r = 0;
			continue;
		}
		r = tell(&claiming, coffer, txn, path, claiming.address);
		coffer_close(coffer);
	}
	coffer_txn_free(txn);
	return r < 0 ? r : 0;
}
