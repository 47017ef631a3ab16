/* SPDX-License-Identifier: Apache-2.0 */
#include "control/host.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#include "control/clock.h"

#define NS_PER_S ((uint64_t)1000000000)

static uint32_t ip_of(const struct addrinfo *found)
{
	return ntohl(((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr.s_addr);
}

/* The address that all of them are; false: they differ. */
static bool take_one(const struct addrinfo *found, uint32_t *ret_ip)
{
	const uint32_t ip = ip_of(found);

	for (; found != NULL; found = found->ai_next) {
		if (ip_of(found) != ip) {
			return false;
		}
	}
	*ret_ip = ip;
	return true;
}

int ctl_host_resolve(const char *host, uint32_t *ret_ip, struct ctl_reason *ret_reason)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
	const uint64_t end_ns = ctl_clock_ns() + CTL_HOST_PATIENCE_S * NS_PER_S;
	struct addrinfo *found;
	int r;

	while ((r = getaddrinfo(host, NULL, &hints, &found)) == EAI_AGAIN &&
	       ctl_clock_ns() < end_ns) {
		(void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
	}
	if (r != 0) {
		ctl_reason_say(ret_reason,
		               "the name %s cannot be resolved (%s); mend it, or name an IPv4 "
		               "address",
		               host, gai_strerror(r));
		return -EHOSTUNREACH;
	}
	r = take_one(found, ret_ip) ? 0 : -EINVAL;
	freeaddrinfo(found);
	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "the name %s has several addresses, but a server is at one; name "
		               "that",
		               host);
	}
	return r;
}
