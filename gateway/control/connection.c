/*
 * One connection: a request is read, its call answers, what was said is sent as fast as the client
 * reads. Nothing here waits for a client, and its memory goes in the close phase only.
 */
#include "control/private.h"

#include "decode/decode.h"

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
	((struct fg_control_client *)(void *)((char *)(ptr) - \
					      offsetof(struct fg_control_client, member)))

/* -- the end of a client -- */

static void on_timer_closed(struct fg_handle *handle)
{
	struct fg_control_client *client = of(patience.handle, handle);

	control_client_gone(client->control, client);
	fg_buf_fini(&client->out);
	free(client);
}

static void on_io_closed(struct fg_handle *handle)
{
	fg_handle_close(&of(io.handle, handle)->patience.handle, on_timer_closed);
}

static void finish(struct fg_control_client *client)
{
	void (*gone)(void *user) = client->state == CLIENT_HELD ? client->gone : NULL;

	if (client->state == CLIENT_CLOSED)
		return;
	client->state = CLIENT_CLOSED;
	fg_timer_stop(&client->patience);
	fg_handle_close(&client->io.handle, on_io_closed);
	close(client->fd);
	if (gone)
		gone(client->user);
}

/* -- sending -- */

static void drop_sent(struct fg_control_client *client)
{
	struct fg_buf *out = &client->out;

	if (client->sent == 0 || (client->sent < out->len && client->sent < SPENT))
		return;
	memmove(out->data, out->data + client->sent, out->len - client->sent);
	out->len -= client->sent;
	client->sent = 0;
}

/* Sends what the client takes now. False: it is gone. */
static bool push(struct fg_control_client *client)
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

static void left_out_say(struct fg_control_client *client)
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
static void go_on(struct fg_control_client *client)
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

void fg_control_line(struct fg_control_client *client, struct fg_str line)
{
	if (line.len + 1 > FG_CONTROL_REPLY - END_ROOM - client->out.len)
		client->out.failed = true;
	fg_buf_str(&client->out, line);
	fg_buf_char(&client->out, '\n');
}

static void answer_end(struct fg_control_client *client)
{
	client->state = CLIENT_ANSWERING;
	(void)fg_timer_start(&client->patience, TAKE_NS);
	go_on(client);
}

void fg_control_done(struct fg_control_client *client)
{
	if (client->out.failed) {
		fg_control_fail(client, FG_CONTROL_FAILED, "the answer is too long");
		return;
	}
	fg_buf_text(&client->out, "{\"ok\":true}\n");
	answer_end(client);
}

void fg_control_fail(struct fg_control_client *client, enum fg_control_status status,
		     const char *fmt, ...)
{
	struct fg_buf *out = &client->out;
	char text[END_ROOM / 8];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	if (out->failed)
		fg_buf_reset(out);
	fg_buf_printf(out, "{\"ok\":false,\"status\":%d,\"error\":", (int)status);
	fg_buf_json(out, fg_str(text, n > 0 ? (size_t)n : 0));
	fg_buf_text(out, "}\n");
	answer_end(client);
}

/* -- streams -- */

void fg_control_hold(struct fg_control_client *client, void *user, void (*gone)(void *user))
{
	client->user = user;
	client->gone = gone;
	client->state = CLIENT_HELD;
	fg_timer_stop(&client->patience);
}

void fg_control_stream(struct fg_control_client *client, struct fg_str line)
{
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

struct fg_str fg_control_text(const struct fg_doc *request, const char *member)
{
	struct fg_str step = fg_str_c(member);
	const struct fg_node *node = fg_doc_find(request, &step, 1);

	if (!node || node->type != FG_NODE_SCALAR || node->value.kind != FG_STRING)
		return fg_str(NULL, 0);
	return node->value.s;
}

static void call(struct fg_control_client *client, struct fg_str line)
{
	const struct fg_control_call *c = client->control->calls;
	struct fg_str name;
	struct fg_doc doc;

	fg_doc_init(&doc, 4, FG_CONTROL_REQUEST);
	if (fg_json_parse(line, &doc) < 0 || doc.nodes[0].type != FG_NODE_OBJECT) {
		fg_control_fail(client, FG_CONTROL_USAGE, "not a request");
	} else {
		name = fg_control_text(&doc, "call");
		while (c->name && !fg_str_eq_c(name, c->name))
			c++;
		if (c->name)
			c->handle(client->control->arg, client, &doc);
		else
			fg_control_fail(client, FG_CONTROL_USAGE, "unknown call");
	}
	fg_doc_fini(&doc);
	if (client->state == CLIENT_HELD)
		go_on(client);
}

static void request_read(struct fg_control_client *client)
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
		fg_control_fail(client, FG_CONTROL_USAGE, "the request is too long");
}

/* A stream's reader has nothing more to say; that it ends its side means that it has gone. */
static void stream_read(struct fg_control_client *client)
{
	char ignored[256];
	ssize_t n = recv(client->fd, ignored, sizeof(ignored), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		finish(client);
}

static void on_event(struct fg_io *io, unsigned events)
{
	struct fg_control_client *client = of(io, io);

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

void connection_new(struct fg_control *control, int fd)
{
	struct fg_control_client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return;
	}
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

void connection_close(struct fg_control_client *client)
{
	if (client->state == CLIENT_HELD) {
		fg_buf_text(&client->out, "{\"ok\":true}\n");
		(void)push(client);
	} else if (client->state == CLIENT_ANSWERING) {
		(void)push(client);
	}
	finish(client);
}
