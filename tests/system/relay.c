/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - stands between servers, so that what is between two of them can be cut without rights
 *
 *      server A  <->  place where A sees B  -- relay --  place where B sees A  <->  server B
 *
 * Each argument is one pair of servers:
 *      "udp A B AT_A AT_B TO_A TO_B"   AT_A: address at which A sees B; TO_A: A's own; likewise B
 *      "link A B FILE_A FILE_B"        A is the first end of FILE_A, B the second of FILE_B
 * all of one kind. Commands on standard input, one a line, each answered with `ok`:
 *      cut A B      nothing passes, either way
 *      cut1 A B     nothing passes from A to B
 *      loss N       N of 1000 datagrams are lost
 *      double N     N of 1000 come twice
 *      heal         everything passes again
 * Ends with the end of its input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/link.h"
#include "store/base/check.h"
#include "store/base/prng.h"

enum {
	PAIRS_MAX = 15, /* five servers, each with each; DP_BELLS_MAX ends */
	BURST = 64,
	LINK_SLEEP_NS = 2 * 1000 * 1000,
	FILE_SIZE_MAX = 400,
};

/* What comes in at one end goes out at the other. */
struct end {
	unsigned server; /* on this side */
	int fd;
	struct sockaddr_in to; /* that server */
	struct dp_link *link;
	bool is_cut; /* what comes in here is dropped */
};

struct pair {
	struct end ends[2];
};

static struct pair pairs[PAIRS_MAX];
static unsigned pair_count;
static unsigned loss, doubles; /* of 1000 */
static struct prng prng;

static bool parse_address(const char *text, struct sockaddr_in *ret_address)
{
	char host[16];
	unsigned port;

	*ret_address = (struct sockaddr_in){.sin_family = AF_INET};
	if (sscanf(text, "%15[0-9.]:%u", host, &port) != 2 || port > UINT16_MAX) {
		return false;
	}
	ret_address->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &ret_address->sin_addr) == 1;
}

static bool open_udp(struct end *end, const char *at, const char *to)
{
	struct sockaddr_in address;

	if (!parse_address(at, &address) || !parse_address(to, &end->to)) {
		return false;
	}
	end->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return end->fd >= 0 &&
	       bind(end->fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool open_pair(const char *text)
{
	struct pair *pair = &pairs[pair_count];
	char words[4][FILE_SIZE_MAX + 1];
	unsigned a, b;

	if (pair_count == PAIRS_MAX) {
		return false;
	}
	pair->ends[0].fd = pair->ends[1].fd = -1;
	if (sscanf(text, "udp %u %u %400s %400s %400s %400s", &a, &b, words[0], words[1], words[2],
	           words[3]) == 6) {
		if (!open_udp(&pair->ends[0], words[0], words[2]) ||
		    !open_udp(&pair->ends[1], words[1], words[3])) {
			return false;
		}
	} else if (sscanf(text, "link %u %u %400s %400s", &a, &b, words[0], words[1]) == 4) {
		if (dp_link_open(&pair->ends[0].link, words[0], true) != 0 ||
		    dp_link_open(&pair->ends[1].link, words[1], false) != 0) {
			return false;
		}
	} else {
		return false;
	}
	pair->ends[0].server = a;
	pair->ends[1].server = b;
	pair_count++;
	return true;
}

/* --- passing on ---------------------------------------------------------------------------- */

static size_t take(struct end *end, uint8_t *bytes, size_t size_max)
{
	ssize_t size;

	if (end->link != NULL) {
		return dp_link_get(end->link, bytes);
	}
	size = recv(end->fd, bytes, size_max, 0);
	return size > 0 ? (size_t)size : 0;
}

static void pass(struct end *end, const uint8_t *bytes, size_t size)
{
	if (end->link != NULL) {
		(void)dp_link_put(end->link, slice_make(bytes, size)); /* full: lost */
	} else {
		(void)sendto(end->fd, bytes, size, 0, (const struct sockaddr *)&end->to,
		             sizeof(end->to));
	}
}

/* Returns how many came. */
static unsigned relay_end(struct end *from, struct end *to)
{
	uint8_t bytes[2048];
	unsigned count = 0;
	size_t size;

	while (count < BURST && (size = take(from, bytes, sizeof(bytes))) != 0) {
		count++;
		if (from->is_cut || prng_chance(&prng, loss, 1000)) {
			continue;
		}
		pass(to, bytes, size);
		if (prng_chance(&prng, doubles, 1000)) {
			pass(to, bytes, size);
		}
	}
	if (to->link != NULL) {
		dp_link_flush(to->link);
	}
	return count;
}

static unsigned relay_all(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < pair_count; i++) {
		count += relay_end(&pairs[i].ends[0], &pairs[i].ends[1]);
		count += relay_end(&pairs[i].ends[1], &pairs[i].ends[0]);
	}
	return count;
}

/* --- commands ------------------------------------------------------------------------------ */

static bool cut(unsigned a, unsigned b, bool both)
{
	for (unsigned i = 0; i < pair_count; i++) {
		struct end *ends = pairs[i].ends;

		for (unsigned e = 0; e < 2; e++) {
			if (ends[e].server == a && ends[1 - e].server == b) {
				ends[e].is_cut = true;
				ends[1 - e].is_cut = ends[1 - e].is_cut || both;
				return true;
			}
		}
	}
	return false;
}

static bool obey(const char *line)
{
	unsigned a, b;

	if (strcmp(line, "heal") == 0) {
		for (unsigned i = 0; i < pair_count; i++) {
			pairs[i].ends[0].is_cut = pairs[i].ends[1].is_cut = false;
		}
		loss = doubles = 0;
		return true;
	}
	if (sscanf(line, "cut1 %u %u", &a, &b) == 2) {
		return cut(a, b, false);
	}
	if (sscanf(line, "cut %u %u", &a, &b) == 2) {
		return cut(a, b, true);
	}
	return sscanf(line, "loss %u", &loss) == 1 || sscanf(line, "double %u", &doubles) == 1;
}

/* False at the end of the input. */
static bool take_commands(void)
{
	static char line[256];
	static size_t used;
	const ssize_t size = read(STDIN_FILENO, line + used, sizeof(line) - 1 - used);
	char *end;

	if (size <= 0) {
		return size < 0 && (errno == EINTR || errno == EAGAIN);
	}
	used += (size_t)size;
	line[used] = 0;
	while ((end = strchr(line, '\n')) != NULL) {
		*end = 0;
		(void)puts(obey(line) ? "ok" : "what?");
		(void)fflush(stdout);
		used -= (size_t)(end + 1 - line);
		memmove(line, end + 1, used + 1);
	}
	return used + 1 < sizeof(line);
}

/* --- the loop ------------------------------------------------------------------------------ */

static void wait_udp(void)
{
	struct pollfd fds[2 * PAIRS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};

	for (unsigned i = 0; i < pair_count; i++) {
		for (unsigned e = 0; e < 2; e++) {
			fds[1 + 2 * i + e] =
				(struct pollfd){.fd = pairs[i].ends[e].fd, .events = POLLIN};
		}
	}
	(void)poll(fds, 2 * pair_count + 1, -1);
}

static void wait_links(void)
{
	struct dp_link *links[2 * PAIRS_MAX];

	for (unsigned i = 0; i < pair_count; i++) {
		links[2 * i] = pairs[i].ends[0].link;
		links[2 * i + 1] = pairs[i].ends[1].link;
	}
	dp_link_sleep(links, 2 * pair_count, LINK_SLEEP_NS);
}

static bool has_command(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, 0) != 0;
}

int main(int argc, char **argv)
{
	prng_init(&prng, 1);
	for (int i = 1; i < argc && i <= PAIRS_MAX; i++) {
		if (!open_pair(argv[i])) {
			(void)fprintf(stderr, "relay: %s: %s\n", argv[i], strerror(errno));
			return 2;
		}
	}
	if (pair_count == 0) {
		(void)fprintf(stderr, "usage: relay PAIR...\n");
		return 2;
	}
	(void)puts("ok");
	(void)fflush(stdout);
	for (;;) {
		if (relay_all() == 0) {
			if (pairs[0].ends[0].link != NULL) {
				wait_links();
			} else {
				wait_udp();
			}
		}
		if (has_command() && !take_commands()) {
			return 0;
		}
	}
}
