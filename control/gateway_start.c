/* SPDX-License-Identifier: Apache-2.0 */
#include "control/gateway_start.h"

#include <string.h>
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

static bool has_tls(const struct ctl_config *config)
{
	return strcmp(config->gateway_tls_cert, "none") != 0;
}

/* What clients are shown; a warning if they will not believe it. */
static void tell_certificate(const struct ctl_gateway *gateway, struct ctl_logger *logger)
{
	char until[CTL_TLS_TIME_SIZE];
	const bool good = ctl_tls_certificate_until(ctl_gateway_certificate(gateway), until);

	ctl_log(logger, good ? CTL_INFO : CTL_WARNING, "gateway_certificate",
	        CTL_TEXT("until", until), CTL_TEXT("expired", good ? "no" : "yes"));
}

static void tell(const struct ctl_gateway_config *gateway, struct ctl_logger *logger)
{
	const struct store_address address = {.ip = gateway->listen.ip,
	                                      .port = gateway->listen.port};
	char at[CTL_ADDRESS_TEXT_SIZE];

	ctl_address_text(address, at);
	ctl_log(logger, CTL_INFO, "gateway", CTL_TEXT("at", at),
	        CTL_TEXT("secret", gateway->keys->rw.is_set ? "yes" : "no"),
	        CTL_TEXT("tls", gateway->tls_cert != NULL ? "yes" : "no"));
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
	gateway.inside.window = CTL_GATEWAY_WINDOW;
	gateway.inside.watches_max = CTL_GATEWAY_WATCHES_MAX;
	gateway.listen = config->gateway;
	gateway.connections_max = (unsigned)config->gateway_connections;
	gateway.tls_cert = has_tls(config) ? config->gateway_tls_cert : NULL;
	gateway.tls_key = has_tls(config) ? config->gateway_tls_key : NULL;
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
	if (r == 0 && has_tls(config)) {
		tell_certificate(*ret_gateway, logger);
	}
	return r;
}

int ctl_gateway_check(const struct ctl_config *config, struct ctl_reason *ret_reason)
{
	struct ctl_tls_certificate *certificate = NULL;
	const int r = config->gateway.is_none || !has_tls(config)
	                      ? 0
	                      : ctl_tls_certificate_load(&certificate, config->gateway_tls_cert,
	                                                 config->gateway_tls_key, ret_reason);

	ctl_tls_certificate_free(certificate);
	return r;
}

void ctl_gateway_reload(struct ctl_gateway *gateway, struct ctl_logger *logger)
{
	struct ctl_reason reason;

	if (gateway == NULL || ctl_gateway_certificate(gateway) == NULL) {
		return;
	}
	if (ctl_gateway_renew(gateway, &reason) < 0) {
		ctl_log(logger, CTL_ERROR, "gateway_certificate_kept",
		        CTL_TEXT("why", reason.text));
	} else {
		tell_certificate(gateway, logger);
	}
}
