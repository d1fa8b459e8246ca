/*
 * Reading a topic, for `fieldgate audit`: blocks, without a loop. A broker gives what is published
 * from the subscription on, what it has retained, and, under a client id that it knows, what its
 * session has kept; nothing says where that ends but silence.
 */
#include "mqtt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mosquitto.h>

#define KEEPALIVE_S 60
#define STEP_MS 100

struct reading {
	struct fg_collect *c;
	struct mosquitto *mosq;
	const char *topic;
	char *host;
	int port;
	bool secure;
	uint32_t wait_ms;
	int64_t heard_ms;
	int error;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int fail(struct reading *r, int error, const char *what, const char *detail)
{
	if (r->error == 0) {
		r->error = error;
		snprintf(r->c->why, sizeof(r->c->why), "%s%s%.150s", what, detail ? ": " : "",
			 detail ? detail : "");
	}
	return r->error;
}

/* -- callbacks, within mosquitto_loop() -- */

static void on_connect(struct mosquitto *mosq, void *arg, int rc)
{
	struct reading *r = arg;

	if (rc != 0)
		fail(r, -EACCES, "the broker refuses", mosquitto_connack_string(rc));
	else if (mosquitto_subscribe(mosq, NULL, r->topic, 1) != MOSQ_ERR_SUCCESS)
		fail(r, -EIO, "cannot subscribe", NULL);
}

static void on_subscribe(struct mosquitto *mosq, void *arg, int mid, int count, const int *granted)
{
	(void)mosq;
	(void)mid;
	if (count > 0 && granted[0] > 2)
		fail(arg, -EACCES, "the broker refuses the subscription", NULL);
	((struct reading *)arg)->heard_ms = now_ms();
}

static void on_message(struct mosquitto *mosq, void *arg, const struct mosquitto_message *m)
{
	struct reading *r = arg;

	(void)mosq;
	r->heard_ms = now_ms();
	if (r->wait_ms && m->payloadlen > 0)
		r->wait_ms = r->c->take(r->c->arg, fg_str(m->payload, (size_t)m->payloadlen), NULL);
}

/* -- connecting -- */

/* Splits in place: USER:PASSWORD@HOST:PORT, [IPV6]:PORT. */
static void authority_parse(struct reading *r, char *text)
{
	char *at = strrchr(text, '@'), *colon;

	if (at) {
		*at = '\0';
		colon = strchr(text, ':');
		if (colon)
			*colon++ = '\0';
		r->c->username = text;
		r->c->password = colon;
		text = at + 1;
	}
	text[strcspn(text, "/")] = '\0';
	colon = strrchr(text, ':');
	if (colon && !strchr(colon, ']')) {
		*colon = '\0';
		r->port = (int)strtol(colon + 1, NULL, 10);
	}
	if (*text == '[') {
		text++;
		text[strcspn(text, "]")] = '\0';
	}
	r->host = text;
}

static int url_parse(struct reading *r, char *url)
{
	r->secure = strncmp(url, "mqtts://", 8) == 0;
	r->port = r->secure ? 8883 : 1883;
	if (strncmp(url, "unix://", 7) == 0) {
		r->host = url + 7;
		r->port = 0;
	} else if (r->secure || strncmp(url, "mqtt://", 7) == 0) {
		authority_parse(r, strstr(url, "://") + 3);
	} else {
		return fail(r, -EINVAL, "expected mqtt://HOST:PORT, mqtts:// or unix://PATH", NULL);
	}
	return *r->host && r->port >= 0 && r->port <= 65535 ?
		       0 :
		       fail(r, -EINVAL, "no host or port in the URL", NULL);
}

static int set_all(struct reading *r)
{
	const struct fg_collect *c = r->c;
	int rc = MOSQ_ERR_SUCCESS;

	r->mosq = mosquitto_new(c->client_id, c->client_id == NULL, r);
	if (!r->mosq)
		return fail(r, -ENOMEM, "out of memory", NULL);
	mosquitto_connect_callback_set(r->mosq, on_connect);
	mosquitto_subscribe_callback_set(r->mosq, on_subscribe);
	mosquitto_message_callback_set(r->mosq, on_message);
	if (c->username)
		rc = mosquitto_username_pw_set(r->mosq, c->username, c->password);
	if (rc == MOSQ_ERR_SUCCESS && r->secure && c->ca)
		rc = mosquitto_tls_set(r->mosq, c->ca, NULL, c->cert, c->key, NULL);
	else if (rc == MOSQ_ERR_SUCCESS && r->secure)
		rc = mosquitto_tls_set(r->mosq, NULL, "/etc/ssl/certs", c->cert, c->key, NULL);
	return rc == MOSQ_ERR_SUCCESS ? 0 : fail(r, -EINVAL, "TLS", mosquitto_strerror(rc));
}

static int open_connection(struct reading *r, char *url)
{
	int e = url_parse(r, url), rc;

	if (e == 0)
		e = set_all(r);
	if (e < 0)
		return e;
	rc = mosquitto_connect(r->mosq, r->host, r->port, KEEPALIVE_S);
	return rc == MOSQ_ERR_SUCCESS ?
		       0 :
		       fail(r, -ECONNREFUSED, "cannot connect",
			    rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
}

static int read_all(struct reading *r)
{
	r->heard_ms = now_ms();
	while (r->error == 0 && r->wait_ms && now_ms() - r->heard_ms < (int64_t)r->wait_ms) {
		int rc = mosquitto_loop(r->mosq, STEP_MS, 1);

		if (rc != MOSQ_ERR_SUCCESS)
			fail(r, -EIO, "the connection ended", mosquitto_strerror(rc));
	}
	return r->error;
}

int mqtt_collect(struct fg_collect *collect)
{
	struct reading r = { .c = collect,
			     .topic = collect->subject ? collect->subject : "fieldgate/+/records",
			     .wait_ms = collect->wait_ms };
	char *url = strdup(collect->url);
	int e;

	if (!url)
		return fail(&r, -ENOMEM, "out of memory", NULL);
	mosquitto_lib_init();
	e = open_connection(&r, url);
	if (e == 0)
		e = read_all(&r);
	if (r.mosq) {
		(void)mosquitto_disconnect(r.mosq);
		mosquitto_destroy(r.mosq);
	}
	mosquitto_lib_cleanup();
	free(url);
	return e;
}
