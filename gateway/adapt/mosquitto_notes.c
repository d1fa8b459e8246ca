/*
 * The library's callbacks. Nothing may be called from them: they only note what happened. Those of
 * a packet leave EAGAIN in errno, so that mosquitto_loop_read() ends behind it (2.0.11 and 2.0.21).
 */
#include "adapt/mosquitto_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

void fg_mqtt_note_refusal(struct fg_mqtt *c, int reason)
{
	c->connack = true;
	c->connack_reason = reason;
	/* MQTT 3.1.1 has codes of its own, all below those of MQTT 5 */
	snprintf(c->why, sizeof(c->why), "the broker refused the connection: %s",
		 reason < 0x80 ? mosquitto_connack_string(reason) : fg_mqtt_reason(reason));
	c->peer_said_why = true;
}

static void note_connect(struct mosquitto *mosq, void *obj, int reason, int flags,
			 const mosquitto_property *props)
{
	struct fg_mqtt *c = obj;

	(void)mosq;
	c->packets++;
	c->connack = true;
	c->connack_reason = reason;
	c->session = flags & 1;
	mosquitto_property_read_int16(props, MQTT_PROP_RECEIVE_MAXIMUM, &c->peer_receive_max,
				      false);
	mosquitto_property_read_int32(props, MQTT_PROP_MAXIMUM_PACKET_SIZE, &c->peer_packet_max,
				      false);
	mosquitto_property_read_int16(props, MQTT_PROP_SERVER_KEEP_ALIVE, &c->server_keepalive_s,
				      false);
	mosquitto_property_read_int32(props, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
				      &c->session_expiry_s, false);
	if (reason)
		fg_mqtt_note_refusal(c, reason);
	errno = EAGAIN;
}

static void note_disconnect(struct mosquitto *mosq, void *obj, int reason,
			    const mosquitto_property *props)
{
	struct fg_mqtt *c = obj;

	(void)mosq, (void)props;
	if (reason < 0x80 || c->peer_said_why)
		return;
	c->connack_reason = reason;
	snprintf(c->why, sizeof(c->why), "the broker ended the connection: %s",
		 reason == MQTT_RC_SESSION_TAKEN_OVER ? "another client has the same client_id" :
							fg_mqtt_reason(reason));
	c->peer_said_why = true;
}

/* What the library copies out of the properties of a message. */
struct answer {
	char *topic;
	void *correlation;
};

static void answer_read(const mosquitto_property *props, struct answer *answer,
			struct fg_mqtt_message *message)
{
	uint16_t len = 0;

	if (!mosquitto_property_read_string(props, MQTT_PROP_RESPONSE_TOPIC, &answer->topic, false))
		return;
	message->response_topic = fg_str_c(answer->topic);
	if (mosquitto_property_read_binary(props, MQTT_PROP_CORRELATION_DATA, &answer->correlation,
					   &len, false))
		message->correlation = fg_str(answer->correlation, len);
}

static void note_message(struct mosquitto *mosq, void *obj, const struct mosquitto_message *m,
			 const mosquitto_property *props)
{
	struct fg_mqtt *c = obj;
	struct fg_mqtt_message message = {
		.topic = m->topic,
		.payload = { m->payload, (size_t)m->payloadlen },
		.qos = m->qos,
		.retained = m->retain,
	};
	struct answer answer = { 0 };

	(void)mosq;
	c->packets++;
	/* MQTT 5, section 3.3.2.1, and as in 3.1.1; the library lets it pass */
	if (!*m->topic || strpbrk(m->topic, "+#")) {
		c->malformed = true;
		errno = EAGAIN;
		return;
	}
	c->queued += m->qos > 0;
	if (c->wants_answers && props)
		answer_read(props, &answer, &message);
	if (c->ops->message)
		c->ops->message(c, &message);
	free(answer.topic);
	free(answer.correlation);
	errno = EAGAIN;
}

static void note_publish(struct mosquitto *mosq, void *obj, int mid, int reason,
			 const mosquitto_property *props)
{
	struct fg_mqtt *c = obj;

	(void)mosq, (void)props;
	c->packets++;
	if (c->ops->published)
		c->ops->published(c, mid, reason);
	errno = EAGAIN;
}

static void note_subscribe(struct mosquitto *mosq, void *obj, int mid, int count,
			   const int *granted, const mosquitto_property *props)
{
	struct fg_mqtt *c = obj;

	(void)mosq, (void)mid, (void)props;
	c->packets++;
	fg_timer_stop(&c->deadline);
	if (c->ops->subscribed)
		c->ops->subscribed(c, granted, count);
	errno = EAGAIN;
}

static void note_unsubscribe(struct mosquitto *mosq, void *obj, int mid,
			     const mosquitto_property *props)
{
	struct fg_mqtt *c = obj;

	(void)mosq, (void)mid, (void)props;
	c->packets++;
	fg_timer_stop(&c->deadline);
	if (c->ops->unsubscribed)
		c->ops->unsubscribed(c);
	errno = EAGAIN;
}

void fg_mqtt_note_quiet(struct mosquitto *mosq, void *obj, int level, const char *text)
{
	(void)mosq, (void)obj, (void)level, (void)text;
	errno = EAGAIN;
}

void fg_mqtt_callbacks_set(struct fg_mqtt *c)
{
	mosquitto_connect_v5_callback_set(c->mosq, note_connect);
	mosquitto_disconnect_v5_callback_set(c->mosq, note_disconnect);
	mosquitto_message_v5_callback_set(c->mosq, note_message);
	mosquitto_publish_v5_callback_set(c->mosq, note_publish);
	mosquitto_subscribe_v5_callback_set(c->mosq, note_subscribe);
	mosquitto_unsubscribe_v5_callback_set(c->mosq, note_unsubscribe);
}
