/* SPDX-License-Identifier: Apache-2.0 */
#include "control/attach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client/coffer.h"
#include "control/client/servers.h"
#include "control/clock.h"
#include "control/config_value.h"
#include "control/shared_config.h"
#include "control/tree.h"
#include "control/whole_file.h"
#include "store/base/check.h"

enum {
	WAIT_MS = 2000, /* between two looks at the request, if nothing is told of it */
	TEXT_SIZE = CTL_TREE_VALUE_SIZE + 1024, /* of a configuration, but for its paths */
};

#define PATIENCE_NS ((uint64_t)60000000000)

static const char the_cluster[] = "the cluster, which tells it in /ctl/config";

struct joining {
	const struct ctl_attach *attach;
	struct ctl_reason *reason;
	char shared[CTL_TREE_VALUE_SIZE];  /* /ctl/config, without */
	struct ctl_shared_servers servers; /* those it names */
	char own[CTL_ADDRESS_TEXT_SIZE], path[CTL_TREE_PATH_SIZE];
	unsigned node; /* number */
};

static int open_client(struct joining *joining, const char *servers, struct coffer **ret_coffer)
{
	struct coffer_options options;
	int r;

	coffer_options_default(&options);
	options.secret = joining->attach->secret;
	r = coffer_open(ret_coffer, servers, &options);
	if (r < 0) {
		ctl_reason_say(joining->reason, "%s: %s", servers, coffer_error_text(r));
	}
	return r;
}

static int refuse(struct joining *joining, const char *what, const struct coffer_result *result)
{
	ctl_reason_say(joining->reason, "%s: %s (%s)", joining->attach->servers, what,
	               result->outcome == COFFER_DONE ? "it makes no sense"
	                                              : coffer_answer_text(result->answer));
	return -EIO;
}

/* Takes what /ctl/config says; where it stands is in *ret_revision. */
static int read_config(struct joining *joining, struct coffer *coffer, unsigned flags,
                       int64_t *ret_revision)
{
	const struct coffer_request request = {
		.verb = COFFER_GET, .flags = flags, .path = "/ctl/config"};
	struct coffer_result result = {0};
	const int r = coffer_call(coffer, &request, &result);

	if (r < 0 || result.outcome != COFFER_DONE || result.value_size == 0 ||
	    result.value_size >= sizeof(joining->shared) ||
	    memchr(result.value, 0, result.value_size) != NULL) {
		return refuse(joining, "no server of a cluster told its /ctl/config", &result);
	}
	memcpy(joining->shared, result.value, result.value_size);
	joining->shared[result.value_size] = '\0';
	*ret_revision = result.store_revision;
	if (!ctl_shared_config_cut(joining->shared, &joining->servers)) {
		ctl_reason_say(joining->reason, "/ctl/config names no server with an address");
		return -EINVAL;
	}
	return 0;
}

/* Any server tells it: it is as old as that server at most. */
static int look_around(struct joining *joining)
{
	struct coffer *coffer;
	int64_t revision;
	int r = open_client(joining, joining->attach->servers, &coffer);

	if (r < 0) {
		return r;
	}
	r = read_config(joining, coffer, COFFER_STALE, &revision);
	coffer_close(coffer);
	return r;
}

/* The address of this machine on the way to the first of them. */
static int find_own(const char *servers, char ret_own[CTL_ADDRESS_TEXT_SIZE],
                    struct ctl_reason *ret_reason)
{
	struct sockaddr_in addresses[COFFER_SERVERS_MAX], *own = &addresses[0];
	socklen_t size = sizeof(*own);
	char ip[INET_ADDRSTRLEN];
	int fd, r;

	r = ctl_servers_resolve(servers, addresses, COFFER_SERVERS_MAX);
	if (r < 0) {
		ctl_reason_say(ret_reason, "%s: %s", servers, coffer_error_text(r));
		return r;
	}
	r = 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)own, sizeof(*own)) < 0 ||
	    getsockname(fd, (struct sockaddr *)own, &size) < 0 ||
	    inet_ntop(AF_INET, &own->sin_addr, ip, sizeof(ip)) == NULL) {
		r = -errno;
		ctl_reason_say(ret_reason,
		               "no way to the cluster (%s); name the address of "
		               "this server with --listen",
		               strerror(-r));
	} else {
		(void)snprintf(ret_own, CTL_ADDRESS_TEXT_SIZE, "%s:%d", ip, STORE_PORT);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return r;
}

int ctl_attach_own(const char *servers, const char *listen, char ret_own[CTL_ADDRESS_TEXT_SIZE],
                   struct ctl_reason *ret_reason)
{
	struct ctl_address own = {0};

	if (listen == NULL) {
		return find_own(servers, ret_own, ret_reason);
	}
	if (strchr(listen, ':') != NULL) {
		(void)snprintf(ret_own, CTL_ADDRESS_TEXT_SIZE, "%s", listen);
	} else {
		(void)snprintf(ret_own, CTL_ADDRESS_TEXT_SIZE, "%s:%d", listen, STORE_PORT);
	}
	if (ctl_value_address(ret_own, &own) != NULL || own.is_none || own.ip == 0) {
		ctl_reason_say(ret_reason, "--listen %s: it is IP[:PORT]", listen);
		return -EINVAL;
	}
	return 0;
}

/* Why a request is gone without a number. */
static int tell_refusal(struct joining *joining, struct coffer *coffer)
{
	struct coffer_result result = {0};
	const int r = coffer_get(coffer, "/ctl/err", &result);
	const bool is_told = r == 0 && result.outcome == COFFER_DONE && result.value_size < 256;

	ctl_reason_say(joining->reason, "the cluster does not take %s in: %.*s", joining->own,
	               is_told ? (int)result.value_size : 0,
	               is_told ? (const char *)result.value : "");
	return -EPERM;
}

/* 1: there is a number; 0: not yet, see *ret_revision; or a refusal. */
static int look(struct joining *joining, struct coffer *coffer, int64_t *ret_revision)
{
	char text[CTL_ADDRESS_TEXT_SIZE + 8] = "";
	struct coffer_result result = {0};
	const int r = coffer_get(coffer, joining->path, &result);

	if (r < 0 || (result.outcome != COFFER_DONE && result.answer != COFFER_NOT_FOUND)) {
		return refuse(joining, "the request to join cannot be read", &result);
	}
	*ret_revision = result.store_revision;
	if (result.outcome != COFFER_DONE) {
		return tell_refusal(joining, coffer);
	}
	if (result.value_size < sizeof(text)) {
		memcpy(text, result.value, result.value_size);
	}
	return sscanf(text, "%*s %u", &joining->node) == 1 && joining->node >= 1 &&
	       joining->node <= STORE_NODES_MAX;
}

/*
 * The number was given after the configuration was read: who joined just before may not stand in
 * it yet.
 */
static int await_others(struct joining *joining, struct coffer *coffer, uint64_t end_ns)
{
	struct coffer_event event;
	int64_t revision;
	unsigned missing;
	int r;

	for (;;) {
		r = read_config(joining, coffer, 0, &revision);
		if (r < 0) {
			return r;
		}
		for (missing = 1; missing < joining->node; missing++) {
			if (joining->servers.addresses[missing - 1][0] == '\0') {
				break;
			}
		}
		if (missing == joining->node) {
			return 0;
		}
		if (ctl_clock_ns() > end_ns) {
			ctl_reason_say(joining->reason,
			               "/ctl/config does not tell of server %u, which has joined "
			               "before server %u; try again",
			               missing, joining->node);
			return -ETIMEDOUT;
		}
		(void)coffer_wait(coffer, "/ctl/config", revision + 1, WAIT_MS, &event, NULL);
	}
}

static int ask_number(struct joining *joining)
{
	const uint64_t end_ns = ctl_clock_ns() + PATIENCE_NS;
	struct coffer_result result = {0};
	struct coffer_event event;
	struct coffer *coffer;
	int64_t revision = 0;
	int r = open_client(joining, joining->servers.list, &coffer);

	if (r < 0) {
		return r;
	}
	(void)snprintf(joining->path, sizeof(joining->path), "/ctl/join/%s", joining->own);
	*strchr(joining->path, ':') = '-';
	r = coffer_set(coffer, joining->path, joining->own, strlen(joining->own), 0, &result);
	if (r < 0 || (result.outcome != COFFER_DONE && result.answer != COFFER_MISMATCH)) {
		r = refuse(joining, "the request to join cannot be written", &result);
	}
	for (r = r < 0 ? r : 0; r == 0;) {
		r = look(joining, coffer, &revision);
		if (r != 0) {
			break;
		}
		if (ctl_clock_ns() > end_ns) {
			ctl_reason_say(joining->reason, "no number was given in a minute; does the "
			                                "cluster have a leader?");
			r = -ETIMEDOUT;
			break;
		}
		(void)coffer_wait(coffer, joining->path, revision + 1, WAIT_MS, &event, &result);
	}
	r = r < 0 ? r : await_others(joining, coffer, end_ns);
	coffer_close(coffer);
	return r < 0 ? r : 0;
}

int ctl_attach_write(const char *file, const char *text, const char *name,
                     const struct ctl_settings *settings, struct ctl_reason *ret_reason)
{
	char copy[PATH_MAX], folder[PATH_MAX], own[2 * PATH_MAX + 64], *whole = NULL;
	int r;

	(void)snprintf(copy, sizeof(copy), "%s", file);
	if (realpath(dirname(copy), folder) == NULL) {
		r = -errno;
		ctl_reason_say(ret_reason, "%s cannot be made (%s)", file, strerror(-r));
		return r;
	}
	(void)snprintf(own, sizeof(own), "data = %s/data\nmanagement = %s/cofferd.sock\n", folder,
	               folder);
	r = ctl_settings_compose(settings, text, name, own, &whole, ret_reason);
	if (r < 0) {
		return r;
	}
	r = ctl_whole_file_make(file, 0640, slice_text(whole));
	if (r < 0) {
		ctl_reason_say(ret_reason, "%s cannot be made (%s)", file, strerror(-r));
	}
	free(whole);
	return r;
}

static int write_file(struct joining *joining)
{
	char text[TEXT_SIZE];
	size_t size;

	size = (size_t)snprintf(text, sizeof(text),
	                        "# Told by the cluster, when this server joined it.\n%s",
	                        joining->shared);
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const bool is_own = i == joining->node - 1;
		const char *at = is_own ? joining->own : joining->servers.addresses[i];

		if (at[0] == '\0') {
			break; /* those behind a gap are told by the cluster */
		}
		size += (size_t)snprintf(text + size, sizeof(text) - size, "server.%u = %s\n",
		                         i + 1, at);
	}
	size += (size_t)snprintf(text + size, sizeof(text) - size,
	                         "members = 1 # counts for founders alone\nnode = %u\n",
	                         joining->node);
	must(size < sizeof(text));
	return ctl_attach_write(joining->attach->file, text, the_cluster, joining->attach->settings,
	                        joining->reason);
}

/* Before there is a number, which would be lost. */
static int check_settings(struct joining *joining)
{
	char *base = NULL, *whole = NULL;
	int r;

	if (asprintf(&base, "%snode = 1\nserver.1 = 127.0.0.1:1\n", joining->shared) < 0) {
		ctl_reason_say(joining->reason, "no memory to join; free some");
		return -ENOMEM;
	}
	r = ctl_settings_compose(joining->attach->settings, base, the_cluster, "", &whole,
	                         joining->reason);
	free(base);
	free(whole);
	return r;
}

static int check_file(struct joining *joining)
{
	if (access(joining->attach->file, F_OK) == 0) {
		ctl_reason_say(joining->reason,
		               "%s is there already; start without an address, or name another "
		               "file with -c",
		               joining->attach->file);
		return -EEXIST;
	}
	return 0;
}

bool ctl_attach_add(struct ctl_attach *attach, const char *server)
{
	const size_t size = strlen(attach->servers);
	const size_t room = sizeof(attach->servers) - size;

	if (strlen(server) + 2 > room) {
		return false;
	}
	(void)snprintf(attach->servers + size, room, "%s%s", size != 0 ? "," : "", server);
	return true;
}

int ctl_attach(const struct ctl_attach *attach, struct ctl_reason *ret_reason)
{
	struct joining joining = {.attach = attach, .reason = ret_reason};
	int r = check_file(&joining);

	r = r < 0 ? r : look_around(&joining);
	r = r < 0 ? r : check_settings(&joining);
	r = r < 0 ? r
	          : ctl_attach_own(joining.servers.list, attach->listen, joining.own, ret_reason);
	r = r < 0 ? r : ask_number(&joining);
	return r < 0 ? r : write_file(&joining);
}
