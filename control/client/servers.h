/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * servers.h - a list of servers as people write it
 *
 *      HOST[:PORT],HOST[:PORT],...
 *
 * IPv4 addresses or names. Spaces around an entry are let pass, an empty entry is not.
 */

#include <netinet/in.h>

/*
 * Splits and resolves. Asks the system's resolver, which may take a while. A name that does not
 * resolve now is passed over: another of the list may do.
 *
 * Returns how many there are, at most `max`; -EDESTADDRREQ: none; -EINVAL: malformed; -E2BIG: more
 * than `max`; -EHOSTUNREACH: no name resolves.
 */
int ctl_servers_resolve(const char *list, struct sockaddr_in *addresses, unsigned max);
