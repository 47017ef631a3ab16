/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/dataplane.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "dataplane/eal.h"
#include "dataplane/pass.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"
#include "store/base/check.h"

enum {
	/* Inboxes, a burst for each worker and the caches; links only, ethdevs have their own. */
	MBUFS = 4096 - 1,
	WORKER_ALIGN = 64,
};

struct dp {
	struct dp_config config; /* name is not looked at after the start */
	struct rte_mempool *mbufs;
	struct dp_pass pass;
	struct dp_port ports[DP_PORTS_MAX];
	unsigned port_count; /* open */
	bool has_eal;        /* this start has started it */
	struct dp_worker *workers[DP_WORKERS_MAX];
	unsigned worker_count; /* made */
	unsigned thread_count; /* running */
	struct paxos_mailbox *mailbox;
};

static void ring_bell(void *context)
{
	dp_bell_ring(context);
}

/* --- what was asked for ---------------------------------------------------------------------- */

static int refuse(char reason[DP_REASON_SIZE], int r, const char *sentence)
{
	(void)snprintf(reason, DP_REASON_SIZE, "%s", sentence);
	return r;
}

static int check(const struct dp_config *config, char reason[DP_REASON_SIZE])
{
	if (config->worker_count < 1 || config->worker_count > DP_WORKERS_MAX) {
		return refuse(reason, -EINVAL, "workers: from 1 to 16");
	}
	if (config->port_count < 1 || config->port_count > DP_PORTS_MAX) {
		return refuse(reason, -EINVAL, "ports: transport dpdk needs from 1 to 16 of them");
	}
	for (unsigned i = 0; i < config->port_count; i++) {
		if (config->ports[i].kind == DP_PORT_ETHDEV &&
		    (config->ports[i].address == 0 || config->ports[i].prefix > 32)) {
			(void)snprintf(reason, DP_REASON_SIZE,
			               "port %u: an ethdev needs `address A.B.C.D/PREFIX`", i + 1);
			return -EINVAL;
		}
	}
	return 0;
}

static int start_eal(const struct dp_config *config, char reason[DP_REASON_SIZE])
{
	const char *pci[DP_PORTS_MAX];
	struct dp_eal_config eal = {
		.name = config->name,
		.no_huge = config->no_huge,
		.memory_mb = config->memory_mb,
		.pci = pci,
	};

	for (unsigned i = 0; i < config->port_count; i++) {
		if (config->ports[i].kind == DP_PORT_ETHDEV &&
		    dp_port_is_pci(config->ports[i].device)) {
			pci[eal.pci_count++] = config->ports[i].device;
		}
	}
	return dp_eal_start(&eal, reason);
}

/* --- parts ----------------------------------------------------------------------------------- */

static int open_ports(struct dp *dp, char reason[DP_REASON_SIZE])
{
	dp->mbufs = rte_pktmbuf_pool_create("dp_links", MBUFS, DP_MBUF_CACHE, DP_MBUF_PRIVATE_SIZE,
	                                    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (dp->mbufs == NULL) {
		(void)snprintf(reason, DP_REASON_SIZE,
		               "memory_mb: %u MiB are too little for the packet buffers (%s)",
		               dp->config.memory_mb, rte_strerror(rte_errno));
		return -ENOMEM;
	}
	for (unsigned i = 0; i < dp->config.port_count; i++) {
		const int r = dp_port_open(&dp->ports[i], &dp->config.ports[i], i,
		                           dp->config.worker_count, dp->mbufs, reason);

		if (r < 0) {
			return r;
		}
		dp->port_count++;
	}
	return 0;
}

static bool reads_ethdev(const struct dp *dp, unsigned worker)
{
	for (unsigned i = 0; i < dp->port_count; i++) {
		if (dp->ports[i].kind == DP_PORT_ETHDEV &&
		    dp_port_is_read_by(&dp->ports[i], worker)) {
			return true;
		}
	}
	return false;
}

/* Watches: worker 0 has those of the replica. */
static int fill_reads(struct dp *dp, struct dp_worker *worker, struct paxos_replica *replica,
                      struct store *store)
{
	struct dp_reads *reads = &worker->reads;
	int r = 0;

	reads->view = paxos_replica_lease_view(replica);
	reads->store = store;
	reads->keys = paxos_replica_keys(replica);
	reads->cluster = dp->config.cluster;
	reads->node = dp->config.node;
	reads->durability = dp->config.durability;
	worker->watch_counters = paxos_replica_watches(replica);
	if (worker->index != 0) {
		r = paxos_watches_new(&reads->watches, dp->config.watches_max, store);
		worker->watch_counters = r < 0 ? NULL : paxos_watches_counters(reads->watches);
	}
	return r;
}

static void fill_worker(struct dp *dp, struct dp_worker *worker, unsigned index,
                        struct paxos_replica *replica, struct store *store)
{
	worker->index = index;
	worker->tx.worker = index;
	worker->tx.udp_port = dp->config.udp_port;
	worker->tx.ports = dp->ports;
	worker->tx.port_count = dp->port_count;
	worker->tx.pass = &dp->pass;
	worker->tx.mbufs = dp->mbufs;
	worker->tx.counters = &worker->counters;
	dp_tx_find_routes(&worker->tx, &dp->config);
	worker->rx.worker = index;
	worker->rx.tx = &worker->tx;
	worker->rest.spins = dp->config.poll == DP_POLL_SPIN;
	worker->rest.has_ethdev = reads_ethdev(dp, index);
	worker->rest.sleep_max_ns = dp->config.sleep_max_ns;
	worker->rest.counters = &worker->counters;
	worker->all = dp->workers;
	worker->count = dp->config.worker_count;
	if (index == 0) {
		worker->replica = replica;
		worker->store = store;
		worker->mailbox = dp->mailbox;
	}
}

static int make_workers(struct dp *dp, struct paxos_replica *replica, struct store *store,
                        char reason[DP_REASON_SIZE])
{
	for (unsigned i = 0; i < dp->config.worker_count; i++) {
		struct dp_worker *worker = aligned_alloc(WORKER_ALIGN, sizeof(*worker));

		if (worker == NULL) {
			return refuse(reason, -ENOMEM, "workers: no memory");
		}
		memset(worker, 0, sizeof(*worker));
		dp->workers[i] = worker;
		dp->worker_count++;
		fill_worker(dp, worker, i, replica, store);
		if (fill_reads(dp, worker, replica, store) < 0) {
			return refuse(reason, -ENOMEM, "watches_max: no memory; lower it");
		}
	}
	return 0;
}

static int start_thread(struct dp *dp, unsigned index)
{
	const int core = dp->config.cores[index];
	pthread_attr_t attributes;
	cpu_set_t cores;
	char name[sizeof("worker4294967295")];
	int r;

	r = -pthread_attr_init(&attributes);
	if (r < 0) {
		return r;
	}
	if (core >= 0) {
		CPU_ZERO(&cores);
		CPU_SET((unsigned)core, &cores);
		r = -pthread_attr_setaffinity_np(&attributes, sizeof(cores), &cores);
	}
	if (r == 0) {
		r = -pthread_create(&dp->workers[index]->thread, &attributes, dp_worker_run,
		                    dp->workers[index]);
	}
	(void)pthread_attr_destroy(&attributes);
	if (r == 0) {
		(void)snprintf(name, sizeof(name), "worker%u", index);
		(void)pthread_setname_np(dp->workers[index]->thread, name);
	}
	return r;
}

static int start_threads(struct dp *dp, char reason[DP_REASON_SIZE])
{
	for (unsigned i = 0; i < dp->config.worker_count; i++) {
		const int r = start_thread(dp, i);

		if (r < 0) {
			(void)snprintf(reason, DP_REASON_SIZE,
			               "cores: worker %u cannot run on core %d: %s", i,
			               dp->config.cores[i], strerror(-r));
			return r;
		}
		dp->thread_count++;
	}
	return 0;
}

/* --- start and stop -------------------------------------------------------------------------- */

static int start(struct dp *dp, struct paxos_replica *replica, struct store *store,
                 char reason[DP_REASON_SIZE])
{
	int r;

	r = start_eal(&dp->config, reason);
	if (r < 0) {
		return r;
	}
	dp->has_eal = true;
	r = open_ports(dp, reason);
	if (r < 0) {
		return r;
	}
	r = dp_pass_open(&dp->pass, dp->config.worker_count, reason);
	if (r < 0) {
		return r;
	}
	r = make_workers(dp, replica, store, reason);
	if (r < 0) {
		return r;
	}
	dp->mailbox->worker_bell =
		(struct paxos_bell){.ring = ring_bell, .context = &dp->pass.bells[0]};
	return start_threads(dp, reason);
}

int dp_start(struct dp **ret_dp, const struct dp_config *config, struct paxos_replica *replica,
             struct store *store, struct paxos_mailbox *mailbox, char ret_reason[256])
{
	char unasked[DP_REASON_SIZE];
	char *reason = ret_reason != NULL ? ret_reason : unasked;
	struct dp *dp;
	int r;

	r = check(config, reason);
	if (r < 0) {
		return r;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* drivers write to sockets whose other end may be dead */
	dp = calloc(1, sizeof(*dp));
	if (dp == NULL) {
		return refuse(reason, -ENOMEM, "no memory");
	}
	dp->config = *config;
	dp->mailbox = mailbox;
	r = start(dp, replica, store, reason);
	if (r < 0) {
		dp_stop(dp);
		return r;
	}
	*ret_dp = dp;
	return 0;
}

static void stop_threads(struct dp *dp)
{
	for (unsigned i = 0; i < dp->thread_count; i++) {
		atomic_store_explicit(&dp->workers[i]->stop, true, memory_order_relaxed);
		dp_bell_ring(&dp->pass.bells[i]);
	}
	for (unsigned i = 0; i < dp->thread_count; i++) {
		(void)pthread_join(dp->workers[i]->thread, NULL);
	}
}

void dp_stop(struct dp *dp)
{
	if (dp == NULL) {
		return;
	}
	stop_threads(dp);
	dp->mailbox->worker_bell = (struct paxos_bell){0};
	for (unsigned i = 0; i < dp->worker_count; i++) {
		dp_tx_close(&dp->workers[i]->tx);
		paxos_watches_free(dp->workers[i]->reads.watches);
		free(dp->workers[i]);
	}
	dp_pass_close(&dp->pass);
	for (unsigned i = 0; i < dp->port_count; i++) {
		dp_port_close(&dp->ports[i]);
	}
	rte_mempool_free(dp->mbufs);
	if (dp->has_eal) {
		dp_eal_stop();
	}
	free(dp);
}

void dp_counters(const struct dp *dp, uint64_t ret_counters[DP_COUNTER_COUNT])
{
	memset(ret_counters, 0, DP_COUNTER_COUNT * sizeof(ret_counters[0]));
	for (unsigned i = 0; i < dp->worker_count; i++) {
		dp_counters_add(ret_counters, &dp->workers[i]->counters);
	}
	for (unsigned i = 0; i < dp->port_count; i++) {
		ret_counters[DP_DROP_PORT] += dp_port_lost(&dp->ports[i]);
	}
}
