/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_keys.c - the table of keys; cofferd --print-config prints it as deploy/coffer.conf
 *
 * Why these times: cores may be shared, and a thread that wants its core back waits some ten
 * milliseconds at times. A heartbeat of 10 ms and a suspicion of 80 ms bear that; on cores of
 * their own all three can be a hundred times shorter. The lease is no longer than the suspicion,
 * so that a new leader seldom waits for it. Two kernels that slew their clocks by NTP at most
 * (500 ppm each, in opposite directions) stay within a drift of 1000 ppm.
 */
#include "control/config.h"

#include "control/journal_segment.h"

#include <inttypes.h>
#include <stdio.h>

#define MS        ((uint64_t)1000000)
#define AT(field) offsetof(struct ctl_config, field)

static const struct ctl_key keys[] = {
	{"cluster", CTL_KEY_HEX64, AT(cluster), NULL, 1, UINT64_MAX, NULL,
         "Id of the cluster, the same on all its servers and different from every other cluster's. "
         "Datagrams of another cluster are refused. Any random number will do."},
	{"name", CTL_KEY_NAME, AT(name), "local", 0, CTL_NAME_SIZE_MAX - 1, NULL,
         "What people call the cluster: /ctl/name, and the folder of its servers in /ctl/ns. The "
         "same on all servers."},
	{"node", CTL_KEY_NUMBER, AT(node), NULL, 1, STORE_NODES_MAX, NULL,
         "Number of this server: the N of its own server.N."},
	{"server.N", CTL_KEY_SERVER, AT(servers), NULL, 1, STORE_NODES_MAX, NULL,
         "UDP address at which clients and the other servers reach server N, such as "
         "10.0.0.1:8046; "
         "servers with a link between them use that. A name of a host, such as a.example:8046, is "
         "resolved at each start, to one IPv4 address that stays until the next start. From "
         "server.1 on; a server that is added while the cluster runs "
         "need not stand in the files of the others, unless a link leads to it."},
	{"members", CTL_KEY_SET, AT(members), "", 0, STORE_NODES_MAX, NULL,
         "The servers that found the cluster: 1, 3, 5 or 7 numbers such as 1 2 3, the same on all "
         "of them. Empty: all that have a server.N. It counts at the very first start and never "
         "again: `cofferctl member` changes who is in. The other servers start with --join."},
	{"data", CTL_KEY_TEXT, AT(data), "/var/lib/coffer", 0, CTL_PATH_SIZE_MAX - 1, NULL,
         "Folder of this server alone. It holds the superblock, which says who this server is."},
	{"transport", CTL_KEY_CHOICE, AT(transport), "kernel", 0, 0, "kernel|dpdk",
         "kernel: one UDP socket carries everything. dpdk: the ports below carry the traffic, and "
         "a "
         "UDP socket beside them serves ordinary clients."},
	{"durability", CTL_KEY_CHOICE, AT(durability), "disk", 0, 0, "memory|disk",
         "When a write is acknowledged. disk: a majority has it on stable storage. memory: a "
         "majority has it in memory; a server that restarts lost its state and rejoins. The same "
         "on all servers, for the life of the cluster."},
	{"segment_mb", CTL_KEY_NUMBER, AT(segment_mb), "64", CTL_SEGMENT_MB_MIN, CTL_SEGMENT_MB_MAX,
         NULL,
         "With durability disk: MiB of one file of the journal. There is always one more than is "
         "in use."},
	{"snapshot_mb", CTL_KEY_NUMBER, AT(snapshot_mb), "256", 0, 1048576, NULL,
         "With durability disk: MiB of log entries between two snapshots. What lies before a "
         "snapshot that a majority has is not kept in the journal. The same on all servers. 0: "
         "never; the journal grows."},
	{"data_max_mb", CTL_KEY_NUMBER, AT(data_max_mb), "0", 0, 1073741824, NULL,
         "With durability disk: MiB that the data folder may take. Writes that grow are refused "
         "before it is reached. 0: as much as the disk has."},
	{"listen", CTL_KEY_ADDRESS, AT(listen), "server.N", 0, 0, NULL,
         "Address of the kernel UDP socket; this server's own server.N if not given. With "
         "transport "
         "dpdk it is the way in of ordinary clients, and none switches it off."},
	{"management", CTL_KEY_TEXT, AT(management), "/run/coffer/cofferd.sock", 0, 107, NULL,
         "Path of the management socket, which cofferctl speaks to. Its mode is 0600."},
	{"log", CTL_KEY_TEXT, AT(log), "stderr", 0, CTL_PATH_SIZE_MAX - 1, NULL,
         "Where log lines go: stderr, or the path of a file, which is opened again on SIGHUP."},
	{"poll", CTL_KEY_CHOICE, AT(poll), "adaptive", 0, 0, "adaptive|spin",
         "adaptive: poll while there is traffic, sleep when there is none. spin: never sleep; only "
         "for cores that nobody else uses."},
	{"sleep_max_us", CTL_KEY_NUMBER, AT(sleep_max_us), "500", 1, 100000, NULL,
         "With transport dpdk and poll adaptive: the longest sleep of an idle worker, in "
         "microseconds. It bounds the poll gap. With transport kernel a datagram ends every "
         "sleep."},
	{"workers", CTL_KEY_NUMBER, AT(workers), "1", 1, 16, NULL,
         "With transport dpdk: threads that poll. Those beyond the first answer reads."},
	{"cores", CTL_KEY_CORES, AT(cores), "", 0, 0, NULL,
         "Cores the workers are pinned to, in their order, such as 0,1. Empty: not pinned."},
	{"no_huge", CTL_KEY_CHOICE, AT(no_huge), "no", 0, 0, "no|yes",
         "With transport dpdk: yes does without hugepages, which is slower and needs no rights."},
	{"memory_mb", CTL_KEY_NUMBER, AT(memory_mb), "128", 16, 1048576, NULL,
         "With transport dpdk: MiB of memory that DPDK takes at the start."},
	{"port.N", CTL_KEY_PORT, AT(ports), NULL, 1, CTL_PORTS_MAX, NULL,
         "With transport dpdk: one port. `link PATH first|second peer M` is a link to server M "
         "through "
         "a shared file (the server with the lower number is first), `link PATH first clients` one "
         "for "
         "a client process, `ethdev DEVICE address A.B.C.D/PREFIX [gateway A.B.C.D]` a PCI address "
         "or "
         "vdev string of DPDK."},
	{"heartbeat_ms", CTL_KEY_MILLIS, AT(heartbeat_ns), "10", MS / 100, 10000 * MS, NULL,
         "Milliseconds between two heartbeats."},
	{"lease_ms", CTL_KEY_MILLIS, AT(lease_ns), "60", 0, 60000 * MS, NULL,
         "How long a leader may answer reads alone after a majority answered its heartbeat. The "
         "same "
         "on all servers, at most suspicion_ms. 0: never; every read asks a majority."},
	{"suspicion_ms", CTL_KEY_MILLIS, AT(suspicion_ns), "80", MS / 20, 60000 * MS, NULL,
         "Silence after which a leader is suspected; at least two heartbeats."},
	{"drift_ppm", CTL_KEY_NUMBER, AT(drift_ppm), "1000", 0, 100000, NULL,
         "Bound on how much faster one server's clock may run than another's, in millionths. The "
         "same "
         "on all servers."},
	{"log_mb", CTL_KEY_NUMBER, AT(log_mb), "64", 1, 65536, NULL,
         "MiB of log entries kept in memory. A server that fell further behind gets a snapshot."},
	{"log_entries", CTL_KEY_NUMBER, AT(log_entries), "65536", 1024, 16777216, NULL,
         "Log entries kept in memory at most; a power of two."},
	{"window", CTL_KEY_NUMBER, AT(window), "64", 1, 64, NULL,
         "Datagrams of log entries under way to one server at most."},
	{"quota_mb", CTL_KEY_NUMBER, AT(quota_mb), "1024", 1, STORE_QUOTA_MAX >> 20, NULL,
         "MiB of files (paths, values and 64 bytes for each) that the store holds at most. Beyond "
         "it only deletes and smaller values are taken. The same on all servers."},
	{"sessions_max", CTL_KEY_NUMBER, AT(sessions_max), "16384", 16, STORE_SESSIONS_MAX, NULL,
         "Client sessions at most. The same on all servers."},
	{"watches_max", CTL_KEY_NUMBER, AT(watches_max), "131072", 0, 1048576, NULL,
         "Watches that one worker keeps at most, 640 bytes each, taken as they are used. Beyond it "
         "they are refused, and clients go to another server."},
	{"priority", CTL_KEY_NUMBER, AT(priority), "128", 1, 255, NULL,
         "In elections: of several servers that could lead, one of the highest number does."},
	{"promote_ms", CTL_KEY_MILLIS, AT(promote_ns), "0", 0, 86400000 * MS, NULL,
         "Time after which the leader replaces a voter that is silent by a learner that is level; "
         "the silent one may come back as a learner. 0: never, an operator does it. The same on "
         "all servers."},
	{"gateway", CTL_KEY_ADDRESS, AT(gateway), "listen", 0, 0, NULL,
         "TCP address at which clients of Doozer are served by Doozer's own protocol; the address "
         "of `listen` if not given. none switches it off."},
	{"gateway_connections", CTL_KEY_NUMBER, AT(gateway_connections), "10000", 1, 60000, NULL,
         "Connections to the gateway at most; those beyond are closed at once."},
	{"gateway_patience_ms", CTL_KEY_MILLIS, AT(gateway_patience_ns), "30000", 100 * MS,
         600000 * MS, NULL,
         "How long a client of the gateway may take none of the answers that wait for it, or shake "
         "hands for TLS; then it is closed, and counted as gateway_unread or gateway_tls_slow."},
	{"gateway_tls_cert", CTL_KEY_TEXT, AT(gateway_tls_cert), "none", 0, CTL_PATH_SIZE_MAX - 1,
         NULL,
         "PEM file with the certificate that the gateway shows to clients, and those that vouch "
         "for "
         "it. Then it speaks TLS (1.2 or 1.3) alone. SIGHUP reads both files again. none: plain "
         "TCP."},
	{"gateway_tls_key", CTL_KEY_TEXT, AT(gateway_tls_key), "none", 0, CTL_PATH_SIZE_MAX - 1,
         NULL, "PEM file with the private key of that certificate, without a passphrase."},
	{"rw_secret", CTL_KEY_TEXT, AT(rw_secret), "none", 0, CTL_PATH_SIZE_MAX - 1, NULL,
         "File whose first line is the secret that a client has to know to write, one of the "
         "gateway too; none: the environment's COFFER_RWSECRET, or else no secret, so anybody may. "
         "The same on all servers."},
	{"ro_secret", CTL_KEY_TEXT, AT(ro_secret), "none", 0, CTL_PATH_SIZE_MAX - 1, NULL,
         "Likewise COFFER_ROSECRET: the secret to read; without one anybody may. It takes an "
         "rw_secret, too, or the server does not start."},
	{"pulse_ms", CTL_KEY_MILLIS, AT(pulse_ns), "1000", 0, 3600000 * MS, NULL,
         "How often this server writes the revision it has applied to /ctl/node/ID/applied, if it "
         "moved. 0: never."},
	{"restart", CTL_KEY_CHOICE, AT(restart), "no", 0, 0, "no|yes",
         "Whether the supervisor starts a server again that was killed or broke a promise, in 0.1 "
         "s "
         "at first, in 10 s at last. no leaves that to the service manager."},
	{"boot", CTL_KEY_HOSTS, AT(boot), "none", 0, 0, NULL,
         "Servers of a name cluster, such as 10.0.0.8,names.example:8046: another Coffer cluster "
         "that is told where the servers of this one are, under its `name`. The same on all "
         "servers. A `cofferd --boot` and `coffer --boot` find this cluster there. none: nobody is "
         "told."},
	{"boot_secret", CTL_KEY_TEXT, AT(boot_secret), "none", 0, CTL_PATH_SIZE_MAX - 1, NULL,
         "File of the secret that lets this server write to the name cluster. none: the "
         "environment variable COFFER_BOOT_SECRET, or no secret."},
	{"web", CTL_KEY_ADDRESS, AT(web), "none", 0, 0, NULL,
         "TCP address of the web view: a page with the live tree, /health, /metrics and "
         "/status.json. It asks for the secrets, where there are some, over HTTP without TLS; "
         "without them everybody who reaches it reads everything. So take an address like "
         "127.0.0.1:8000, or a proxy before it. none: there is no web view."},
	{"web_edit", CTL_KEY_CHOICE, AT(web_edit), "no", 0, 0, "no|yes",
         "Whether files can be changed by the web view: with rw_secret by who tells it there, else "
         "by "
         "everybody who can reach it."},
};

const struct ctl_key *ctl_config_keys(unsigned *ret_count)
{
	*ret_count = sizeof(keys) / sizeof(keys[0]);
	return keys;
}

void ctl_config_range_text(const struct ctl_key *key, char *ret_text, size_t size)
{
	ret_text[0] = '\0';
	switch (key->type) {
	case CTL_KEY_NUMBER:
		(void)snprintf(ret_text, size, "%" PRIu64 " to %" PRIu64, key->min, key->max);
		break;
	case CTL_KEY_MILLIS:
		(void)snprintf(ret_text, size, "%g to %g", (double)key->min / 1e6,
		               (double)key->max / 1e6);
		break;
	case CTL_KEY_CHOICE:
		(void)snprintf(ret_text, size, "%s", key->choices);
		break;
	case CTL_KEY_HEX64:
		(void)snprintf(ret_text, size, "1 to 16 hexadecimal digits");
		break;
	case CTL_KEY_TEXT:
	case CTL_KEY_NAME:
		(void)snprintf(ret_text, size, "at most %" PRIu64 " bytes", key->max);
		break;
	case CTL_KEY_SERVER:
	case CTL_KEY_PORT:
		(void)snprintf(ret_text, size, "N from 1 to %" PRIu64, key->max);
		break;
	case CTL_KEY_SET:
		(void)snprintf(ret_text, size, "numbers from 1 to %" PRIu64, key->max);
		break;
	case CTL_KEY_HOSTS:
	case CTL_KEY_ADDRESS:
	case CTL_KEY_CORES:
		break;
	}
}
