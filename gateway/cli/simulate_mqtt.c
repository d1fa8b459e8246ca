/*
 * Simulated MQTT devices: one connection (MQTT 3.1.1) that publishes for all of them at QoS 1, a
 * topic each, and counts what the broker acknowledges. A lost connection is made again, and what
 * was not acknowledged is sent again with DUP set; a reading's text follows from its number, so
 * only numbers are kept.
 */
#include "cli/simulate.h"
#include "base/buf.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* MQTT 3.1.1 section 2.2.1: the first byte of a packet */
enum {
	CONNECT = 0x10, CONNACK = 0x20, PUBLISH_QOS1 = 0x32, PUBLISH_DUP = 0x08, PUBACK = 0x40,
	PINGREQ = 0xc0, PINGRESP = 0xd0, DISCONNECT = 0xe0,
};

#define WINDOW 512		/* publishes in flight; packet ids are slot + 1 */
#define KEEPALIVE_S 60
#define RETRY_NS FG_S(1)
#define GIVE_UP_TRIES 30	/* until the first connection */
#define OUT_LIMIT (256u << 10)	/* bytes that wait for the socket */
#define PACKET_MAX 64		/* no packet that a publisher gets is longer */

struct mqtt {
	struct sim_stream stream;
	struct sim_url url;
	struct sim_lookup lookup;
	bool looking_up;
	struct fg_io io;
	struct fg_timer retry, alive;
	int fd;
	bool connecting, up, ever_up, heard, closing;
	unsigned tries;
	unsigned closes;		/* what is still to end before the stream is closed */
	uint64_t begun;			/* readings that have been given a slot */
	uint64_t readings[WINDOW];
	bool used[WINDOW];
	uint16_t free[WINDOW];
	unsigned nfree;
	struct fg_buf out;
	size_t written;			/* of out */
	uint8_t in[PACKET_MAX];
	size_t in_len;
};

static void connection_begin(struct mqtt *mqtt);

static void connection_lost(struct mqtt *mqtt, const char *why)
{
	if (mqtt->fd >= 0) {
		fg_io_stop(&mqtt->io);
		close(mqtt->fd);
		mqtt->fd = -1;
	}
	mqtt->up = mqtt->connecting = false;
	mqtt->stream.ready = false;
	fg_timer_stop(&mqtt->alive);
	if (mqtt->closing)
		return;
	if (!mqtt->ever_up && ++mqtt->tries >= GIVE_UP_TRIES) {
		sim_fail(mqtt->stream.sim, &mqtt->stream, why, 0);
		return;
	}
	if (mqtt->ever_up || mqtt->tries == 1)
		sim_say(&mqtt->stream, why, "trying again every second");
	fg_timer_start(&mqtt->retry, RETRY_NS);
}

/* Writes what waits, as far as the socket takes it, and asks to be told about the rest. */
static void out_write(struct mqtt *mqtt)
{
	while (mqtt->written < mqtt->out.len) {
		ssize_t n = send(mqtt->fd, mqtt->out.data + mqtt->written,
				 mqtt->out.len - mqtt->written, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			connection_lost(mqtt, strerror(errno));
			return;
		}
		mqtt->written += (size_t)n;
	}
	if (mqtt->written == mqtt->out.len) {
		fg_buf_reset(&mqtt->out);
		mqtt->written = 0;
	}
	fg_io_sync(&mqtt->io, mqtt->fd, FG_READ | (mqtt->out.len ? FG_WRITE : 0), false);
}

static void add_u16(struct fg_buf *buf, size_t n)
{
	fg_buf_char(buf, (char)(n >> 8 & 0xff));
	fg_buf_char(buf, (char)(n & 0xff));
}

static void add_text(struct fg_buf *buf, const char *text, size_t len)
{
	add_u16(buf, len);
	fg_buf_add(buf, text, len);
}

/* A remaining length (section 2.2.3); nothing here reaches 16 KiB. */
static void add_length(struct fg_buf *buf, size_t len)
{
	if (len > 127)
		fg_buf_char(buf, (char)((len & 0x7f) | 0x80));
	fg_buf_char(buf, (char)(len > 127 ? len >> 7 : len));
}

static void connect_queue(struct mqtt *mqtt)
{
	char id[48];
	int len = snprintf(id, sizeof(id), "fieldgate-simulate-%ld", (long)getpid());

	fg_buf_reset(&mqtt->out);
	mqtt->written = 0;
	mqtt->in_len = 0;
	fg_buf_char(&mqtt->out, CONNECT);
	add_length(&mqtt->out, 10 + 2 + (size_t)len);
	add_text(&mqtt->out, "MQTT", 4);
	fg_buf_char(&mqtt->out, 4);	/* 3.1.1 */
	fg_buf_char(&mqtt->out, 2);	/* clean session */
	add_u16(&mqtt->out, KEEPALIVE_S);
	add_text(&mqtt->out, id, (size_t)len);
}

static void publish_queue(struct mqtt *mqtt, unsigned slot, bool again)
{
	uint64_t n = mqtt->readings[slot];
	uint32_t device = (uint32_t)(n % mqtt->stream.devices);
	char id[SIM_DEVICE_MAX], payload[SIM_READING_MAX];
	size_t id_len = sim_device(device, id);
	size_t len = sim_reading(device, n / mqtt->stream.devices + 1, payload);
	struct fg_buf *out = &mqtt->out;

	fg_buf_char(out, (char)(PUBLISH_QOS1 | (again ? PUBLISH_DUP : 0)));
	add_length(out, 2 + strlen("devices//telemetry") + id_len + 2 + len);
	add_u16(out, strlen("devices//telemetry") + id_len);
	fg_buf_text(out, "devices/");
	fg_buf_add(out, id, id_len);
	fg_buf_text(out, "/telemetry");
	add_u16(out, slot + 1);
	fg_buf_add(out, payload, len);
}

/* -- what the broker says -- */

static void connack_take(struct mqtt *mqtt, const uint8_t *body, size_t len)
{
	if (len != 2 || mqtt->up) {
		connection_lost(mqtt, "the broker broke the protocol");
		return;
	}
	if (body[1] != 0) {
		connection_lost(mqtt, "the broker refused the connection");
		return;
	}
	mqtt->up = mqtt->ever_up = true;
	for (unsigned slot = 0; slot < WINDOW; slot++) {
		if (mqtt->used[slot]) {
			publish_queue(mqtt, slot, true);
			mqtt->stream.repeated++;
		}
	}
	sim_stream_ready(&mqtt->stream);
}

static void puback_take(struct mqtt *mqtt, const uint8_t *body, size_t len)
{
	unsigned slot = len == 2 ? (unsigned)(body[0] << 8 | body[1]) - 1 : WINDOW;

	if (slot >= WINDOW) {
		connection_lost(mqtt, "the broker acknowledged what was not sent");
		return;
	}
	if (!mqtt->used[slot])
		return;
	mqtt->used[slot] = false;
	mqtt->free[mqtt->nfree++] = (uint16_t)slot;
	sim_stream_settle(&mqtt->stream, true);
	sim_stream_ready(&mqtt->stream);
}

static void packet_take(struct mqtt *mqtt, uint8_t type, const uint8_t *body, size_t len)
{
	mqtt->heard = true;
	if (type == CONNACK)
		connack_take(mqtt, body, len);
	else if (type == PUBACK && mqtt->up)
		puback_take(mqtt, body, len);
	else if (type != PINGRESP || len != 0)
		connection_lost(mqtt, "the broker broke the protocol");
}

/* Takes the whole packets out of `bytes`; returns how much of it they were. */
static size_t packets_take(struct mqtt *mqtt, const uint8_t *bytes, size_t len)
{
	size_t at = 0;

	while (mqtt->fd >= 0 && len - at >= 2) {
		size_t body = bytes[at + 1];

		if (body > PACKET_MAX - 2) {
			connection_lost(mqtt, "the broker sent a packet that is too long");
			break;
		}
		if (len - at < body + 2)
			break;
		packet_take(mqtt, bytes[at], bytes + at + 2, body);
		at += body + 2;
	}
	return at;
}

static void in_read(struct mqtt *mqtt)
{
	uint8_t bytes[PACKET_MAX + 4096];
	size_t len = mqtt->in_len, taken;
	ssize_t n;

	memcpy(bytes, mqtt->in, len);
	n = recv(mqtt->fd, bytes + len, sizeof(bytes) - len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		connection_lost(mqtt, n < 0 ? strerror(errno) : "the broker closed the connection");
		return;
	}
	len += (size_t)n;
	taken = packets_take(mqtt, bytes, len);
	if (mqtt->fd < 0)
		return;
	mqtt->in_len = len - taken;
	memcpy(mqtt->in, bytes + taken, mqtt->in_len);
	out_write(mqtt);
}

/* -- the connection -- */

static void socket_ready(struct fg_io *io, unsigned events)
{
	struct mqtt *mqtt = (struct mqtt *)((char *)io - offsetof(struct mqtt, io));

	if (mqtt->connecting) {
		int error = 0;
		socklen_t len = sizeof(error);

		getsockopt(mqtt->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error) {
			connection_lost(mqtt, strerror(error));
			return;
		}
		mqtt->connecting = false;
		connect_queue(mqtt);
	}
	if (events & (FG_READ | FG_HANGUP))
		in_read(mqtt);
	if (mqtt->fd >= 0)
		out_write(mqtt);
	if (mqtt->up && mqtt->out.len < OUT_LIMIT && mqtt->nfree)
		sim_stream_ready(&mqtt->stream);
}

static void part_closed(struct mqtt *mqtt)
{
	if (--mqtt->closes > 0)
		return;
	fg_buf_fini(&mqtt->out);
	sim_stream_closed(&mqtt->stream);
}

static void looked_up(struct sim_lookup *lookup)
{
	struct mqtt *mqtt = (struct mqtt *)((char *)lookup - offsetof(struct mqtt, lookup));
	int one = 1;

	mqtt->looking_up = false;
	if (mqtt->closing) {
		part_closed(mqtt);
		return;
	}
	if (lookup->error) {
		connection_lost(mqtt, "no such host");
		return;
	}
	mqtt->fd = socket(lookup->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (mqtt->fd < 0 ||
	    (connect(mqtt->fd, (struct sockaddr *)&lookup->addr, lookup->addr_len) < 0 &&
	     errno != EINPROGRESS)) {
		connection_lost(mqtt, strerror(errno));
		return;
	}
	setsockopt(mqtt->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	mqtt->connecting = true;
	mqtt->heard = true;
	fg_io_sync(&mqtt->io, mqtt->fd, FG_WRITE, true);
	fg_timer_start(&mqtt->alive, FG_S(KEEPALIVE_S) / 3);
}

static void connection_begin(struct mqtt *mqtt)
{
	mqtt->lookup.url = mqtt->url;
	mqtt->lookup.socktype = SOCK_STREAM;
	mqtt->lookup.done = looked_up;
	mqtt->lookup.tries = mqtt->tries % 16;
	mqtt->looking_up = true;
	if (sim_lookup_start(mqtt->stream.loop, &mqtt->lookup) < 0) {
		mqtt->looking_up = false;
		connection_lost(mqtt, "no worker to look the name up");
	}
}

static void retry_due(struct fg_timer *timer)
{
	connection_begin((struct mqtt *)((char *)timer - offsetof(struct mqtt, retry)));
}

/* Every third of the keep-alive: the broker has said something since the last time, or is gone. */
static void alive_due(struct fg_timer *timer)
{
	struct mqtt *mqtt = (struct mqtt *)((char *)timer - offsetof(struct mqtt, alive));

	if (!mqtt->heard || !mqtt->up) {
		connection_lost(mqtt, "the broker does not answer");
		return;
	}
	mqtt->heard = false;
	fg_buf_char(&mqtt->out, (char)PINGREQ);
	fg_buf_char(&mqtt->out, 0);
	fg_timer_start(&mqtt->alive, FG_S(KEEPALIVE_S) / 3);
	out_write(mqtt);
}

/* -- the stream -- */

static int mqtt_open(struct sim_stream *stream)
{
	struct mqtt *mqtt = (struct mqtt *)stream;
	int err = sim_url_parse(stream->url, "1883", &mqtt->url);

	if (err < 0)
		return err;
	connection_begin(mqtt);
	return 0;
}

static int mqtt_send(struct sim_stream *stream)
{
	struct mqtt *mqtt = (struct mqtt *)stream;
	unsigned slot;

	if (!mqtt->up || !mqtt->nfree || mqtt->out.len >= OUT_LIMIT)
		return -EAGAIN;
	slot = mqtt->free[--mqtt->nfree];
	mqtt->used[slot] = true;
	mqtt->readings[slot] = mqtt->begun++;
	publish_queue(mqtt, slot, false);
	return 0;
}

static void mqtt_flush(struct sim_stream *stream)
{
	struct mqtt *mqtt = (struct mqtt *)stream;

	if (mqtt->fd >= 0)
		out_write(mqtt);
}

static void handle_closed(struct fg_handle *handle)
{
	part_closed((struct mqtt *)((char *)handle - offsetof(struct mqtt, io.handle)));
}

static void mqtt_close(struct sim_stream *stream)
{
	struct mqtt *mqtt = (struct mqtt *)stream;
	static const char bye[] = { (char)DISCONNECT, 0 };

	mqtt->closing = true;
	if (mqtt->up && mqtt->out.len == 0)
		(void)!send(mqtt->fd, bye, sizeof(bye), MSG_NOSIGNAL);
	connection_lost(mqtt, "");
	mqtt->closes = 1 + mqtt->looking_up;
	fg_handle_close(&mqtt->retry.handle, NULL);
	fg_handle_close(&mqtt->alive.handle, NULL);
	fg_handle_close(&mqtt->io.handle, handle_closed);
}

static const struct sim_stream_ops mqtt_ops = {
	.name = "mqtt",
	.acknowledges = true,
	.open = mqtt_open,
	.send = mqtt_send,
	.flush = mqtt_flush,
	.close = mqtt_close,
};

struct sim_stream *sim_mqtt_new(struct fg_loop *loop, uint32_t devices)
{
	struct mqtt *mqtt = calloc(1, sizeof(*mqtt));

	if (!mqtt)
		return NULL;
	mqtt->stream.ops = &mqtt_ops;
	mqtt->stream.devices = devices;
	mqtt->fd = -1;
	fg_buf_init(&mqtt->out, 2 * OUT_LIMIT);
	for (unsigned slot = WINDOW; slot-- > 0;)
		mqtt->free[mqtt->nfree++] = (uint16_t)slot;
	fg_io_init(loop, &mqtt->io, socket_ready);
	fg_timer_init(loop, &mqtt->retry, retry_due);
	fg_timer_init(loop, &mqtt->alive, alive_due);
	return &mqtt->stream;
}
