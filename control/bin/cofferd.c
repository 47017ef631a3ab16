/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cofferd - the server; the roof, the only file that sees both hands
 *
 *      configuration -> supervisor -> log -> data folder, superblock
 *        -> store -> replica <- snapshot, journal (disk)
 *        -> mailbox -> control thread (this one) -> journal's threads (disk)
 *        -> shell: dataplane/ or control/udp_worker
 *        -> turn until SIGTERM -> the same backwards
 *
 * Exit: 0 ended by a signal; 1 something is wrong, told in one sentence; 2 usage; 128 + N: killed
 * by signal N.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "consensus/errand.h"
#include "consensus/mailbox.h"
#include "consensus/replica.h"
#include "consensus/watches.h"
#include "control/attach.h"
#include "control/bin/cofferd_order.h"
#include "control/boot.h"
#include "control/claim.h"
#include "control/config.h"
#include "control/end.h"
#include "control/gateway_start.h"
#include "control/logger.h"
#include "control/loop.h"
#include "control/recover.h"
#include "control/secret.h"
#include "control/status.h"
#include "control/supervisor.h"
#include "control/udp.h"
#include "control/udp_worker.h"
#include "control/wakeup.h"
#include "dataplane/dataplane.h"
#include "store/base/check.h"
#include "store/store.h"

enum {
	EXIT_WRONG = 1,
	LOWER_BY = 5,            /* nice: a quarter of a core that a worker wants */
	MAILBOX_BYTES = 4 << 20, /* each way: some 2,900 of the largest datagrams */
};

static_assert(MAILBOX_BYTES / 4 > STORE_DATAGRAM_SIZE_MAX + 64, "a datagram is a mail");
static_assert(MAILBOX_BYTES / 4 > sizeof(struct paxos_status) + 4096, "a status is a mail");

/* Everything a server is; what is NULL or below 0 is not there yet. */
struct server {
	struct ctl_config config;
	struct ctl_logger logger;
	struct ctl_boot boot; /* data folder, store, replica, journal */
	struct ctl_secrets secrets;
	struct paxos_mailbox mailbox;
	void *rings;
	void *records; /* disk: the ring to the journal */
	struct ctl_loop *loop;
	bool shell_ended; /* its counters are no more */
	struct ctl_udp_worker *udp_worker;
	struct dp *dp;
};

static bool is_disk(const struct server *server)
{
	return server->config.durability == CTL_DURABILITY_DISK;
}

static enum paxos_durability durability_of(const struct server *server)
{
	return is_disk(server) ? PAXOS_DISK : PAXOS_MEMORY;
}

/* --- status ---------------------------------------------------------------------------------- */

static void add_dataplane(json_t *status, const struct server *server)
{
	uint64_t counters[DP_COUNTER_COUNT];

	dp_counters(server->dp, counters);
	(void)json_object_set_new(status, "poll_gap_us",
	                          json_real((double)counters[DP_POLL_GAP_NS] / 1e3));
	for (unsigned i = 0; i < DP_COUNTER_COUNT; i++) {
		const char *name = dp_counter_text((enum dp_counter)i);
		const bool drop = strncmp(name, "drop", 4) == 0;

		ctl_status_add(status, drop ? "drops" : "counters", name, counters[i]);
	}
}

/* The bytes are our own worker's: struct paxos_status, then perhaps its counters. */
static json_t *make_status(void *context, struct slice bytes)
{
	struct server *server = context;
	struct ctl_udp_worker_counters kernel;
	struct store_counters counters;
	struct paxos_status status;
	json_t *object;
	char text[17];

	if (server->shell_ended || bytes.size < sizeof(status)) {
		return NULL;
	}
	memcpy(&status, bytes.data, sizeof(status));
	object = ctl_status_json(&status, server->dp != NULL ? "dpdk" : "kernel");
	(void)snprintf(text, sizeof(text), "%016" PRIx64, server->config.cluster);
	(void)json_object_set_new(object, "cluster", json_string(text));
	(void)snprintf(text, sizeof(text), "%016" PRIx64, server->boot.home.superblock.incarnation);
	(void)json_object_set_new(object, "incarnation", json_string(text));
	(void)json_object_set_new(object, "version", json_string(COFFER_VERSION));
	(void)json_object_set_new(object, "pid", json_integer((json_int_t)getpid()));
	(void)json_object_set_new(object, "supervised", json_boolean(server->boot.birth != NULL));
	store_counters(server->boot.store, &counters);
	ctl_status_add(object, "counters", "store_memory_bytes", counters.memory_bytes);
	ctl_status_add(object, "counters", "store_waiting_bytes", counters.memory_waiting);
	ctl_status_add(
		object, "drops", "mailbox_full",
		atomic_load_explicit(&server->mailbox.dropped_from_worker, memory_order_relaxed));
	if (server->boot.journal != NULL) {
		struct ctl_journal_counters journal;

		ctl_journal_counters(server->boot.journal, &journal);
		ctl_status_add_journal(object, &journal);
	}
	ctl_loop_add_counters(server->loop, object);
	if (server->dp != NULL) {
		add_dataplane(object, server);
	} else {
		ctl_udp_worker_counters(server->udp_worker, &kernel);
		ctl_status_add_kernel(object, &kernel);
	}
	return object;
}

/* --- the mailbox ------------------------------------------------------------------------------ */

static int make_mailbox(struct server *server, struct ctl_reason *ret_reason)
{
	server->rings = aligned_alloc(RING_LINE, 2 * (size_t)MAILBOX_BYTES);
	server->records = is_disk(server) ? aligned_alloc(RING_LINE, PAXOS_JOURNAL_RING) : NULL;
	if (server->rings == NULL || (is_disk(server) && server->records == NULL)) {
		ctl_reason_say(ret_reason, "no memory for the mailbox; free %d MiB",
		               (2 * MAILBOX_BYTES + PAXOS_JOURNAL_RING) >> 20);
		return -ENOMEM;
	}
	paxos_mailbox_init(&server->mailbox, server->rings,
	                   (uint8_t *)server->rings + MAILBOX_BYTES, MAILBOX_BYTES);
	if (is_disk(server)) {
		paxos_journal_init(&server->mailbox, server->records,
		                   ctl_journal_last(server->boot.journal));
	}
	return 0;
}

/* --- the shell -------------------------------------------------------------------------------- */

static int start_kernel(struct server *server, struct ctl_reason *ret_reason)
{
	const struct ctl_config *config = &server->config;
	struct ctl_udp_worker_config worker = {
		.listen = config->listen,
		.node = (unsigned)config->node - 1,
		.spin = config->poll == CTL_POLL_SPIN,
		.core = config->cores.count != 0 ? config->cores.numbers[0] : -1,
		.heartbeat_ns = config->heartbeat_ns,
	};
	struct ctl_udp_worker_counters counters;
	int r;

	memcpy(worker.servers, config->servers, sizeof(worker.servers));
	r = ctl_udp_worker_start(&server->udp_worker, &worker, server->boot.replica,
	                         server->boot.store, &server->mailbox, ret_reason);
	if (r < 0) {
		return r;
	}
	ctl_udp_worker_counters(server->udp_worker, &counters);
	if (counters.receive_buffer < CTL_UDP_BUFFER_GOOD) {
		ctl_log(&server->logger, CTL_WARNING, "small_buffer",
		        CTL_NUMBER("receive_bytes", counters.receive_buffer),
		        CTL_TEXT("mend", "sysctl net.core.rmem_max=8388608"));
	}
	return 0;
}

static void fill_port(struct dp_port_config *port, const struct ctl_port *given)
{
	*port = (struct dp_port_config){
		.kind = given->kind == CTL_PORT_LINK ? DP_PORT_LINK : DP_PORT_ETHDEV,
		.peer = given->peer == 0 ? PAXOS_NOBODY : (int)given->peer - 1,
		.second = given->second,
		.address = given->address,
		.prefix = given->prefix,
		.gateway = given->gateway,
	};
	static_assert(sizeof(port->device) >= sizeof(given->device), "a device is copied whole");
	memcpy(port->device, given->device, sizeof(given->device));
}

static void fill_dataplane(struct dp_config *dp, const struct server *server)
{
	const struct ctl_config *config = &server->config;

	dp->no_huge = config->no_huge == 1;
	dp->memory_mb = (uint32_t)config->memory_mb;
	dp->worker_count = (unsigned)config->workers;
	dp->poll = config->poll == CTL_POLL_SPIN ? DP_POLL_SPIN : DP_POLL_ADAPTIVE;
	dp->sleep_max_ns = config->sleep_max_us * 1000;
	dp->udp_port = config->servers[config->node - 1].port;
	dp->node = (uint8_t)(config->node - 1);
	dp->count = (uint8_t)config->count;
	dp->cluster = config->cluster;
	dp->durability = (uint8_t)durability_of(server);
	dp->watches_max = (uint32_t)config->watches_max;
	for (unsigned i = 0; i < DP_WORKERS_MAX; i++) {
		dp->cores[i] = i < config->cores.count ? config->cores.numbers[i] : -1;
	}
	for (unsigned i = 0; i < CTL_PORTS_MAX; i++) {
		if (config->ports[i].given) {
			fill_port(&dp->ports[dp->port_count++], &config->ports[i]);
		}
	}
	for (unsigned i = 0; i < config->count; i++) {
		dp->peers[i] = (struct dp_peer_config){.address = config->servers[i].ip,
		                                       .port = config->servers[i].port};
	}
	/* Who has a link is reached by it, whatever its address. */
	for (unsigned i = 0; i < dp->port_count; i++) {
		if (dp->ports[i].kind == DP_PORT_LINK && dp->ports[i].peer != PAXOS_NOBODY) {
			dp->peers[dp->ports[i].peer].address = 0;
		}
	}
}

static_assert((int)CTL_PORTS_MAX == (int)DP_PORTS_MAX, "every port of the file has a place");

static int start_dataplane(struct server *server, struct ctl_reason *ret_reason)
{
	struct dp_config dp;
	char name[32], reason[256] = "";
	int r;

	(void)snprintf(name, sizeof(name), "coffer-%u", (unsigned)server->config.node);
	memset(&dp, 0, sizeof(dp));
	dp.name = name;
	fill_dataplane(&dp, server);
	r = dp_start(&server->dp, &dp, server->boot.replica, server->boot.store, &server->mailbox,
	             reason);
	if (r < 0) {
		ctl_reason_say(ret_reason, "transport = dpdk: %s", reason);
	}
	return r;
}

static int start_shell(struct server *server, struct ctl_reason *ret_reason)
{
	int r;

	if (server->config.transport == CTL_TRANSPORT_DPDK) {
		r = start_dataplane(server, ret_reason);
	} else {
		r = start_kernel(server, ret_reason);
	}
	return r;
}

/* --- life ------------------------------------------------------------------------------------- */

/* Of the workers beyond the replica's own. */
static uint64_t watches_bytes(const struct ctl_config *config)
{
	return config->transport == CTL_TRANSPORT_DPDK
	               ? (config->workers - 1) * paxos_watches_bytes((uint32_t)config->watches_max)
	               : 0;
}

/* What was taken at the start, and what the store may grow to. */
static void tell_memory(struct server *server)
{
	const struct ctl_config *config = &server->config;
	const struct store_config store = ctl_boot_store_config(config);
	const uint64_t taken = paxos_replica_bytes(server->boot.replica) + 2 * MAILBOX_BYTES +
	                       ctl_udp_worker_size() + watches_bytes(config);
	const uint64_t dpdk_mb = config->transport == CTL_TRANSPORT_DPDK ? config->memory_mb : 0;
	const uint64_t store_max = store_bytes_max(&store);

	ctl_log(&server->logger, CTL_INFO, "memory", CTL_NUMBER("taken_mb", taken >> 20),
	        CTL_NUMBER("dpdk_mb", dpdk_mb), CTL_NUMBER("store_max_mb", store_max >> 20),
	        CTL_NUMBER("sum_mb", dpdk_mb + ((taken + store_max) >> 20)));
}

static void tell_start(struct server *server)
{
	ctl_log(&server->logger, CTL_INFO, "starts", CTL_TEXT("version", COFFER_VERSION),
	        CTL_HEX("cluster", server->config.cluster), CTL_NUMBER("node", server->config.node),
	        CTL_NUMBER("servers", server->config.count),
	        CTL_HEX("incarnation", server->boot.home.superblock.incarnation),
	        CTL_NUMBER("start", server->boot.home.superblock.starts),
	        CTL_TEXT("founding", server->boot.home.founded ? "yes" : "no"),
	        CTL_TEXT("transport",
	                 server->config.transport == CTL_TRANSPORT_DPDK ? "dpdk" : "kernel"),
	        CTL_TEXT("durability", is_disk(server) ? "disk" : "memory"),
	        CTL_NUMBER("pid", (uint64_t)getpid()));
}

/* The replica is of no use any more; -EIO and the sentence. */
static int end_as_told(struct server *server, enum paxos_end end, struct ctl_reason *ret_reason)
{
	int r;

	if (end == PAXOS_END_DISK_FAILED && server->boot.journal != NULL) {
		ctl_journal_failure(server->boot.journal, ret_reason);
		return -EIO;
	}
	if (is_disk(server) && (end == PAXOS_END_BEYOND_REPAIR || end == PAXOS_END_ROLLED_BACK)) {
		ctl_journal_stop(server->boot.journal);
		r = ctl_set_aside(&server->boot.home.journal, server->boot.home.superblock.starts,
		                  ret_reason);
		if (r < 0) {
			return r;
		}
	}
	return ctl_end_say(end, server->config.data, ret_reason);
}

/* What the superblock has to say of this server. */
static void note(void *context, const struct paxos_trace *trace)
{
	struct server *server = context;
	struct ctl_reason reason;

	if (ctl_home_note(&server->boot.home, trace, &reason) < 0) {
		ctl_log(&server->logger, CTL_ERROR, "superblock", CTL_TEXT("why", reason.text));
	}
}

/* After a failure before the replica took part: a first start can be tried again. */
static void withdraw(struct server *server, const struct order *order)
{
	ctl_home_withdraw(&server->boot.home);
	if (server->boot.home.founded && order->name != NULL) {
		ctl_claim_withdraw(order->config);
	}
}

/* What the first start was told of a configuration that nobody wrote, and its secrets. */
static struct ctl_settings settings;
static struct ctl_secrets settings_secrets;

/* That of the cluster to join. */
static const char *secret_of(void)
{
	return settings_secrets.rw[0] != '\0' ? settings_secrets.rw : NULL;
}

static struct ctl_claim claim_of(const struct order *order, struct ctl_logger *logger)
{
	return (struct ctl_claim){.boot = order->boot,
	                          .name = order->name,
	                          .listen = order->attach.listen,
	                          .file = order->config,
	                          .settings = &settings,
	                          .secret = secret_of(),
	                          .logger = logger};
}

/* Whether it may still make the cluster that it claimed to make. */
static int confirm(struct server *server, const struct order *order, struct ctl_reason *ret_reason)
{
	const struct ctl_claim claim = claim_of(order, &server->logger);

	return order->name == NULL
	               ? 0
	               : ctl_claim_confirm(&claim, server->boot.home.superblock.incarnation,
	                                   ret_reason);
}

static int live(struct server *server, const struct order *order, struct ctl_reason *ret_reason)
{
	struct ctl_loop_config loop = {
		.config = &server->config,
		.mailbox = &server->mailbox,
		.logger = &server->logger,
		.version = COFFER_VERSION,
		.secrets = &server->secrets,
		.status = make_status,
		.note = note,
		.context = server,
	};
	enum paxos_end end = (enum paxos_end)0;
	int r;

	server->boot.config = &server->config;
	server->boot.logger = &server->logger;
	server->boot.keys = &server->secrets.keys;
	r = ctl_boot_begin(&server->boot, order->start, order->restore, ret_reason);
	r = r < 0 ? r : make_mailbox(server, ret_reason);
	r = r < 0 ? r : confirm(server, order, ret_reason);
	loop.store = server->boot.store;
	loop.folder = server->boot.home.folder;
	loop.incarnation = server->boot.home.superblock.incarnation;
	loop.is_member = server->boot.home.superblock.member;
	r = r < 0 ? r : ctl_loop_open(&server->loop, &loop, ret_reason);
	ctl_wakeup_soon(true); /* workers and journal */
	if (r == 0 && is_disk(server)) {
		r = ctl_journal_start(server->boot.journal, &server->mailbox, ret_reason);
	}
	r = r < 0 || order->name == NULL ? r : ctl_claim_settle(order->config, ret_reason);
	r = r < 0 ? r : start_shell(server, ret_reason);
	ctl_wakeup_soon(false);
	if (r < 0) {
		/* Its replica took no part: it promised nothing to anybody. */
		withdraw(server, order);
		return r;
	}
	tell_start(server);
	tell_memory(server);
	/* The slow path shall take no core from a worker. Slower without, not wrong. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + LOWER_BY);
	r = ctl_loop_run(server->loop, &end, ret_reason);
	return r < 0 || end == 0 ? r : end_as_told(server, end, ret_reason);
}

static void end(struct server *server)
{
	ctl_journal_stop(server->boot.journal); /* before the worker: see journal.h */
	dp_stop(server->dp);
	ctl_udp_worker_stop(server->udp_worker);
	server->shell_ended = true;
	ctl_loop_close(server->loop);
	if (server->rings != NULL) {
		paxos_errand_close(server->boot.store, &server->mailbox);
	}
	ctl_boot_end(&server->boot);
	free(server->rings);
	free(server->records);
}

/* Where the configuration stands now. */
static const char *find_file(const struct order *order, char room[CTL_PATH_SIZE_MAX])
{
	if (order->name == NULL) {
		return order->config;
	}
	ctl_claim_file(order->config, room);
	return room;
}

static int serve(const struct order *order, struct ctl_birth *birth)
{
	static struct server server; /* large, and one in a process */
	struct ctl_reason reason = {{0}};
	char room[CTL_PATH_SIZE_MAX];
	const char *file = find_file(order, room);
	int r;

	server.boot.home.folder = -1;
	server.boot.birth = birth;
	r = ctl_config_load(&server.config, file, &reason);
	r = r < 0 || !order->check ? r : ctl_gateway_check(&server.config, &reason);
	if (r == 0 && order->check) {
		(void)printf("%s: good\n", file);
		return 0;
	}
	r = r < 0 ? r : ctl_secrets_read(&server.secrets, &server.config, &reason);
	r = r < 0 ? r : ctl_log_open(&server.logger, server.config.log, &reason);
	if (r < 0) {
		(void)fprintf(stderr, "cofferd: %s\n", reason.text);
		return EXIT_WRONG;
	}
	r = live(&server, order, &reason);
	end(&server);
	if (r < 0) {
		(void)fprintf(stderr, "cofferd: %s\n", reason.text);
		if (strcmp(server.config.log, "stderr") != 0) {
			ctl_log(&server.logger, CTL_ERROR, "failed", CTL_TEXT("why", reason.text));
		}
	} else {
		ctl_log(&server.logger, CTL_INFO, "stopped",
		        CTL_NUMBER("node", server.config.node));
	}
	ctl_log_close(&server.logger);
	return r < 0 ? EXIT_WRONG : 0;
}

/* --- the supervisor -------------------------------------------------------------------------- */

static int serve_supervised(void *context, struct ctl_birth *birth, bool again)
{
	struct order order = *(const struct order *)context;

	if (again) {
		order.start = CTL_START_AGAIN;
		order.restore = NULL;
	}
	return serve(&order, birth);
}

static int supervise(struct order *order)
{
	struct ctl_reason reason = {{0}};
	char room[CTL_PATH_SIZE_MAX];
	const int r = ctl_supervise(find_file(order, room), serve_supervised, order, &reason);

	if (r < 0) {
		(void)fprintf(stderr, "cofferd: %s\n", reason.text);
	}
	return r < 0 ? EXIT_WRONG : r;
}

/* --- the beginning --------------------------------------------------------------------------- */

/* What the very first start has to find out before there is a server. */
static int find_start(struct order *order, struct ctl_reason *ret_reason)
{
	struct ctl_logger logger = {.fd = STDERR_FILENO, .path = "stderr"};
	struct ctl_claim claim;
	int r;

	if (order->name == NULL && order->attach.servers[0] == '\0') {
		return 0;
	}
	r = ctl_settings_read(&settings, order->settings, order->pairs, order->pair_count,
	                      ret_reason);
	if (r == 0 && access(order->config, F_OK) != 0) {
		r = ctl_secrets_read(&settings_secrets, &settings.config, ret_reason);
	}
	if (r < 0) {
		return r;
	}
	if (order->name != NULL) {
		claim = claim_of(order, &logger);
		return ctl_claim(&claim, &order->start, ret_reason);
	}
	order->attach.file = order->config;
	order->attach.settings = &settings;
	order->attach.secret = secret_of();
	return ctl_attach(&order->attach, ret_reason);
}

int main(int argc, char **argv)
{
	struct ctl_reason reason = {{0}};
	struct order order = {0};
	const int r = order_parse(&order, argc, argv);

	if (r != 0) {
		return r;
	}
	if (sodium_init() < 0) {
		(void)fprintf(stderr,
		              "cofferd: the machine has no chance to give; see random(4)\n");
		return EXIT_WRONG;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a peer, a client or an operator may go at any time */
	if (order.print_config) {
		ctl_config_print(stdout);
		return fflush(stdout) == 0 ? 0 : EXIT_WRONG;
	}
	if (!order.check && find_start(&order, &reason) < 0) {
		(void)fprintf(stderr, "cofferd: %s\n", reason.text);
		return EXIT_WRONG;
	}
	return order.check || order.no_supervisor ? serve(&order, NULL) : supervise(&order);
}
