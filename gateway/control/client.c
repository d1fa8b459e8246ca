#include "control/client.h"

#include <fg/doc.h>

#include "control/control.h"
#include "control/socket.h"
#include "decode/decode.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

struct asking {
	int fd, timeout_ms;
	int (*line)(void *arg, struct fg_str line);
	void *arg;
	struct fg_buf in;
	struct fg_control_result result;
	bool ended;
};

static int dial(const char *path, int *ret_fd)
{
	struct sockaddr_un address;
	int fd, r = control_address(path, &address);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int send_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The whole lines that are there. */
static int lines_take(struct asking *a)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && !a->ended) {
		const char *p = a->in.data + at, *end = memchr(p, '\n', a->in.len - at);
		struct fg_str line;

		if (!end)
			break;
		line = fg_str(p, (size_t)(end - p));
		at += line.len + 1;
		a->ended = fg_str_starts(line, FG_STR("{\"ok\":"));
		if (a->ended)
			r = fg_control_result_read(line, &a->result);
		else
			r = a->line(a->arg, line);
	}
	memmove(a->in.data, a->in.data + at, a->in.len - at);
	a->in.len -= at;
	return r;
}

static int listen_on(struct asking *a)
{
	struct pollfd pfd = { .fd = a->fd, .events = POLLIN };
	int r = 0;

	while (r == 0 && !a->ended) {
		char *p = fg_buf_reserve(&a->in, (size_t)64 << 10);
		ssize_t n;

		if (!p)
			return -EPROTO;
		n = poll(&pfd, 1, a->timeout_ms);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ETIMEDOUT;
		n = recv(a->fd, p, (size_t)64 << 10, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != ECONNRESET ? -errno : -EPIPE;
		a->in.len += (size_t)n;
		r = lines_take(a);
	}
	return r;
}

int fg_control_ask(const char *path, struct fg_str request, int timeout_ms,
		   int (*line)(void *arg, struct fg_str line), void *arg,
		   struct fg_control_result *ret_result)
{
	struct asking a = { .timeout_ms = timeout_ms, .line = line, .arg = arg };
	int r = dial(path, &a.fd);

	if (r < 0)
		return r;
	fg_buf_init(&a.in, 2 * FG_CONTROL_REPLY);
	r = send_all(a.fd, request.ptr, request.len);
	if (r == 0)
		r = send_all(a.fd, "\n", 1);
	/* a gateway that has no room for clients answers before it is asked */
	if (r == 0 || r == -EPIPE)
		r = listen_on(&a);
	if (r == 0)
		*ret_result = a.result;
	fg_buf_fini(&a.in);
	close(a.fd);
	return r;
}
