/*
 * One field broker: what it sends is submitted, and acknowledged when it is kept.
 *
 * The gate. The library queues a PUBACK with every message it hands over. As long as one message
 * of QoS 1 is not kept, nothing at all is written; kept() opens the gate, and the PUBACKs of the
 * turn leave as one segment. Where keeping waits for the disk, reading stops meanwhile: the
 * library's queue cannot be written in part.
 *
 * Back-pressure. Who stops reading hears no PINGRESP, and who withholds PUBACKs cannot send
 * PINGREQ: a connection does not survive a long pause. So a paused source leaves: what is kept is
 * acknowledged, the session stays with the broker, whose own queue is the limit from there. Well
 * before the session expires it is back, only to leave again: that time begins anew. What was read
 * but not taken is never acknowledged: the connection is dropped with its PUBACKs unwritten, and
 * the broker sends it again (with what was kept in the same turn: at least once).
 *
 * Subscriptions. A session that the broker resumed has them already. That its list is the same as
 * ours is known from memo, over restarts too, but not from SUBSCRIBE to SUBACK; else the list is
 * sent again, in a way that brings no retained message a second time if the memo says that they
 * have come, and what an older list still brings is left out by ourselves.
 */
#include "mqtt.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define RECEIVE_MAX 1024
#define SEND_MAX 16
#define AWAY_NS FG_S(1) /* a spool at its limit shall not mean connecting all day */
#define RENEW_MAX_S 1800 /* not every broker says that it keeps sessions for less than asked */

#define MEMO_MIXED 1u
#define MEMO_RETAINED 2u /* what is retained was asked for, and the broker has said yes */

static struct mqtt_source *of_conn(struct fg_mqtt *conn)
{
	return (struct mqtt_source *)(void *)((char *)conn - offsetof(struct mqtt_source, conn));
}

static const struct mqtt_source_conf *conf_of(const struct mqtt_source *s)
{
	return s->source->conf;
}

static bool version_5(const struct mqtt_source *s)
{
	return conf_of(s)->mqtt.version == 5;
}

/* -- taking -- */

static bool wanted(const struct mqtt_source *s, const struct fg_mqtt_message *m)
{
	const struct fg_list *list = &conf_of(s)->subscribe;

	if (strncmp(m->topic, s->own_prefix, s->own_prefix_len) == 0)
		return false;
	/* MQTT 3.1.1 brings them with every SUBSCRIBE */
	if (m->retained &&
	    (conf_of(s)->retained == MQTT_RETAINED_IGNORE || (s->had_retained && !version_5(s))))
		return false;
	if (!s->mixed)
		return true;
	for (size_t i = 0; i < list->count; i++)
		if (fg_mqtt_matches(list->items[i], m->topic))
			return true;
	return false;
}

static void refuse(struct mqtt_source *s, const struct fg_mqtt_message *m)
{
	if (m->qos == 0) {
		fg_source_reject(s->source, "not-kept", m->payload);
		return;
	}
	s->refused = true;
	fg_mqtt_hold(&s->conn, true);
	fg_mqtt_read(&s->conn, false);
}

static void on_message(struct fg_mqtt *conn, const struct fg_mqtt_message *m)
{
	struct mqtt_source *s = of_conn(conn);
	const struct fg_input input = {
		.address = { m->topic, strlen(m->topic) },
		.payload = m->payload,
		.content_format = -1,
		.once = m->qos == 0,
	};
	uint64_t pos = 0;
	int r;

	mqtt_drain_taken(s);
	if (!wanted(s, m))
		return;
	if (s->paused || s->refused) {
		refuse(s, m);
		return;
	}
	r = fg_source_submit(s->source, &input, &pos);
	if (r == -EAGAIN) {
		refuse(s, m);
	} else if (r == 0 && pos && m->qos > 0) {
		s->awaits = pos;
		fg_mqtt_hold(conn, true);
	}
}

static void on_published(struct fg_mqtt *conn, int mid, int reason)
{
	mqtt_sent_note(of_conn(conn), mid, reason);
}

/* What comes is not taken, or all that was taken is acknowledged and no more shall come. */
static bool leaves(const struct mqtt_source *s)
{
	return s->refused || (s->paused && !s->awaits);
}

/* To stay, or to renew the session while half its time is left for what may delay that. One that
 * does not last for two seconds is not worth it. */
static void back_later(struct mqtt_source *s)
{
	uint64_t half_s = s->conn.session_expiry_s / 2;
	uint64_t after_ns = FG_S(half_s < RENEW_MAX_S ? half_s : RENEW_MAX_S);

	/* refused for want of memory, say: nobody will tell us to resume */
	if (!s->paused)
		after_ns = AWAY_NS;
	fg_timer_stop(&s->back);
	if (after_ns)
		fg_timer_start_at(&s->back, s->away_since_ns + after_ns);
}

static void go_away(struct mqtt_source *s)
{
	mqtt_sent_leave(s);
	if (s->refused)
		fg_mqtt_drop(&s->conn);
	else
		fg_mqtt_leave(&s->conn);
	s->awaits = 0;
	s->refused = false;
	s->away = true;
	s->away_since_ns = fg_loop_now(s->source->loop);
	fg_source_away(s->source);
	back_later(s);
}

/* One that was made with another number of processes brings everything twice. */
static void unsubscribe_others(struct mqtt_source *s)
{
	int r = fg_mqtt_unsubscribe(&s->conn, s->others, conf_of(s)->subscribe.count);

	s->unsubscribe = false;
	if (r < 0)
		fg_source_fault(s->source, r, "cannot unsubscribe");
}

static void on_turn(struct fg_mqtt *conn)
{
	struct mqtt_source *s = of_conn(conn);

	if (conn->state != FG_MQTT_UP)
		return;
	mqtt_sent_tell(s);
	if (s->unsubscribe)
		unsubscribe_others(s);
	if (leaves(s))
		go_away(s);
	else if (s->paused || (s->awaits && fg_source_waits_for_commit(s->source)))
		fg_mqtt_read(conn, false);
}

void mqtt_source_kept(struct fg_source *source, uint64_t upto)
{
	struct mqtt_source *s = source->state;

	if (!s->awaits || upto < s->awaits)
		return;
	s->awaits = 0;
	if (!s->refused) {
		fg_mqtt_hold(&s->conn, false);
		fg_mqtt_read(&s->conn, !s->paused);
	}
	fg_mqtt_flush(&s->conn);
}

void mqtt_source_pause(struct fg_source *source)
{
	struct mqtt_source *s = source->state;

	s->paused = true;
	if (s->away)
		back_later(s);
	/* while it is not up, CONNACK has still to be read */
	if (s->conn.state != FG_MQTT_UP)
		return;
	fg_mqtt_read(&s->conn, false);
	fg_mqtt_flush(&s->conn);
}

void mqtt_source_resume(struct fg_source *source)
{
	struct mqtt_source *s = source->state;

	s->paused = false;
	if (s->away)
		back_later(s);
	else if (!s->awaits && !s->refused)
		fg_mqtt_read(&s->conn, true);
	fg_mqtt_flush(&s->conn);
}

static void on_back(struct fg_timer *timer)
{
	struct mqtt_source *s =
		(struct mqtt_source *)(void *)((char *)timer - offsetof(struct mqtt_source, back));
	int r;

	s->away = false;
	r = fg_mqtt_open(&s->conn);
	if (r < 0)
		fg_source_fault(s->source, r, "cannot come back");
}

/* -- subscriptions -- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	while (*text++);
	return hash;
}

/* Subscriptions, and whose: of another broker's session it says nothing. */
static uint64_t list_id(const struct mqtt_source *s)
{
	const struct mqtt_source_conf *conf = conf_of(s);
	uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)conf->qos ^
			(uint64_t)conf->mqtt.version << 8;

	hash = hash_text(hash_text(hash, conf->mqtt.url), s->client_id);
	for (size_t i = 0; i < conf->subscribe.count; i++)
		hash = hash_text(hash, s->filters[i]);
	/* never zero, and room for MEMO_... */
	hash = (hash | 4u) & ~(uint64_t)(MEMO_MIXED | MEMO_RETAINED);
	return conf->retained == MQTT_RETAINED_TAKE ? hash | MEMO_RETAINED : hash;
}

static void subscribe(struct mqtt_source *s)
{
	const struct mqtt_source_conf *conf = conf_of(s);
	/* MQTT 5, 3.8.3.1: no-local on a shared subscription is a protocol error */
	unsigned options = conf->share ? 0 : FG_MQTT_NO_LOCAL;
	int r;

	/* who leaves would find them in the queue once for every visit */
	if (conf->retained == MQTT_RETAINED_TAKE && !leaves(s))
		options |= s->had_retained ? FG_MQTT_TAKE_RETAINED : FG_MQTT_ALL_RETAINED;
	r = fg_mqtt_subscribe(&s->conn, s->filters, conf->subscribe.count, (int)conf->qos, options);
	if (r < 0)
		fg_source_fault(s->source, r, "cannot subscribe");
}

static void on_up(struct fg_mqtt *conn, bool session_present)
{
	struct mqtt_source *s = of_conn(conn);
	uint64_t memo = session_present ? s->source->memo : 0;

	if (conf_of(s)->drain) {
		mqtt_drain_up(s, session_present);
		return;
	}
	s->subscribed = (memo & ~(uint64_t)MEMO_MIXED) == s->list_id;
	s->resubscribed = session_present && !s->subscribed;
	s->mixed = s->resubscribed || (memo & MEMO_MIXED);
	memo &= s->list_id & MEMO_RETAINED;
	s->had_retained = !s->subscribed && memo;
	fg_log(&s->source->logger, FG_INFO, "connected", "session=%s subscribe=%s",
	       session_present ? "resumed" : "new", s->subscribed ? "no" : "yes");
	if (s->subscribed) {
		if (!leaves(s))
			fg_source_up(s->source);
		return;
	}
	/* until SUBACK is read, which may be never, nobody knows what the session holds */
	fg_source_remember(s->source, memo);
	subscribe(s);
}

/* The session is as it should be. */
static void settled(struct mqtt_source *s)
{
	fg_source_remember(s->source, s->granted ? s->list_id | (s->mixed ? MEMO_MIXED : 0) :
						   s->list_id & MEMO_RETAINED);
	fg_source_up(s->source);
}

static void on_subscribed(struct fg_mqtt *conn, const int *granted, int count)
{
	struct mqtt_source *s = of_conn(conn);
	const struct mqtt_source_conf *conf = conf_of(s);
	size_t refused = 0;

	for (size_t i = 0; i < conf->subscribe.count; i++) {
		int code = i < (size_t)count ? granted[i] : 0x80;

		if (code >= 0x80)
			fg_log(&s->source->logger, FG_ERROR, "subscription refused",
			       "filter=\"%s\" reason=\"%s\"", s->filters[i], fg_mqtt_reason(code));
		else if (code < conf->qos)
			fg_log(&s->source->logger, FG_WARN, "subscription at a lower QoS",
			       "filter=\"%s\" qos=%d", s->filters[i], code);
		refused += code >= 0x80;
	}
	if (refused == conf->subscribe.count) {
		fg_source_fault(s->source, -EACCES, "the broker refused every subscription");
		return;
	}
	s->subscribed = true;
	s->granted = refused == 0;
	/* Only now: in between no message must find neither the old subscription nor the new. */
	s->unsubscribe = s->resubscribed;
	if (!s->unsubscribe)
		settled(s);
}

static void on_unsubscribed(struct fg_mqtt *conn)
{
	struct mqtt_source *s = of_conn(conn);

	if (conf_of(s)->drain)
		mqtt_drain_unsubscribed(s);
	else
		settled(s);
}

/* -- from open to closed -- */

static void on_down(struct fg_mqtt *conn, int error, const char *what)
{
	struct mqtt_source *s = of_conn(conn);

	s->awaits = 0;
	s->refused = false;
	mqtt_sent_forget(s);
	fg_source_fault(s->source, error, what);
}

static void free_list(char **list, size_t count)
{
	for (size_t i = 0; list && i < count; i++)
		free(list[i]);
	free(list);
}

static void free_texts(struct mqtt_source *s)
{
	free_list(s->filters, conf_of(s)->subscribe.count);
	free_list(s->others, conf_of(s)->subscribe.count);
	free(s->client_id);
	free(s->own_prefix);
	s->filters = s->others = NULL;
	s->client_id = s->own_prefix = NULL;
}

static void on_all_closed(struct fg_handle *handle)
{
	struct mqtt_source *s =
		(struct mqtt_source *)(void *)((char *)handle -
					       offsetof(struct mqtt_source, quiet.handle));

	free_texts(s);
	mqtt_sent_forget(s);
	fg_source_closed(s->source);
}

static void on_back_closed(struct fg_handle *handle)
{
	struct mqtt_source *s =
		(struct mqtt_source *)(void *)((char *)handle -
					       offsetof(struct mqtt_source, back.handle));

	fg_handle_close(&s->quiet.handle, on_all_closed);
}

static void on_closed(struct fg_mqtt *conn)
{
	fg_handle_close(&of_conn(conn)->back.handle, on_back_closed);
}

static const struct fg_mqtt_ops conn_ops = {
	.message = on_message,
	.published = on_published,
	.subscribed = on_subscribed,
	.unsubscribed = on_unsubscribed,
	.up = on_up,
	.turn = on_turn,
	.down = on_down,
	.closed = on_closed,
};

static char *filter_new(const char *share, const char *filter)
{
	char *text = NULL;

	if (asprintf(&text, "%s%s%s%s", share ? "$share/" : "", share ? share : "",
		     share ? "/" : "", filter) < 0)
		return NULL;
	return text;
}

static int make_filters(struct mqtt_source *s)
{
	const struct mqtt_source_conf *conf = conf_of(s);
	char *group = mqtt_own_group(s->source->gateway, s->source->name);
	size_t made = 0;

	s->filters = calloc(conf->subscribe.count + 1, sizeof(*s->filters));
	s->others = calloc(conf->subscribe.count + 1, sizeof(*s->others));
	for (; group && s->filters && s->others && made < conf->subscribe.count; made++) {
		const char *filter = conf->subscribe.items[made];

		s->filters[made] = filter_new(conf->share, filter);
		s->others[made] = filter_new(conf->share ? NULL : group, filter);
		if (!s->filters[made] || !s->others[made])
			break;
	}
	free(group);
	return made == conf->subscribe.count ? 0 : -ENOMEM;
}

static int make_texts(struct mqtt_source *s)
{
	const struct mqtt_source_conf *conf = conf_of(s);
	const struct fg_source *source = s->source;

	s->client_id = fg_mqtt_expand(conf->mqtt.client_id, source->gateway, source->name);
	s->own_prefix = fg_mqtt_expand("fieldgate/{gateway}/", source->gateway, source->name);
	if (!s->client_id || !s->own_prefix || make_filters(s) < 0)
		return -ENOMEM;
	s->own_prefix_len = strlen(s->own_prefix);
	s->list_id = list_id(s);
	return 0;
}

int mqtt_source_open(struct fg_source *source)
{
	struct mqtt_source *s = source->state;
	const struct mqtt_source_conf *conf = source->conf;
	int r;

	s->source = source;
	fg_mqtt_init(&s->conn, source->loop, &conf->mqtt, &conn_ops);
	fg_timer_init(source->loop, &s->back, on_back);
	fg_timer_init(source->loop, &s->quiet, mqtt_drain_quiet);
	s->flush.cb = mqtt_source_flush;
	/* what comes along with CONNACK may be of another list */
	s->mixed = !conf->drain;
	r = make_texts(s);
	if (r < 0)
		return r;
	s->conn.setup = (struct fg_mqtt_setup){
		.client_id = s->client_id,
		.receive_max = RECEIVE_MAX,
		.send_max = SEND_MAX,
	};
	return fg_mqtt_open(&s->conn);
}

void mqtt_source_close(struct fg_source *source)
{
	struct mqtt_source *s = source->state;

	fg_timer_stop(&s->back);
	fg_timer_stop(&s->quiet);
	fg_loop_cancel(source->loop, &s->flush);
	fg_mqtt_close(&s->conn, !s->awaits && !s->refused);
}
