/* SPDX-License-Identifier: Apache-2.0 */
#include "control/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/base/check.h"
#include "store/base/wire.h"

enum {
	SWEEP_MS = 250
};

enum state {
	FREE = 0,
	READS,   /* waits for a line */
	ASKED,   /* waits for the worker */
	WRITES,  /* an answer is under way */
	CLOSING, /* until the loop says so */
};

struct connection {
	struct ctl_admin *admin;
	enum state state;
	uint32_t serial; /* tells the users of one slot apart */
	uint64_t since_ms;
	unsigned patience_ms; /* while ASKED */
	uv_pipe_t pipe;
	uv_write_t write;
	char *answer; /* owned while WRITES */
	char line[CTL_ADMIN_LINE_MAX + 1];
	size_t line_size;
};

struct ctl_admin {
	uv_loop_t *loop;
	struct ctl_admin_host host;
	uv_pipe_t listener;
	uv_timer_t sweeper;
	unsigned handles; /* not yet closed */
	bool closing;
	struct connection connections[CTL_ADMIN_CONNECTIONS_MAX];
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static void next_line(struct connection *connection);

/* --- closing ------------------------------------------------------------------------------- */

static void handle_closed(struct ctl_admin *admin)
{
	must(admin->handles != 0);
	admin->handles--;
	if (admin->handles == 0 && admin->closing) {
		free(admin);
	}
}

static void on_connection_closed(uv_handle_t *handle)
{
	struct connection *connection = handle->data;

	free(connection->answer);
	connection->answer = NULL;
	connection->state = FREE;
	handle_closed(connection->admin);
}

static void hang_up(struct connection *connection)
{
	if (connection->state != FREE && connection->state != CLOSING) {
		connection->state = CLOSING;
		uv_close((uv_handle_t *)&connection->pipe, on_connection_closed);
	}
}

/* --- answering ----------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status)
{
	struct connection *connection = write->data;

	if (connection->state != WRITES) {
		return; /* closing; the answer is freed there */
	}
	free(connection->answer);
	connection->answer = NULL;
	if (status < 0) {
		hang_up(connection);
		return;
	}
	connection->state = READS;
	connection->since_ms = uv_now(connection->admin->loop);
	next_line(connection);
}

/* Sends one line; takes `object`, which may be NULL if there was no memory for it. */
static void answer(struct connection *connection, json_t *object)
{
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	uv_buf_t pieces[2];
	static char end[] = "\n";

	json_decref(object);
	must(connection->answer == NULL);
	if (text == NULL) {
		hang_up(connection);
		return;
	}
	connection->answer = text;
	connection->state = WRITES;
	connection->since_ms = uv_now(connection->admin->loop);
	connection->write.data = connection;
	pieces[0] = uv_buf_init(text, (unsigned)strlen(text));
	pieces[1] = uv_buf_init(end, 1);
	if (uv_write(&connection->write, (uv_stream_t *)&connection->pipe, pieces, 2, on_written) <
	    0) {
		hang_up(connection);
	}
}

static void answer_error(struct connection *connection, const char *sentence)
{
	answer(connection, json_pack("{s:b, s:s}", "ok", 0, "error", sentence));
}

/* --- commands ------------------------------------------------------------------------------ */

/* Which connection an answer is for: its slot and serial. */
static struct paxos_address address_of(const struct connection *connection)
{
	struct paxos_address address = {{0}};
	struct wire_writer writer = wire_writer_make(address.bytes, sizeof(address.bytes));

	wire_put_u32(&writer, (uint32_t)(connection - connection->admin->connections));
	wire_put_u32(&writer, connection->serial);
	return address;
}

static void answer_help(struct connection *connection)
{
	const struct ctl_admin_command *command = connection->admin->host.commands;
	json_t *texts = json_object();

	(void)json_object_set_new(texts, "help", json_string("the commands there are"));
	for (; command->name != NULL; command++) {
		(void)json_object_set_new(texts, command->name, json_string(command->text));
	}
	answer(connection, json_pack("{s:b, s:o}", "ok", 1, "commands", texts));
}

static void begin(struct connection *connection, const struct ctl_admin_command *command,
                  const struct ctl_admin_request *request)
{
	struct ctl_admin *admin = connection->admin;
	const struct paxos_address address = address_of(connection);
	const char *wrong;

	connection->state = ASKED;
	connection->since_ms = uv_now(admin->loop);
	connection->patience_ms = command->patience_ms;
	wrong = command->begin(admin->host.context, &address, request);
	if (wrong != NULL) {
		ctl_admin_refuse(admin, &address, wrong);
	}
}

static void obey(struct connection *connection, struct slice line)
{
	const struct ctl_admin_command *command = connection->admin->host.commands;
	struct ctl_admin_request request;
	const char *wrong = ctl_admin_parse(line, &request);

	if (wrong != NULL) {
		answer_error(connection, wrong);
		return;
	}
	if (strcmp(request.command, "help") == 0) {
		answer_help(connection);
		return;
	}
	while (command->name != NULL && strcmp(request.command, command->name) != 0) {
		command++;
	}
	if (command->name == NULL) {
		answer_error(connection, "unknown command; `help` lists those there are");
		return;
	}
	begin(connection, command, &request);
}

/* Who waits for the answer to a command, or NULL. */
static struct connection *waiting(struct ctl_admin *admin, const struct paxos_address *address)
{
	struct wire_reader reader =
		wire_reader_make(slice_make(address->bytes, sizeof(address->bytes)));
	const uint32_t slot = wire_u32(&reader);
	const uint32_t serial = wire_u32(&reader);
	struct connection *connection;

	if (slot >= CTL_ADMIN_CONNECTIONS_MAX) {
		return NULL;
	}
	connection = &admin->connections[slot];
	return connection->state == ASKED && connection->serial == serial ? connection : NULL;
}

void ctl_admin_answer(struct ctl_admin *admin, const struct paxos_address *address, json_t *object)
{
	struct connection *connection = waiting(admin, address);

	if (connection == NULL) {
		json_decref(object);
		return;
	}
	if (object == NULL || json_object_set_new(object, "ok", json_true()) < 0) {
		json_decref(object);
		answer_error(connection, "the answer could not be made");
		return;
	}
	answer(connection, object);
}

void ctl_admin_refuse(struct ctl_admin *admin, const struct paxos_address *address,
                      const char *sentence)
{
	struct connection *connection = waiting(admin, address);

	if (connection != NULL) {
		answer_error(connection, sentence);
	}
}

/* --- reading ------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
	struct connection *connection = handle->data;

	(void)suggested;
	*ret_buffer = uv_buf_init(connection->line + connection->line_size,
	                          (unsigned)(sizeof(connection->line) - connection->line_size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct connection *connection = stream->data;

	(void)buffer;
	if (size < 0) {
		hang_up(connection); /* the end, or a line that is too long (ENOBUFS) */
		return;
	}
	connection->line_size += (size_t)size;
	connection->since_ms = uv_now(connection->admin->loop);
	must(connection->line_size <= sizeof(connection->line));
	next_line(connection);
}

/* Obeys the next whole line in hand, or reads on. One line at a time: an answer comes between. */
static void next_line(struct connection *connection)
{
	char line[sizeof(connection->line)];
	const char *end;
	size_t size;

	must(connection->state == READS);
	end = memchr(connection->line, '\n', connection->line_size);
	if (end == NULL && connection->line_size < sizeof(connection->line)) {
		if (uv_is_active((uv_handle_t *)&connection->pipe) == 0 &&
		    uv_read_start((uv_stream_t *)&connection->pipe, on_alloc, on_read) < 0) {
			hang_up(connection);
		}
		return;
	}
	(void)uv_read_stop((uv_stream_t *)&connection->pipe);
	if (end == NULL) {
		hang_up(connection); /* more than a line may hold */
		return;
	}
	size = (size_t)(end - connection->line);
	memcpy(line, connection->line, size);
	connection->line_size -= size + 1;
	memmove(connection->line, connection->line + size + 1, connection->line_size);
	obey(connection, slice_make(line, size));
}

/* --- accepting ----------------------------------------------------------------------------- */

static void on_refused_closed(uv_handle_t *handle)
{
	struct ctl_admin *admin = handle->data;

	free(handle);
	handle_closed(admin);
}

/* No slot is free: the connection is taken off the queue and closed. */
static void refuse(struct ctl_admin *admin)
{
	static char text[] = "{\"ok\":false,\"error\":\"too many connections; try again\"}\n";
	uv_pipe_t *pipe = malloc(sizeof(*pipe));
	uv_buf_t piece = uv_buf_init(text, sizeof(text) - 1);

	if (pipe == NULL) {
		return;
	}
	must(uv_pipe_init(admin->loop, pipe, 0) == 0);
	pipe->data = admin;
	admin->handles++;
	if (uv_accept((uv_stream_t *)&admin->listener, (uv_stream_t *)pipe) == 0) {
		(void)uv_try_write((uv_stream_t *)pipe, &piece, 1);
	}
	uv_close((uv_handle_t *)pipe, on_refused_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct ctl_admin *admin = listener->data;
	struct connection *connection = NULL;

	if (status < 0) {
		return; /* no descriptor left, most likely; asked again with the next one */
	}
	for (unsigned i = 0; i < CTL_ADMIN_CONNECTIONS_MAX && connection == NULL; i++) {
		if (admin->connections[i].state == FREE) {
			connection = &admin->connections[i];
		}
	}
	if (connection == NULL) {
		refuse(admin);
		return;
	}
	must(uv_pipe_init(admin->loop, &connection->pipe, 0) == 0);
	connection->pipe.data = connection;
	connection->admin = admin;
	connection->serial++;
	connection->line_size = 0;
	connection->since_ms = uv_now(admin->loop);
	connection->state = READS;
	admin->handles++;
	if (uv_accept(listener, (uv_stream_t *)&connection->pipe) < 0) {
		hang_up(connection);
		return;
	}
	next_line(connection);
}

static void on_sweep(uv_timer_t *timer)
{
	struct ctl_admin *admin = timer->data;
	const uint64_t now_ms = uv_now(admin->loop);

	for (unsigned i = 0; i < CTL_ADMIN_CONNECTIONS_MAX; i++) {
		struct connection *connection = &admin->connections[i];
		const uint64_t silent_ms = now_ms - connection->since_ms;

		if (connection->state == ASKED && silent_ms >= connection->patience_ms) {
			connection->serial++; /* a late answer is nobody's */
			answer_error(connection, "there was no answer in time");
		} else if ((connection->state == READS || connection->state == WRITES) &&
		           silent_ms >= CTL_ADMIN_IDLE_MS) {
			hang_up(connection);
		}
	}
}

/* --- opening ------------------------------------------------------------------------------- */

/* Removes a socket file that a dead server left. 0, or -EADDRINUSE if it is alive or no socket. */
static int remove_stale(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	int fd, r;

	if (lstat(path, &status) < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	if (!S_ISSOCK(status.st_mode)) {
		return -EADDRINUSE;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)close(fd);
	if (r != -ECONNREFUSED) {
		return r == -EACCES ? r : -EADDRINUSE;
	}
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int listen_at(struct ctl_admin *admin)
{
	mode_t before;
	int r;

	r = remove_stale(admin->path);
	if (r < 0) {
		return r;
	}
	before = umask(0177); /* the file is never wider than 0600, not even for a moment */
	r = uv_pipe_bind(&admin->listener, admin->path);
	(void)umask(before);
	if (r < 0) {
		return r;
	}
	return uv_listen((uv_stream_t *)&admin->listener, CTL_ADMIN_CONNECTIONS_MAX, on_connection);
}

static void on_part_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

int ctl_admin_open(struct ctl_admin **ret_admin, uv_loop_t *loop, const char *path,
                   const struct ctl_admin_host *host, struct ctl_reason *ret_reason)
{
	struct ctl_admin *admin = calloc(1, sizeof(*admin));
	int r;

	if (admin == NULL || strlen(path) >= sizeof(admin->path)) {
		r = admin == NULL ? -ENOMEM : -ENAMETOOLONG;
		ctl_reason_say(ret_reason, "management = %s: %s; %s", path, strerror(-r),
		               r == -ENOMEM ? "free some memory"
		                            : "name a path of at most 107 bytes");
		free(admin);
		return r;
	}
	admin->loop = loop;
	admin->host = *host;
	memcpy(admin->path, path, strlen(path) + 1);
	must(uv_pipe_init(loop, &admin->listener, 0) == 0);
	must(uv_timer_init(loop, &admin->sweeper) == 0);
	admin->listener.data = admin;
	admin->sweeper.data = admin;
	admin->handles = 2;
	r = listen_at(admin);
	if (r < 0) {
		ctl_reason_say(
			ret_reason,
			"management = %s: cannot listen there (%s); name a path in a folder that "
			"this user may write and that no other server uses",
			path,
			/* libuv says EACCES for a folder that is not there, too */
			r == -EACCES ? "no such folder, or no right" : strerror(-r));
		ctl_admin_close(admin);
		return r;
	}
	must(uv_timer_start(&admin->sweeper, on_sweep, SWEEP_MS, SWEEP_MS) == 0);
	*ret_admin = admin;
	return 0;
}

void ctl_admin_close(struct ctl_admin *admin)
{
	if (admin == NULL) {
		return;
	}
	must(!admin->closing);
	admin->closing = true;
	for (unsigned i = 0; i < CTL_ADMIN_CONNECTIONS_MAX; i++) {
		hang_up(&admin->connections[i]);
	}
	uv_close((uv_handle_t *)&admin->sweeper, on_part_closed);
	/* libuv removes the file it bound. */
	uv_close((uv_handle_t *)&admin->listener, on_part_closed);
}
