/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_config.c - whatever a configuration file holds, it is read or refused with one sentence
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/config.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* By its length, so that some names agree and some cannot be resolved. */
static int resolve(const char *host, uint32_t *ret_ip, struct ctl_reason *ret_reason)
{
	must(host[0] != '\0' && strlen(host) < CTL_HOST_SIZE_MAX);
	*ret_ip = 0x7f000000 + (uint32_t)strlen(host);
	ctl_reason_say(ret_reason, "no such name");
	return strlen(host) > 8 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_reason reason = {{0}};
	struct ctl_config config;

	if (ctl_config_parse(&config, "fuzz", slice_make(data, size), resolve, &reason) == 0) {
		must(__builtin_popcountll(config.members) % 2 == 1);
		must(config.members >> config.count == 0);
		must(config.count <= STORE_NODES_MAX);
		must(config.node >= 1);
		must(config.node <= config.count);
		must(config.lease_ns <= config.suspicion_ns);
		must(reason.text[0] == '\0');
	} else {
		must(reason.text[0] != '\0');
		must(memchr(reason.text, '\n', strlen(reason.text)) == NULL);
	}
	return 0;
}
