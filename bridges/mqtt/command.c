/*
 * Commands by MQTT. The session is kept by the broker, so that a command of QoS 1 that is sent
 * while the gateway is away waits there; it is acknowledged when it has been handed to the queue of
 * commands, which is before the library may write its PUBACK.
 *
 * What the broker had stored is to be refused, not to be missed: the subscription asks for retained
 * messages, and (MQTT 5) for the flag to stay on those that are to be stored.
 *
 * Outcomes live longer than a connection: they are held, up to a bound, in what the sink keeps from
 * one opening to the next.
 */
#include "mqtt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINES_A_MINUTE 6

/* One outcome, until the upstream has acknowledged it. */
struct outcome {
	struct outcome *next;
	const char *topic;		/* in bytes; NULL: the gateway's own */
	struct fg_str correlation, json;
	int mid;			/* 0: not on its way */
	bool done;
	char bytes[];
};

/* What is kept from one opening to the next. */
struct desk {
	struct mqtt_sink *open;		/* NULL: nothing can be sent */
	struct outcome *first, **end;
	uint32_t count, on_the_way;
	size_t bytes;
};

static struct desk *desk_of(const struct mqtt_sink *s)
{
	return s->sink->keep;
}

static size_t outcome_bytes(const struct outcome *o)
{
	return sizeof(*o) + o->correlation.len + o->json.len + (o->topic ? strlen(o->topic) : 0);
}

static void outcome_unlink(struct desk *desk, struct outcome **at)
{
	struct outcome *o = *at;

	*at = o->next;
	if (!o->next)
		desk->end = at;
	desk->count--;
	desk->on_the_way -= o->mid != 0;
	desk->bytes -= outcome_bytes(o);
	free(o);
}

/* -- outcomes -- */

/* Topics on which somebody acts, or from which somebody counts: an outcome is not made to look
 * like what belongs there. */
static bool topic_is_somebodys(const char *topic)
{
	static const char *const filters[] = {
		"fieldgate/+/command/#", "fieldgate/+/config", "fieldgate/+/status",
		"fieldgate/+/records",
	};

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (fg_mqtt_matches(filters[i], topic))
			return true;
	return false;
}

static bool reply_topic_good(struct fg_str topic)
{
	return topic.len && fg_mqtt_topic_good(topic.ptr) && !topic_is_somebodys(topic.ptr);
}

/* The reply is the response topic, a NUL, and the correlation data. */
static struct outcome *outcome_new(struct fg_str reply, struct fg_str json)
{
	struct outcome *o = calloc(1, sizeof(*o) + reply.len + json.len + 1);
	size_t topic_len;

	if (!o)
		return NULL;
	if (reply.len)
		memcpy(o->bytes, reply.ptr, reply.len);
	topic_len = strnlen(o->bytes, reply.len);
	o->topic = topic_len ? o->bytes : NULL;
	if (topic_len < reply.len)
		o->correlation = fg_str(o->bytes + topic_len + 1, reply.len - topic_len - 1);
	memcpy(o->bytes + reply.len, json.ptr, json.len);
	o->json = fg_str(o->bytes + reply.len, json.len);
	return o;
}

static void desk_make_room(struct fg_sink *sink, struct desk *desk, size_t more)
{
	struct outcome **at = &desk->first;

	while (*at &&
	       (desk->count >= MQTT_OUTCOMES_MAX || desk->bytes + more > MQTT_OUTCOMES_BYTES)) {
		if ((*at)->mid) {
			at = &(*at)->next;
			continue;
		}
		fg_log(&sink->logger, FG_WARN, "outcome given up, too many wait", "held=%u",
		       desk->count);
		outcome_unlink(desk, at);
	}
}

/* 0: it is on its way. */
static int outcome_send(struct mqtt_sink *s, struct outcome *o)
{
	struct fg_mqtt_publication p = {
		.topic = o->topic ? o->topic : s->commands.outcome_topic,
		.payload = o->json,
		.qos = 1,
		.content_type = "application/json",
		.correlation = o->correlation,
	};
	int r = fg_mqtt_publish(&s->conn, &p, &o->mid);

	if (r == -ENOTSUP) {
		p.qos = 0;
		r = fg_mqtt_publish(&s->conn, &p, &o->mid);
	}
	if (r < 0)
		o->mid = 0;
	return r;
}

static void outcomes_send(struct mqtt_sink *s)
{
	struct desk *desk = desk_of(s);
	struct outcome **at = &desk->first;

	while (*at && desk->on_the_way < MQTT_OUTCOMES_ON_THE_WAY) {
		int r = (*at)->mid ? -EALREADY : outcome_send(s, *at);

		if (r == -ENOTCONN || r == -ENOMEM)
			return;
		desk->on_the_way += r == 0;
		if (r == -EALREADY)
			r = 0;
		if (r < 0) {
			fg_log(&s->sink->logger, FG_WARN, "outcome cannot be published",
			       "error=\"%s\"", strerror(-r));
			outcome_unlink(desk, at);
			continue;
		}
		at = &(*at)->next;
	}
}

static void on_outcome(void *arg, struct fg_str reply, const struct fg_request_result *result)
{
	struct fg_sink *sink = arg;
	struct desk *desk = sink->keep;
	struct outcome *o = outcome_new(reply, result->json);

	if (!o)
		return;
	desk_make_room(sink, desk, outcome_bytes(o));
	*desk->end = o;
	desk->end = &o->next;
	desk->count++;
	desk->bytes += outcome_bytes(o);
	if (!desk->open)
		return;
	outcomes_send(desk->open);
	fg_mqtt_flush(&desk->open->conn);
}

bool mqtt_commands_published(struct mqtt_sink *s, int mid, int reason)
{
	struct desk *desk = desk_of(s);

	for (struct outcome *o = desk ? desk->first : NULL; o; o = o->next) {
		if (o->mid != mid)
			continue;
		o->done = true;
		if (reason >= 0x80)
			fg_log(&s->sink->logger, FG_WARN, "outcome refused by the broker",
			       "reason=\"%s\"", fg_mqtt_reason(reason));
		return true;
	}
	return false;
}

/* -- commands -- */

static struct mqtt_asked *asked_new(struct mqtt_sink *s, const struct fg_mqtt_message *m)
{
	struct fg_str path = fg_str_c(m->topic + s->commands.prefix_len);
	struct fg_str topic = m->response_topic, correlation = m->correlation;
	/* of one that is too long so much that the queue sees it, and refuses it */
	struct fg_str payload = fg_str(m->payload.ptr, m->payload.len <= MQTT_ASKED_BYTES ?
							       m->payload.len :
							       MQTT_ASKED_BYTES + 1);
	struct mqtt_asked *a;
	char *at;

	if (!reply_topic_good(topic))
		topic.len = 0;
	if (topic.len + 1 + correlation.len > FG_REQUEST_REPLY)
		topic.len = correlation.len = 0;
	a = malloc(sizeof(*a) + path.len + payload.len + topic.len + 1 + correlation.len);
	if (!a)
		return NULL;
	at = a->bytes;
	*a = (struct mqtt_asked){ .retained = m->retained };
	a->path = fg_str(at, path.len);
	at = (char *)mempcpy(at, path.ptr, path.len);
	a->payload = fg_str(at, payload.len);
	at = (char *)mempcpy(at, payload.ptr, payload.len);
	a->reply = fg_str(at, topic.len + 1 + correlation.len);
	if (topic.len)
		at = (char *)mempcpy(at, topic.ptr, topic.len);
	*at++ = '\0';
	if (correlation.len)
		memcpy(at, correlation.ptr, correlation.len);
	return a;
}

void mqtt_commands_message(struct mqtt_sink *s, const struct fg_mqtt_message *m)
{
	struct mqtt_commands *c = &s->commands;
	struct mqtt_asked *a;
	uint32_t left_out;

	/* an empty payload is how a stored command is taken back */
	if (!c->prefix || m->payload.len == 0 || strlen(m->topic) <= c->prefix_len ||
	    strncmp(m->topic, c->prefix, c->prefix_len) != 0)
		return;
	a = asked_new(s, m);
	if (!a) {
		if (fg_log_allowed(&c->odd, fg_loop_now(s->sink->loop), LINES_A_MINUTE, &left_out))
			fg_log(&s->sink->logger, FG_WARN, "no memory for a command, ignored",
			       "bytes=%zu not_logged=%u", m->payload.len, left_out);
		return;
	}
	*c->asked_end = a;
	c->asked_end = &a->next;
	if (++c->nasked >= MQTT_ASKED_MAX)
		fg_mqtt_read(&s->conn, false);
}

static struct mqtt_asked *asked_take(struct mqtt_commands *c)
{
	struct mqtt_asked *a = c->asked;

	if (!a)
		return NULL;
	c->asked = a->next;
	if (!c->asked)
		c->asked_end = &c->asked;
	c->nasked--;
	return a;
}

static void outcomes_done(struct desk *desk)
{
	struct outcome **at = &desk->first;

	while (*at) {
		if ((*at)->done)
			outcome_unlink(desk, at);
		else
			at = &(*at)->next;
	}
}

void mqtt_commands_turn(struct mqtt_sink *s)
{
	struct mqtt_commands *c = &s->commands;
	bool stopped = c->nasked >= MQTT_ASKED_MAX;
	struct mqtt_asked *a;

	if (!c->prefix)
		return;
	outcomes_done(desk_of(s));
	while (s->up && (a = asked_take(c))) {
		const struct fg_request request = {
			.path = a->path,
			.payload = a->payload,
			.retained = a->retained,
			.outcome = on_outcome,
			.arg = s->sink,
			.reply = a->reply,
			.again = a->reply.ptr[0] != '\0',
		};

		fg_command_request(s->sink->commands, &request);
		free(a);
	}
	if (s->up)
		outcomes_send(s);
	if (stopped)
		fg_mqtt_read(&s->conn, true);
}

/* -- from open to closed -- */

int mqtt_commands_open(struct mqtt_sink *s)
{
	struct mqtt_commands *c = &s->commands;
	const struct fg_sink *sink = s->sink;
	struct desk *desk = sink->keep;

	c->asked_end = &c->asked;
	if (!sink->commands)
		return 0;
	if (!desk) {
		desk = calloc(1, sizeof(*desk));
		if (!desk)
			return -ENOMEM;
		desk->end = &desk->first;
		s->sink->keep = desk;
	}
	c->filter = fg_mqtt_expand("fieldgate/{gateway}/command/#", sink->gateway, sink->name);
	c->prefix = fg_mqtt_expand("fieldgate/{gateway}/command/", sink->gateway, sink->name);
	c->outcome_topic = fg_mqtt_expand("fieldgate/{gateway}/outcome", sink->gateway, sink->name);
	if (!c->filter || !c->prefix || !c->outcome_topic)
		return -ENOMEM;
	c->prefix_len = strlen(c->prefix);
	s->conn.wants_answers = true;
	return 0;
}

void mqtt_commands_up(struct mqtt_sink *s)
{
	if (s->commands.prefix)
		desk_of(s)->open = s;
}

void mqtt_commands_down(struct mqtt_sink *s)
{
	struct desk *desk = s->commands.prefix ? desk_of(s) : NULL;
	struct mqtt_asked *a;

	while (s->commands.prefix && (a = asked_take(&s->commands)))
		free(a);
	if (!desk)
		return;
	outcomes_done(desk);
	desk->open = NULL;
	desk->on_the_way = 0;
	for (struct outcome *o = desk->first; o; o = o->next)
		o->mid = 0;
}

void mqtt_commands_close(struct mqtt_sink *s)
{
	struct mqtt_commands *c = &s->commands;

	free(c->filter);
	free(c->prefix);
	free(c->outcome_topic);
	*c = (struct mqtt_commands){ 0 };
}

void mqtt_sink_fini(struct fg_sink *sink)
{
	struct desk *desk = sink->keep;

	if (!desk)
		return;
	fg_command_forget(sink->commands, sink);
	while (desk->first)
		outcome_unlink(desk, &desk->first);
	free(desk);
	sink->keep = NULL;
}
