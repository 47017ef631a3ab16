/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/worker.h"

#include <string.h>
#include <sys/prctl.h>
#include <urcu/urcu-qsbr.h>

#include <rte_lcore.h>

#include "consensus/errand.h"
#include "dataplane/clock.h"
#include "store/base/check.h"
#include "store/base/wire.h"

#define LOOK_EVERY_NS UINT64_C(1000000000)
#define ASK_EVERY_NS  UINT64_C(5000000)

/* --- datagrams ------------------------------------------------------------------------------- */

/* To worker 0: an mbuf that starts with the datagram, and who sent it. */
static void pass(struct dp_worker *worker, unsigned i, const struct dp_packet *packet)
{
	struct rte_mbuf *mbuf = worker->rx.mbufs[i];
	const uint8_t *start = rte_pktmbuf_mtod(mbuf, uint8_t *);

	(void)rte_pktmbuf_adj(mbuf, (uint16_t)(packet->bytes.data - start));
	(void)rte_pktmbuf_trim(mbuf, (uint16_t)(rte_pktmbuf_data_len(mbuf) - packet->bytes.size));
	*dp_pass_mark(mbuf) =
		(struct dp_pass_mark){.kind = DP_PASS_DATAGRAM, .source = packet->source};
	if (dp_pass_put(worker->tx.pass, 0, mbuf)) {
		(void)dp_rx_keep(&worker->rx, i);
		dp_count(&worker->counters, DP_PASSED, 1);
	} else {
		dp_count(&worker->counters, DP_DROP_RING, 1);
	}
}

static void handle(struct dp_worker *worker, uint64_t now_ns)
{
	for (unsigned i = 0; i < worker->rx.count; i++) {
		struct dp_packet packet;

		if (!dp_rx_open(&worker->rx, i, now_ns, &packet)) {
			continue;
		}
		if (worker->replica != NULL) {
			if (!paxos_errand_answered(worker->mailbox, &packet.source, packet.bytes)) {
				paxos_replica_receive(worker->replica, now_ns, &packet.source,
				                      packet.bytes);
			}
		} else if (dp_reads_answer(&worker->reads, now_ns, &packet, &worker->tx)) {
			dp_count(&worker->counters, DP_READS, 1);
		} else {
			pass(worker, i, &packet);
		}
	}
}

/* --- effects --------------------------------------------------------------------------------- */

static void reply(struct dp_worker *worker, const struct paxos_effect *effect)
{
	const struct dp_address address = dp_address_unpack(&effect->address);
	const struct paxos_mail mail = {
		.kind = PAXOS_MAIL_REPLY, .address = effect->address, .bytes = effect->bytes};

	if (address.kind != 0) {
		dp_tx_reply(&worker->tx, &effect->address, effect->bytes);
	} else {
		/* A full ring has counted it; the client asks again. */
		(void)paxos_mailbox_put_from_worker(worker->mailbox, &mail);
	}
}

static void tell_trace(struct dp_worker *worker, const struct paxos_trace *trace)
{
	const struct paxos_mail mail = {
		.kind = PAXOS_MAIL_TRACE,
		.bytes = slice_make(trace, sizeof(*trace)),
	};

	(void)paxos_mailbox_put_from_worker(worker->mailbox, &mail); /* counted if it is lost */
}

static unsigned obey(struct dp_worker *worker, uint64_t now_ns)
{
	struct store_snapshot *point = NULL;
	struct paxos_effect effect;
	unsigned done = 0;

	for (; paxos_replica_take(worker->replica, &effect); done++) {
		switch (effect.kind) {
		case PAXOS_EFFECT_SEND:
			dp_tx_send(&worker->tx, now_ns, effect.peer, effect.bytes);
			break;
		case PAXOS_EFFECT_REPLY:
			reply(worker, &effect);
			break;
		case PAXOS_EFFECT_PEER:
			dp_tx_learn(&worker->tx, effect.peer, effect.at);
			break;
		case PAXOS_EFFECT_TOLD:
			paxos_errand_told(worker->mailbox, &effect);
			break;
		case PAXOS_EFFECT_TRACE:
			tell_trace(worker, &effect.trace);
			break;
		case PAXOS_EFFECT_SNAPSHOT:
			must(point == NULL); /* one at a time */
			point = effect.snapshot;
			break;
		case PAXOS_EFFECT_END:
			paxos_errand_end(worker->mailbox, effect.end);
			break;
		case PAXOS_EFFECT_PERSIST:
		case PAXOS_EFFECT_FORGET:
			paxos_journal_give(worker->mailbox, &effect);
			break;
		}
	}
	if (point != NULL) {
		paxos_errand_point(worker->replica, now_ns, worker->mailbox, point);
	}
	return done;
}

/* --- mail ------------------------------------------------------------------------------------ */

static void tell_status(struct dp_worker *worker, const struct paxos_address *address)
{
	struct {
		struct paxos_status status;
		uint64_t counters[DP_COUNTER_COUNT];
	} told;
	const struct paxos_mail mail = {
		.kind = PAXOS_MAIL_STATUS,
		.address = *address,
		.bytes = slice_make(&told, sizeof(told)),
	};

	memset(&told, 0, sizeof(told));
	paxos_replica_status(worker->replica, &told.status);
	for (unsigned i = 0; i < worker->count; i++) {
		dp_counters_add(told.counters, &worker->all[i]->counters);
	}
	(void)paxos_mailbox_put_from_worker(worker->mailbox, &mail); /* asked for again if lost */
}

static void on_client(struct dp_worker *worker, uint64_t now_ns, const struct paxos_mail *mail)
{
	const struct paxos_source source = {.peer = PAXOS_NOBODY, .address = mail->address};

	must(dp_address_unpack(&mail->address).kind == 0);
	paxos_replica_receive(worker->replica, now_ns, &source, mail->bytes);
}

static void on_pass(struct dp_worker *worker, uint64_t now_ns, const struct paxos_mail *mail)
{
	dp_tx_send(&worker->tx, now_ns, paxos_address_server_of(&mail->address), mail->bytes);
}

static void on_grace(struct dp_worker *worker, const struct paxos_mail *mail)
{
	struct wire_reader reader = wire_reader_make(mail->bytes);
	const uint64_t number = wire_u64(&reader);

	must(wire_done(&reader));
	store_grace_passed(worker->store, number);
}

static unsigned take_mail(struct dp_worker *worker)
{
	struct paxos_mail mail;
	unsigned done = 0;

	for (; done < DP_MAIL_MAX && paxos_mailbox_peek_to_worker(worker->mailbox, &mail); done++) {
		const uint64_t now_ns = dp_clock_ns(); /* after it was taken, as after a burst */

		switch (mail.kind) {
		case PAXOS_MAIL_CLIENT:
			on_client(worker, now_ns, &mail);
			break;
		case PAXOS_MAIL_PASS_ON:
			on_pass(worker, now_ns, &mail);
			break;
		case PAXOS_MAIL_STATUS_ASK:
			tell_status(worker, &mail.address);
			break;
		case PAXOS_MAIL_GRACE:
			on_grace(worker, &mail);
			break;
		case PAXOS_MAIL_RESIGN:
			paxos_replica_resign(worker->replica, now_ns);
			break;
		case PAXOS_MAIL_TRANSFER:
			paxos_errand_transfer(worker->replica, now_ns, worker->mailbox, &mail);
			break;
		case PAXOS_MAIL_CHANGE:
			paxos_errand_change(worker->replica, now_ns, &mail);
			break;
		case PAXOS_MAIL_SNAPSHOT_ASK:
			paxos_errand_snapshot(worker->store, worker->mailbox, &mail);
			break;
		case PAXOS_MAIL_SNAPSHOT_DONE:
			paxos_errand_snapshot_done(worker->replica, now_ns, worker->store, &mail);
			break;
		case PAXOS_MAIL_REPLY:
		case PAXOS_MAIL_ANSWERED:
		case PAXOS_MAIL_STATUS:
		case PAXOS_MAIL_TRACE:
		case PAXOS_MAIL_TRANSFERRED:
		case PAXOS_MAIL_TOLD:
		case PAXOS_MAIL_SNAPSHOT:
		case PAXOS_MAIL_END:
			break; /* these go the other way */
		}
		paxos_mailbox_pop_to_worker(worker->mailbox);
	}
	atomic_store_explicit(&worker->mailbox->grace_wanted, store_grace_wanted(worker->store),
	                      memory_order_release);
	return done;
}

/* --- upkeep ---------------------------------------------------------------------------------- */

static void ask_for_neighbours(struct dp_worker *worker, uint64_t now_ns)
{
	struct dp_tx *tx = &worker->tx;
	uint8_t frame[DP_ARP_SIZE];

	for (unsigned i = 0; i < tx->port_count; i++) {
		for (unsigned k = 0; k < DP_ARP_NEIGHBOURS && tx->ports[i].kind == DP_PORT_ETHDEV &&
		                     dp_arp_poll(&tx->ports[i].arp, now_ns, frame);
		     k++) {
			dp_tx_frame_bytes(tx, i, slice_make(frame, sizeof(frame)));
		}
	}
}

static void look_after_links(struct dp_worker *worker)
{
	for (unsigned i = 0; i < worker->tx.port_count; i++) {
		struct dp_port *port = &worker->tx.ports[i];

		if (port->kind == DP_PORT_LINK && port->owner == worker->index) {
			dp_port_look_after(port, &worker->counters);
		}
	}
}

/* The slow half of a turn. Returns how much mail was taken. */
static unsigned control(struct dp_worker *worker, uint64_t now_ns)
{
	unsigned done = 0;

	worker->turns_since_control = 0;
	if (worker->replica != NULL) {
		done = take_mail(worker);
		if (now_ns - worker->asked_ns >= ASK_EVERY_NS) {
			worker->asked_ns = now_ns;
			ask_for_neighbours(worker, now_ns);
		}
	}
	if (now_ns >= worker->look_ns) {
		worker->look_ns = now_ns + LOOK_EVERY_NS;
		look_after_links(worker);
	}
	return done;
}

/* --- the loop -------------------------------------------------------------------------------- */

static void note_gap(struct dp_worker *worker, uint64_t now_ns)
{
	uint64_t gap_ns;

	if (dp_rest_turn(&worker->rest, now_ns, &gap_ns) && worker->replica != NULL) {
		paxos_replica_poll_gap(worker->replica, gap_ns);
	}
}

/*
 * What the replica has to say about what came in, or about the time. Returns how much that was. A
 * turn that found nothing costs little: with few cores others wait for it to yield.
 */
static unsigned turn_replica(struct dp_worker *worker, bool came)
{
	const uint64_t now_ns = dp_clock_ns(); /* mail was taken since the burst */
	unsigned done;

	done = paxos_errand_journal(worker->replica, now_ns, worker->mailbox);
	if (!came && done == 0 && now_ns < worker->deadline_ns) {
		return 0;
	}
	paxos_replica_tick(worker->replica, now_ns);
	done += obey(worker, now_ns);
	worker->deadline_ns = paxos_replica_deadline_ns(worker->replica);
	return done;
}

static void count_watches(struct dp_worker *worker, const struct paxos_watch_counters *counted)
{
	struct dp_counters *counters = &worker->counters;

	dp_count_set(counters, DP_WATCHES, counted->watches);
	dp_count_set(counters, DP_WATCH_ASKS, counted->asks);
	dp_count_set(counters, DP_WATCH_EVENTS, counted->events);
	dp_count_set(counters, DP_WATCH_PAGES, counted->pages);
	dp_count_set(counters, DP_WATCH_RESENT, counted->resent);
	dp_count_set(counters, DP_WATCH_TOO_LATE, counted->too_late);
	dp_count_set(counters, DP_WATCH_FULL, counted->full);
	dp_count_set(counters, DP_WATCH_EXPIRED, counted->expired);
}

/* Workers beyond 0: what their watches are owed. Returns 1 if work is left. */
static unsigned turn_reads(struct dp_worker *worker, uint64_t now_ns)
{
	dp_reads_turn(&worker->reads, now_ns, &worker->tx);
	worker->deadline_ns = dp_reads_deadline_ns(&worker->reads);
	return worker->deadline_ns == 0 ? 1 : 0;
}

/* One turn. Returns true if there was something to do. */
static bool turn(struct dp_worker *worker, uint64_t *ret_now_ns)
{
	unsigned done;
	uint64_t now_ns;

	done = dp_rx_burst(&worker->rx); /* rx.c: a burst is in hand */
	now_ns = dp_clock_ns();          /* after it: DESIGN 3, order of a read */
	note_gap(worker, now_ns);        /* rest.c: the floor of every promise about time */
	handle(worker, now_ns);          /* rx.c: frames to datagrams to the replica */
	worker->turns_since_control++;
	if (done == 0 || worker->turns_since_control >= DP_CONTROL_GAP_MAX) {
		done += control(worker, now_ns); /* mail, ARP, files of links */
	}
	if (worker->replica != NULL) {
		done += turn_replica(worker, done != 0); /* what is overdue; effects to tx.c */
	} else {
		done += turn_reads(worker, now_ns); /* reads.c: watches, pages to tx.c */
	}
	dp_tx_burst(&worker->tx); /* tx.c: out */
	if (worker->replica != NULL) {
		paxos_journal_ring(worker->mailbox); /* after it: peers write meanwhile */
	}
	dp_rx_free(&worker->rx);
	urcu_qsbr_quiescent_state(); /* nothing of the store is in hand any more */

	count_watches(worker, worker->watch_counters);
	dp_count(&worker->counters, DP_TURNS, 1);
	dp_count(&worker->counters, DP_TURNS_EMPTY, done == 0);
	*ret_now_ns = now_ns;
	return done != 0;
}

void *dp_worker_run(void *argument)
{
	struct dp_worker *worker = argument;
	uint64_t now_ns;

	/* A sleep of 20 us shall not last 70. What cannot be had costs time, nothing else. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	(void)rte_thread_register(); /* caches of mempools go by lcore; without, they are slower */
	urcu_qsbr_register_thread();
	if (worker->replica != NULL) {
		paxos_replica_start(worker->replica, dp_clock_ns());
	}

	/* Ends only by dp_stop() in dataplane.c. */
	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		if (turn(worker, &now_ns)) {
			dp_rest_busy(&worker->rest);
			continue;
		}
		dp_rest_idle(&worker->rest, &worker->rx, worker->mailbox, now_ns,
		             worker->deadline_ns);
	}
	dp_tx_burst(&worker->tx); /* what SIGTERM made the replica say */
	urcu_qsbr_unregister_thread();
	rte_thread_unregister();
	return NULL;
}
