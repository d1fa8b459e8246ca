/* The layout of MQTT 5 packets, as far as their properties reach. */
#include "adapt/mosquitto_guard.h"

#include <errno.h>
#include <stdbool.h>

#define VARINT_BYTES 4
#define ID_MAX 42
#define RETAIN 0x01
#define DUP_OF_QOS_0 0x38	/* a PUBLISH that cannot be (section 3.3.1.1) */

enum kind { NONE, FLAG, BYTE, TWO_BYTES, FOUR_BYTES, VARINT, BINARY, TOPIC, PAIR };

#define IN(type) (1u << (type))
#define PUBLISH IN(FG_MQTT_PUBLISH)
#define CONNACK IN(FG_MQTT_CONNACK)
#define AUTH IN(FG_MQTT_AUTH)
#define DISCONNECT IN(FG_MQTT_DISCONNECT)
#define ANSWERS                                                                                    \
	(CONNACK | IN(FG_MQTT_PUBACK) | IN(FG_MQTT_PUBREC) | IN(FG_MQTT_PUBREL) |                  \
	 IN(FG_MQTT_PUBCOMP) | IN(FG_MQTT_SUBACK) | IN(FG_MQTT_UNSUBACK) | DISCONNECT | AUTH)

struct property {
	enum kind kind;
	unsigned packets;		/* bits by type: that a broker may send with it */
};

/* MQTT 5, section 2.2.2.2. What only a client sends has no row, nor has the topic alias: in CONNECT
 * there is no maximum, so the broker may use none (section 3.3.2.3.4). */
static const struct property properties[ID_MAX + 1] = {
	[1] = { FLAG, PUBLISH },	/* payload format indicator */
	[2] = { FOUR_BYTES, PUBLISH },	/* message expiry interval */
	[3] = { BINARY, PUBLISH },	/* content type */
	[8] = { TOPIC, PUBLISH },	/* response topic */
	[9] = { BINARY, PUBLISH },	/* correlation data */
	[11] = { VARINT, PUBLISH },	/* subscription identifier */
	[17] = { FOUR_BYTES, CONNACK }, /* session expiry interval */
	[18] = { BINARY, CONNACK },	/* assigned client identifier */
	[19] = { TWO_BYTES, CONNACK },	/* server keep alive */
	[21] = { BINARY, CONNACK | AUTH }, /* authentication method */
	[22] = { BINARY, CONNACK | AUTH }, /* authentication data */
	[26] = { BINARY, CONNACK },	/* response information */
	[28] = { BINARY, CONNACK | DISCONNECT }, /* server reference */
	[31] = { BINARY, ANSWERS },	/* reason string */
	[33] = { TWO_BYTES, CONNACK },	/* receive maximum */
	[34] = { TWO_BYTES, CONNACK },	/* topic alias maximum */
	[36] = { BYTE, CONNACK },	/* maximum QoS */
	[37] = { BYTE, CONNACK },	/* retain available */
	[38] = { PAIR, ANSWERS | PUBLISH }, /* user property */
	[39] = { FOUR_BYTES, CONNACK }, /* maximum packet size */
	[40] = { BYTE, CONNACK },	/* wildcard subscription available */
	[41] = { BYTE, CONNACK },	/* subscription identifiers available */
	[42] = { BYTE, CONNACK },	/* shared subscription available */
};

#define ID_SUBSCRIPTION 11
#define ID_USER 38

struct span {
	const uint8_t *at;
	size_t have;			/* bytes that are there */
	size_t left;			/* bytes that belong to it */
};

static int span_skip(struct span *span, size_t len)
{
	if (len > span->left)
		return -EBADMSG;
	if (len > span->have)
		return -EAGAIN;
	span->at += len;
	span->have -= len;
	span->left -= len;
	return 0;
}

static int number_take(struct span *span, bool *ret_padded, uint32_t *ret_value)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < VARINT_BYTES; i++) {
		const uint8_t *byte = span->at;
		int r = span_skip(span, 1);

		if (r < 0)
			return r;
		value |= (uint32_t)(*byte & 0x7f) << (7 * i);
		if (*byte & 0x80)
			continue;
		*ret_padded = i && *byte == 0;
		*ret_value = value;
		return 0;
	}
	return -EBADMSG;
}

/* As short as can be (section 1.5.5). */
static int varint_take(struct span *span, uint32_t *ret_value)
{
	bool padded;
	uint32_t value;
	int r = number_take(span, &padded, &value);

	if (r < 0)
		return r;
	if (padded)
		return -EBADMSG;
	*ret_value = value;
	return 0;
}

static int binary_skip(struct span *span)
{
	const uint8_t *at = span->at;
	int r = span_skip(span, 2);

	return r < 0 ? r : span_skip(span, (size_t)at[0] << 8 | at[1]);
}

static int topic_skip(struct span *span)
{
	const uint8_t *at = span->at;
	int r = binary_skip(span);

	if (r < 0)
		return r;
	for (at += 2; at < span->at; at++)
		if (*at == '+' || *at == '#')
			return -EBADMSG;
	return 0;
}

static int value_skip(struct span *span, enum kind kind)
{
	uint32_t value;
	int r;

	switch (kind) {
	case FLAG:
		r = span_skip(span, 1);
		return r == 0 && span->at[-1] > 1 ? -EBADMSG : r;
	case BYTE:
		return span_skip(span, 1);
	case TWO_BYTES:
		return span_skip(span, 2);
	case FOUR_BYTES:
		return span_skip(span, 4);
	case VARINT:
		return varint_take(span, &value);
	case PAIR:
		r = binary_skip(span);
		return r < 0 ? r : binary_skip(span);
	case BINARY:
		return binary_skip(span);
	case TOPIC:
		return topic_skip(span);
	case NONE:
		break;
	}
	return -EBADMSG;
}

static bool may_repeat(uint32_t id)
{
	return id == ID_USER || id == ID_SUBSCRIPTION;
}

static int list_check(struct span list, enum fg_mqtt_type type)
{
	uint64_t seen = 0;

	while (list.left) {
		uint32_t id;
		int r = varint_take(&list, &id);

		if (r < 0)
			return r;
		if (id > ID_MAX || !(properties[id].packets & IN(type)))
			return -EBADMSG;
		if ((seen & UINT64_C(1) << id) && !may_repeat(id))
			return -EBADMSG;
		seen |= UINT64_C(1) << id;
		r = value_skip(&list, properties[id].kind);
		if (r < 0)
			return r;
	}
	return 0;
}

static int properties_check(struct span *body, enum fg_mqtt_type type)
{
	struct span list;
	uint32_t len;
	int r;

	r = varint_take(body, &len);
	if (r < 0)
		return r;
	list = *body;
	r = span_skip(body, len);
	if (r < 0)
		return r;
	list.have = list.left = len;
	return list_check(list, type);
}

static int publish_check(struct span *body, int qos)
{
	int r;

	if (qos > 2)
		return -EBADMSG;
	r = binary_skip(body);
	if (r == 0 && qos)
		r = span_skip(body, 2);
	return r < 0 ? r : properties_check(body, FG_MQTT_PUBLISH);
}

/* A broker that knows no MQTT 5 refuses with a CONNACK of 3.1.1: without properties. */
static int connack_check(struct span *body)
{
	int r = span_skip(body, 2);

	if (r == 0 && body->left)
		r = properties_check(body, FG_MQTT_CONNACK);
	return r < 0 ? r : body->left ? -EBADMSG : 0;
}

/* `len` bytes, a reason, properties: what is last may be left out (sections 3.4.2.1, 3.14.2.1). */
static int reason_check(struct span *body, size_t len, enum fg_mqtt_type type)
{
	int r = span_skip(body, len);

	if (r == 0 && body->left)
		r = span_skip(body, 1);
	if (r == 0 && body->left)
		r = properties_check(body, type);
	return r < 0 ? r : body->left ? -EBADMSG : 0;
}

static int body_check(struct span *body, const struct fg_mqtt_head *head)
{
	int r;

	switch (head->type) {
	case FG_MQTT_CONNACK:
		return connack_check(body);
	case FG_MQTT_PUBLISH:
		return publish_check(body, head->qos);
	case FG_MQTT_PUBACK:
	case FG_MQTT_PUBREC:
	case FG_MQTT_PUBREL:
	case FG_MQTT_PUBCOMP:
		return reason_check(body, 2, head->type);
	case FG_MQTT_SUBACK:
	case FG_MQTT_UNSUBACK:
		r = span_skip(body, 2);
		return r < 0 ? r : properties_check(body, head->type);
	case FG_MQTT_PINGRESP:
		return body->left ? -EBADMSG : 0;
	case FG_MQTT_DISCONNECT:
	case FG_MQTT_AUTH:
		return reason_check(body, 0, head->type);
	}
	return -EBADMSG;
}

int fg_mqtt_guard(const uint8_t *data, size_t len, struct fg_mqtt_head *ret_head)
{
	struct span body = { data, len, SIZE_MAX };
	struct fg_mqtt_head head = { 0 };
	uint32_t rest;
	bool padded;
	int r;

	r = span_skip(&body, 1);
	if (r < 0)
		return r;
	if ((data[0] & ~RETAIN) == DUP_OF_QOS_0)
		return -EBADMSG;
	head.type = (enum fg_mqtt_type)(data[0] >> 4);
	head.qos = head.type == FG_MQTT_PUBLISH ? data[0] >> 1 & 3 : 0;
	/* there are encoders that leave room for the longest: no harm in it */
	r = number_take(&body, &padded, &rest);
	if (r < 0)
		return r;
	head.len = (size_t)(body.at - data) + rest;
	body.left = rest;
	r = body_check(&body, &head);
	if (r == 0 && head.type == FG_MQTT_CONNACK && rest == 2)
		head.refusal = body.at[-1];
	if (r == 0)
		*ret_head = head;
	return r;
}
