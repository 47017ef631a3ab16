/* SPDX-License-Identifier: Apache-2.0 */
#include "control/supervisor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/config.h"
#include "control/logger.h"
#include "store/base/check.h"

enum {
	NOTES = 2 /* each is sent so often: a datagram may be lost */
};

struct watch {
	struct ctl_config config;
	struct ctl_logger logger;
	ctl_serve *serve;
	void *context;
	struct ctl_birth *birth;
	int signals; /* a signalfd */
	sigset_t before;
	pid_t self, server;
	bool ends; /* a signal to end came */
};

uint64_t ctl_birth_tell(struct ctl_birth *birth, const struct paxos_config *paxos)
{
	struct paxos_note note = {
		.cluster = paxos->cluster,
		.node = paxos->node,
		.incarnation = paxos->incarnation,
		.start = paxos->start,
	};

	if (birth == NULL ||
	    getrandom(&note.secret, sizeof(note.secret), 0) != (ssize_t)sizeof(note.secret)) {
		return 0;
	}
	note.secret |= 1; /* 0 means none */
	birth->note = note;
	atomic_store_explicit(&birth->is_told, true, memory_order_release);
	return note.secret;
}

/* --- telling the others ---------------------------------------------------------------------- */

static struct sockaddr_in sockaddr_of(const struct ctl_address *address)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(address->port),
		.sin_addr.s_addr = htonl(address->ip),
	};
}

/* A socket with the server's address, which is free now; else with any. Below 0: none. */
static int open_socket(const struct ctl_config *config)
{
	const struct sockaddr_in own = sockaddr_of(&config->listen);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && !config->listen.is_none) {
		(void)bind(fd, (const struct sockaddr *)&own, sizeof(own)); /* any will do */
	}
	return fd;
}

/* Sends the note to all; says to how many the kernel took it. */
static unsigned send_notes(const struct ctl_config *config, int fd, const struct paxos_note *note)
{
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
	const size_t size = paxos_note_encode(note, datagram);
	unsigned sent = 0;

	for (unsigned i = 0; i < config->count; i++) {
		const struct sockaddr_in to = sockaddr_of(&config->servers[i]);

		if (i + 1 != config->node) {
			sent += sendto(fd, datagram, size, MSG_DONTWAIT | MSG_NOSIGNAL,
			               (const struct sockaddr *)&to, sizeof(to)) == (ssize_t)size;
		}
	}
	return sent;
}

/* A server that never told who it was has promised nothing to anybody. */
static unsigned tell_death(const struct watch *watch)
{
	const struct ctl_config *config = &watch->config;
	unsigned sent = 0;
	int fd;

	if (!atomic_load_explicit(&watch->birth->is_told, memory_order_acquire)) {
		return 0;
	}
	fd = open_socket(config);
	if (fd < 0) {
		return 0;
	}
	for (unsigned i = 0; i < NOTES; i++) {
		sent = send_notes(config, fd, &watch->birth->note);
	}
	(void)close(fd);
	return sent;
}

/* --- one life -------------------------------------------------------------------------------- */

/* The child: it dies with its supervisor, and Ctrl-C reaches it through that one alone. */
static _Noreturn void be_server(struct watch *watch, bool again)
{

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != watch->self) {
		_exit(CTL_SUPERVISOR_KILLED + SIGKILL); /* it died before that was set */
	}
	(void)setpgid(0, 0);
	(void)close(watch->signals);
	(void)sigprocmask(SIG_SETMASK, &watch->before, NULL);
	(void)prctl(PR_SET_NAME, "cofferd");
	ctl_log_close(&watch->logger);
	exit(watch->serve(watch->context, watch->birth, again));
}

static int start(struct watch *watch, bool again, struct ctl_reason *ret_reason)
{
	memset(watch->birth, 0, sizeof(*watch->birth));
	watch->server = fork();
	if (watch->server < 0) {
		const int r = -errno;

		ctl_reason_say(ret_reason, "fork: %s; allow this user more processes",
		               strerror(-r));
		return r;
	}
	if (watch->server == 0) {
		be_server(watch, again);
	}
	return 0;
}

/* Takes the signals that came: ends, log rotation, and the end of a child, which is seen later. */
static void take_signals(struct watch *watch)
{
	struct signalfd_siginfo came;

	while (read(watch->signals, &came, sizeof(came)) == (ssize_t)sizeof(came)) {
		if (came.ssi_signo == SIGCHLD) {
			continue;
		}
		if (came.ssi_signo == SIGHUP) {
			(void)ctl_log_reopen(&watch->logger); /* the server says if not */
		} else {
			watch->ends = true;
		}
		if (watch->server > 0) {
			(void)kill(watch->server, (int)came.ssi_signo);
		}
	}
}

/* Sleeps until a signal or, if that comes first, until_ns; 0: for ever. */
static void await_signal(struct watch *watch, uint64_t until_ns)
{
	struct pollfd fd = {.fd = watch->signals, .events = POLLIN};
	const uint64_t now_ns = ctl_clock_ns();
	int ms = -1;

	if (until_ns != 0) {
		ms = until_ns > now_ns ? (int)((until_ns - now_ns) / 1000000) + 1 : 0;
	}
	(void)poll(&fd, 1, ms); /* whatever woke it, all is looked at */
	take_signals(watch);
}

/* Until the server has ended. Returns its wait status. */
static int await_end(struct watch *watch)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(watch->server, &status, WNOHANG)) == 0) {
		await_signal(watch, 0);
	}
	must(pid == watch->server);
	watch->server = 0;
	return status;
}

/* --- all lives ------------------------------------------------------------------------------- */

static int code_of(int status)
{
	return WIFSIGNALED(status) ? CTL_SUPERVISOR_KILLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static void log_death(struct watch *watch, int status, unsigned told)
{

	ctl_log(&watch->logger, WIFSIGNALED(status) ? CTL_WARNING : CTL_INFO, "reaped",
	        CTL_NUMBER("node", watch->config.node),
	        CTL_NUMBER("signal", WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0),
	        CTL_NUMBER("code", WIFSIGNALED(status) ? 0 : (uint64_t)WEXITSTATUS(status)),
	        CTL_NUMBER("told", told));
}

static bool is_to_restart(const struct watch *watch, int status)
{
	return watch->config.restart == 1 && WIFSIGNALED(status) && !watch->ends;
}

static int watch_lives(struct watch *watch, struct ctl_reason *ret_reason)
{
	uint64_t pause_ms = CTL_SUPERVISOR_BACK_OFF_MS;
	bool again = false;

	for (;;) {
		const uint64_t begun_ns = ctl_clock_ns();
		int status, r;
		uint64_t until_ns;

		r = start(watch, again, ret_reason);
		if (r < 0) {
			return r;
		}
		status = await_end(watch);
		log_death(watch, status, tell_death(watch));
		if (!is_to_restart(watch, status)) {
			return code_of(status);
		}
		if (ctl_clock_ns() - begun_ns >= CTL_SUPERVISOR_WELL_MS * (uint64_t)1000000) {
			pause_ms = CTL_SUPERVISOR_BACK_OFF_MS;
		}
		until_ns = ctl_clock_ns() + pause_ms * 1000000;
		while (!watch->ends && ctl_clock_ns() < until_ns) {
			await_signal(watch, until_ns);
		}
		if (watch->ends) {
			return code_of(status);
		}
		pause_ms = 2 * pause_ms < CTL_SUPERVISOR_BACK_OFF_MAX_MS
		                   ? 2 * pause_ms
		                   : CTL_SUPERVISOR_BACK_OFF_MAX_MS;
		again = true;
	}
}

/* Blocks the signals that it waits for. */
static int open_signals(struct watch *watch, struct ctl_reason *ret_reason)
{
	sigset_t wanted;
	int r = 0;

	(void)sigemptyset(&wanted);
	(void)sigaddset(&wanted, SIGTERM);
	(void)sigaddset(&wanted, SIGINT);
	(void)sigaddset(&wanted, SIGHUP);
	(void)sigaddset(&wanted, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &wanted, &watch->before);
	watch->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (watch->signals < 0) {
		r = -errno;
		ctl_reason_say(ret_reason, "signalfd: %s; allow more open files", strerror(-r));
	}
	return r;
}

int ctl_supervise(const char *file, ctl_serve *serve, void *context, struct ctl_reason *ret_reason)
{
	static struct watch watch; /* large, and one in a process */
	int r;

	watch = (struct watch){.serve = serve, .context = context, .self = getpid()};
	r = ctl_config_load(&watch.config, file, ret_reason);
	r = r < 0 ? r : ctl_log_open(&watch.logger, watch.config.log, ret_reason);
	if (r < 0) {
		return r;
	}
	watch.birth = mmap(NULL, sizeof(*watch.birth), PROT_READ | PROT_WRITE,
	                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (watch.birth == MAP_FAILED) {
		ctl_reason_say(ret_reason, "no memory for the supervisor; free some");
		r = -ENOMEM;
		goto close_log;
	}
	r = open_signals(&watch, ret_reason);
	if (r == 0) {
		(void)prctl(PR_SET_NAME,
		            "cofferd-super"); /* who looks for cofferd finds the server */
		r = watch_lives(&watch, ret_reason);
		(void)close(watch.signals);
	}
	(void)sigprocmask(SIG_SETMASK, &watch.before, NULL);
	(void)munmap(watch.birth, sizeof(*watch.birth));
close_log:
	ctl_log_close(&watch.logger);
	return r;
}
