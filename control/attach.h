/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * attach.h - joining a cluster that runs, from a machine that has nothing but the program
 *
 *      any server --/ctl/config--> keys that are the same everywhere, addresses
 *      /ctl/join/KEY = "IP:PORT"  -->  leader: member add --learner  -->  "IP:PORT N"
 *      FILE: those keys, node = N, a data folder and a management socket beside it
 *
 * Asked again from the same address it is given the same number, until that server takes part.
 *
 * Threads: any one; blocks, a minute at most.
 */

#include <stdbool.h>

#include "control/config_value.h"
#include "control/reason.h"
#include "control/settings.h"

struct ctl_attach {
	char servers[1024]; /* "HOST[:PORT],..."; the first that answers is enough */
	const char *listen; /* "IP[:PORT]" of this server; NULL: towards the servers, port 8046 */
	const char *file;   /* is made */
	const struct ctl_settings *settings; /* that it shall have, too */
	const char *secret;                  /* of the cluster; NULL: COFFER_SECRET */
};

/* Adds a server to those. False: there is no room for so many. */
bool ctl_attach_add(struct ctl_attach *attach, const char *server);

/*
 * The address of this server as others shall know it: as `listen` says, or if that is NULL that of
 * this machine on the way to `servers`, port 8046. 0, or a negative errno and the sentence.
 */
int ctl_attach_own(const char *servers, const char *listen, char ret_own[CTL_ADDRESS_TEXT_SIZE],
                   struct ctl_reason *ret_reason);

/*
 * Makes the configuration of a server that nobody wrote one for (whole_file.h): `text`, which is
 * called `name` in sentences, then the settings, then where it keeps what is its own, beside
 * `file`. 0, or a negative errno and the sentence; then there is none. -EEXIST: there was one;
 * -EINVAL: the settings say something else.
 */
int ctl_attach_write(const char *file, const char *text, const char *name,
                     const struct ctl_settings *settings, struct ctl_reason *ret_reason);

/*
 * 0, or a negative errno and the sentence; then no file was made. -EEXIST: it is there already;
 * -EPERM, -EINVAL: to try again is in vain.
 */
int ctl_attach(const struct ctl_attach *attach, struct ctl_reason *ret_reason);
