/*
 * Commands to devices behind the field broker: the payload is published to the topic that the
 * profile names. The broker's acknowledgement is the outcome; what the device makes of it comes, if
 * at all, as its next reading.
 *
 * What became of a publication is noted in the library's callbacks and told once it has returned.
 * What is under way when the connection is lost is given back by fg_source_closed().
 */
#include <fg/command.h>

#include "mqtt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SENT_MAX 1024
#define WAITS -1		/* no reason yet */

struct mqtt_sent {
	struct fg_command *command;
	int mid, reason;
};

static int refuse(struct fg_command *command, const char *why)
{
	fg_command_done(command, FG_OUTCOME_REFUSED, why);
	return 0;
}

static struct mqtt_sent *sent_reserve(struct mqtt_source *s)
{
	uint32_t cap = s->sent_cap ? s->sent_cap * 2 : 8;
	struct mqtt_sent *sent;

	if (s->nsent < s->sent_cap)
		return &s->sent[s->nsent];
	if (s->nsent >= SENT_MAX)
		return NULL;
	sent = realloc(s->sent, cap * sizeof(*sent));
	if (!sent)
		return NULL;
	s->sent = sent;
	s->sent_cap = cap;
	return &sent[s->nsent];
}

static int command_publish(struct mqtt_source *s, struct fg_command *command, const char *topic)
{
	const struct mqtt_source_conf *conf = s->source->conf;
	const struct fg_mqtt_publication p = {
		.topic = topic,
		.payload = command->payload,
		.qos = (int)conf->qos,
	};
	struct mqtt_sent *sent = sent_reserve(s);
	int r, mid = 0;

	if (!sent)
		return -ENOBUFS;
	r = fg_mqtt_publish(&s->conn, &p, &mid);
	if (r < 0)
		return r == -ENOTCONN ? -EAGAIN : r;
	*sent = (struct mqtt_sent){ .command = command, .mid = mid, .reason = WAITS };
	s->nsent++;
	/* not from within: this may be called while the library's notes are acted upon */
	fg_loop_defer(s->source->loop, &s->flush);
	return 0;
}

int mqtt_source_command(struct fg_source *source, struct fg_command *command)
{
	struct mqtt_source *s = source->state;
	char *topic;
	int r;

	if (command->to.len == 0)
		return refuse(command, "the profile names no topic to write to");
	topic = strndup(command->to.ptr, command->to.len);
	if (!topic)
		return -ENOMEM;
	if (strlen(topic) != command->to.len || !fg_mqtt_topic_good(topic))
		r = refuse(command, "not a topic that can be published to");
	else if (strncmp(topic, s->own_prefix, s->own_prefix_len) == 0)
		r = refuse(command, "the topic is the gateway's own");
	else if (s->conn.state != FG_MQTT_UP)
		r = -EAGAIN;
	else
		r = command_publish(s, command, topic);
	free(topic);
	return r;
}

void mqtt_source_flush(struct fg_defer *defer)
{
	struct mqtt_source *s =
		(struct mqtt_source *)(void *)((char *)defer - offsetof(struct mqtt_source, flush));

	fg_mqtt_flush(&s->conn);
}

void mqtt_sent_note(struct mqtt_source *s, int mid, int reason)
{
	for (uint32_t i = 0; i < s->nsent; i++)
		if (s->sent[i].mid == mid && s->sent[i].reason == WAITS) {
			s->sent[i].reason = reason;
			s->ntold++;
			return;
		}
}

/* MQTT 5, section 3.4.2.1 */
static void tell(struct fg_command *command, int reason)
{
	if (reason == 0x10)
		fg_command_done(command, FG_OUTCOME_UNREACHABLE, "nobody has subscribed to it");
	else if (reason >= 0x80)
		fg_command_done(command, FG_OUTCOME_FAILED, fg_mqtt_reason(reason));
	else
		fg_command_done(command, FG_OUTCOME_DONE, NULL);
}

void mqtt_sent_tell(struct mqtt_source *s)
{
	/* telling may lead to the next command, which comes behind those that are here */
	for (uint32_t i = 0; s->ntold && i < s->nsent;) {
		struct mqtt_sent sent = s->sent[i];

		if (sent.reason == WAITS) {
			i++;
			continue;
		}
		memmove(&s->sent[i], &s->sent[i + 1], (s->nsent - i - 1) * sizeof(sent));
		s->nsent--;
		s->ntold--;
		tell(sent.command, sent.reason);
	}
}

void mqtt_sent_leave(struct mqtt_source *s)
{
	mqtt_sent_tell(s);
	while (s->nsent) {
		struct fg_command *command = s->sent[--s->nsent].command;

		fg_command_done(command, FG_OUTCOME_UNREACHABLE,
				"the broker did not acknowledge it in time");
	}
}

void mqtt_sent_forget(struct mqtt_source *s)
{
	free(s->sent);
	s->sent = NULL;
	s->nsent = s->ntold = s->sent_cap = 0;
}
