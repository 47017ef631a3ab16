/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * secret.h - the secrets of a server: out of files, or else out of the environment
 *
 * Threads: any, while nobody changes the environment.
 */

#include "control/client/secret_file.h"
#include "control/config.h"
#include "control/reason.h"
#include "store/rights.h"

/* What clients have to know; "": nothing. */
struct ctl_secrets {
	char rw[CTL_SECRET_SIZE_MAX], ro[CTL_SECRET_SIZE_MAX];
	char boot[CTL_SECRET_SIZE_MAX]; /* what this server has to know of the name cluster */
	struct store_keys keys;         /* the same for datagrams */
};

/*
 * The first lines of the files that rw_secret, ro_secret and boot_secret name; where that is
 * "none", the variables COFFER_RWSECRET, COFFER_ROSECRET and COFFER_BOOT_SECRET of the environment,
 * and without them none. 0, or a
 * negative errno and the sentence, which never tells a secret: -EINVAL, too, where there is one to
 * read and none to write, which would keep nobody out.
 */
int ctl_secrets_read(struct ctl_secrets *ret_secrets, const struct ctl_config *config,
                     struct ctl_reason *ret_reason);
