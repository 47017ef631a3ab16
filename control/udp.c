/* SPDX-License-Identifier: Apache-2.0 */
#include "control/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <unistd.h>

#include "store/base/check.h"
#include "store/base/wire.h"

static void count(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
	                      memory_order_relaxed);
}

/* --- opening ------------------------------------------------------------------------------- */

/* Asks for a big buffer; says how large it became. */
static unsigned buffer(int fd, int option, int forced)
{
	const int wanted = CTL_UDP_BUFFER;
	socklen_t size = sizeof(int);
	int got = 0;

	/* With CAP_NET_ADMIN beyond net.core.[rw]mem_max, without it up to there. */
	if (setsockopt(fd, SOL_SOCKET, forced, &wanted, sizeof(wanted)) < 0) {
		(void)setsockopt(fd, SOL_SOCKET, option, &wanted, sizeof(wanted));
	}
	if (getsockopt(fd, SOL_SOCKET, option, &got, &size) < 0 || got < 0) {
		return 0;
	}
	return (unsigned)got;
}

static void prepare(struct ctl_udp *udp)
{
	for (unsigned i = 0; i < CTL_UDP_BURST; i++) {
		udp->in_bytes[i].iov_base = udp->memory[i];
		udp->in_bytes[i].iov_len = sizeof(udp->memory[i]);
		udp->in[i].msg_hdr.msg_iov = &udp->in_bytes[i];
		udp->in[i].msg_hdr.msg_iovlen = 1;
		udp->in[i].msg_hdr.msg_name = &udp->in_from[i];
		udp->out[i].msg_hdr.msg_iov = &udp->out_bytes[i];
		udp->out[i].msg_hdr.msg_iovlen = 1;
		udp->out[i].msg_hdr.msg_name = &udp->out_to[i];
		udp->out[i].msg_hdr.msg_namelen = sizeof(udp->out_to[i]);
	}
}

static struct sockaddr_in sockaddr_of(const struct ctl_address *address)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(address->port),
		.sin_addr.s_addr = htonl(address->ip),
	};
}

int ctl_udp_open(struct ctl_udp *udp, const struct ctl_address *listen,
                 struct ctl_reason *ret_reason)
{
	const struct sockaddr_in address = sockaddr_of(listen);
	const int never = IP_PMTUDISC_DO;
	char text[INET_ADDRSTRLEN];
	int r = 0;

	must(!listen->is_none);
	memset(udp, 0, sizeof(*udp));
	prepare(udp);
	udp->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (udp->fd < 0 ||
	    setsockopt(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof(never)) < 0 ||
	    bind(udp->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		(void)inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
		ctl_reason_say(ret_reason, "listen = %s:%u: cannot receive there (%s); %s", text,
		               listen->port, strerror(-r),
		               r == -EADDRINUSE ? "stop who uses it, or name another address"
		                                : "name an address of this machine");
		ctl_udp_close(udp);
		return r;
	}
	udp->receive_buffer = buffer(udp->fd, SO_RCVBUF, SO_RCVBUFFORCE);
	(void)buffer(udp->fd, SO_SNDBUF, SO_SNDBUFFORCE);
	return 0;
}

void ctl_udp_close(struct ctl_udp *udp)
{
	if (udp->fd >= 0) {
		(void)close(udp->fd);
	}
	udp->fd = -1;
}

/* --- in ------------------------------------------------------------------------------------ */

unsigned ctl_udp_receive(struct ctl_udp *udp)
{
	int got;

	for (unsigned i = 0; i < CTL_UDP_BURST; i++) {
		udp->in[i].msg_hdr.msg_namelen = sizeof(udp->in_from[i]);
	}
	got = recvmmsg(udp->fd, udp->in, CTL_UDP_BURST, MSG_DONTWAIT, NULL);
	if (got <= 0) {
		return 0; /* nothing there, or an error that an earlier send brought home */
	}
	count(&udp->counters.in, (uint64_t)got);
	return (unsigned)got;
}

bool ctl_udp_datagram(struct ctl_udp *udp, unsigned index, struct slice *ret_bytes,
                      struct ctl_address *ret_from)
{
	const struct mmsghdr *in = &udp->in[index];
	const struct sockaddr_in *from = &udp->in_from[index];

	must(index < CTL_UDP_BURST);
	if ((in->msg_hdr.msg_flags & MSG_TRUNC) != 0) {
		count(&udp->counters.dropped_long, 1);
		return false;
	}
	if (in->msg_hdr.msg_namelen != sizeof(*from) || from->sin_family != AF_INET) {
		count(&udp->counters.dropped_source, 1);
		return false;
	}
	must(in->msg_len <= STORE_DATAGRAM_SIZE_MAX);
	count(&udp->counters.bytes_in, in->msg_len);
	*ret_bytes = slice_make(udp->memory[index], in->msg_len);
	*ret_from = (struct ctl_address){
		.ip = ntohl(from->sin_addr.s_addr),
		.port = ntohs(from->sin_port),
	};
	return true;
}

/* Datagrams that came and found the socket's buffer full, or were damaged. */
static uint64_t lost(const struct ctl_udp *udp)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof(memory);

	if (getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0) {
		return 0; /* a kernel before 4.12 does not tell */
	}
	return memory[SK_MEMINFO_DROPS];
}

struct ctl_udp_sums ctl_udp_sums(const struct ctl_udp *udp)
{
	const struct ctl_udp_counters *counters = &udp->counters;

	return (struct ctl_udp_sums){
		.in = atomic_load_explicit(&counters->in, memory_order_relaxed),
		.out = atomic_load_explicit(&counters->out, memory_order_relaxed),
		.bytes_in = atomic_load_explicit(&counters->bytes_in, memory_order_relaxed),
		.bytes_out = atomic_load_explicit(&counters->bytes_out, memory_order_relaxed),
		.dropped_long = atomic_load_explicit(&counters->dropped_long, memory_order_relaxed),
		.dropped_source =
			atomic_load_explicit(&counters->dropped_source, memory_order_relaxed),
		.dropped_full = atomic_load_explicit(&counters->dropped_full, memory_order_relaxed),
		.dropped_refused =
			atomic_load_explicit(&counters->dropped_refused, memory_order_relaxed),
		.dropped_lost = lost(udp),
	};
}

/* --- out ----------------------------------------------------------------------------------- */

void ctl_udp_queue(struct ctl_udp *udp, const struct ctl_address *to, struct slice bytes)
{
	if (udp->queued == CTL_UDP_BURST) {
		ctl_udp_flush(udp);
	}
	udp->out_to[udp->queued] = sockaddr_of(to);
	/* sendmmsg only reads; its struct is shared with recvmmsg and so not const. */
	udp->out_bytes[udp->queued].iov_base = (void *)(uintptr_t)bytes.data;
	udp->out_bytes[udp->queued].iov_len = bytes.size;
	udp->queued++;
}

void ctl_udp_flush(struct ctl_udp *udp)
{
	unsigned sent = 0;

	while (sent < udp->queued) {
		const int r = sendmmsg(udp->fd, udp->out + sent, udp->queued - sent, MSG_DONTWAIT);

		if (r > 0) {
			for (unsigned i = 0; i < (unsigned)r; i++) {
				count(&udp->counters.bytes_out, udp->out[sent + i].msg_len);
			}
			count(&udp->counters.out, (uint64_t)r);
			sent += (unsigned)r;
		} else if (r < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			count(&udp->counters.dropped_full, udp->queued - sent);
			break;
		} else if (r < 0 && errno != EINTR) {
			count(&udp->counters.dropped_refused, 1); /* the first of the rest */
			sent++;
		}
	}
	udp->queued = 0;
}

/* --- addresses ----------------------------------------------------------------------------- */

struct paxos_address ctl_udp_address(const struct ctl_address *address)
{
	struct paxos_address packed = {{0}};
	struct wire_writer writer = wire_writer_make(packed.bytes, sizeof(packed.bytes));

	wire_put_u32(&writer, address->ip);
	wire_put_u16(&writer, address->port);
	return packed;
}

struct ctl_address ctl_udp_address_of(const struct paxos_address *address)
{
	struct wire_reader reader =
		wire_reader_make(slice_make(address->bytes, sizeof(address->bytes)));
	struct ctl_address unpacked = {0};

	unpacked.ip = wire_u32(&reader);
	unpacked.port = wire_u16(&reader);
	return unpacked;
}
