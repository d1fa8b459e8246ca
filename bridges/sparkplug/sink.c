/*
 * One connection, which is one session of the edge node: its death is the will of the connection,
 * numbered (bdSeq) as its birth is. A message is done when it is written (QoS 0) or acknowledged
 * (QoS 1, which the specification has not).
 *
 * Nothing is made, published or reported from the library's callbacks: they take notes.
 */
#include "sparkplug.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECEIVE_MAX 16
#define TEXT_MAX ((size_t)64 << 20)
#define STATE_MAX 4096
#define HOST_WAIT FG_S(5)
#define REBIRTH_NS FG_S(5)	/* between two that were asked for */
#define BDSEQ_END 256

static struct spark *of_conn(struct fg_mqtt *conn)
{
	return (struct spark *)(void *)((char *)conn - offsetof(struct spark, conn));
}

/* -- what is under way -- */

static void slot_fail(struct spark_slot *slot, int error, const char *why)
{
	if (slot->error)
		return;
	slot->error = error;
	slot->why = why;
}

static void on_published(struct fg_mqtt *conn, int mid, int reason)
{
	struct spark *s = of_conn(conn);
	uint32_t i = 0;

	while (i < s->nmessages && s->messages[i].mid != mid)
		i++;
	if (i == s->nmessages)
		return;
	if (s->messages[i].slot != SPARK_NO_SLOT) {
		struct spark_slot *slot = &s->slots[s->messages[i].slot];

		slot->pending--;
		if (fg_mqtt_outcome(reason))
			slot_fail(slot, fg_mqtt_outcome(reason), fg_mqtt_reason(reason));
		else
			slot->taken = true;
	}
	s->messages[i] = s->messages[--s->nmessages];
}

static void report(struct spark *s)
{
	for (uint32_t i = 0; s->up && i < s->sink->window; i++) {
		struct spark_slot slot = s->slots[i];

		if (!slot.batch || !slot.handed || slot.pending)
			continue;
		s->slots[i].batch = NULL;
		/* not the right as a whole is missing; and what was taken would come again */
		if (slot.error == -EACCES && slot.taken)
			slot.error = -EBADMSG;
		fg_sink_done(s->sink, slot.batch, slot.error, slot.why);
	}
}

/* -- saying -- */

static uint32_t limit(const struct spark *s)
{
	uint32_t peer = s->conn.peer_receive_max;

	if (spark_conf(s)->qos == 0 || peer >= SPARK_MESSAGES)
		return SPARK_MESSAGES;
	return peer ? peer : 1;
}

static void say_end(struct spark *s, int error, const char *why)
{
	struct spark_slot *slot = &s->slots[s->saying->slot];

	slot->handed = true;
	if (error)
		slot_fail(slot, error, why);
	s->saying = NULL;
	if (s->blocked) {
		s->blocked = false;
		fg_sink_ready(s->sink);
	}
}

/* False: the connection is at fault. */
static bool publish(struct spark *s)
{
	const struct fg_mqtt_publication p = {
		.topic = s->topic.data,
		.payload = fg_buf_view(&s->text),
		.qos = (int)spark_conf(s)->qos,
	};
	struct spark_message *m = &s->messages[s->nmessages];
	int r = fg_mqtt_publish(&s->conn, &p, &m->mid);

	spark_said(s, r == 0);
	if (r == 0) {
		m->slot = s->of_pack ? s->saying->slot : SPARK_NO_SLOT;
		s->nmessages++;
		if (s->of_pack)
			s->slots[m->slot].pending++;
		return true;
	}
	if (r == -EMSGSIZE || r == -EINVAL) {
		fg_log(&s->sink->logger, FG_WARN, "message cannot be published",
		       "topic=%s error=\"%s\"", s->topic.data, strerror(-r));
		if (s->of_pack)
			say_end(s, r == -EINVAL ? -EBADMSG : r, "cannot be published");
		return true;
	}
	fg_sink_fault(s->sink, r, r == -ENOTSUP ? "the broker takes no QoS 1" : "cannot publish");
	return false;
}

/* What is known is full: it begins anew, with what the pack at hand needs. */
static void begin_anew(struct spark *s)
{
	if (s->emptied) {
		say_end(s, -EMSGSIZE, "more metrics than \"known\" has room for");
		return;
	}
	fg_log(&s->sink->logger, FG_WARN, "too much to know, the edge node is born anew",
	       "devices=%u bytes=%zu", s->keep->known.ndevices, s->keep->known.bytes);
	known_clear(&s->keep->known);
	spark_births_begin(s);
	s->emptied = true;
}

static void pump(struct spark *s)
{
	while (s->up && s->nmessages < limit(s)) {
		int r = spark_next(s, spark_now_ms());

		if (r == 1 && !publish(s))
			return;
		if (r == 1)
			continue;
		if (r == 0 && !s->saying)
			return;
		if (r == 0)
			say_end(s, 0, NULL);
		else if (r == -ENOSPC)
			begin_anew(s);
		else if (s->saying)
			say_end(s, -EAGAIN, "no memory");
		else
			return;
	}
}

int spark_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct spark *s = sink->state;

	if (!s->up || s->saying || s->slots[batch->slot].batch) {
		s->blocked = true;
		return -EAGAIN;
	}
	if (fg_packs_parse(&s->packs, batch->payload, strstr(batch->content_type, "cbor")) < 0)
		return -EBADMSG;
	s->slots[batch->slot] = (struct spark_slot){ .batch = batch };
	s->place = (struct spark_place){ .at = 0 };
	s->emptied = false;
	s->saying = batch;
	pump(s);
	return 0;
}

void spark_flush(struct fg_sink *sink)
{
	struct spark *s = sink->state;

	pump(s);
	report(s);
	fg_mqtt_flush(&s->conn);
}

/* -- what the host says -- */

/* {"online": true, "timestamp": milliseconds} (chapter 5) */
static void note_state(struct spark *s, struct fg_str payload)
{
	static const struct fg_str online = { "online", 6 }, timestamp = { "timestamp", 9 };
	struct fg_decode_context context = { .content_format = -1 };
	const struct fg_node *is, *when;
	double time;

	fg_doc_reset(&s->state, STATE_MAX);
	if (payload.len > STATE_MAX || s->packs.json->decode(&context, payload, &s->state) < 0)
		return;
	is = fg_doc_find(&s->state, &online, 1);
	when = fg_doc_find(&s->state, &timestamp, 1);
	if (!is || !when || is->value.kind != FG_BOOL || !fg_value_is_number(&when->value))
		return;
	time = fg_value_double(&when->value);
	if (s->host_known && time < s->host_time)
		return;
	s->host_known = true;
	s->host_time = time;
	s->host_online = is->value.b;
	s->host_offline = !is->value.b;
}

static void on_message(struct fg_mqtt *conn, const struct fg_mqtt_message *m)
{
	struct spark *s = of_conn(conn);

	if (s->state_topic && strcmp(m->topic, s->state_topic) == 0)
		note_state(s, m->payload);
	else if (!m->retained && strcmp(m->topic, s->ncmd_topic) == 0)
		s->rebirth |= wire_asks_rebirth(m->payload);
}

static void on_subscribed(struct fg_mqtt *conn, const int *granted, int count)
{
	struct spark *s = of_conn(conn);

	s->subscribed = true;
	for (int i = 0; i < count; i++)
		if (granted[i] >= 0x80)
			fg_log(&s->sink->logger, FG_ERROR, "subscription refused",
			       "filter=\"%s\" reason=\"%s\"", i ? s->state_topic : s->ncmd_topic,
			       fg_mqtt_reason(granted[i]));
}

/* Births come behind the subscription, so that no command to be born again is missed. */
static void session_begin(struct spark *s)
{
	fg_timer_stop(&s->wait);
	s->up = true;
	s->conn.setup.will_always = true;
	spark_births_begin(s);
	fg_log(&s->sink->logger, FG_INFO, "connected", "url=%s bdseq=%d", spark_conf(s)->mqtt.url,
	       s->keep->bdseq);
	fg_sink_up(s->sink);
}

static bool births_due(const struct spark *s)
{
	return s->node_due || s->birth < s->keep->known.ndevices;
}

/* A command of a few bytes makes a birth of every device: so one at a time, and not again before
 * REBIRTH_NS. All that ask in the meantime get one, when that is over. */
static void rebirth_if_due(struct spark *s)
{
	uint64_t now = fg_loop_now(s->sink->loop);

	if (!s->rebirth || births_due(s))
		return;
	if (now < s->rebirth_ns) {
		if (!fg_timer_active(&s->wait))
			(void)fg_timer_start_at(&s->wait, s->rebirth_ns);
		return;
	}
	s->rebirth = false;
	s->rebirth_ns = now + REBIRTH_NS;
	fg_log(&s->sink->logger, FG_INFO, "born again by command", "devices=%u",
	       s->keep->known.ndevices);
	spark_births_begin(s);
}

static void on_turn(struct fg_mqtt *conn)
{
	struct spark *s = of_conn(conn);

	if (!s->up && s->subscribed && (s->host_online || !s->state_topic))
		session_begin(s);
	if (!s->up)
		return;
	if (s->host_offline) {
		fg_sink_fault(s->sink, -EHOSTDOWN, "the primary host went offline");
		return;
	}
	rebirth_if_due(s);
	report(s);
	if (s->saying || births_due(s))
		fg_loop_hurry(s->sink->loop);
}

static void on_wait(struct fg_timer *timer)
{
	struct spark *s = (struct spark *)(void *)((char *)timer - offsetof(struct spark, wait));

	if (!s->up) {
		fg_sink_fault(s->sink, -EHOSTDOWN, "the primary host is not online");
		return;
	}
	rebirth_if_due(s);
	fg_loop_hurry(s->sink->loop);
}

/* -- from open to closed -- */

static void on_up(struct fg_mqtt *conn, bool session_present)
{
	struct spark *s = of_conn(conn);
	char *filters[] = { s->ncmd_topic, s->state_topic };
	int r;

	(void)session_present;
	r = fg_mqtt_subscribe(conn, filters, s->state_topic ? 2 : 1, 1, FG_MQTT_TAKE_RETAINED);
	if (r == 0 && s->state_topic)
		r = fg_timer_start(&s->wait, HOST_WAIT);
	if (r < 0)
		fg_sink_fault(s->sink, r, "cannot subscribe");
	else
		fg_mqtt_flush(conn);
}

static void forget(struct spark *s)
{
	s->up = s->blocked = s->subscribed = s->rebirth = false;
	s->host_online = s->host_offline = s->host_known = false;
	s->saying = NULL;
	s->nmessages = 0;
	fg_timer_stop(&s->wait);
	if (s->slots)
		memset(s->slots, 0, s->sink->window * sizeof(*s->slots));
}

static void on_down(struct fg_mqtt *conn, int error, const char *what)
{
	struct spark *s = of_conn(conn);

	forget(s);
	fg_sink_fault(s->sink, error, what);
}

static void on_wait_closed(struct fg_handle *handle)
{
	struct spark *s = (struct spark *)(void *)((char *)handle - offsetof(struct spark, wait));

	free(s->client_id);
	free(s->node);
	free(s->will_topic);
	free(s->ncmd_topic);
	free(s->state_topic);
	free(s->slots);
	fg_buf_fini(&s->will);
	fg_buf_fini(&s->text);
	fg_buf_fini(&s->topic);
	fg_packs_close(&s->packs);
	fg_doc_fini(&s->state);
	fg_sink_closed(s->sink);
}

static void on_closed(struct fg_mqtt *conn)
{
	fg_handle_close(&of_conn(conn)->wait.handle, on_wait_closed);
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

/* bdSeq goes on from one process to the next: DIR/bdseq/NAME has the last one. Without it the count
 * begins anew, which costs nothing but the certainty that an old death is not taken for a new one.
 */
static void bdseq_next(struct spark *s)
{
	char path[PATH_MAX], text[8] = "";
	int fd, n;

	n = snprintf(path, sizeof(path), "%s/bdseq", s->sink->dir ? s->sink->dir : "");
	if (!s->sink->dir || n >= PATH_MAX - NAME_MAX) {
		s->keep->bdseq = (s->keep->bdseq + 1) % BDSEQ_END;
		return;
	}
	(void)mkdir(path, 0750);
	snprintf(path + n, sizeof(path) - (size_t)n, "/%s", s->sink->name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd >= 0 && s->keep->bdseq < 0 && read(fd, text, sizeof(text) - 1) > 0)
		s->keep->bdseq = (int)(strtoul(text, NULL, 10) % BDSEQ_END);
	s->keep->bdseq = (s->keep->bdseq + 1) % BDSEQ_END;
	n = snprintf(text, sizeof(text), "%3d\n", s->keep->bdseq);
	if (fd < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		fg_log(&s->sink->logger, FG_WARN, "bdSeq is not kept", "path=%s error=\"%s\"", path,
		       strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int keep_open(struct spark *s)
{
	struct spark_keep *keep = s->sink->keep;

	if (!keep) {
		keep = calloc(1, sizeof(*keep));
		if (!keep)
			return -ENOMEM;
		keep->bdseq = -1;
		s->sink->keep = keep;
	}
	keep->known.max = spark_conf(s)->known;
	s->keep = keep;
	bdseq_next(s);
	return 0;
}

static char *topic_of(const struct spark *s, const char *type)
{
	char *topic = NULL;

	if (asprintf(&topic, "spBv1.0/%s/%s/%s", spark_conf(s)->group, type, s->node) < 0)
		return NULL;
	return topic;
}

static int make_tables(struct spark *s)
{
	const struct spark_conf *conf = spark_conf(s);
	const struct fg_sink *sink = s->sink;

	s->client_id = fg_mqtt_expand(conf->mqtt.client_id, sink->gateway, sink->name);
	s->node = fg_mqtt_expand(conf->node, sink->gateway, sink->name);
	s->slots = calloc(sink->window, sizeof(*s->slots));
	if (!s->client_id || !s->node || !s->slots)
		return -ENOMEM;
	s->will_topic = topic_of(s, "NDEATH");
	s->ncmd_topic = topic_of(s, "NCMD");
	if (conf->host && asprintf(&s->state_topic, "spBv1.0/STATE/%s", conf->host) < 0)
		s->state_topic = NULL;
	if (!s->will_topic || !s->ncmd_topic || (conf->host && !s->state_topic))
		return -ENOMEM;
	spark_node_death(s, &s->will);
	s->conn.setup = (struct fg_mqtt_setup){
		.client_id = s->client_id,
		.clean = true,
		.receive_max = RECEIVE_MAX,
		.send_max = SPARK_MESSAGES,
		.will_topic = s->will_topic,
		.will = fg_buf_view(&s->will),
	};
	return s->will.failed ? -ENOMEM : 0;
}

int spark_open(struct fg_sink *sink)
{
	struct spark *s = sink->state;
	int r;

	s->sink = sink;
	fg_buf_init(&s->will, STATE_MAX);
	fg_buf_init(&s->text, TEXT_MAX);
	fg_buf_init(&s->topic, UINT16_MAX + 1);
	fg_doc_init(&s->state, FG_PACK_DEPTH, STATE_MAX);
	fg_timer_init(sink->loop, &s->wait, on_wait);
	fg_mqtt_init(&s->conn, sink->loop, &spark_conf(s)->mqtt, &conn_ops);
	r = fg_packs_open(&s->packs, sink->gateway);
	if (r == 0)
		r = keep_open(s);
	if (r == 0)
		r = make_tables(s);
	return r < 0 ? r : fg_mqtt_open(&s->conn);
}

/* Who leaves says so: the will is for those who cannot. */
void spark_close(struct fg_sink *sink)
{
	struct spark *s = sink->state;
	int mid;

	if (s->up) {
		struct fg_mqtt_publication death = { .topic = s->will_topic };

		spark_node_death(s, &s->text);
		death.payload = fg_buf_view(&s->text);
		(void)fg_mqtt_publish(&s->conn, &death, &mid);
	}
	forget(s);
	fg_mqtt_close(&s->conn, true);
}

void spark_fini(struct fg_sink *sink)
{
	struct spark_keep *keep = sink->keep;

	if (!keep)
		return;
	known_fini(&keep->known);
	free(keep);
	sink->keep = NULL;
}
