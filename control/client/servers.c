/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client/servers.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "store/limits.h"

enum {
	ENTRY_SIZE_MAX = 300 /* a name of 253 bytes, a colon, a port */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* 1 to 65535 in decimal digits, or -EINVAL. */
static int parse_port(const char *text)
{
	int port = 0;

	if (*text == '\0') {
		return -EINVAL;
	}
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9') {
			return -EINVAL;
		}
		port = port * 10 + (*text - '0');
		if (port > UINT16_MAX) {
			return -EINVAL;
		}
	}
	return port == 0 ? -EINVAL : port;
}

static int resolve(const char *host, int port, struct sockaddr_in *ret_address)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found;

	if (getaddrinfo(host, NULL, &hints, &found) != 0) {
		return -EHOSTUNREACH;
	}
	memcpy(ret_address, found->ai_addr, sizeof(*ret_address));
	ret_address->sin_port = htons((uint16_t)port);
	freeaddrinfo(found);
	return 0;
}

/* One entry between two commas. */
static int resolve_entry(const char *text, size_t size, struct sockaddr_in *ret_address)
{
	char entry[ENTRY_SIZE_MAX + 1];
	int port = STORE_PORT;
	char *colon;

	while (size != 0 && is_blank(text[0])) {
		text++;
		size--;
	}
	while (size != 0 && is_blank(text[size - 1])) {
		size--;
	}
	if (size == 0 || size > ENTRY_SIZE_MAX) {
		return -EINVAL;
	}
	memcpy(entry, text, size);
	entry[size] = '\0';
	colon = strchr(entry, ':');
	if (colon != NULL) {
		*colon = '\0';
		port = parse_port(colon + 1);
	}
	if (port < 0 || entry[0] == '\0' || strpbrk(entry, " \t") != NULL) {
		return -EINVAL;
	}
	return resolve(entry, port, ret_address);
}

int ctl_servers_resolve(const char *list, struct sockaddr_in *addresses, unsigned max)
{
	struct sockaddr_in address;
	unsigned count = 0, named = 0;
	size_t size;
	int r;

	if (list == NULL || list[strspn(list, " \t")] == '\0') {
		return -EDESTADDRREQ;
	}
	for (;; list += size + 1) {
		size = strcspn(list, ",");
		if (named++ == max) {
			return -E2BIG;
		}
		r = resolve_entry(list, size, &address);
		if (r == 0) {
			addresses[count++] = address;
		} else if (r != -EHOSTUNREACH) {
			return r;
		}
		if (list[size] == '\0') {
			return count == 0 ? -EHOSTUNREACH : (int)count;
		}
	}
}
