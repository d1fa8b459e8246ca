/*
 * The way to a connection that blocks, on a worker: making the handle, reading certificates,
 * looking up the name, beginning to connect. TCP and TLS themselves come up on the loop.
 */
#include "adapt/mosquitto_private.h"
#include "adapt/tls.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

struct mosq_error {
	int rc, error;
};

static const struct mosq_error errors[] = {
	{ MOSQ_ERR_NOMEM, -ENOMEM },
	{ MOSQ_ERR_PROTOCOL, -EPROTO },
	{ MOSQ_ERR_INVAL, -EINVAL },
	{ MOSQ_ERR_NO_CONN, -ENOTCONN },
	{ MOSQ_ERR_CONN_REFUSED, -ECONNREFUSED },
	{ MOSQ_ERR_CONN_LOST, -ECONNRESET },
	{ MOSQ_ERR_TLS, -EPROTO },
	{ MOSQ_ERR_PAYLOAD_SIZE, -EMSGSIZE },
	{ MOSQ_ERR_OVERSIZE_PACKET, -EMSGSIZE },
	{ MOSQ_ERR_NOT_SUPPORTED, -ENOTSUP },
	{ MOSQ_ERR_QOS_NOT_SUPPORTED, -ENOTSUP },
	{ MOSQ_ERR_AUTH, -EACCES },
	{ MOSQ_ERR_ACL_DENIED, -EACCES },
	{ MOSQ_ERR_EAI, -EHOSTUNREACH },
	{ MOSQ_ERR_KEEPALIVE, -ETIMEDOUT },
	{ MOSQ_ERR_MALFORMED_UTF8, -EPROTO },
	{ MOSQ_ERR_MALFORMED_PACKET, -EPROTO },
};

int fg_mqtt_errno(int rc, int saved_errno)
{
	if (rc == MOSQ_ERR_SUCCESS)
		return 0;
	if (rc == MOSQ_ERR_ERRNO)
		return saved_errno ? -saved_errno : -EIO;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].rc == rc)
			return errors[i].error;
	return -EIO;
}

const char *fg_mqtt_error_text(int rc, int saved_errno)
{
	switch (rc) {
	case MOSQ_ERR_ERRNO:
		return strerror(saved_errno ? saved_errno : EIO);
	case MOSQ_ERR_EAI:
		return gai_strerror(saved_errno);
	case MOSQ_ERR_CONN_LOST:
		return "the broker closed the connection";
	case MOSQ_ERR_KEEPALIVE:
		return "the broker is silent";
	case MOSQ_ERR_PROTOCOL:
		return "the peer does not speak MQTT as it should";
	case MOSQ_ERR_MALFORMED_PACKET:
		return "the broker sent a malformed packet";
	case MOSQ_ERR_TLS:
		return "TLS failed";
	default:
		return mosquitto_strerror(rc);
	}
}

/* Only while connecting: the library formats every packet for it. */
static void note_log(struct mosquitto *mosq, void *obj, int level, const char *text)
{
	struct fg_mqtt *c = obj;

	(void)mosq;
	if (level == MOSQ_LOG_ERR && !c->peer_said_why) {
		if (!fg_mqtt_tls_why(text, c->why, sizeof(c->why)))
			snprintf(c->why, sizeof(c->why), "%s", text);
		c->peer_said_why = true;
	}
	errno = EAGAIN; /* as in mosquitto_notes.c */
}

static int set_tls(struct fg_mqtt *c)
{
	SSL_CTX *ctx;
	int rc;

	if (!c->address.tls)
		return MOSQ_ERR_SUCCESS;
	ctx = fg_mqtt_tls_new(c, c->why, sizeof(c->why));
	if (!ctx) {
		c->peer_said_why = true;
		if (!fg_tls_beyond_repair())
			return MOSQ_ERR_TLS;
		c->rc_errno = ENOTRECOVERABLE;
		return MOSQ_ERR_ERRNO;
	}
	rc = mosquitto_int_option(c->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
	if (!rc)
		rc = mosquitto_void_option(c->mosq, MOSQ_OPT_SSL_CTX, ctx);
	SSL_CTX_free(ctx); /* the library has taken a reference of its own */
	return rc;
}

static int set_will(struct fg_mqtt *c)
{
	if (!c->setup.will_topic)
		return MOSQ_ERR_SUCCESS;
	return mosquitto_will_set(c->mosq, c->setup.will_topic, (int)c->setup.will.len,
				  c->setup.will.ptr, 1, c->setup.will_retained);
}

static int set_options(struct fg_mqtt *c)
{
	const struct fg_mqtt_conf *conf = c->conf;
	int rc;

	rc = mosquitto_int_option(c->mosq, MOSQ_OPT_PROTOCOL_VERSION, conf->version);
	if (!rc)
		rc = mosquitto_int_option(c->mosq, MOSQ_OPT_RECEIVE_MAXIMUM, c->setup.receive_max);
	if (!rc)
		rc = mosquitto_int_option(c->mosq, MOSQ_OPT_SEND_MAXIMUM, c->setup.send_max);
	/* whole turns are written at once: there is nothing to wait for */
	if (!rc && !c->address.local)
		rc = mosquitto_int_option(c->mosq, MOSQ_OPT_TCP_NODELAY, 1);
	if (!rc && (conf->username || conf->password.value))
		rc = mosquitto_username_pw_set(c->mosq, conf->username, conf->password.value);
	if (!rc)
		rc = set_will(c);
	if (!rc)
		rc = mosquitto_threaded_set(c->mosq, true);
	return rc ? rc : set_tls(c);
}

/* Without a session expiry an MQTT 5 session ends with its connection. The call refuses the missing
 * host, but only after it has kept the properties (2.0.11 and 2.0.21). */
static int set_session_expiry(struct fg_mqtt *c)
{
	mosquitto_property *list = NULL;
	int rc;

	if (c->conf->version != MQTT_PROTOCOL_V5 || c->setup.clean || !c->session_expiry_s)
		return MOSQ_ERR_SUCCESS;
	rc = mosquitto_property_add_int32(&list, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
					  c->session_expiry_s);
	if (!rc)
		rc = mosquitto_connect_bind_v5(c->mosq, NULL, 0, 60, NULL, list);
	mosquitto_property_free_all(&list);
	return rc == MOSQ_ERR_INVAL ? MOSQ_ERR_SUCCESS : rc;
}

/* Many networks have addresses of IPv6 that lead nowhere, and the library takes the first address
 * that does not refuse at once. */
static const char *bind_address(const struct fg_mqtt *c)
{
	return c->second_try ? "0.0.0.0" : NULL;
}

void fg_mqtt_connect_work(struct fg_work *work)
{
	struct fg_mqtt *c = (struct fg_mqtt *)((char *)work - offsetof(struct fg_mqtt, work));
	int keepalive_s = (int)(c->conf->keepalive_ns / 1000000000);
	bool peeks = fg_mqtt_guarded(c) && !c->address.tls;

	c->rc_errno = 0;
	if (peeks)
		c->peeked = malloc(FG_MQTT_PEEK_MAX);
	c->mosq = mosquitto_new(c->setup.client_id, c->setup.clean, c);
	if (!c->mosq || (peeks && !c->peeked)) {
		c->rc = MOSQ_ERR_NOMEM;
		return;
	}
	fg_mqtt_callbacks_set(c);
	mosquitto_log_callback_set(c->mosq, note_log);
	c->rc = set_options(c);
	if (!c->rc)
		c->rc = set_session_expiry(c);
	if (!c->rc) {
		errno = 0;
		c->rc = mosquitto_connect_bind_async(c->mosq, c->address.host, c->address.port,
						     keepalive_s, bind_address(c));
		c->rc_errno = errno;
	}
	/* here the handshake has begun at most, and nothing has been read behind it */
	if (!c->rc && c->address.tls && fg_mqtt_guarded(c) && fg_mqtt_gate_open(c) < 0)
		c->rc = MOSQ_ERR_NOMEM;
}
