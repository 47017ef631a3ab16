/* SPDX-License-Identifier: Apache-2.0 */
#include "control/udp_worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "consensus/errand.h"
#include "control/clock.h"
#include "store/base/check.h"
#include "store/base/wire.h"

enum {
	MAILS_MAX = 64,             /* in one turn */
	GAP_WINDOW_NS = 1000000000, /* the gap told is the largest of this window and the last */
};

struct ctl_udp_worker {
	struct ctl_udp_worker_config config;
	struct ctl_address given[STORE_NODES_MAX]; /* by the file */
	struct paxos_replica *replica;
	struct store *store;
	struct paxos_mailbox *mailbox;
	struct ctl_udp udp;
	int bell; /* eventfd */
	pthread_t thread;
	_Atomic bool stop;

	/* Of the thread alone. */
	uint64_t due_ns;       /* when this turn had to begin at the latest */
	uint64_t busy_ns;      /* of the last turn with datagrams */
	uint64_t poll_till_ns; /* no sleep before */
	unsigned run;          /* turns with datagrams close together, in a row */
	uint64_t gap_told_ns;  /* when the replica was told the gap */
	uint64_t window_ns;    /* when the window began */
	uint64_t gap_before_ns, gap_now_ns;

	unsigned passed; /* datagrams below that are queued and not yet flushed */
	uint8_t passing[CTL_UDP_BURST][STORE_DATAGRAM_SIZE_MAX];

	_Atomic uint64_t turns, turns_empty, sleeps, poll_gap_ns, poll_gap_max_ns;
};

/* One writer: no need for a locked addition. */
static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
	                      memory_order_relaxed);
}

/* --- in -------------------------------------------------------------------------------------- */

static struct paxos_source source_of(const struct ctl_udp_worker *worker,
                                     const struct ctl_address *from)
{
	struct paxos_source source = {.peer = PAXOS_NOBODY, .address = ctl_udp_address(from)};

	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const struct ctl_address *server = &worker->config.servers[i];

		if (server->ip != 0 && server->ip == from->ip && server->port == from->port &&
		    i != worker->config.node) {
			source.peer = (int)i;
		}
	}
	return source;
}

static void handle(struct ctl_udp_worker *worker, unsigned received, uint64_t now_ns)
{
	for (unsigned i = 0; i < received; i++) {
		struct ctl_address from;
		struct slice bytes;

		if (ctl_udp_datagram(&worker->udp, i, &bytes, &from)) {
			const struct paxos_source source = source_of(worker, &from);

			if (!paxos_errand_answered(worker->mailbox, &source, bytes)) {
				paxos_replica_receive(worker->replica, now_ns, &source, bytes);
			}
		}
	}
}

static void tell_status(struct ctl_udp_worker *worker, const struct paxos_address *address)
{
	struct paxos_status status;

	paxos_replica_status(worker->replica, &status);
	/* If there is no room, who asked will ask again; the mailbox counts it. */
	(void)paxos_mailbox_put_from_worker(worker->mailbox,
	                                    &(struct paxos_mail){
						    .kind = PAXOS_MAIL_STATUS,
						    .address = *address,
						    .bytes = slice_make(&status, sizeof(status)),
					    });
}

/* Of a client inside of this process: the one socket is ours, nobody else has others. */
static void receive_mail(struct ctl_udp_worker *worker, const struct paxos_mail *mail,
                         uint64_t now_ns)
{
	const struct paxos_source source = {.peer = PAXOS_NOBODY, .address = mail->address};

	must(paxos_address_inside_of(&mail->address) != 0);
	paxos_replica_receive(worker->replica, now_ns, &source, mail->bytes);
}

static void send_to(struct ctl_udp_worker *worker, unsigned peer, struct slice bytes)
{
	const struct ctl_address *server = &worker->config.servers[peer];

	/* One that nobody has told an address of is not there yet. */
	if (server->ip != 0) {
		ctl_udp_queue(&worker->udp, server, bytes);
	}
}

static void flush(struct ctl_udp_worker *worker)
{
	ctl_udp_flush(&worker->udp);
	worker->passed = 0;
}

/* The mail is gone before the turn's flush. */
static void pass_on(struct ctl_udp_worker *worker, const struct paxos_mail *mail)
{
	const unsigned peer = paxos_address_server_of(&mail->address);
	uint8_t *copy;

	must(peer < STORE_NODES_MAX && peer != worker->config.node);
	must(mail->bytes.size <= STORE_DATAGRAM_SIZE_MAX);
	if (worker->passed == CTL_UDP_BURST) {
		flush(worker);
	}
	copy = worker->passing[worker->passed++];
	memcpy(copy, mail->bytes.data, mail->bytes.size);
	send_to(worker, peer, slice_make(copy, mail->bytes.size));
}

static void obey_mail(struct ctl_udp_worker *worker, const struct paxos_mail *mail, uint64_t now_ns)
{
	struct wire_reader reader = wire_reader_make(mail->bytes);

	switch (mail->kind) {
	case PAXOS_MAIL_CLIENT:
		receive_mail(worker, mail, now_ns);
		break;
	case PAXOS_MAIL_PASS_ON:
		pass_on(worker, mail);
		break;
	case PAXOS_MAIL_STATUS_ASK:
		tell_status(worker, &mail->address);
		break;
	case PAXOS_MAIL_GRACE:
		store_grace_passed(worker->store, wire_u64(&reader));
		break;
	case PAXOS_MAIL_RESIGN:
		paxos_replica_resign(worker->replica, now_ns);
		break;
	case PAXOS_MAIL_TRANSFER:
		paxos_errand_transfer(worker->replica, now_ns, worker->mailbox, mail);
		break;
	case PAXOS_MAIL_CHANGE:
		paxos_errand_change(worker->replica, now_ns, mail);
		break;
	case PAXOS_MAIL_SNAPSHOT_ASK:
		paxos_errand_snapshot(worker->store, worker->mailbox, mail);
		break;
	case PAXOS_MAIL_SNAPSHOT_DONE:
		paxos_errand_snapshot_done(worker->replica, now_ns, worker->store, mail);
		break;
	case PAXOS_MAIL_REPLY:
	case PAXOS_MAIL_ANSWERED:
	case PAXOS_MAIL_STATUS:
	case PAXOS_MAIL_TRACE:
	case PAXOS_MAIL_TRANSFERRED:
	case PAXOS_MAIL_TOLD:
	case PAXOS_MAIL_SNAPSHOT:
	case PAXOS_MAIL_END:
		must(false);
		break;
	}
}

/* *now_ns goes on where mail was read. */
static unsigned read_mail(struct ctl_udp_worker *worker, uint64_t *now_ns)
{
	struct paxos_mail mail;
	unsigned done = 0;

	while (done < MAILS_MAX && paxos_mailbox_peek_to_worker(worker->mailbox, &mail)) {
		*now_ns = ctl_clock_ns(); /* after it was taken, as after a burst */
		obey_mail(worker, &mail, *now_ns);
		paxos_mailbox_pop_to_worker(worker->mailbox);
		done++;
	}
	return done;
}

/* --- out ------------------------------------------------------------------------------------- */

/* A member that the file does not know stands where the cluster was told. */
static void learn(struct ctl_udp_worker *worker, unsigned peer, struct store_address at)
{
	const struct ctl_address *given = &worker->given[peer];

	if (given->ip == 0) {
		worker->config.servers[peer] = (struct ctl_address){.ip = at.ip, .port = at.port};
	}
}

static void reply(struct ctl_udp_worker *worker, const struct paxos_effect *effect)
{
	const struct ctl_address client = ctl_udp_address_of(&effect->address);

	if (paxos_address_inside_of(&effect->address) == 0) {
		ctl_udp_queue(&worker->udp, &client, effect->bytes);
		return;
	}
	/* A full ring has counted it; the client asks again. */
	(void)paxos_mailbox_put_from_worker(worker->mailbox,
	                                    &(struct paxos_mail){.kind = PAXOS_MAIL_REPLY,
	                                                         .address = effect->address,
	                                                         .bytes = effect->bytes});
}

/* The bytes of effects stay until the replica's next call, so they leave without a copy. */
static unsigned obey_effects(struct ctl_udp_worker *worker, uint64_t now_ns)
{
	struct store_snapshot *point = NULL;
	struct paxos_effect effect;
	unsigned done = 0;

	for (; paxos_replica_take(worker->replica, &effect); done++) {
		switch (effect.kind) {
		case PAXOS_EFFECT_SEND:
			must(effect.peer != worker->config.node);
			send_to(worker, effect.peer, effect.bytes);
			break;
		case PAXOS_EFFECT_PEER:
			learn(worker, effect.peer, effect.at);
			break;
		case PAXOS_EFFECT_TOLD:
			paxos_errand_told(worker->mailbox, &effect);
			break;
		case PAXOS_EFFECT_REPLY:
			reply(worker, &effect);
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
		case PAXOS_EFFECT_TRACE:
			(void)paxos_mailbox_put_from_worker(
				worker->mailbox,
				&(struct paxos_mail){
					.kind = PAXOS_MAIL_TRACE,
					.bytes = slice_make(&effect.trace, sizeof(effect.trace)),
				});
			break;
		}
	}
	flush(worker);
	paxos_journal_ring(worker->mailbox); /* after the datagrams: peers write meanwhile */
	if (point != NULL) {
		paxos_errand_point(worker->replica, now_ns, worker->mailbox, point);
	}
	return done;
}

/* --- time ------------------------------------------------------------------------------------ */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void note_gap(struct ctl_udp_worker *worker, uint64_t now_ns)
{
	const uint64_t gap_ns = now_ns > worker->due_ns ? now_ns - worker->due_ns : 0;
	uint64_t told_ns;

	if (now_ns - worker->window_ns >= GAP_WINDOW_NS) {
		worker->gap_before_ns = now_ns - worker->window_ns >= 2 * (uint64_t)GAP_WINDOW_NS
		                                ? 0
		                                : worker->gap_now_ns;
		worker->gap_now_ns = 0;
		worker->window_ns = now_ns;
	}
	worker->gap_now_ns = larger(worker->gap_now_ns, gap_ns);
	if (gap_ns > atomic_load_explicit(&worker->poll_gap_max_ns, memory_order_relaxed)) {
		atomic_store_explicit(&worker->poll_gap_max_ns, gap_ns, memory_order_relaxed);
	}
	if (now_ns - worker->gap_told_ns >= worker->config.heartbeat_ns) {
		told_ns = larger(worker->gap_before_ns, worker->gap_now_ns);
		worker->gap_told_ns = now_ns;
		atomic_store_explicit(&worker->poll_gap_ns, told_ns, memory_order_relaxed);
		paxos_replica_poll_gap(worker->replica, told_ns);
	}
	worker->due_ns = now_ns;
}

/*
 * Datagrams that come one on the other's heels are worth waiting for awake; a round of heartbeats
 * is not.
 */
static void note_burst(struct ctl_udp_worker *worker, uint64_t now_ns)
{
	worker->run = now_ns - worker->busy_ns <= CTL_UDP_RUN_GAP_NS ? worker->run + 1 : 0;
	worker->busy_ns = now_ns;
	if (worker->run >= CTL_UDP_RUN_MIN) {
		worker->run = CTL_UDP_RUN_MIN;
		worker->poll_till_ns = now_ns + CTL_UDP_SPIN_NS;
	}
}

static void sleep_until(struct ctl_udp_worker *worker, uint64_t now_ns, uint64_t wake_ns)
{
	const uint64_t ns = wake_ns - now_ns;
	const struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000),
	                                 .tv_nsec = (long)(ns % 1000000000)};
	struct pollfd fds[] = {{.fd = worker->udp.fd, .events = POLLIN},
	                       {.fd = worker->bell, .events = POLLIN}};
	uint64_t rung;

	if (!paxos_mailbox_worker_sleeps(worker->mailbox)) {
		return;
	}
	count(&worker->sleeps);
	rcu_thread_offline();
	(void)ppoll(fds, 2, &timeout, NULL); /* whatever woke us, the next turn looks at all */
	rcu_thread_online();
	paxos_mailbox_worker_wakes(worker->mailbox);
	if ((fds[1].revents & POLLIN) != 0) {
		(void)!read(worker->bell, &rung, sizeof(rung)); /* the mail itself is in the ring */
	}
	worker->due_ns = wake_ns;
}

static void rest(struct ctl_udp_worker *worker, uint64_t now_ns)
{
	uint64_t wake_ns;

	if (worker->config.spin) {
		return;
	}
	if (now_ns < worker->poll_till_ns) {
		(void)sched_yield();
		return;
	}
	wake_ns = paxos_replica_deadline_ns(worker->replica);
	if (wake_ns > now_ns + CTL_UDP_SLEEP_MAX_NS) {
		wake_ns = now_ns + CTL_UDP_SLEEP_MAX_NS;
	}
	if (wake_ns > now_ns) {
		sleep_until(worker, now_ns, wake_ns);
	}
}

/* --- the turn -------------------------------------------------------------------------------- */

static void turn(struct ctl_udp_worker *worker)
{
	const unsigned received = ctl_udp_receive(&worker->udp);
	uint64_t now_ns = ctl_clock_ns(); /* after the burst: DESIGN 3, order of a read */
	unsigned done = received;

	note_gap(worker, now_ns);
	handle(worker, received, now_ns);
	done += read_mail(worker, &now_ns);
	done += paxos_errand_journal(worker->replica, now_ns, worker->mailbox);
	paxos_replica_tick(worker->replica, now_ns);
	done += obey_effects(worker, now_ns);

	atomic_store_explicit(&worker->mailbox->grace_wanted, store_grace_wanted(worker->store),
	                      memory_order_release);
	rcu_quiescent_state();

	count(&worker->turns);
	if (received != 0) {
		note_burst(worker, now_ns);
	}
	if (done == 0) {
		count(&worker->turns_empty);
		rest(worker, now_ns);
	}
}

static void *run(void *argument)
{
	struct ctl_udp_worker *worker = argument;
	const uint64_t now_ns = ctl_clock_ns();

	rcu_register_thread();
	worker->due_ns = worker->busy_ns = worker->window_ns = now_ns;
	worker->gap_told_ns = now_ns;
	paxos_replica_start(worker->replica, now_ns);
	while (!atomic_load_explicit(&worker->stop, memory_order_acquire)) {
		turn(worker);
	}
	rcu_unregister_thread();
	return NULL;
}

/* --- starting and stopping ------------------------------------------------------------------- */

static void ring_bell(void *context)
{
	const struct ctl_udp_worker *worker = context;
	const uint64_t one = 1;

	(void)!write(worker->bell, &one, sizeof(one)); /* full means rung already */
}

/* Pins if asked for; signals are the control thread's. */
static int start_thread(struct ctl_udp_worker *worker)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	cpu_set_t cores;
	int r;

	r = -pthread_attr_init(&attributes);
	if (r < 0) {
		return r;
	}
	if (worker->config.core >= 0) {
		CPU_ZERO(&cores);
		CPU_SET((unsigned)worker->config.core, &cores);
		r = -pthread_attr_setaffinity_np(&attributes, sizeof(cores), &cores);
	}
	if (r == 0) {
		(void)sigfillset(&all);
		(void)pthread_sigmask(SIG_SETMASK, &all, &before);
		r = -pthread_create(&worker->thread, &attributes, run, worker);
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	(void)pthread_attr_destroy(&attributes);
	return r;
}

int ctl_udp_worker_start(struct ctl_udp_worker **ret_worker,
                         const struct ctl_udp_worker_config *config, struct paxos_replica *replica,
                         struct store *store, struct paxos_mailbox *mailbox,
                         struct ctl_reason *ret_reason)
{
	struct ctl_udp_worker *worker = calloc(1, sizeof(*worker));
	int r;

	must(config->node < STORE_NODES_MAX);
	if (worker == NULL) {
		ctl_reason_say(ret_reason, "no memory for the worker; free some");
		return -ENOMEM;
	}
	worker->config = *config;
	memcpy(worker->given, config->servers, sizeof(worker->given));
	worker->replica = replica;
	worker->store = store;
	worker->mailbox = mailbox;
	r = ctl_udp_open(&worker->udp, &config->listen, ret_reason);
	if (r < 0) {
		goto free_worker;
	}
	worker->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->bell < 0) {
		r = -errno;
		ctl_reason_say(ret_reason, "eventfd: %s; allow more open files", strerror(-r));
		goto close_socket;
	}
	mailbox->worker_bell = (struct paxos_bell){.ring = ring_bell, .context = worker};
	r = start_thread(worker);
	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "cores: the worker's thread cannot be started (%s); name a "
		               "core of this machine, or none",
		               strerror(-r));
		goto close_bell;
	}
	*ret_worker = worker;
	return 0;

close_bell:
	mailbox->worker_bell = (struct paxos_bell){0};
	(void)close(worker->bell);
close_socket:
	ctl_udp_close(&worker->udp);
free_worker:
	free(worker);
	return r;
}

void ctl_udp_worker_stop(struct ctl_udp_worker *worker)
{
	if (worker == NULL) {
		return;
	}
	atomic_store_explicit(&worker->stop, true, memory_order_release);
	ring_bell(worker);
	must(pthread_join(worker->thread, NULL) == 0);
	worker->mailbox->worker_bell = (struct paxos_bell){0};
	(void)close(worker->bell);
	ctl_udp_close(&worker->udp);
	free(worker);
}

void ctl_udp_worker_counters(const struct ctl_udp_worker *worker,
                             struct ctl_udp_worker_counters *ret_counters)
{
	*ret_counters = (struct ctl_udp_worker_counters){
		.udp = ctl_udp_sums(&worker->udp),
		.turns = atomic_load_explicit(&worker->turns, memory_order_relaxed),
		.turns_empty = atomic_load_explicit(&worker->turns_empty, memory_order_relaxed),
		.sleeps = atomic_load_explicit(&worker->sleeps, memory_order_relaxed),
		.poll_gap_ns = atomic_load_explicit(&worker->poll_gap_ns, memory_order_relaxed),
		.poll_gap_max_ns =
			atomic_load_explicit(&worker->poll_gap_max_ns, memory_order_relaxed),
		.receive_buffer = worker->udp.receive_buffer,
	};
}

uint64_t ctl_udp_worker_size(void)
{
	return sizeof(struct ctl_udp_worker);
}
