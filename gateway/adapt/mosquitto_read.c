/*
 * Reading. What a broker of MQTT 5 sends is looked at while it waits in the socket, and the library
 * is let at it only as far as it is well-formed (mosquitto_guard.h says why): it is asked for just
 * as many packets as have been checked whole. Of a larger publication the head is checked, then the
 * library has it until it hands it over.
 *
 * mosquitto_loop_read() reads as many packets as publications are unacknowledged, but no further
 * when errno says EAGAIN behind one: every callback leaves that behind (mosquitto_notes.c). The
 * packets for which there is no callback are logged at least.
 *
 * With TLS it is the records that are looked at, behind a gate (mosquitto_gate.c). Not guarded:
 * MQTT 3.1.1, which has no properties.
 */
#include "adapt/mosquitto_guard.h"
#include "adapt/mosquitto_private.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <mosquitto.h>

#define READ_BURST 256		/* packets a turn */
#define PEEK_USUAL 16384
#define LOOK_NS FG_MS(1)	/* for the rest of a head to arrive, at first */
#define LOOK_DOUBLED_MAX 7

struct batch {
	unsigned whole;			/* checked, and here to the end */
	bool opened;			/* the head of the one behind them is checked */
	bool quiet;			/* for some there may be no callback */
	bool all;			/* more was not there */
	uint8_t refusal;		/* of a broker that speaks only MQTT 3.1.1 */
};

static bool read_one(struct fg_mqtt *c)
{
	c->inside = true;
	errno = 0;
	c->rc = mosquitto_loop_read(c->mosq, 1);
	c->rc_errno = errno;
	c->inside = false;
	if (c->malformed)
		c->rc = MOSQ_ERR_MALFORMED_PACKET;
	return !c->rc && mosquitto_socket(c->mosq) >= 0;
}

/* -- unguarded -- */

static bool read_free(struct fg_mqtt *c, bool *ret_more)
{
	for (unsigned i = 0; i < READ_BURST && !c->deaf; i++) {
		uint32_t before = c->packets;

		if (!read_one(c))
			return false;
		if (c->packets == before)
			return true;
	}
	*ret_more = !c->deaf;
	return true;
}

/* -- guarded, with TLS -- */

static bool read_gated(struct fg_mqtt *c, bool *ret_more)
{
	for (unsigned i = 0; i < READ_BURST && !c->deaf; i++) {
		bool begun = c->connack || c->state == FG_MQTT_UP, have;
		uint32_t before = c->packets;

		c->rc = fg_mqtt_gate_look(c, &have);
		if (c->rc)
			return false;
		if (!have)
			return true;
		if (!read_one(c))
			return false;
		/* a step of the handshake, or the CONNACK */
		if (!begun && c->packets == before)
			return true;
	}
	*ret_more = !c->deaf;
	return true;
}

/* -- guarded -- */

static bool is_quiet(const struct fg_mqtt_head *head)
{
	switch (head->type) {
	case FG_MQTT_CONNACK:
	case FG_MQTT_SUBACK:
		return false;
	case FG_MQTT_PUBLISH:
		return head->qos > 1;
	default:
		return true;
	}
}

/* What waits: 0, or -EBADMSG. */
static int batch_check(struct batch *batch, const uint8_t *at, size_t len, unsigned max)
{
	while (len && batch->whole < max) {
		struct fg_mqtt_head head;
		int r = fg_mqtt_guard(at, len, &head);

		if (r == -EBADMSG)
			return r;
		if (r == 0 && head.len > len)
			batch->opened = head.type == FG_MQTT_PUBLISH && head.qos < 2;
		if (r < 0 || head.len > len)
			return 0;
		batch->whole++;
		batch->quiet |= is_quiet(&head);
		batch->refusal = head.refusal;
		at += head.len;
		len -= head.len;
	}
	return 0;
}

/* 0; otherwise a MOSQ_ERR_ code, with c->rc_errno. */
static int peek(struct fg_mqtt *c, size_t cap, size_t *ret_len)
{
	ssize_t n = recv(mosquitto_socket(c->mosq), c->peeked, cap, MSG_PEEK | MSG_DONTWAIT);

	c->rc_errno = errno;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return MOSQ_ERR_CONN_LOST;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return MOSQ_ERR_ERRNO;
	*ret_len = n < 0 ? 0 : (size_t)n;
	return 0;
}

static bool peer_has_ended(const struct fg_mqtt *c)
{
	struct pollfd pfd = { .fd = mosquitto_socket(c->mosq), .events = POLLRDHUP };

	return poll(&pfd, 1, 0) > 0;
}

/* The socket stays readable while the rest of a head is on its way, so it is not waited for but
 * looked at again, by and by more seldom. */
static void look_later(struct fg_mqtt *c)
{
	c->waiting = true;
	fg_timer_start(&c->look, LOOK_NS << c->looks);
	if (c->looks < LOOK_DOUBLED_MAX)
		c->looks++;
}

static int batch_look(struct fg_mqtt *c, unsigned max, struct batch *batch)
{
	/* asked before looking: what came in between is seen */
	bool ended = c->looks && peer_has_ended(c);
	size_t cap = PEEK_USUAL, len;
	int rc;

	c->waiting = false;
	for (;;) {
		rc = peek(c, cap, &len);
		if (rc || !len)
			return rc;
		if (batch_check(batch, c->peeked, len, max) < 0)
			return MOSQ_ERR_MALFORMED_PACKET;
		if (batch->whole || batch->opened)
			break;
		if (len == FG_MQTT_PEEK_MAX)
			return MOSQ_ERR_MALFORMED_PACKET;
		if (len < cap) {
			look_later(c);
			return ended ? MOSQ_ERR_CONN_LOST : 0;
		}
		cap = FG_MQTT_PEEK_MAX;
	}
	batch->all = len < cap;
	c->refusal = batch->refusal;
	c->looks = 0;
	return 0;
}

static bool batch_read(struct fg_mqtt *c, const struct batch *batch)
{
	/* before that another one is set */
	bool log = batch->quiet && c->state == FG_MQTT_UP;
	bool ok = true;

	if (log)
		mosquitto_log_callback_set(c->mosq, fg_mqtt_note_quiet);
	for (unsigned i = 0; ok && i < batch->whole && !c->deaf; i++)
		ok = read_one(c);
	if (log)
		mosquitto_log_callback_set(c->mosq, NULL);
	return ok;
}

/* The one whose head has been checked. */
static bool opened_read(struct fg_mqtt *c)
{
	uint32_t before = c->packets;

	if (!read_one(c))
		return false;
	c->midway = c->packets == before;
	return true;
}

static bool read_guarded(struct fg_mqtt *c)
{
	unsigned left = READ_BURST;

	while (left && !c->deaf) {
		struct batch batch = { 0 };

		if (!c->midway) {
			c->rc = batch_look(c, left, &batch);
			if (c->rc || !batch_read(c, &batch))
				return false;
			c->midway = batch.opened && !c->deaf;
			left -= batch.whole;
		}
		if (c->midway) {
			if (!opened_read(c))
				return false;
			left--;
			if (c->midway)
				return true;
		} else if (!batch.whole || batch.all) {
			return true;
		}
	}
	return true;
}

bool fg_mqtt_guarded(const struct fg_mqtt *c)
{
	return c->conf->version == 5;
}

bool fg_mqtt_take(struct fg_mqtt *c, bool *ret_more)
{
	*ret_more = false;
	if (!fg_mqtt_guarded(c))
		return read_free(c, ret_more);
	return c->gate ? read_gated(c, ret_more) : read_guarded(c);
}
