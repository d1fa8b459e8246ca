#include "control/caller.h"

#include "base/buf.h"
#include "control/control.h"
#include "control/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE ((size_t)16 << 10)

struct fg_ask {
	struct fg_io io;
	struct fg_timer patience;
	struct fg_loop *loop;
	const struct fg_ask_ops *ops;
	void *arg;
	uint64_t timeout_ns;
	int fd, error;
	bool over;
	struct fg_buf in;
	struct fg_control_result result;
	size_t sent, len;
	char request[];
};

#define of(member, ptr) \
	((struct fg_ask *)(void *)((char *)(ptr) - offsetof(struct fg_ask, member)))

static void on_timer_closed(struct fg_handle *handle)
{
	struct fg_ask *ask = of(patience.handle, handle);

	fg_buf_fini(&ask->in);
	free(ask);
}

static void on_io_closed(struct fg_handle *handle)
{
	fg_handle_close(&of(io.handle, handle)->patience.handle, on_timer_closed);
}

void fg_ask_drop(struct fg_ask *ask)
{
	ask->over = true;
	fg_timer_stop(&ask->patience);
	fg_handle_close(&ask->io.handle, on_io_closed);
	if (ask->fd >= 0)
		close(ask->fd);
	ask->fd = -1;
}

static void end(struct fg_ask *ask, int error)
{
	void (*tell)(void *, int, const struct fg_control_result *) = ask->ops->end;
	struct fg_control_result result = ask->result;
	void *arg = ask->arg;

	fg_ask_drop(ask);
	tell(arg, error, &result);
}

/* 0: more is to come; 1: that was the last line. */
static int lines_take(struct fg_ask *ask)
{
	size_t at = 0;
	int r = 0;

	while (r == 0) {
		const char *p = ask->in.data + at;
		const char *stop = memchr(p, '\n', ask->in.len - at);
		struct fg_str line;

		if (!stop)
			break;
		line = fg_str(p, (size_t)(stop - p));
		at += line.len + 1;
		if (fg_str_starts(line, FG_STR("{\"ok\":")))
			r = fg_control_result_read(line, &ask->result) < 0 ? -EPROTO : 1;
		else if (ask->ops->line)
			ask->ops->line(ask->arg, line);
	}
	memmove(ask->in.data, ask->in.data + at, ask->in.len - at);
	ask->in.len -= at;
	return r;
}

static int answer_read(struct fg_ask *ask)
{
	char *p = fg_buf_reserve(&ask->in, PIECE);
	ssize_t n;

	if (!p)
		return -EPROTO;
	n = recv(ask->fd, p, PIECE, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	if (n == 0)
		return -EPIPE;
	ask->in.len += (size_t)n;
	if (ask->timeout_ns)
		(void)fg_timer_start(&ask->patience, ask->timeout_ns);
	return lines_take(ask);
}

static int request_write(struct fg_ask *ask)
{
	ssize_t n = send(ask->fd, ask->request + ask->sent, ask->len - ask->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	ask->sent += (size_t)n;
	return 0;
}

static void on_event(struct fg_io *io, unsigned events)
{
	struct fg_ask *ask = of(io, io);
	int r = 0;

	/* one that has no room for clients answers before it has read the request */
	if (ask->sent < ask->len && (events & FG_WRITE) && !(events & FG_READ))
		r = request_write(ask);
	if (r == 0 && (events & (FG_READ | FG_HANGUP)))
		r = answer_read(ask);
	if (r == 0)
		r = fg_io_sync(&ask->io, ask->fd, FG_READ | (ask->sent < ask->len ? FG_WRITE : 0u),
			       false);
	if (r != 0)
		end(ask, r > 0 ? 0 : r);
}

/* The time is over, or what was to be told once the caller has returned. */
static void on_patience(struct fg_timer *timer)
{
	struct fg_ask *ask = of(patience, timer);

	end(ask, ask->error ? ask->error : -ETIMEDOUT);
}

static int dial(struct fg_ask *ask, const char *path)
{
	struct sockaddr_un address;
	int r = control_address(path, &address);

	if (r < 0)
		return r;
	ask->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ask->fd < 0)
		return -errno;
	/* a Unix socket connects at once or not at all */
	if (connect(ask->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return fg_io_sync(&ask->io, ask->fd, FG_READ | FG_WRITE, true);
}

int fg_ask_new(struct fg_loop *loop, const char *path, struct fg_str request, uint64_t timeout_ns,
	       const struct fg_ask_ops *ops, void *arg, struct fg_ask **ret_ask)
{
	struct fg_ask *ask = calloc(1, sizeof(*ask) + request.len + 1);

	if (!ask)
		return -ENOMEM;
	ask->loop = loop;
	ask->ops = ops;
	ask->arg = arg;
	ask->fd = -1;
	ask->timeout_ns = timeout_ns;
	ask->len = request.len + 1;
	memcpy(ask->request, request.ptr, request.len);
	ask->request[request.len] = '\n';
	fg_buf_init(&ask->in, 2 * FG_CONTROL_REPLY);
	fg_io_init(loop, &ask->io, on_event);
	fg_timer_init(loop, &ask->patience, on_patience);
	ask->error = dial(ask, path);
	if (ask->error < 0 || timeout_ns)
		(void)fg_timer_start(&ask->patience, ask->error < 0 ? 0 : timeout_ns);
	*ret_ask = ask;
	return 0;
}
