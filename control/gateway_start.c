/* SPDX-License-Identifier: Apache-2.0 */
#include "control/gateway_start.h"

#include <sys/resource.h>

enum {
	DESCRIPTORS_SPARE = 512, /* for all that is not a connection */
};

/* A connection takes a descriptor. As many as the system grants; beyond that they are refused. */
static void raise_descriptors(unsigned connections)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < connections + DESCRIPTORS_SPARE) {
		limit.rlim_cur = limit.rlim_max < connections + DESCRIPTORS_SPARE
		                         ? limit.rlim_max
		                         : connections + DESCRIPTORS_SPARE;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void tell(const struct ctl_gateway_config *gateway, struct ctl_logger *logger)
{
	const struct store_address address = {.ip = gateway->listen.ip,
	                                      .port = gateway->listen.port};
	char at[CTL_ADDRESS_TEXT_SIZE];

	ctl_address_text(address, at);
	ctl_log(logger, CTL_INFO, "gateway", CTL_TEXT("at", at),
	        CTL_TEXT("secret", gateway->rw_secret[0] != '\0' ? "yes" : "no"));
}

int ctl_gateway_start(struct ctl_gateway **ret_gateway, const struct ctl_gateway_config *base,
                      struct ctl_logger *logger, struct ctl_reason *ret_reason)
{
	const struct ctl_config *config = base->inside.config;
	struct ctl_gateway_config gateway = *base;
	int r;

	if (config->gateway.is_none) {
		return 0;
	}
	gateway.inside.watches_max = WATCHER_WATCHES_MAX;
	gateway.listen = config->gateway;
	gateway.connections_max = (unsigned)config->gateway_connections;
	gateway.patience_ms = config->gateway_patience_ns / 1000000;
	raise_descriptors(gateway.connections_max);
	r = ctl_gateway_open(ret_gateway, &gateway, ret_reason);
	if (r < 0 && !config->gateway_given) {
		/* One that nobody asked for is no reason not to serve. */
		ctl_log(logger, CTL_WARNING, "no_gateway", CTL_TEXT("why", ret_reason->text));
		return 0;
	}
	if (r == 0) {
		tell(&gateway, logger);
	}
	return r;
}
