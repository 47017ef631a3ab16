/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client/place.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes one value of a query string off, `%XX` and `+` read; `text` has room for all of it. */
static bool take_value(const char *from, size_t size, char *text)
{
	for (size_t i = 0; i < size; i++) {
		if (from[i] == '%') {
			const int high = i + 2 < size ? digit(from[i + 1]) : -1;
			const int low = high >= 0 ? digit(from[i + 2]) : -1;

			if (low < 0 || high * 16 + low == 0) {
				return false;
			}
			*text++ = (char)(high * 16 + low);
			i += 2;
		} else {
			*text++ = from[i] == '+' ? ' ' : from[i];
		}
	}
	*text = '\0';
	return true;
}

static int take_pair(struct ctl_place *place, const char *pair, size_t size)
{
	char value[CTL_PLACE_SIZE];
	size_t length = strlen(place->servers);

	if (size < 3 || pair[2] != '=' || size - 3 >= sizeof(value) ||
	    !take_value(pair + 3, size - 3, value)) {
		return -EINVAL;
	}
	if (strncmp(pair, "ca", 2) == 0) {
		if (length + strlen(value) + 2 > sizeof(place->servers)) {
			return -E2BIG;
		}
		if (length != 0) {
			place->servers[length++] = ',';
		}
		memcpy(place->servers + length, value, strlen(value) + 1);
	} else if (strncmp(pair, "cn", 2) == 0) {
		memcpy(place->name, value, strlen(value) + 1);
	} else if (strncmp(pair, "sk", 2) == 0) {
		memcpy(place->secret, value, strlen(value) + 1);
	} else if (strncmp(pair, "un", 2) != 0) { /* a name of the client's, for nothing */
		return -EINVAL;
	}
	return 0;
}

int ctl_place_parse(struct ctl_place *ret_place, const char *text)
{
	static const char scheme[] = "doozer:?";
	struct ctl_place place = {.servers = ""};
	int r = 0;

	if (strlen(text) >= sizeof(place.servers)) {
		return -E2BIG;
	}
	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0) {
		memcpy(place.servers, text, strlen(text) + 1);
	} else {
		for (text += sizeof(scheme) - 1; *text != '\0' && r == 0;) {
			const size_t size = strcspn(text, "&");

			r = take_pair(&place, text, size);
			text += size + (text[size] == '&');
		}
	}
	if (r == 0) {
		*ret_place = place;
	}
	return r;
}
