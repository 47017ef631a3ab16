/* SPDX-License-Identifier: Apache-2.0 */
#include "control/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_one(char ret_secret[CTL_SECRET_SIZE_MAX], const char *path, const char *variable,
                    struct ctl_reason *ret_reason)
{
	const char *given = getenv(variable);
	int r;

	if (strcmp(path, "none") == 0) {
		given = given == NULL ? "" : given;
		if (strlen(given) >= CTL_SECRET_SIZE_MAX) {
			ctl_reason_say(ret_reason, "%s is longer than %d bytes; shorten it",
			               variable, CTL_SECRET_SIZE_MAX - 1);
			return -EMSGSIZE;
		}
		memcpy(ret_secret, given, strlen(given) + 1);
		return 0;
	}
	r = ctl_secret_file(ret_secret, path);
	if (r < 0) {
		ctl_reason_say(ret_reason, "the secret in %s cannot be had (%s); mend that file",
		               path, strerror(-r));
	}
	return r;
}

int ctl_secrets_read(struct ctl_secrets *ret_secrets, const struct ctl_config *config,
                     struct ctl_reason *ret_reason)
{
	struct ctl_secrets *secrets = ret_secrets;
	int r;

	r = read_one(secrets->rw, config->rw_secret, "COFFER_RWSECRET", ret_reason);
	if (r == 0) {
		r = read_one(secrets->ro, config->ro_secret, "COFFER_ROSECRET", ret_reason);
	}
	r = r < 0 ? r
	          : read_one(secrets->boot, config->boot_secret, "COFFER_BOOT_SECRET", ret_reason);
	if (r < 0) {
		return r;
	}
	if (secrets->ro[0] != '\0' && secrets->rw[0] == '\0') {
		ctl_reason_say(ret_reason, "ro_secret keeps nobody from writing without rw_secret; "
		                           "set that too");
		return -EINVAL;
	}
	secrets->keys = (struct store_keys){
		.rw = store_key_of(slice_text(secrets->rw)),
		.ro = store_key_of(slice_text(secrets->ro)),
	};
	return 0;
}
