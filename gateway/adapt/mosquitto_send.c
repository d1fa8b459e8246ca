/* What goes out on a connection that is up: publications, subscriptions. */
#include "adapt/mosquitto_private.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

/* As in conn_late(): SUBACK is as due as CONNACK. */
#define SUBACK_NS FG_S(20)

static int properties_add(const struct fg_mqtt *c, const struct fg_mqtt_publication *p,
			  mosquitto_property **list)
{
	int rc = MOSQ_ERR_SUCCESS;

	if (c->conf->version != MQTT_PROTOCOL_V5)
		return rc;
	if (p->content_type)
		rc = mosquitto_property_add_string(list, MQTT_PROP_CONTENT_TYPE, p->content_type);
	if (!rc && p->correlation.len)
		rc = mosquitto_property_add_binary(list, MQTT_PROP_CORRELATION_DATA,
						   p->correlation.ptr,
						   (uint16_t)p->correlation.len);
	return rc;
}

static size_t varint_size(size_t n)
{
	return n < 128 ? 1 : n < 16384 ? 2 : n < 2097152 ? 3 : 4;
}

/* The library counts one byte less before it takes a publication than when it writes it, and has an
 * assertion in between (2.0.11: log__printf(NULL)): such a one would end the process. */
static bool is_too_large(const struct fg_mqtt *c, const struct fg_mqtt_publication *p)
{
	size_t size = 2 + strlen(p->topic) + p->payload.len + (p->qos ? 2 : 0), properties = 0;

	if (c->conf->version == MQTT_PROTOCOL_V5) {
		properties += p->content_type ? 3 + strlen(p->content_type) : 0;
		properties += p->correlation.len ? 3 + p->correlation.len : 0;
		size += varint_size(properties) + properties;
	}
	return 1 + varint_size(size) + size > c->peer_packet_max;
}

int fg_mqtt_publish(struct fg_mqtt *c, const struct fg_mqtt_publication *p, int *ret_mid)
{
	mosquitto_property *list = NULL;
	int rc;

	if (c->state != FG_MQTT_UP)
		return -ENOTCONN;
	if (p->payload.len > INT_MAX || p->correlation.len > UINT16_MAX || is_too_large(c, p))
		return -EMSGSIZE;
	rc = properties_add(c, p, &list);
	if (!rc)
		rc = mosquitto_publish_v5(c->mosq, ret_mid, p->topic, (int)p->payload.len,
					  p->payload.ptr, p->qos, p->retain, list);
	mosquitto_property_free_all(&list);
	if (rc)
		return fg_mqtt_errno(rc, errno);
	c->queued++;
	return 0;
}

static int subscribe_options(unsigned options)
{
	int flags = options & FG_MQTT_ALL_RETAINED  ? MQTT_SUB_OPT_SEND_RETAIN_ALWAYS :
		    options & FG_MQTT_TAKE_RETAINED ? MQTT_SUB_OPT_SEND_RETAIN_NEW :
						      MQTT_SUB_OPT_SEND_RETAIN_NEVER;

	if (options & FG_MQTT_NO_LOCAL)
		flags |= MQTT_SUB_OPT_NO_LOCAL;
	if (options & FG_MQTT_RETAIN_AS_PUBLISHED)
		flags |= MQTT_SUB_OPT_RETAIN_AS_PUBLISHED;
	return flags;
}

int fg_mqtt_subscribe(struct fg_mqtt *c, char *const *filters, size_t count, int qos,
		      unsigned options)
{
	int rc;

	if (c->state != FG_MQTT_UP)
		return -ENOTCONN;
	if (count > INT_MAX)
		return -EINVAL;
	rc = mosquitto_subscribe_multiple(c->mosq, NULL, (int)count, filters, qos,
					  subscribe_options(options), NULL);
	if (rc)
		return fg_mqtt_errno(rc, errno);
	c->queued++;
	fg_timer_start(&c->deadline, SUBACK_NS);
	return 0;
}

int fg_mqtt_unsubscribe(struct fg_mqtt *c, char *const *filters, size_t count)
{
	int rc;

	if (c->state != FG_MQTT_UP)
		return -ENOTCONN;
	if (count > INT_MAX)
		return -EINVAL;
	rc = mosquitto_unsubscribe_multiple(c->mosq, NULL, (int)count, filters, NULL);
	if (rc)
		return fg_mqtt_errno(rc, errno);
	c->queued++;
	fg_timer_start(&c->deadline, SUBACK_NS);
	return 0;
}

/* Busy, leaving, taken over, elsewhere: whatever was sent is not to blame. */
bool fg_mqtt_is_of_connection(int reason)
{
	return (reason >= 0x88 && reason <= 0x8e) || (reason >= 0x96 && reason <= 0x98) ||
	       reason >= 0x9c;
}

const char *fg_mqtt_reason(int reason)
{
	return mosquitto_reason_string(reason);
}

int fg_mqtt_outcome(int reason)
{
	switch (reason) {
	case 0x00:
	case 0x10: /* nobody has subscribed */
		return 0;
	case 0x80: /* unspecified */
	case 0x88: /* unavailable */
	case 0x89: /* busy */
	case 0x91: /* identifier in use */
	case 0x96: /* too many a second */
	case 0x97: /* quota */
		return -EAGAIN;
	case 0x83: /* implementation specific */
	case 0x87: /* not authorised */
	case 0x90: /* the topic's name */
		return -EACCES;
	case 0x95:
		return -EMSGSIZE;
	default:
		return -EBADMSG;
	}
}
