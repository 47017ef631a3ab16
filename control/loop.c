/* SPDX-License-Identifier: Apache-2.0 */
#include "control/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "control/admin.h"
#include "control/change_words.h"
#include "control/gateway_start.h"
#include "control/grace.h"
#include "control/inside.h"
#include "control/keeper.h"
#include "control/names.h"
#include "control/slow_udp.h"
#include "control/snapshot_desk.h"
#include "control/status.h"
#include "control/told.h"
#include "control/web.h"
#include "store/base/check.h"
#include "store/base/wire.h"

enum {
	MAILS_MAX = 512, /* before the sockets have their turn */
	DROPPED_PACE_MS = 1000,
	SAVE_MS = 600000,  /* for a snapshot of all there may be */
	MEMBER_MS = 50000, /* to bring a server level, and to decide */
	ANSWER_MS = 2000,  /* for the worker's answer to what it can say at once */
};

struct ctl_loop {
	struct ctl_loop_config config;
	uv_loop_t uv;
	uv_async_t mail_bell, grace_bell;
	uv_prepare_t prepare; /* before the loop may sleep */
	uv_check_t check;     /* after it slept */
	uv_idle_t idle;       /* active while there is more to do than one turn allows */
	uv_timer_t resign;
	uv_signal_t term, interrupt, hangup;
	struct ctl_admin *admin;
	struct ctl_slow_udp *slow;
	struct ctl_snapshot_desk *snapshots;
	struct ctl_insides insides;
	struct ctl_gateway *gateway;
	struct ctl_web *web;
	struct ctl_names *names;   /* in a name cluster */
	struct ctl_keeper *keeper; /* of /ctl */
	struct ctl_grace *grace;
	uint64_t grace_told;
	uint64_t dropped_told; /* of the mailbox, as logged last */
	uint64_t dropped_told_ms;
	bool stopping;
	enum paxos_end end; /* 0: none came */
};

/* --- mail ------------------------------------------------------------------------------------ */

static void take_trace(struct ctl_loop *loop, struct slice bytes)
{
	struct paxos_trace trace;

	must(bytes.size == sizeof(trace)); /* our own worker's */
	memcpy(&trace, bytes.data, sizeof(trace));
	ctl_log_trace(loop->config.logger, &trace);
	loop->config.note(loop->config.context, &trace);
	ctl_web_stir(loop->web);
	ctl_keeper_stir(loop->keeper, trace.kind);
	if (trace.kind == PAXOS_TRACE_CONFIGURATION &&
	    (trace.b >> (loop->config.config->node - 1) & 1) != 0) {
		ctl_gateway_member(loop->gateway);
	}
	if (trace.kind == PAXOS_TRACE_REMOVED) {
		loop->end = PAXOS_END_REMOVED;
		uv_stop(&loop->uv);
	}
}

static void take_status(struct ctl_loop *loop, const struct paxos_mail *mail)
{
	json_t *status = loop->config.status(loop->config.context, mail->bytes);

	if (ctl_web_is_for(&mail->address)) {
		ctl_web_status(loop->web, status);
	} else {
		ctl_admin_answer(loop->admin, &mail->address, status);
	}
}

/* False: it has to wait. */
static bool take_mail(struct ctl_loop *loop, const struct paxos_mail *mail)
{
	if (ctl_keeper_mail(loop->keeper, mail)) {
		return true;
	}
	switch (mail->kind) {
	case PAXOS_MAIL_REPLY:
		if (paxos_address_inside_of(&mail->address) != 0) {
			ctl_insides_mail(&loop->insides, mail);
		} else if (loop->slow != NULL) {
			ctl_slow_udp_reply(loop->slow, &mail->address, mail->bytes);
		}
		break;
	case PAXOS_MAIL_ANSWERED:
		ctl_insides_mail(&loop->insides, mail);
		break;
	case PAXOS_MAIL_STATUS:
		take_status(loop, mail);
		break;
	case PAXOS_MAIL_TRACE:
		take_trace(loop, mail->bytes);
		break;
	case PAXOS_MAIL_END:
		must(mail->bytes.size == sizeof(loop->end));
		memcpy(&loop->end, mail->bytes.data, sizeof(loop->end));
		uv_stop(&loop->uv);
		break;
	case PAXOS_MAIL_SNAPSHOT:
		return ctl_snapshot_desk_mail(loop->snapshots, mail);
	case PAXOS_MAIL_TRANSFERRED:
		ctl_told_transferred(loop->admin, mail);
		break;
	case PAXOS_MAIL_TOLD:
		ctl_told_change(loop->admin, mail);
		break;
	case PAXOS_MAIL_CLIENT: /* these go the other way */
	case PAXOS_MAIL_PASS_ON:
	case PAXOS_MAIL_STATUS_ASK:
	case PAXOS_MAIL_GRACE:
	case PAXOS_MAIL_RESIGN:
	case PAXOS_MAIL_TRANSFER:
	case PAXOS_MAIL_CHANGE:
	case PAXOS_MAIL_SNAPSHOT_ASK:
	case PAXOS_MAIL_SNAPSHOT_DONE:
		must(false);
		break;
	}
	return true;
}

/* Tells the worker of a grace period that passed. False: the mailbox is full, try again. */
static bool tell_grace(struct ctl_loop *loop)
{
	const uint64_t passed = loop->grace != NULL ? ctl_grace_passed(loop->grace) : 0;
	uint8_t bytes[8];
	struct wire_writer writer = wire_writer_make(bytes, sizeof(bytes));

	if (passed == loop->grace_told) {
		return true;
	}
	wire_put_u64(&writer, passed);
	if (!paxos_mailbox_put_to_worker(loop->config.mailbox,
	                                 &(struct paxos_mail){.kind = PAXOS_MAIL_GRACE,
	                                                      .bytes = wire_written(&writer)})) {
		return false;
	}
	loop->grace_told = passed;
	return true;
}

static void drain(struct ctl_loop *loop)
{
	struct paxos_mailbox *mailbox = loop->config.mailbox;
	const uint64_t dropped =
		atomic_load_explicit(&mailbox->dropped_from_worker, memory_order_relaxed);
	struct paxos_mail mail;

	for (unsigned i = 0; i < MAILS_MAX && paxos_mailbox_peek_from_worker(mailbox, &mail) &&
	                     take_mail(loop, &mail);
	     i++) {
		paxos_mailbox_pop_from_worker(mailbox);
	}
	if (loop->slow != NULL) {
		ctl_slow_udp_flush(loop->slow);
	}
	/* A flood of lost mail is no reason for a flood of lines. */
	if (dropped != loop->dropped_told &&
	    uv_now(&loop->uv) - loop->dropped_told_ms >= DROPPED_PACE_MS) {
		loop->dropped_told_ms = uv_now(&loop->uv);
		ctl_log(loop->config.logger, CTL_WARNING, "mailbox_full",
		        CTL_NUMBER("lost", dropped - loop->dropped_told));
		loop->dropped_told = dropped;
	}
}

/* --- sleeping and waking ------------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* it is there so that the loop does not sleep */
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct ctl_loop *loop = prepare->data;

	drain(loop);
	if (tell_grace(loop) && ctl_snapshot_desk_tell(loop->snapshots) &&
	    paxos_mailbox_control_sleeps(loop->config.mailbox)) {
		must(uv_idle_stop(&loop->idle) == 0);
	} else {
		must(uv_idle_start(&loop->idle, on_idle) == 0);
	}
	paxos_mailbox_ring_worker(loop->config.mailbox);
}

static void on_check(uv_check_t *check)
{
	struct ctl_loop *loop = check->data;

	paxos_mailbox_control_wakes(loop->config.mailbox);
	paxos_mailbox_ring_worker(loop->config.mailbox); /* of what the sockets brought */
}

static void on_bell(uv_async_t *bell)
{
	(void)bell; /* it wakes the loop; the work is done before it sleeps again */
}

static void ring_bell(void *context)
{
	(void)uv_async_send(context); /* fails only for a closed handle */
}

/* --- signals ------------------------------------------------------------------------------- */

static void on_resigned(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void on_end(uv_signal_t *signal, int number)
{
	struct ctl_loop *loop = signal->data;

	if (loop->stopping) {
		uv_stop(&loop->uv);
		return;
	}
	loop->stopping = true;
	ctl_log(loop->config.logger, CTL_INFO, "stopping", CTL_NUMBER("signal", (uint64_t)number));
	/* If the mailbox is full the others find out by silence. */
	(void)paxos_mailbox_put_to_worker(loop->config.mailbox,
	                                  &(struct paxos_mail){.kind = PAXOS_MAIL_RESIGN});
	must(uv_timer_start(&loop->resign, on_resigned, CTL_LOOP_RESIGN_MS, 0) == 0);
}

static void on_hangup(uv_signal_t *signal, int number)
{
	struct ctl_loop *loop = signal->data;
	const int r = ctl_log_reopen(loop->config.logger);

	(void)number;
	if (r < 0) {
		ctl_log(loop->config.logger, CTL_ERROR, "log_not_reopened",
		        CTL_TEXT("why", strerror(-r)));
	}
	ctl_gateway_reload(loop->gateway, loop->config.logger);
}

/* --- opening and closing --------------------------------------------------------------------- */

static const char worker_full[] = "the worker takes no more mail; try again";

static bool ask_status(void *context, const struct paxos_address *address)
{
	struct ctl_loop *loop = context;
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_STATUS_ASK, .address = *address};

	return paxos_mailbox_put_to_worker(loop->config.mailbox, &mail);
}

static const char *begin_status(void *context, const struct paxos_address *address,
                                const struct ctl_admin_request *request)
{
	if (request->count != 0) {
		return "status takes no arguments";
	}
	return ask_status(context, address) ? NULL : worker_full;
}

static const char *begin_leader(void *context, const struct paxos_address *address,
                                const struct ctl_admin_request *request)
{
	struct ctl_loop *loop = context;
	int to = PAXOS_NOBODY;
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_TRANSFER,
	                                .address = *address,
	                                .bytes = slice_make(&to, sizeof(to))};
	uint64_t number;

	if (request->count < 1 || request->count > 2 ||
	    strcmp(request->arguments[0], "transfer") != 0) {
		return "it is: leader transfer [NODE]";
	}
	if (request->count == 2) {
		if (ctl_value_number(request->arguments[1], &number) != NULL || number < 1 ||
		    number > STORE_NODES_MAX) {
			return "NODE is the number of a server";
		}
		to = (int)number - 1;
	}
	return paxos_mailbox_put_to_worker(loop->config.mailbox, &mail) ? NULL : worker_full;
}

static const char *begin_member(void *context, const struct paxos_address *address,
                                const struct ctl_admin_request *request)
{
	struct ctl_loop *loop = context;
	struct paxos_mail_change asked = {.patience_ns =
	                                          (MEMBER_MS - ANSWER_MS) * (uint64_t)1000000};
	const struct paxos_mail mail = {
		.kind = PAXOS_MAIL_CHANGE,
		.address = *address,
		.bytes = slice_make(&asked, sizeof(asked)),
	};
	const char *wrong = ctl_change_parse(request, &asked.change);

	if (wrong != NULL) {
		return wrong;
	}
	return paxos_mailbox_put_to_worker(loop->config.mailbox, &mail) ? NULL : worker_full;
}

static const char *begin_snapshot(void *context, const struct paxos_address *address,
                                  const struct ctl_admin_request *request)
{
	struct ctl_loop *loop = context;

	if (request->count != 2 || strcmp(request->arguments[0], "save") != 0) {
		return "it is: snapshot save FILE";
	}
	return ctl_snapshot_desk_save(loop->snapshots, address, request->arguments[1]);
}

static void on_saved(void *context, const struct paxos_address *address,
                     const struct ctl_snapshot_saved *saved)
{
	struct ctl_loop *loop = context;
	char digest[33];

	if (saved->r < 0) {
		ctl_admin_refuse(loop->admin, address, saved->reason.text);
		return;
	}
	ctl_snapshot_log(loop->config.logger, "snapshot_saved", saved, digest);
	ctl_admin_answer(loop->admin, address,
	                 json_pack("{s:I, s:s, s:f}", "index", (json_int_t)saved->index, "digest",
	                           digest, "took_ms", (double)saved->took_ns / 1e6));
}

static void on_kept(void *context, const struct ctl_snapshot_saved *saved)
{
	struct ctl_loop *loop = context;
	char digest[33];

	if (saved->r < 0) {
		ctl_log(loop->config.logger, CTL_ERROR, "snapshot_failed",
		        CTL_NUMBER("index", saved->index), CTL_TEXT("why", saved->reason.text));
	} else {
		ctl_snapshot_log(loop->config.logger, "snapshot_written", saved, digest);
	}
}

static const struct ctl_admin_command commands[] = {
	{"leader", "transfer [NODE]: another server shall lead", ANSWER_MS, begin_leader},
	{"member",
         "add N[=IP:PORT] ... | remove N ... | replace OLD NEW[=IP:PORT] | promote N ...: changes "
         "who "
         "is in the cluster",
         MEMBER_MS, begin_member},
	{"snapshot", "save FILE: writes the state as it is now", SAVE_MS, begin_snapshot},
	{"status", "role, ballot, leader, indexes, peers, poll gap, counters", ANSWER_MS,
         begin_status},
	{0},
};

static int open_admin(struct ctl_loop *loop, struct ctl_reason *ret_reason)
{
	const struct ctl_admin_host host = {.context = loop, .commands = commands};

	return ctl_admin_open(&loop->admin, &loop->uv, loop->config.config->management, &host,
	                      ret_reason);
}

static int open_snapshots(struct ctl_loop *loop, struct ctl_reason *ret_reason)
{
	const struct ctl_snapshot_desk_config desk = {
		.mailbox = loop->config.mailbox,
		.store = loop->config.store,
		.cluster = loop->config.config->cluster,
		.node = (uint8_t)loop->config.config->node,
		.folder = loop->config.folder,
		.saved = on_saved,
		.kept = on_kept,
		.context = loop,
	};
	const int r = ctl_snapshot_desk_open(&loop->snapshots, &loop->uv, &desk);

	if (r < 0) {
		ctl_reason_say(ret_reason, "no memory for the loop; free some");
	}
	return r;
}

static int open_web(struct ctl_loop *loop, struct ctl_reason *ret_reason)
{
	return ctl_web_open(&loop->web, &loop->uv,
	                    &(struct ctl_web_config){.config = loop->config.config,
	                                             .keys = &loop->config.secrets->keys,
	                                             .mailbox = loop->config.mailbox,
	                                             .insides = &loop->insides,
	                                             .ask = ask_status,
	                                             .context = loop},
	                    ret_reason);
}

static int open_names(struct ctl_loop *loop, struct ctl_reason *ret_reason)
{
	return ctl_names_open(&loop->names,
	                      &(struct ctl_names_config){.loop = &loop->uv,
	                                                 .config = loop->config.config,
	                                                 .secret = loop->config.secrets->boot,
	                                                 .logger = loop->config.logger},
	                      ret_reason);
}

static int open_keeper(struct ctl_loop *loop, struct ctl_reason *ret_reason)
{
	const struct ctl_keeper_config keeper = {.loop = &loop->uv,
	                                         .mailbox = loop->config.mailbox,
	                                         .insides = &loop->insides,
	                                         .config = loop->config.config,
	                                         .store = loop->config.store,
	                                         .logger = loop->config.logger,
	                                         .version = loop->config.version,
	                                         .names = loop->names};

	return ctl_keeper_open(&loop->keeper, &keeper, ret_reason);
}

/* libuv's inits fail only without descriptors or memory, which a start may meet. */
static int init_handles(struct ctl_loop *loop)
{
	int r;

	r = uv_async_init(&loop->uv, &loop->mail_bell, on_bell);
	r = r < 0 ? r : uv_async_init(&loop->uv, &loop->grace_bell, on_bell);
	r = r < 0 ? r : uv_prepare_init(&loop->uv, &loop->prepare);
	r = r < 0 ? r : uv_check_init(&loop->uv, &loop->check);
	r = r < 0 ? r : uv_idle_init(&loop->uv, &loop->idle);
	r = r < 0 ? r : uv_timer_init(&loop->uv, &loop->resign);
	r = r < 0 ? r : uv_signal_init(&loop->uv, &loop->term);
	r = r < 0 ? r : uv_signal_init(&loop->uv, &loop->interrupt);
	r = r < 0 ? r : uv_signal_init(&loop->uv, &loop->hangup);
	if (r < 0) {
		return r;
	}
	loop->prepare.data = loop->check.data = loop;
	loop->term.data = loop->interrupt.data = loop->hangup.data = loop;
	r = uv_prepare_start(&loop->prepare, on_prepare);
	r = r < 0 ? r : uv_check_start(&loop->check, on_check);
	r = r < 0 ? r : uv_signal_start(&loop->term, on_end, SIGTERM);
	r = r < 0 ? r : uv_signal_start(&loop->interrupt, on_end, SIGINT);
	r = r < 0 ? r : uv_signal_start(&loop->hangup, on_hangup, SIGHUP);
	return r;
}

int ctl_loop_open(struct ctl_loop **ret_loop, const struct ctl_loop_config *config,
                  struct ctl_reason *ret_reason)
{
	struct ctl_loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (loop == NULL || uv_loop_init(&loop->uv) < 0) {
		free(loop);
		ctl_reason_say(ret_reason, "no memory or descriptors for the loop; allow more");
		return -ENOMEM;
	}
	loop->config = *config;
	r = init_handles(loop);
	if (r < 0) {
		ctl_reason_say(ret_reason, "the loop cannot be made (%s); allow more open files",
		               strerror(-r));
		goto close_loop;
	}
	r = open_admin(loop, ret_reason);
	r = r < 0 ? r : open_snapshots(loop, ret_reason);
	if (r < 0) {
		goto close_loop;
	}
	if (config->config->transport == CTL_TRANSPORT_DPDK && !config->config->listen.is_none) {
		r = ctl_slow_udp_open(&loop->slow, &loop->uv, &config->config->listen,
		                      config->mailbox, config->logger, ret_reason);
	}
	loop->insides.key = config->secrets->keys.rw;
	r = r < 0 ? r
	          : ctl_gateway_start(&loop->gateway,
	                              &(struct ctl_gateway_config){
					      .inside = {.loop = &loop->uv,
	                                                 .mailbox = config->mailbox,
	                                                 .insides = &loop->insides,
	                                                 .config = config->config},
					      .keys = &config->secrets->keys,
					      .incarnation = config->incarnation,
					      .member = config->is_member,
				      },
	                              config->logger, ret_reason);
	r = r < 0 || config->config->web.is_none ? r : open_web(loop, ret_reason);
	r = r < 0 ? r : open_names(loop, ret_reason);
	r = r < 0 ? r : open_keeper(loop, ret_reason);
	if (r < 0) {
		goto close_loop;
	}
	config->mailbox->control_bell =
		(struct paxos_bell){.ring = ring_bell, .context = &loop->mail_bell};
	*ret_loop = loop;
	return 0;

close_loop:
	ctl_loop_close(loop);
	return r;
}

int ctl_loop_run(struct ctl_loop *loop, enum paxos_end *ret_end, struct ctl_reason *ret_reason)
{
	const struct paxos_bell bell = {.ring = ring_bell, .context = &loop->grace_bell};
	int r;

	r = ctl_grace_start(&loop->grace, loop->config.mailbox, bell, ret_reason);
	if (r < 0) {
		return r;
	}
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	ctl_grace_stop(loop->grace);
	loop->grace = NULL;
	*ret_end = loop->end;
	return 0;
}

void ctl_loop_add_counters(const struct ctl_loop *loop, json_t *status)
{
	struct ctl_slow_udp_counters slow;
	struct ctl_gateway_counters gateway;

	if (loop->slow != NULL) {
		ctl_slow_udp_counters(loop->slow, &slow);
		ctl_status_add_slow(status, &slow);
	}
	if (loop->gateway != NULL) {
		ctl_gateway_counters(loop->gateway, &gateway);
		ctl_status_add_gateway(status, &gateway);
	}
	ctl_status_add_insides(status, &loop->insides);
	ctl_web_add_counters(loop->web, status);
}

/* Handles that were never made have no loop yet. */
static void close_handle(uv_handle_t *handle)
{
	if (handle->loop != NULL) {
		uv_close(handle, NULL);
	}
}

void ctl_loop_close(struct ctl_loop *loop)
{
	if (loop == NULL) {
		return;
	}
	must(loop->grace == NULL);
	if (loop->admin != NULL) {
		drain(loop); /* what the worker said last */
	}
	loop->config.mailbox->control_bell = (struct paxos_bell){0};
	close_handle((uv_handle_t *)&loop->mail_bell);
	close_handle((uv_handle_t *)&loop->grace_bell);
	close_handle((uv_handle_t *)&loop->prepare);
	close_handle((uv_handle_t *)&loop->check);
	close_handle((uv_handle_t *)&loop->idle);
	close_handle((uv_handle_t *)&loop->resign);
	close_handle((uv_handle_t *)&loop->term);
	close_handle((uv_handle_t *)&loop->interrupt);
	close_handle((uv_handle_t *)&loop->hangup);
	ctl_keeper_close(loop->keeper);
	ctl_names_close(loop->names);
	ctl_admin_close(loop->admin);
	ctl_slow_udp_close(loop->slow);
	ctl_gateway_close(loop->gateway);
	ctl_snapshot_desk_close(loop->snapshots);
	ctl_web_close(loop->web);
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	must(uv_loop_close(&loop->uv) == 0);
	ctl_web_free(loop->web);
	free(loop);
}
