#include "link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS_PER_TURN = 8, CONNECT_S = 10, UNACKNOWLEDGED_MS = 20000 };

static struct modbus_link *link_of(struct fg_io *io)
{
	return (struct modbus_link *)((char *)io - offsetof(struct modbus_link, io));
}

void modbus_link_fault(struct modbus_link *link, int error, const char *what)
{
	link->faulted = true;
	link->ready = false;
	fg_io_stop(&link->io);
	fg_timer_stop(&link->connecting);
	fg_source_fault(link->source, error, what);
}

static void link_watch(struct modbus_link *link, bool fresh)
{
	unsigned want = FG_READ | (link->out_at < link->out_len ? FG_WRITE : 0);
	int r = fg_io_sync(&link->io, link->fd, link->ready ? want : FG_WRITE, fresh);

	if (r < 0)
		modbus_link_fault(link, r, "cannot wait for the link");
}

/* -- bytes -- */

static void link_flush(struct modbus_link *link)
{
	ssize_t n;

	if (link->out_at == link->out_len)
		return;
	if (link->tcp)
		n = send(link->fd, link->out + link->out_at, link->out_len - link->out_at,
			 MSG_NOSIGNAL);
	else
		n = write(link->fd, link->out + link->out_at, link->out_len - link->out_at);
	if (n > 0)
		link->out_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		modbus_link_fault(link, -errno, "cannot send");
}

void modbus_link_consume(struct modbus_link *link, size_t len)
{
	memmove(link->in, link->in + len, link->in_len - len);
	link->in_len -= len;
}

void modbus_link_send(struct modbus_link *link, const uint8_t *bytes, size_t len)
{
	if (!link->tcp) {
		fg_tty_drain(&link->tty);
		link->in_len = 0;
	} else if (link->out_at < link->out_len) {
		/* the peer has not even taken the one before */
		modbus_link_fault(link, -ETIMEDOUT, "the peer takes nothing");
		return;
	}
	memcpy(link->out, bytes, len);
	link->out_len = len;
	link->out_at = 0;
	link_flush(link);
	if (!link->faulted)
		link_watch(link, false);
}

/* False: nothing more is there for now. */
static bool link_read(struct modbus_link *link)
{
	ssize_t n;

	/* an answer is far shorter: what is older is noise */
	if (link->in_len == sizeof(link->in))
		modbus_link_consume(link, sizeof(link->in) / 2);
	n = read(link->fd, link->in + link->in_len, sizeof(link->in) - link->in_len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		modbus_link_fault(link, n < 0 ? -errno : -ECONNRESET,
				  link->tcp ? "the peer closed the connection" :
					      "the port is gone");
		return false;
	}
	link->in_len += (size_t)n;
	link->came(link);
	return !link->faulted;
}

/* -- coming up -- */

static void link_up(struct modbus_link *link)
{
	link->ready = true;
	fg_timer_stop(&link->connecting);
	link_watch(link, false);
	if (!link->faulted)
		link->up(link);
}

static int socket_connect(struct modbus_link *link, const struct addrinfo *to)
{
	const int on = 1, patience = UNACKNOWLEDGED_MS;
	int r;

	if (link->fd >= 0) {
		fg_io_stop(&link->io);
		close(link->fd);
	}
	link->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		return -errno;
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience));
	r = connect(link->fd, to->ai_addr, to->ai_addrlen);
	return r < 0 && errno != EINPROGRESS ? -errno : 0;
}

/* The next address; when all have been tried, the error of the last is the fault. */
static void link_connect(struct modbus_link *link, int error)
{
	while (link->next) {
		const struct addrinfo *to = link->next;

		link->next = to->ai_next;
		error = socket_connect(link, to);
		if (error == 0) {
			fg_timer_start(&link->connecting, FG_S(CONNECT_S));
			link_watch(link, true);
			return;
		}
	}
	modbus_link_fault(link, error, "cannot connect");
}

static void connect_late(struct fg_timer *timer)
{
	size_t offset = offsetof(struct modbus_link, connecting);
	struct modbus_link *link = (struct modbus_link *)((char *)timer - offset);

	link_connect(link, -ETIMEDOUT);
}

static void looked_up(void *arg, struct modbus_lookup *lookup)
{
	struct modbus_link *link = arg;

	if (link->faulted)
		return;
	if (lookup->error) {
		modbus_link_fault(link, lookup->error == EAI_SYSTEM ? -EIO : -EHOSTUNREACH,
				  gai_strerror(lookup->error));
		return;
	}
	link->next = lookup->addresses;
	link_connect(link, -EHOSTUNREACH);
}

static void link_connected(struct modbus_link *link)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error)
		link_connect(link, -error);
	else
		link_up(link);
}

static void link_ready(struct fg_io *io, unsigned events)
{
	struct modbus_link *link = link_of(io);

	if (!link->ready) {
		link_connected(link);
		return;
	}
	if (events & FG_WRITE) {
		link_flush(link);
		if (!link->faulted)
			link_watch(link, false);
	}
	for (int i = 0; i < READS_PER_TURN && !link->faulted; i++)
		if (!link_read(link))
			break;
	if (events & FG_HANGUP && !link->faulted)
		modbus_link_fault(link, link->tcp ? -ECONNRESET : -EIO, "the link is gone");
}

static int tty_open(struct modbus_link *link)
{
	const struct fg_tty_line line = {
		.speed = (speed_t)link->conf->baud,
		.mode = link->conf->mode,
		.flow = FG_TTY_FLOW_NONE,
	};
	int r = fg_tty_open(&link->tty, link->conf->port, &line);

	link->fd = link->tty.fd;
	if (r < 0) {
		if (r == -EOPNOTSUPP)
			modbus_link_fault(link, r, fg_tty_refused(&link->tty));
		return r;
	}
	fg_tty_quicken(&link->tty);
	link->char_ns = fg_tty_mode_bits(line.mode) * FG_S(1) / fg_tty_baud_number(line.speed);
	r = fg_tty_set_rs485(&link->tty, &link->conf->rs485);
	if (r < 0) {
		modbus_link_fault(link, r, "the port does not do RS-485");
		return r;
	}
	link->ready = true;
	link_watch(link, true);
	if (!link->faulted)
		link->up(link);
	return 0;
}

void modbus_link_init(struct modbus_link *link)
{
	link->fd = link->tty.fd = -1;
	link->tcp = link->conf->url != NULL;
	fg_io_init(link->source->loop, &link->io, link_ready);
	fg_timer_init(link->source->loop, &link->connecting, connect_late);
}

int modbus_link_open(struct modbus_link *link)
{
	char host[MODBUS_HOST_MAX], service[MODBUS_SERVICE_MAX];

	if (!link->tcp)
		return link->conf->port ? tty_open(link) : -EINVAL;
	if (modbus_url_parse(link->conf->url, host, service) < 0)
		return -EINVAL;
	return modbus_lookup_begin(link->source->loop, host, service, looked_up, link,
				   &link->lookup);
}

void modbus_link_close(struct modbus_link *link, void (*closed)(struct fg_handle *))
{
	link->faulted = true;
	link->ready = false;
	fg_handle_close(&link->connecting.handle, NULL);
	fg_handle_close(&link->io.handle, closed);
}

void modbus_link_fini(struct modbus_link *link)
{
	modbus_lookup_free(link->lookup);
	link->lookup = NULL;
	if (!link->tcp)
		fg_tty_close(&link->tty);
	else if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}
