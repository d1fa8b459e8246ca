/* What goes out on a connection that is up: publications, subscriptions. */
#include "adapt/mosquitto_private.h"

#include <errno.h>
#include <limits.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

/* As in conn_late(): SUBACK is as due as CONNACK. */
#define SUBACK_NS FG_S(20)

static int content_type_add(const struct fg_mqtt *c, const char *content_type,
			    mosquitto_property **list)
{
	if (!content_type || c->conf->version != MQTT_PROTOCOL_V5)
		return MOSQ_ERR_SUCCESS;
	return mosquitto_property_add_string(list, MQTT_PROP_CONTENT_TYPE, content_type);
}

int fg_mqtt_publish(struct fg_mqtt *c, const char *topic, struct fg_str payload, int qos,
		    bool retain, const char *content_type, int *ret_mid)
{
	mosquitto_property *list = NULL;
	int rc;

	if (c->state != FG_MQTT_UP)
		return -ENOTCONN;
	if (payload.len > INT_MAX)
		return -EMSGSIZE;
	rc = content_type_add(c, content_type, &list);
	if (!rc)
		rc = mosquitto_publish_v5(c->mosq, ret_mid, topic, (int)payload.len, payload.ptr,
					  qos, retain, list);
	mosquitto_property_free_all(&list);
	if (rc)
		return fg_mqtt_errno(rc, errno);
	c->queued++;
	return 0;
}

int fg_mqtt_subscribe(struct fg_mqtt *c, char *const *filters, size_t count, int qos, bool retained,
		      bool no_local)
{
	int options = retained ? MQTT_SUB_OPT_SEND_RETAIN_NEW : MQTT_SUB_OPT_SEND_RETAIN_NEVER;
	int rc;

	if (c->state != FG_MQTT_UP)
		return -ENOTCONN;
	if (count > INT_MAX)
		return -EINVAL;
	if (no_local)
		options |= MQTT_SUB_OPT_NO_LOCAL;
	rc = mosquitto_subscribe_multiple(c->mosq, NULL, (int)count, filters, qos, options, NULL);
	if (rc)
		return fg_mqtt_errno(rc, errno);
	c->queued++;
	fg_timer_start(&c->deadline, SUBACK_NS);
	return 0;
}

const char *fg_mqtt_reason(int reason)
{
	return mosquitto_reason_string(reason);
}
