/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/tiny_cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#include "consensus/quorum.h"
#include "consensus/replica.h"
#include "store/base/check.h"
#include "store/base/prng.h"

enum {
	LETTERS_MAX = 4096,
	BURST = 64,
	SERVERS_TEXT_SIZE = 128,
	PATIENCE_MS = 10000,
};

#define NS_PER_S ((uint64_t)1000 * 1000 * 1000)

struct letter {
	unsigned to;
	int from;
	size_t size;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

struct server {
	int fd;
	struct store *store;
	struct paxos_replica *replica;
	_Atomic bool silent;
};

struct tiny_cluster {
	struct server servers[TINY_SERVERS];
	char text[SERVERS_TEXT_SIZE];
	unsigned loss_percent;
	struct prng prng;
	struct letter *letters; /* a ring */
	unsigned first, count;
	_Atomic int leader; /* -1: none */
	_Atomic bool stop;
	pthread_t thread;
};

static uint64_t now(void)
{
	struct timespec time;

	must(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static bool is_lost(struct tiny_cluster *cluster)
{
	return prng_chance(&cluster->prng, cluster->loss_percent, 100);
}

static void post(struct tiny_cluster *cluster, unsigned from, unsigned to, struct slice bytes)
{
	struct letter *letter;

	if (cluster->count == LETTERS_MAX) {
		return; /* lost, as a network would */
	}
	letter = &cluster->letters[(cluster->first + cluster->count) % LETTERS_MAX];
	letter->to = to;
	letter->from = (int)from;
	letter->size = bytes.size;
	memcpy(letter->bytes, bytes.data, bytes.size);
	cluster->count++;
}

static void reply(struct tiny_cluster *cluster, const struct server *server,
                  const struct paxos_effect *effect)
{
	struct sockaddr_in address;

	memcpy(&address, effect->address.bytes, sizeof(address));
	if (!is_lost(cluster)) {
		(void)sendto(server->fd, effect->bytes.data, effect->bytes.size, MSG_DONTWAIT,
		             (const struct sockaddr *)&address, sizeof(address));
	}
}

static void obey(struct tiny_cluster *cluster, unsigned index)
{
	struct server *server = &cluster->servers[index];
	struct paxos_effect effect;

	while (paxos_replica_take(server->replica, &effect)) {
		if (effect.kind == PAXOS_EFFECT_SEND) {
			post(cluster, index, effect.peer, effect.bytes);
		} else if (effect.kind == PAXOS_EFFECT_REPLY) {
			reply(cluster, server, &effect);
		}
	}
}

static void take_clients(struct tiny_cluster *cluster, struct server *server)
{
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX + 1];

	for (unsigned i = 0; i < BURST; i++) {
		struct paxos_source source = {.peer = PAXOS_NOBODY};
		struct sockaddr_in address;
		socklen_t size = sizeof(address);
		const ssize_t got = recvfrom(server->fd, bytes, sizeof(bytes), MSG_DONTWAIT,
		                             (struct sockaddr *)&address, &size);

		if (got < 0) {
			return;
		}
		memcpy(source.address.bytes, &address, sizeof(address));
		if (!is_lost(cluster)) {
			paxos_replica_receive(server->replica, now(), &source,
			                      slice_make(bytes, (size_t)got));
		}
	}
}

static void take_letters(struct tiny_cluster *cluster)
{
	for (unsigned left = cluster->count; left != 0; left--) {
		const struct letter *letter = &cluster->letters[cluster->first];
		const struct paxos_source source = {.peer = letter->from};

		if (!cluster->servers[letter->to].silent) {
			paxos_replica_receive(cluster->servers[letter->to].replica, now(), &source,
			                      slice_make(letter->bytes, letter->size));
		}
		cluster->first = (cluster->first + 1) % LETTERS_MAX;
		cluster->count--;
	}
}

static void turn(struct tiny_cluster *cluster)
{
	struct paxos_status status;

	take_letters(cluster);
	for (unsigned i = 0; i < TINY_SERVERS; i++) {
		struct server *server = &cluster->servers[i];

		if (server->silent) {
			continue;
		}
		take_clients(cluster, server);
		paxos_replica_tick(server->replica, now());
		obey(cluster, i);
		store_grace_passed(server->store, store_grace_wanted(server->store));
		paxos_replica_status(server->replica, &status);
		if (status.role == PAXOS_LEADER && status.deciding) {
			cluster->leader = (int)i;
		} else if (cluster->leader == (int)i) {
			cluster->leader = -1;
		}
	}
}

static void *run(void *argument)
{
	struct tiny_cluster *cluster = argument;
	struct pollfd ready[TINY_SERVERS];

	urcu_qsbr_register_thread();
	for (unsigned i = 0; i < TINY_SERVERS; i++) {
		ready[i] = (struct pollfd){.fd = cluster->servers[i].fd, .events = POLLIN};
		paxos_replica_start(cluster->servers[i].replica, now());
	}
	while (!cluster->stop) {
		for (unsigned i = 0; i < TINY_SERVERS; i++) {
			/* What nobody takes from a silent server would keep the poll awake. */
			ready[i].events = cluster->servers[i].silent ? 0 : POLLIN;
		}
		if (cluster->count == 0) {
			(void)poll(ready, TINY_SERVERS, 1);
		}
		turn(cluster);
		urcu_qsbr_quiescent_state();
	}
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* --- making one --------------------------------------------------------------------------- */

static int open_socket(struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	must(getsockname(fd, (struct sockaddr *)ret_address, &size) == 0);
	return fd;
}

static void open_server(struct tiny_cluster *cluster, unsigned index)
{
	const struct store_config store = {
		.quota_bytes = 1 << 26, .sessions_max = 256, .events_max = 1024};
	struct server *server = &cluster->servers[index];
	struct sockaddr_in address;
	struct paxos_config config = {
		.node = (uint8_t)index,
		.founders = paxos_first(TINY_SERVERS),
		.cluster = 77,
		.incarnation = index + 1,
		.start = 1,
		.founding = true,
		.seed = index + 1,
	};
	const size_t used = strlen(cluster->text);

	paxos_config_default(&config);
	must(store_new(&server->store, &store) == 0);
	must(paxos_replica_new(&server->replica, &config, server->store) == 0);
	server->fd = open_socket(&address);
	(void)snprintf(cluster->text + used, sizeof(cluster->text) - used, "%s127.0.0.1:%u",
	               used == 0 ? "" : ",", ntohs(address.sin_port));
}

struct tiny_cluster *tiny_cluster_new(unsigned loss_percent, uint64_t seed)
{
	struct tiny_cluster *cluster = calloc(1, sizeof(*cluster));

	must(cluster != NULL);
	cluster->letters = calloc(LETTERS_MAX, sizeof(*cluster->letters));
	must(cluster->letters != NULL);
	cluster->loss_percent = loss_percent;
	cluster->leader = -1;
	prng_init(&cluster->prng, seed);
	for (unsigned i = 0; i < TINY_SERVERS; i++) {
		open_server(cluster, i);
	}
	must(pthread_create(&cluster->thread, NULL, run, cluster) == 0);
	return cluster;
}

void tiny_cluster_free(struct tiny_cluster *cluster)
{
	cluster->stop = true;
	must(pthread_join(cluster->thread, NULL) == 0);
	for (unsigned i = 0; i < TINY_SERVERS; i++) {
		paxos_replica_free(cluster->servers[i].replica);
		store_free(cluster->servers[i].store);
		(void)close(cluster->servers[i].fd);
	}
	free(cluster->letters);
	free(cluster);
}

const char *tiny_cluster_servers(const struct tiny_cluster *cluster)
{
	return cluster->text;
}

unsigned tiny_cluster_leader(struct tiny_cluster *cluster)
{
	int leader = cluster->leader;

	for (unsigned ms = 0; leader < 0; ms++) {
		must(ms < PATIENCE_MS);
		(void)poll(NULL, 0, 1);
		leader = cluster->leader;
	}
	return (unsigned)leader;
}

void tiny_cluster_silence(struct tiny_cluster *cluster, unsigned server)
{
	cluster->servers[server].silent = true;
	if (cluster->leader == (int)server) {
		cluster->leader = -1;
	}
}
