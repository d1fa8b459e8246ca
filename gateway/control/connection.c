/*
 * One connection: a request is read, its call answers, what was said is sent as fast as the client
 * reads. Nothing here waits for a client, and its memory goes in the close phase only.
 */
#include "control/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASK_NS FG_S(5)		/* for the whole request */
#define TAKE_NS FG_S(10)	/* for the next bytes of an answer */
#define END_ROOM ((size_t)4 << 10)	/* of the reply, for its last line */
#define SPENT ((size_t)64 << 10)	/* sent bytes that are worth moving the rest */

#define of(member, ptr) \
	((struct connection *)(void *)((char *)(ptr) - offsetof(struct connection, member)))

static struct connection *connection_of(struct fg_control_client *client)
{
	return (struct connection *)client;
}

/* -- the end of a client -- */

static void on_timer_closed(struct fg_handle *handle)
{
	struct connection *client = of(patience.handle, handle);

	control_client_gone(client->control, client);
	fg_buf_fini(&client->out);
	free(client);
}

static void on_io_closed(struct fg_handle *handle)
{
	fg_handle_close(&of(io.handle, handle)->patience.handle, on_timer_closed);
}

static void finish(struct connection *client)
{
	void (*gone)(void *user) = client->state == CLIENT_HELD ? client->client.gone : NULL;

	if (client->state == CLIENT_CLOSED)
		return;
	client->state = CLIENT_CLOSED;
	fg_timer_stop(&client->patience);
	fg_handle_close(&client->io.handle, on_io_closed);
	close(client->fd);
	if (gone)
		gone(client->client.user);
}

/* -- sending -- */

static void drop_sent(struct connection *client)
{
	struct fg_buf *out = &client->out;

	if (client->sent == 0 || (client->sent < out->len && client->sent < SPENT))
		return;
	memmove(out->data, out->data + client->sent, out->len - client->sent);
	out->len -= client->sent;
	client->sent = 0;
}

/* Sends what the client takes now. False: it is gone. */
static bool push(struct connection *client)
{
	while (client->sent < client->out.len) {
		ssize_t n = send(client->fd, client->out.data + client->sent,
				 client->out.len - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		client->sent += (size_t)n;
		if (client->state == CLIENT_ANSWERING)
			(void)fg_timer_start(&client->patience, TAKE_NS);
	}
	return true;
}

static void left_out_say(struct connection *client)
{
	char text[64];
	int n;

	if (client->left_out == 0 || client->out.len - client->sent > FG_CONTROL_STREAM / 2)
		return;
	n = snprintf(text, sizeof(text), "{\"left_out\":%llu}\n",
		     (unsigned long long)client->left_out);
	fg_buf_add(&client->out, text, (size_t)n);
	if (!client->out.failed)
		client->left_out = 0;
	client->out.failed = false;
}

/* Sends, and watches for what is to come next. */
static void go_on(struct connection *client)
{
	bool waits;

	if (!push(client)) {
		finish(client);
		return;
	}
	waits = client->sent < client->out.len;
	if (!waits && client->state == CLIENT_ANSWERING) {
		finish(client);
		return;
	}
	drop_sent(client);
	if (client->state == CLIENT_HELD && client->left_out) {
		left_out_say(client);
		waits = client->sent < client->out.len;
	}
	/* reading tells that the other end has gone */
	if (fg_io_sync(&client->io, client->fd,
		       (client->state == CLIENT_ANSWERING ? 0u : FG_READ) | (waits ? FG_WRITE : 0u),
		       false) < 0)
		finish(client);
}

static void way_line(struct fg_control_client *self, struct fg_str line)
{
	struct connection *client = connection_of(self);

	if (line.len + 1 > FG_CONTROL_REPLY - END_ROOM - client->out.len)
		client->out.failed = true;
	fg_buf_str(&client->out, line);
	fg_buf_char(&client->out, '\n');
}

static void answer_end(struct connection *client)
{
	client->state = CLIENT_ANSWERING;
	(void)fg_timer_start(&client->patience, TAKE_NS);
	go_on(client);
}

static void way_end(struct fg_control_client *self, int status, struct fg_str error)
{
	struct connection *client = connection_of(self);
	struct fg_buf *out = &client->out;

	if (out->failed) {
		fg_buf_reset(out);
		if (status == 0) {
			status = FG_CONTROL_FAILED;
			error = FG_STR("the answer is too long");
		}
	}
	if (status == 0) {
		fg_buf_text(out, "{\"ok\":true}\n");
	} else {
		fg_buf_printf(out, "{\"ok\":false,\"status\":%d,\"error\":", status);
		fg_buf_json(out, error);
		fg_buf_text(out, "}\n");
	}
	answer_end(client);
}

/* -- streams -- */

static void way_held(struct fg_control_client *self)
{
	struct connection *client = connection_of(self);

	client->state = CLIENT_HELD;
	fg_timer_stop(&client->patience);
}

static void way_stream(struct fg_control_client *self, struct fg_str line)
{
	struct connection *client = connection_of(self);

	if (client->state != CLIENT_HELD)
		return;
	left_out_say(client);
	if (client->left_out ||
	    line.len + 1 > FG_CONTROL_STREAM - (client->out.len - client->sent)) {
		client->left_out++;
		return;
	}
	/* room for the whole of it, or for nothing: half a line must not stay */
	if (!fg_buf_reserve(&client->out, line.len + 1)) {
		client->out.failed = false;
		client->left_out++;
		return;
	}
	fg_buf_str(&client->out, line);
	fg_buf_char(&client->out, '\n');
	/* sent in the poll phase: the caller does not see its client go */
	(void)fg_io_sync(&client->io, client->fd, FG_READ | FG_WRITE, false);
}

/* -- the request -- */

static void call(struct connection *client, struct fg_str line)
{
	control_dispatch(client->control->calls, client->control->arg, &client->client, line);
	if (client->state == CLIENT_HELD)
		go_on(client);
}

static void request_read(struct connection *client)
{
	size_t room = sizeof(client->request) - client->asked;
	ssize_t n = recv(client->fd, client->request + client->asked, room, MSG_DONTWAIT);
	const char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(client);
		return;
	}
	client->asked += (size_t)n;
	end = memchr(client->request, '\n', client->asked);
	if (end)
		call(client, fg_str(client->request, (size_t)(end - client->request)));
	else if (client->asked == sizeof(client->request))
		fg_control_fail(&client->client, FG_CONTROL_USAGE, "the request is too long");
}

/* A stream's reader has nothing more to say; that it ends its side means that it has gone. */
static void stream_read(struct connection *client)
{
	char ignored[256];
	ssize_t n = recv(client->fd, ignored, sizeof(ignored), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		finish(client);
}

static void on_event(struct fg_io *io, unsigned events)
{
	struct connection *client = of(io, io);

	if ((events & FG_HANGUP) && !(events & FG_READ)) {
		finish(client);
		return;
	}
	if (client->state == CLIENT_ASKING) {
		request_read(client);
		return;
	}
	if (client->state == CLIENT_HELD && (events & FG_READ))
		stream_read(client);
	if (client->state != CLIENT_CLOSED)
		go_on(client);
}

static void on_impatient(struct fg_timer *timer)
{
	finish(of(patience, timer));
}

static const struct control_way WAY = {
	.line = way_line,
	.stream = way_stream,
	.end = way_end,
	.held = way_held,
};

void connection_new(struct fg_control *control, int fd)
{
	struct connection *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return;
	}
	client->client.way = &WAY;
	client->control = control;
	client->fd = fd;
	fg_buf_init(&client->out, FG_CONTROL_REPLY);
	fg_io_init(control->loop, &client->io, on_event);
	fg_timer_init(control->loop, &client->patience, on_impatient);
	client->next = control->clients;
	control->clients = client;
	control->nclients++;
	if (fg_io_sync(&client->io, fd, FG_READ, true) < 0 ||
	    fg_timer_start(&client->patience, ASK_NS) < 0)
		finish(client);
}

void connection_close(struct connection *client)
{
	if (client->state == CLIENT_HELD) {
		fg_buf_text(&client->out, "{\"ok\":true}\n");
		(void)push(client);
	} else if (client->state == CLIENT_ANSWERING) {
		(void)push(client);
	}
	finish(client);
}
