/*
 * One upstream broker. Packs are published; PUBACK (QoS 1) or the written socket (QoS 0) says
 * that one is done.
 *
 * The spool is the queue, so the session is clean (unless commands are to wait in it), and a
 * connection that was lost is forgotten with everything that the library still held: what was in
 * flight is the outbox's again. Never more is handed to the library than the broker takes
 * unacknowledged, or it would begin a queue of its own.
 *
 * fg_sink_done() may lead to the next send: so it is called behind the library's callbacks, in
 * their order.
 */
#include "mqtt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVE_MAX 16
#define SEND_EXTRA (1 + MQTT_OUTCOMES_ON_THE_WAY)	/* the status, outcomes */
#define SEND_MAX (UINT16_MAX - SEND_EXTRA)

static struct mqtt_sink *of_conn(struct fg_mqtt *conn)
{
	return (struct mqtt_sink *)(void *)((char *)conn - offsetof(struct mqtt_sink, conn));
}

static const struct mqtt_sink_conf *conf_of(const struct mqtt_sink *s)
{
	return s->sink->conf;
}

/* -- what becomes of a pack -- */

static void on_published(struct fg_mqtt *conn, int mid, int reason)
{
	struct mqtt_sink *s = of_conn(conn);
	uint32_t window = s->sink->window;

	if (mid == s->status_mid)
		fg_sink_alive(s->sink, true);
	if (mqtt_commands_published(s, mid, reason))
		return;
	for (uint32_t i = 0; i < window; i++) {
		uint32_t at = (s->expected + i) % window;

		if (!s->slots[at].batch || s->slots[at].mid != mid)
			continue;
		s->slots[at].mid = -1;
		s->slots[at].reason = reason;
		s->done[s->ndone++] = at;
		s->expected = (at + 1) % window;
		return;
	}
}

static void report(struct mqtt_sink *s, uint32_t at)
{
	struct mqtt_slot *slot = &s->slots[at];
	struct fg_batch *batch = slot->batch;
	int error = fg_mqtt_outcome(slot->reason);

	slot->batch = NULL;
	s->in_flight--;
	fg_sink_done(s->sink, batch, error, error ? fg_mqtt_reason(slot->reason) : NULL);
}

static void on_message(struct fg_mqtt *conn, const struct fg_mqtt_message *m)
{
	if (!mqtt_remote_message(of_conn(conn), m))
		mqtt_commands_message(of_conn(conn), m);
}

/* What is listened to, in this order. */
static size_t filters_of(const struct mqtt_sink *s, char *filters[2])
{
	size_t count = 0;

	if (s->commands.filter)
		filters[count++] = s->commands.filter;
	if (s->remote.topic)
		filters[count++] = s->remote.topic;
	return count;
}

/* Without it the bridge still forwards; who commands has to be told by the log. */
static void on_subscribed(struct fg_mqtt *conn, const int *granted, int count)
{
	struct mqtt_sink *s = of_conn(conn);
	char *filters[2];
	size_t wanted = filters_of(s, filters);

	for (size_t i = 0; i < wanted; i++)
		if (count <= (int)i || granted[i] >= 0x80)
			fg_log(&s->sink->logger, FG_ERROR, "subscription refused",
			       "filter=\"%s\" reason=\"%s\"", filters[i],
			       count <= (int)i ? "" : fg_mqtt_reason(granted[i]));
}

/* Also into a session that goes on: nobody knows whether it has the subscription, and what is
 * stored is to be heard again. */
static void subscribe(struct mqtt_sink *s)
{
	char *filters[2];
	size_t count = filters_of(s, filters);
	int r;

	if (!count)
		return;
	r = fg_mqtt_subscribe(&s->conn, filters, count, 1,
			      FG_MQTT_TAKE_RETAINED | FG_MQTT_NO_LOCAL |
				      FG_MQTT_RETAIN_AS_PUBLISHED);
	if (r < 0)
		fg_sink_fault(s->sink, r, "cannot subscribe");
}

static void on_turn(struct fg_mqtt *conn)
{
	struct mqtt_sink *s = of_conn(conn);
	uint32_t n = s->ndone;

	mqtt_commands_turn(s);
	mqtt_remote_turn(s);
	if (!n)
		return;
	for (uint32_t i = 0; i < n && s->up; i++)
		report(s, s->done[i]);
	/* nothing was added meanwhile: the library did not run */
	s->ndone = 0;
	if (s->blocked && s->up) {
		s->blocked = false;
		fg_sink_ready(s->sink);
	}
}

static uint32_t limit(const struct mqtt_sink *s)
{
	uint32_t peer = s->conn.peer_receive_max;

	/* one place is for the status, some are for outcomes */
	if (peer > 1)
		peer--;
	if (s->commands.prefix && peer > MQTT_OUTCOMES_ON_THE_WAY)
		peer -= MQTT_OUTCOMES_ON_THE_WAY;
	return conf_of(s)->qos > 0 && peer < s->sink->window ? peer : s->sink->window;
}

int mqtt_sink_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct mqtt_sink *s = sink->state;
	struct mqtt_slot *slot = &s->slots[batch->slot];
	int mid = 0, r;

	if (!s->up || slot->batch || s->in_flight >= limit(s)) {
		s->blocked = true;
		return -EAGAIN;
	}
	r = fg_mqtt_publish(&s->conn,
			    &(struct fg_mqtt_publication){
				    .topic = s->topic,
				    .payload = batch->payload,
				    .qos = (int)conf_of(s)->qos,
				    .content_type = batch->content_type,
			    },
			    &mid);
	if (r == -EMSGSIZE)
		return r;
	if (r < 0) {
		s->blocked = true;
		fg_sink_fault(sink, r,
			      r == -ENOTSUP ? "the broker takes no QoS 1" : "cannot publish");
		return -EAGAIN;
	}
	*slot = (struct mqtt_slot){ .batch = batch, .mid = mid };
	s->in_flight++;
	return 0;
}

void mqtt_sink_flush(struct fg_sink *sink)
{
	struct mqtt_sink *s = sink->state;

	fg_mqtt_flush(&s->conn);
}

/* If it is not taken, the next status, or the will, says it better. */
void mqtt_sink_status(struct fg_sink *sink, struct fg_str json)
{
	struct mqtt_sink *s = sink->state;
	const struct fg_mqtt_publication status = {
		.topic = s->status_topic,
		.payload = json,
		.qos = (int)conf_of(s)->qos,
		.retain = true,
		.content_type = "application/json",
	};

	if (s->up && *s->status_topic && fg_mqtt_publish(&s->conn, &status, &s->status_mid) == 0)
		fg_mqtt_flush(&s->conn);
	else
		fg_sink_alive(sink, false);
}

/* -- from open to closed -- */

static void on_up(struct fg_mqtt *conn, bool session_present)
{
	struct mqtt_sink *s = of_conn(conn);

	(void)session_present;
	s->up = true;
	fg_log(&s->sink->logger, FG_INFO, "connected", "url=%s window=%u", conf_of(s)->mqtt.url,
	       limit(s));
	fg_sink_up(s->sink);
	mqtt_commands_up(s);
	subscribe(s);
}

static void forget(struct mqtt_sink *s)
{
	mqtt_commands_down(s);
	s->up = s->blocked = false;
	s->ndone = s->in_flight = s->expected = 0;
	if (s->slots)
		memset(s->slots, 0, s->sink->window * sizeof(*s->slots));
}

static void on_down(struct fg_mqtt *conn, int error, const char *what)
{
	struct mqtt_sink *s = of_conn(conn);

	forget(s);
	fg_sink_fault(s->sink, error, what);
}

static void on_closed(struct fg_mqtt *conn)
{
	struct mqtt_sink *s = of_conn(conn);

	free(s->client_id);
	free(s->topic);
	free(s->status_topic);
	free(s->will);
	free(s->slots);
	free(s->done);
	mqtt_commands_close(s);
	mqtt_remote_close(s);
	fg_sink_closed(s->sink);
}

static const struct fg_mqtt_ops conn_ops = {
	.message = on_message,
	.published = on_published,
	.subscribed = on_subscribed,
	.up = on_up,
	.turn = on_turn,
	.down = on_down,
	.closed = on_closed,
};

/* The will is read by a worker, and the original may change meanwhile. */
static int make_tables(struct mqtt_sink *s)
{
	const struct mqtt_sink_conf *conf = s->sink->conf;
	const struct fg_sink *sink = s->sink;
	struct fg_str will = fg_sink_will(s->sink);

	s->client_id = fg_mqtt_expand(conf->mqtt.client_id, sink->gateway, sink->name);
	s->topic = fg_mqtt_expand(conf->topic, sink->gateway, sink->name);
	s->status_topic = fg_mqtt_expand(conf->status, sink->gateway, sink->name);
	s->slots = calloc(sink->window, sizeof(*s->slots));
	s->done = calloc(sink->window, sizeof(*s->done));
	s->will = malloc(will.len + 1);
	if (!s->client_id || !s->topic || !s->status_topic || !s->slots || !s->done || !s->will)
		return -ENOMEM;
	if (will.len)
		memcpy(s->will, will.ptr, will.len);
	s->conn.setup = (struct fg_mqtt_setup){
		.client_id = s->client_id,
		/* commands wait for a gateway that is away */
		.clean = !sink->commands,
		.receive_max = RECEIVE_MAX,
		.send_max = (uint16_t)(sink->window < SEND_MAX ? sink->window + SEND_EXTRA :
								 UINT16_MAX),
		.will_topic = will.len && *s->status_topic ? s->status_topic : NULL,
		.will = { s->will, will.len },
		.will_retained = true,
	};
	return 0;
}

int mqtt_sink_open(struct fg_sink *sink)
{
	struct mqtt_sink *s = sink->state;
	const struct mqtt_sink_conf *conf = sink->conf;
	int r;

	s->sink = sink;
	fg_mqtt_init(&s->conn, sink->loop, &conf->mqtt, &conn_ops);
	r = make_tables(s);
	if (r == 0)
		r = mqtt_commands_open(s);
	if (r == 0)
		r = mqtt_remote_open(s);
	return r < 0 ? r : fg_mqtt_open(&s->conn);
}

void mqtt_sink_close(struct fg_sink *sink)
{
	struct mqtt_sink *s = sink->state;

	forget(s);
	fg_mqtt_close(&s->conn, true);
}
