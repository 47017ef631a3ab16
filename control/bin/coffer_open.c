/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bin/coffer_session_file.h"
#include "control/client/place.h"
#include "control/client/secret_file.h"

#define MS_NS UINT64_C(1000000)

static int fail_open(const struct cli_options *options, int error)
{
	if (error == -EDESTADDRREQ) {
		(void)fprintf(stderr, "coffer: no servers are named; set COFFER_SERVERS or give "
		                      "--servers HOST[:PORT],...\n");
	} else {
		(void)fprintf(stderr, "coffer: servers %s: %s\n", cli_servers(options),
		              error == -EINVAL ? "must be HOST[:PORT],HOST[:PORT],..."
		                               : coffer_error_text(error));
	}
	return CLI_USAGE;
}

static int read_place(const char *what, const char *text, struct ctl_place *ret_place)
{
	if (ctl_place_parse(ret_place, text) == 0) {
		return CLI_DONE;
	}
	(void)fprintf(stderr,
	              "coffer: %s %s: must be HOST[:PORT],... or doozer:?ca=HOST[:PORT]&cn=NAME\n",
	              what, text);
	return CLI_USAGE;
}

/* Asks the name cluster; `servers` has room for CTL_PLACE_SIZE. */
static int find_cluster(const char *boot, const char *name, uint32_t timeout_ms, char *servers)
{
	const char *secret = getenv("COFFER_BOOT_SECRET");
	struct coffer_options options;
	struct ctl_place place;
	int r;

	if (read_place("--boot", boot, &place) != CLI_DONE) {
		return CLI_USAGE;
	}
	coffer_options_default(&options);
	options.secret = secret != NULL ? secret : place.secret;
	if (timeout_ms != 0) {
		options.timeout_ms = timeout_ms;
	}
	r = coffer_cluster(place.servers, name, &options, servers, CTL_PLACE_SIZE);
	if (r > 0) {
		return CLI_DONE;
	}
	(void)fprintf(stderr, "coffer: cluster %s: %s: %s\n", name, boot,
	              r == 0 ? "no servers of it are told there" : coffer_error_text(r));
	return r == -EACCES ? CLI_REFUSED : r == 0 || r == -ETIMEDOUT ? CLI_NOBODY : CLI_USAGE;
}

static int find_servers(struct cli_options *options, struct ctl_place *place)
{
	const char *boot = options->boot != NULL ? options->boot : getenv("COFFER_BOOT");
	const char *name = options->cluster != NULL ? options->cluster : place->name;

	if (name[0] != '\0' && boot != NULL) {
		return find_cluster(boot, name, options->timeout_ms, place->servers);
	}
	return options->cluster == NULL
	               ? CLI_DONE
	               : cli_fail_usage("--cluster", "give --boot, or set COFFER_BOOT");
}

/* Who leads keeps the file, who gives that away looks into it. */
static int open_session(struct cli *cli, struct coffer_options *options)
{
	const struct cli_lock_options *lock = &cli->options.lock;
	uint64_t until_ns = UINT64_MAX;
	int r;

	if (lock->session == NULL || (lock->given & CLI_LOCK_LOOK) != 0) {
		return CLI_DONE;
	}
	if ((lock->given & CLI_LOCK_GIVE) != 0) {
		r = cli_session_file_read(lock->session, options);
		/* It is somebody's, as long as nothing is given away. */
		options->keep_session = true;
	} else {
		if (lock->claim.is_try || lock->wait_ms != 0) {
			until_ns = cli->begun_ns + lock->wait_ms * MS_NS;
		}
		r = cli_session_file_take(lock->session, until_ns, &cli->session_fd, options);
		cli->session_stays = options->session != 0;
	}
	if (r < 0) {
		(void)fprintf(stderr, "coffer: --session %s: %s\n", lock->session,
		              r == -EINVAL        ? "there is no session in it"
		              : r == -EWOULDBLOCK ? "another command goes with it"
		                                  : strerror(-r));
	}
	return r == -EWOULDBLOCK ? CLI_FALSE : r < 0 ? CLI_USAGE : CLI_DONE;
}

int cli_open(struct cli *cli)
{
	static struct ctl_place place; /* the options point into it */
	struct cli_options *given = &cli->options;
	char secret[CTL_SECRET_SIZE_MAX];
	struct coffer_options options;
	int r;

	cli->begun_ns = cli_now_ns();
	r = read_place("--servers", cli_servers(given), &place);
	r = r != CLI_DONE ? r : find_servers(given, &place);
	if (r != CLI_DONE) {
		return r;
	}
	given->servers = place.servers;
	coffer_options_default(&options);
	if (given->secret != NULL) {
		r = ctl_secret_file(secret, given->secret);
		if (r < 0) {
			(void)fprintf(stderr, "coffer: --secret %s: %s\n", given->secret,
			              strerror(-r));
			return CLI_USAGE;
		}
		options.secret = secret;
	} else if (place.secret[0] != '\0') {
		options.secret = place.secret;
	}
	if (given->timeout_ms != 0) {
		options.timeout_ms = given->timeout_ms; /* of what names none */
	}
	r = open_session(cli, &options);
	if (r != CLI_DONE) {
		return r;
	}
	if (given->lock.ttl_ms != 0) {
		options.ttl_ms = given->lock.ttl_ms;
	}
	r = coffer_open(&cli->coffer, place.servers, &options);
	return r < 0 ? fail_open(given, r) : CLI_DONE;
}
