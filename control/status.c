/* SPDX-License-Identifier: Apache-2.0 */
#include "control/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "consensus/quorum.h"
#include "control/config_value.h"

/* JSON's integers are signed; a counter that large is as good as full. */
static json_t *number(uint64_t value)
{
	return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static json_t *hexadecimal(uint64_t value)
{
	char text[17];

	(void)snprintf(text, sizeof(text), "%016" PRIx64, value);
	return json_string(text);
}

/* Milli- or microseconds with three places. */
static json_t *duration(uint64_t ns, double unit_ns)
{
	return json_real((double)(uint64_t)((double)ns * 1000.0 / unit_ns) / 1000.0);
}

static json_t *ballot_json(const struct paxos_ballot *ballot)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "round", number(ballot->round));
	(void)json_object_set_new(
		object, "node", json_integer(paxos_ballot_is_none(*ballot) ? 0 : ballot->node + 1));
	return object;
}

/* null: not told; a link needs none */
static json_t *address_json(struct store_address address)
{
	char text[CTL_ADDRESS_TEXT_SIZE];

	ctl_address_text(address, text);
	return address.ip == 0 ? json_null() : json_string(text);
}

/* Numbers of servers, from 1. */
static json_t *set_json(uint32_t set)
{
	json_t *array = json_array();

	for (unsigned i = 0; paxos_each(set, &i); i++) {
		(void)json_array_append_new(array, json_integer(i + 1));
	}
	return array;
}

static json_t *peer_json(const struct paxos_status *status, unsigned index)
{
	const struct paxos_peer_status *peer = &status->peers[index];
	json_t *object = json_object();

	(void)json_object_set_new(object, "node", json_integer(index + 1));
	(void)json_object_set_new(object, "connected", json_boolean(peer->connected));
	(void)json_object_set_new(object, "unhappy", json_boolean(peer->unhappy));
	(void)json_object_set_new(object, "incarnation", hexadecimal(peer->incarnation));
	(void)json_object_set_new(object, "accepted", number(peer->accepted));
	(void)json_object_set_new(object, "round_trip_us", duration(peer->round_trip_ns, 1e3));
	(void)json_object_set_new(object, "poll_gap_us", duration(peer->poll_gap_ns, 1e3));
	/* null: never heard */
	(void)json_object_set_new(object, "heard_ms",
	                          peer->heard_ns == 0 || peer->heard_ns > status->now_ns
	                                  ? json_null()
	                                  : duration(status->now_ns - peer->heard_ns, 1e6));
	(void)json_object_set_new(object, "resent", number(peer->resent));
	(void)json_object_set_new(object, "voter", json_boolean(paxos_has(status->voters, index)));
	(void)json_object_set_new(object, "learned", number(peer->learned));
	(void)json_object_set_new(object, "address", address_json(peer->address));
	return object;
}

static json_t *peers_json(const struct paxos_status *status)
{
	json_t *array = json_array();

	for (unsigned i = 0; paxos_each(status->voters | status->learners, &i); i++) {
		if (i != status->node) {
			(void)json_array_append_new(array, peer_json(status, i));
		}
	}
	return array;
}

static json_t *counters_json(const struct paxos_status *status)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "requests", number(status->requests));
	(void)json_object_set_new(object, "reads_lease", number(status->reads_lease));
	(void)json_object_set_new(object, "reads_quorum", number(status->reads_quorum));
	(void)json_object_set_new(object, "reads_stale", number(status->reads_stale));
	(void)json_object_set_new(object, "lease_refusals", number(status->lease_refusals));
	(void)json_object_set_new(object, "duplicates", number(status->duplicates));
	(void)json_object_set_new(object, "datagrams_in", number(status->datagrams_in));
	(void)json_object_set_new(object, "datagrams_out", number(status->datagrams_out));
	(void)json_object_set_new(object, "resent", number(status->resent));
	(void)json_object_set_new(object, "watches", number(status->watches.watches));
	(void)json_object_set_new(object, "watch_asks", number(status->watches.asks));
	(void)json_object_set_new(object, "watch_events", number(status->watches.events));
	(void)json_object_set_new(object, "watch_pages", number(status->watches.pages));
	(void)json_object_set_new(object, "watch_resent", number(status->watches.resent));
	(void)json_object_set_new(object, "watch_too_late", number(status->watches.too_late));
	(void)json_object_set_new(object, "watch_full", number(status->watches.full));
	(void)json_object_set_new(object, "watch_expired", number(status->watches.expired));
	return object;
}

static json_t *drops_json(const struct paxos_status *status)
{
	json_t *object = json_object();

	for (unsigned i = 1; i < STORE_DATAGRAM_FAULT_COUNT; i++) {
		(void)json_object_set_new(object,
		                          store_datagram_fault_text((enum store_datagram_fault)i),
		                          number(status->faults[i]));
	}
	for (unsigned i = PAXOS_DROP_FAULT + 1; i < PAXOS_DROP_COUNT; i++) {
		(void)json_object_set_new(object, paxos_drop_text((enum paxos_drop)i),
		                          number(status->drops[i]));
	}
	return object;
}

static json_t *events_json(const struct paxos_status *status)
{
	json_t *object = json_object();

	for (unsigned i = 1; i < PAXOS_TRACE_COUNT; i++) {
		(void)json_object_set_new(object, paxos_trace_text((enum paxos_trace_kind)i),
		                          number(status->traces[i]));
	}
	return object;
}

json_t *ctl_status_json(const struct paxos_status *status, const char *transport)
{
	const uint64_t lease_left_ns =
		status->lease_end_ns > status->now_ns ? status->lease_end_ns - status->now_ns : 0;
	json_t *object = json_object();

	(void)json_object_set_new(object, "node", json_integer(status->node + 1));
	(void)json_object_set_new(object, "role", json_string(paxos_role_text(status->role)));
	(void)json_object_set_new(object, "leader", json_integer(status->leader + 1));
	(void)json_object_set_new(object, "configuration", number(status->configuration));
	(void)json_object_set_new(object, "voters", set_json(status->voters));
	(void)json_object_set_new(object, "learners", set_json(status->learners));
	(void)json_object_set_new(object, "address",
	                          address_json(status->peers[status->node].address));
	(void)json_object_set_new(object, "ballot", ballot_json(&status->promised));
	(void)json_object_set_new(object, "accepted", ballot_json(&status->accepted));
	(void)json_object_set_new(object, "log_start", number(status->log_start));
	(void)json_object_set_new(object, "length", number(status->length));
	(void)json_object_set_new(object, "durable", number(status->durable));
	(void)json_object_set_new(object, "decided", number(status->decided));
	(void)json_object_set_new(object, "applied", number(status->applied));
	(void)json_object_set_new(object, "adopted_length", number(status->adopted_length));
	(void)json_object_set_new(object, "lease_left_ms", duration(lease_left_ns, 1e6));
	(void)json_object_set_new(object, "expiry_late_us", duration(status->expiry_late_ns, 1e3));
	(void)json_object_set_new(object, "ttl_floor_ms", number(status->ttl_floor_ms));
	(void)json_object_set_new(object, "deciding", json_boolean(status->deciding));
	(void)json_object_set_new(
		object, "durability",
		json_string(status->durability == PAXOS_DISK ? "disk" : "memory"));
	if (status->durability == PAXOS_DISK) {
		(void)json_object_set_new(object, "holes", number(status->holes));
		(void)json_object_set_new(object, "snapshot", number(status->snapshot_index));
		(void)json_object_set_new(object, "base_record", number(status->base_record));
		(void)json_object_set_new(object, "disk_stalled",
		                          json_boolean(status->disk_stalled));
	}
	(void)json_object_set_new(object, "transport", json_string(transport));
	(void)json_object_set_new(object, "peers", peers_json(status));
	(void)json_object_set_new(object, "counters", counters_json(status));
	(void)json_object_set_new(object, "drops", drops_json(status));
	(void)json_object_set_new(object, "events", events_json(status));
	return object;
}

void ctl_status_add_journal(json_t *status, const struct ctl_journal_counters *counters)
{
	json_t *journal = json_object();
	const char *trouble = "none";

	if ((counters->trouble & PAXOS_DISK_FAILED) != 0) {
		trouble = "failed";
	} else if ((counters->trouble & PAXOS_DISK_FULL) != 0) {
		trouble = "full";
	} else if (json_is_true(json_object_get(status, "disk_stalled"))) {
		trouble = "stalled";
	}
	(void)json_object_set_new(journal, "trouble", json_string(trouble));
	(void)json_object_set_new(journal, "durable_record", number(counters->durable));
	(void)json_object_set_new(journal, "frames", number(counters->frames));
	(void)json_object_set_new(journal, "groups", number(counters->groups));
	(void)json_object_set_new(journal, "records", number(counters->records));
	(void)json_object_set_new(journal, "bytes", number(counters->bytes));
	(void)json_object_set_new(journal, "flush_last_us", duration(counters->flush_last_ns, 1e3));
	(void)json_object_set_new(journal, "flush_worst_us",
	                          duration(counters->flush_worst_ns, 1e3));
	(void)json_object_set_new(status, "journal", journal);
}

void ctl_status_add(json_t *status, const char *group, const char *name, uint64_t value)
{
	(void)json_object_set_new(json_object_get(status, group), name, number(value));
}

/* Of a socket whose counters are called `name`_in and so on. */
static void add_socket(json_t *status, const char *name, const struct ctl_udp_sums *sums)
{
	const struct {
		const char *group, *what;
		uint64_t value;
	} rows[] = {
		{"counters", "in", sums->in},
		{"counters", "out", sums->out},
		{"drops", "long", sums->dropped_long},
		{"drops", "source", sums->dropped_source},
		{"drops", "lost", sums->dropped_lost},
		{"drops", "full", sums->dropped_full},
		{"drops", "refused", sums->dropped_refused},
	};
	char text[32];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s_%s", name, rows[i].what);
		ctl_status_add(status, rows[i].group, text, rows[i].value);
	}
}

void ctl_status_add_kernel(json_t *status, const struct ctl_udp_worker_counters *counters)
{
	(void)json_object_set_new(status, "poll_gap_us",
	                          json_real((double)counters->poll_gap_ns / 1e3));
	add_socket(status, "udp", &counters->udp);
	ctl_status_add(status, "counters", "udp_bytes_in", counters->udp.bytes_in);
	ctl_status_add(status, "counters", "udp_bytes_out", counters->udp.bytes_out);
	ctl_status_add(status, "counters", "turns", counters->turns);
	ctl_status_add(status, "counters", "turns_empty", counters->turns_empty);
	ctl_status_add(status, "counters", "sleeps", counters->sleeps);
	ctl_status_add(status, "counters", "poll_gap_max_us", counters->poll_gap_max_ns / 1000);
}

void ctl_status_add_slow(json_t *status, const struct ctl_slow_udp_counters *counters)
{
	add_socket(status, "slow", &counters->udp);
	ctl_status_add(status, "drops", "slow_mailbox", counters->dropped_mailbox);
}

void ctl_status_add_gateway(json_t *status, const struct ctl_gateway_counters *counters)
{
	ctl_status_add(status, "counters", "gateway_connections", counters->connections);
	ctl_status_add(status, "counters", "gateway_accepted", counters->accepted);
	ctl_status_add(status, "counters", "gateway_requests", counters->requests);
	ctl_status_add(status, "counters", "gateway_answers", counters->answers);
	ctl_status_add(status, "counters", "gateway_waits", counters->waits);
	ctl_status_add(status, "counters", "gateway_tls", counters->tls);
	ctl_status_add(status, "drops", "gateway_refused", counters->refused);
	ctl_status_add(status, "drops", "gateway_malformed", counters->malformed);
	ctl_status_add(status, "drops", "gateway_long", counters->long_frames);
	ctl_status_add(status, "drops", "gateway_kept", counters->kept);
	ctl_status_add(status, "drops", "gateway_unread", counters->unread);
	ctl_status_add(status, "drops", "gateway_denied", counters->denied);
	ctl_status_add(status, "drops", "gateway_unjudged", counters->unjudged);
	ctl_status_add(status, "drops", "gateway_tls_bad", counters->tls_bad);
	ctl_status_add(status, "drops", "gateway_tls_slow", counters->tls_slow);
}

void ctl_status_add_insides(json_t *status, const struct ctl_insides *insides)
{
	uint64_t outstanding = 0, watches = 0, sent = 0, resent = 0, strange = 0, mailbox = 0;
	struct ctl_inside_counters counters;

	for (unsigned i = 0; i < CTL_INSIDES_MAX; i++) {
		if (insides->list[i] != NULL) {
			ctl_inside_counters(insides->list[i], &counters);
			outstanding += counters.outstanding;
			watches += counters.watches;
			sent += counters.client.sent + counters.watcher.sent;
			resent += counters.client.resent + counters.watcher.resent;
			strange += counters.client.strange + counters.watcher.strange;
			mailbox += counters.dropped_mailbox;
		}
	}
	ctl_status_add(status, "counters", "inside_outstanding", outstanding);
	ctl_status_add(status, "counters", "inside_watches", watches);
	ctl_status_add(status, "counters", "inside_sent", sent);
	ctl_status_add(status, "counters", "inside_resent", resent);
	ctl_status_add(status, "drops", "inside_strange", strange);
	ctl_status_add(status, "drops", "inside_mailbox", mailbox);
}
