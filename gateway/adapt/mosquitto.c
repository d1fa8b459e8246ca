/*
 * The life of one connection on the loop:
 *
 *   idle ──open──> working ───────> connecting ──CONNACK──> up ──leave──> leaving
 *     ^        (a worker has it)        │                   │                │
 *     └──────────── down ───────────────┴────── down ───────┴────────────────┘
 *
 * Every call into the library is followed by conn_settle(): it acts upon what the callbacks noted,
 * writes what may be written, and tells the loop what to wait for.
 */
#include "adapt/mosquitto_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

#define CORK_MIN 3		/* packets from which two more system calls pay */
#define ROOM (1 << 20)		/* in the socket, for what comes */
#define ANSWER_NS FG_S(20)	/* from the socket to CONNACK, and from SUBSCRIBE to SUBACK */
#define FIRST_TRY_NS FG_S(8)	/* if there is a second one */
#define LEAVE_NS FG_S(1)	/* for the broker to close behind our DISCONNECT */

#define CONN_OF(ptr, member) \
	((struct fg_mqtt *)(void *)((char *)(ptr)-offsetof(struct fg_mqtt, member)))

static void conn_settle(struct fg_mqtt *c);

static bool conn_has_socket(const struct fg_mqtt *c)
{
	return c->state == FG_MQTT_CONNECTING || c->state == FG_MQTT_UP;
}

/* -- ends -- */

static void conn_handles_closed(struct fg_handle *handle)
{
	struct fg_mqtt *c = CONN_OF(handle, deadline.handle);

	c->ops->closed(c);
}

/* Gives everything back once neither a worker nor the library has it. */
static void conn_end(struct fg_mqtt *c)
{
	if (c->ended || c->inside || c->settling || c->state == FG_MQTT_WORKING)
		return;
	if (c->polite)
		fg_mqtt_leave(c);
	else
		fg_mqtt_drop(c);
	c->polite = false;
	if (c->state == FG_MQTT_LEAVING)
		return;
	c->ended = true;
	fg_handle_close(&c->io.handle, NULL);
	fg_handle_close(&c->misc.handle, NULL);
	fg_handle_close(&c->look.handle, NULL);
	/* closing is first come, first served: this is the last of the four */
	fg_handle_close(&c->deadline.handle, conn_handles_closed);
}

static void conn_destroy(struct fg_mqtt *c)
{
	fg_io_stop(&c->io);
	fg_timer_stop(&c->misc);
	fg_timer_stop(&c->look);
	fg_timer_stop(&c->deadline);
	fg_loop_cancel(c->loop, &c->again);
	if (c->leaving_fd >= 0)
		close(c->leaving_fd);
	c->leaving_fd = -1;
	mosquitto_destroy(c->mosq);
	c->mosq = NULL;
	fg_mqtt_gate_close(c);
	free(c->peeked);
	c->peeked = NULL;
	c->state = FG_MQTT_IDLE;
	c->held = c->deaf = c->connack = c->midway = c->waiting = false;
	c->looks = 0;
	c->refusal = 0;
	c->queued = 0;
}

static int conn_start(struct fg_mqtt *c)
{
	int r;

	c->knocked = c->session = c->peer_said_why = c->malformed = false;
	c->peer_receive_max = UINT16_MAX;
	c->peer_packet_max = UINT32_MAX;
	c->session_expiry_s = (uint32_t)(c->conf->session_expiry_ns / 1000000000);
	c->server_keepalive_s = 0;
	c->why[0] = '\0';
	r = fg_loop_work(c->loop, &c->work);
	if (r == 0)
		c->state = FG_MQTT_WORKING;
	return r;
}

static bool conn_tries_again(struct fg_mqtt *c, bool unreached)
{
	if (!unreached || c->second_try || c->address.local || c->address.literal || c->closing)
		return false;
	c->second_try = true;
	return conn_start(c) == 0;
}

/* The connection is at its end; what the peer, the worker or TLS said about it wins over `what`. */
static void conn_down(struct fg_mqtt *c, int error, const char *what)
{
	bool unreached = c->state == FG_MQTT_CONNECTING && !c->knocked;

	if (!c->peer_said_why)
		snprintf(c->why, sizeof(c->why), "%s", what);
	c->peer_said_why = true;
	conn_destroy(c);
	if (conn_tries_again(c, unreached))
		return;
	if (c->closing)
		conn_end(c);
	else
		c->ops->down(c, error, c->why);
}

static void conn_failed(struct fg_mqtt *c, int rc, int saved_errno)
{
	if (rc == MOSQ_ERR_SUCCESS)
		rc = MOSQ_ERR_CONN_LOST;
	/* of a CONNACK without properties 2.0.11 knows one code, 2.0.21 none */
	if (c->refusal && !c->connack && c->state == FG_MQTT_CONNECTING)
		fg_mqtt_note_refusal(c, c->refusal);
	if (c->connack && c->connack_reason)
		rc = MOSQ_ERR_CONN_REFUSED;
	else if (c->state == FG_MQTT_UP && c->connack_reason == MQTT_RC_PACKET_TOO_LARGE)
		rc = MOSQ_ERR_OVERSIZE_PACKET;
	else if (c->state == FG_MQTT_UP && fg_mqtt_is_of_connection(c->connack_reason))
		rc = MOSQ_ERR_CONN_REFUSED;
	conn_down(c, fg_mqtt_errno(rc, saved_errno), fg_mqtt_error_text(rc, saved_errno));
}

/* -- into the library -- */

static void conn_cork(const struct fg_mqtt *c, int fd, int on)
{
	if (!c->address.local)
		setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

/* The library writes each packet by itself; corked, they leave as one segment. With TLS each would
 * still be a record, and a record a write: nothing to gain. */
static bool conn_write(struct fg_mqtt *c)
{
	bool cork = c->queued >= CORK_MIN && !c->address.local;
	int fd = mosquitto_socket(c->mosq), rc, saved_errno;
	uint32_t before = c->packets;

	if (c->held || (c->state == FG_MQTT_CONNECTING && !c->knocked) ||
	    !mosquitto_want_write(c->mosq))
		return true;
	if (cork)
		conn_cork(c, fd, 1);
	c->inside = true;
	errno = 0;
	rc = mosquitto_loop_write(c->mosq, 1);
	saved_errno = errno;
	c->inside = false;
	c->queued = 0;
	if (rc || mosquitto_socket(c->mosq) < 0) {
		conn_failed(c, rc, saved_errno);
		return false;
	}
	if (cork)
		conn_cork(c, fd, 0);
	if (c->packets != before)
		fg_loop_defer(c->loop, &c->again); /* publications of QoS 0 are done */
	return true;
}

static bool conn_read(struct fg_mqtt *c)
{
	bool more;

	if (!fg_mqtt_take(c, &more)) {
		conn_failed(c, c->rc, c->rc_errno);
		return false;
	}
	/* what OpenSSL has decrypted already does not make the socket readable */
	if (more && c->address.tls)
		fg_loop_defer(c->loop, &c->again);
	return true;
}

/* -- after the library -- */

/* What is looked at before the library may read it stays in the socket's buffer, and a few bytes of
 * it keep all the memory that they arrived in (up to half a MiB at once). If that fills the buffer,
 * the kernel takes nothing more, and the rest of the packet never comes. Asking for so much to be
 * there before the socket counts as readable makes the buffer large enough (Linux 4.18), and taking
 * it back leaves it so; SO_RCVBUF would end the kernel's own tuning. */
static void conn_make_room(const struct fg_mqtt *c)
{
	int fd = mosquitto_socket(c->mosq), much = ROOM, one = 1;

	if (c->address.local || setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &much, sizeof(much)) < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
}

/* The library waits a whole keepalive for the answer to its ping, two in all. The kernel knows
 * sooner that nobody is there: what it sends is not even confirmed. */
static void conn_limit_silence(const struct fg_mqtt *c, uint64_t keepalive_ns)
{
	unsigned timeout_ms = (unsigned)(keepalive_ns / 4 / 1000000);

	if (!c->address.local)
		setsockopt(mosquitto_socket(c->mosq), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
			   sizeof(timeout_ms));
}

static void conn_misc_start(struct fg_mqtt *c)
{
	uint64_t keepalive_ns = (uint64_t)c->conf->keepalive_ns, every_ns;

	if (c->server_keepalive_s)
		keepalive_ns = FG_S(c->server_keepalive_s);
	/* the broker waits for half a keepalive more; the library counts in seconds */
	every_ns = keepalive_ns / 8;
	fg_timer_start(&c->misc, every_ns > FG_S(1) ? every_ns : FG_S(1));
	conn_limit_silence(c, keepalive_ns);
	conn_make_room(c);
}

static void conn_answered(struct fg_mqtt *c)
{
	c->connack = false;
	if (c->connack_reason) {
		conn_down(c, -ECONNREFUSED, "refused");
		return;
	}
	c->state = FG_MQTT_UP;
	c->peer_said_why = false;
	mosquitto_log_callback_set(c->mosq, NULL);
	fg_timer_stop(&c->deadline);
	conn_misc_start(c);
	c->ops->up(c, c->session);
}

static void conn_sync(struct fg_mqtt *c)
{
	unsigned want = c->deaf || c->waiting ? 0 : FG_READ;
	bool fresh = c->fresh, write;
	int r;

	if (c->state == FG_MQTT_CONNECTING)
		/* CONNECT waits for the end of a handshake, in which it is the peer's turn */
		write = !c->knocked || (!c->address.tls && mosquitto_want_write(c->mosq));
	else
		write = !c->held && mosquitto_want_write(c->mosq);
	if (write)
		want |= FG_WRITE;
	c->fresh = false;
	r = fg_io_sync(&c->io, mosquitto_socket(c->mosq), want, fresh);
	if (r < 0)
		conn_down(c, r, strerror(-r));
}

static void conn_act(struct fg_mqtt *c)
{
	if (conn_has_socket(c) && c->connack)
		conn_answered(c);
	if (conn_has_socket(c) && c->ops->turn)
		c->ops->turn(c);
	if (conn_has_socket(c) && conn_write(c))
		conn_sync(c);
}

static void conn_settle(struct fg_mqtt *c)
{
	if (c->settling || c->inside)
		return;
	c->settling = true;
	if (!c->closing)
		conn_act(c);
	c->settling = false;
	if (c->closing)
		conn_end(c);
}

/* -- from the loop -- */

/* A refused TLS connection leaves no error behind: OpenSSL's own write took it. */
static int socket_error(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error)
		return error;
	len = sizeof(peer);
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 && errno == ENOTCONN)
		return ECONNREFUSED;
	return 0;
}

static void leaving_event(struct fg_mqtt *c, unsigned events)
{
	char sink[4096];
	ssize_t n = 0;

	for (int i = 0; i < 16; i++) {
		n = read(c->leaving_fd, sink, sizeof(sink));
		if (n <= 0)
			break;
	}
	if (n > 0 || (n < 0 && errno == EAGAIN && !(events & FG_HANGUP)))
		return;
	conn_destroy(c);
	if (c->closing)
		conn_end(c);
}

/* Before CONNACK a hang-up has a reason that is worth telling; after it, what is still to be read
 * is worth more. A hang-up that brings nothing, or that nobody may read, is reported for ever. */
static bool conn_hung_up(struct fg_mqtt *c)
{
	int error = 0;

	/* in front of a reset there may be an alert, which says more */
	if (c->state == FG_MQTT_CONNECTING && c->address.tls && !conn_read(c))
		return true;
	if (c->state == FG_MQTT_CONNECTING)
		error = socket_error(mosquitto_socket(c->mosq));
	if (!error && c->deaf)
		error = ECONNRESET;
	if (error)
		conn_down(c, -error, strerror(error));
	return error != 0;
}

static void conn_event(struct fg_io *io, unsigned events)
{
	struct fg_mqtt *c = CONN_OF(io, io);
	uint32_t before = c->packets;

	if (c->state == FG_MQTT_LEAVING) {
		leaving_event(c, events);
		return;
	}
	if ((events & FG_HANGUP) && conn_hung_up(c))
		return;
	c->knocked |= (events & FG_WRITE) != 0;
	/* the library goes on with a TLS handshake only when it is asked to read */
	if ((events & (FG_READ | FG_HANGUP)) || c->state == FG_MQTT_CONNECTING) {
		if (!conn_read(c))
			return;
		if ((events & FG_HANGUP) && c->packets == before) {
			conn_down(c, -ECONNRESET, strerror(ECONNRESET));
			return;
		}
	}
	conn_settle(c);
}

static void conn_again(struct fg_defer *defer)
{
	struct fg_mqtt *c = CONN_OF(defer, again);

	if (conn_has_socket(c) && c->address.tls && !conn_read(c))
		return;
	conn_settle(c);
}

static void conn_look(struct fg_timer *timer)
{
	struct fg_mqtt *c = CONN_OF(timer, look);

	c->waiting = false;
	if (conn_has_socket(c) && conn_read(c))
		conn_settle(c);
}

static void conn_misc(struct fg_timer *timer)
{
	struct fg_mqtt *c = CONN_OF(timer, misc);
	int rc;

	c->inside = true;
	rc = mosquitto_loop_misc(c->mosq);
	c->inside = false;
	if (rc || mosquitto_socket(c->mosq) < 0) {
		conn_failed(c, rc ? rc : MOSQ_ERR_KEEPALIVE, 0);
		return;
	}
	conn_misc_start(c);
	conn_settle(c);
}

static void conn_late(struct fg_timer *timer)
{
	struct fg_mqtt *c = CONN_OF(timer, deadline);

	if (c->state == FG_MQTT_LEAVING) {
		conn_destroy(c);
		if (c->closing)
			conn_end(c);
		return;
	}
	/* what the library has logged on the way is not why nobody answers */
	c->peer_said_why = false;
	conn_down(c, -ETIMEDOUT, c->knocked ? "the broker does not answer" : strerror(ETIMEDOUT));
}

static void conn_worked(struct fg_work *work)
{
	struct fg_mqtt *c = CONN_OF(work, work);
	bool more = !c->second_try && !c->address.literal && !c->address.local;

	c->state = FG_MQTT_IDLE;
	if (c->closing) {
		conn_end(c);
		return;
	}
	if (c->rc || mosquitto_socket(c->mosq) < 0) {
		conn_failed(c, c->rc, c->rc_errno);
		return;
	}
	c->state = FG_MQTT_CONNECTING;
	c->fresh = true;
	fg_timer_start(&c->deadline, more ? FIRST_TRY_NS : ANSWER_NS);
	conn_settle(c);
}

/* -- what a driver or bridge calls -- */

void fg_mqtt_init(struct fg_mqtt *c, struct fg_loop *loop, const struct fg_mqtt_conf *conf,
		  const struct fg_mqtt_ops *ops)
{
	*c = (struct fg_mqtt){ .loop = loop, .conf = conf, .ops = ops, .leaving_fd = -1 };
	c->work.work = fg_mqtt_connect_work;
	c->work.done = conn_worked;
	c->again.cb = conn_again;
	fg_io_init(loop, &c->io, conn_event);
	fg_timer_init(loop, &c->misc, conn_misc);
	fg_timer_init(loop, &c->look, conn_look);
	fg_timer_init(loop, &c->deadline, conn_late);
}

int fg_mqtt_open(struct fg_mqtt *c)
{
	int r;

	if (c->closing)
		return -ECANCELED;
	if (c->state == FG_MQTT_LEAVING)
		conn_destroy(c);
	if (c->state != FG_MQTT_IDLE)
		return -EBUSY;
	r = fg_mqtt_address_parse(c->conf->url, &c->address, NULL, 0);
	if (r < 0)
		return r;
	/* Counts its callers, but is not for several threads: hence here and not on the worker. */
	if (mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
		return -ENOMEM;
	c->second_try = false;
	return conn_start(c);
}

void fg_mqtt_drop(struct fg_mqtt *c)
{
	if (c->state != FG_MQTT_WORKING)
		conn_destroy(c);
}

/* The library closes its descriptor as soon as DISCONNECT is written. If something unread is in
 * the socket then, the kernel resets the connection, and what we sent may never be read: so a
 * duplicate stays open until the broker has closed. */
void fg_mqtt_leave(struct fg_mqtt *c)
{
	bool will = c->setup.will_always && c->conf->version == MQTT_PROTOCOL_V5, written;
	int fd;

	if (c->state == FG_MQTT_LEAVING)
		return;
	if (c->state != FG_MQTT_UP || c->held) {
		fg_mqtt_drop(c);
		return;
	}
	fd = fcntl(mosquitto_socket(c->mosq), F_DUPFD_CLOEXEC, 0);
	mosquitto_disconnect_v5(c->mosq, will ? MQTT_RC_DISCONNECT_WITH_WILL_MSG : 0, NULL);
	c->inside = true;
	mosquitto_loop_write(c->mosq, 1);
	c->inside = false;
	written = mosquitto_socket(c->mosq) < 0;
	conn_destroy(c);
	if (fd < 0)
		return;
	if (!written || shutdown(fd, SHUT_WR) < 0 || fg_io_sync(&c->io, fd, FG_READ, true) < 0) {
		close(fd);
		return;
	}
	c->leaving_fd = fd;
	c->state = FG_MQTT_LEAVING;
	fg_timer_start(&c->deadline, LEAVE_NS);
}

void fg_mqtt_close(struct fg_mqtt *c, bool politely)
{
	if (c->closing)
		return;
	c->closing = true;
	c->polite = politely;
	conn_end(c);
}

void fg_mqtt_hold(struct fg_mqtt *c, bool held)
{
	c->held = held;
}

void fg_mqtt_read(struct fg_mqtt *c, bool read)
{
	if (c->deaf == !read)
		return;
	c->deaf = !read;
	if (read && c->address.tls && conn_has_socket(c))
		fg_loop_defer(c->loop, &c->again);
}

void fg_mqtt_flush(struct fg_mqtt *c)
{
	if (conn_has_socket(c))
		conn_settle(c);
}
