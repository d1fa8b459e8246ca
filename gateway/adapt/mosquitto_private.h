/* Shared by the files of this adapter. */
#pragma once

#include "adapt/mosquitto.h"

#include <openssl/ssl.h>

/* On the worker: makes the handle, configures it and begins to connect; sets c->rc and c->why. */
void fg_mqtt_connect_work(struct fg_work *work);
/* What a MOSQ_ERR_ code means: a negative errno, and a text (constant, or strerror's). */
int fg_mqtt_errno(int rc, int saved_errno);
const char *fg_mqtt_error_text(int rc, int saved_errno);
void fg_mqtt_callbacks_set(struct fg_mqtt *c);
/* Notes that the broker has refused the connection, and why; also by a CONNACK that the library
 * does not understand. */
void fg_mqtt_note_refusal(struct fg_mqtt *c, int reason);
/* Whether the reason of a DISCONNECT speaks of the connection, and not of what came by it. */
bool fg_mqtt_is_of_connection(int reason);
/* A log callback that notes nothing: mosquitto_read.c says what for. */
void fg_mqtt_note_quiet(struct mosquitto *mosq, void *obj, int level, const char *text);

/* A topic and as much again of properties: a packet whose head is longer is refused. */
#define FG_MQTT_PEEK_MAX 131072
/* Whether what the broker sends is checked first, for which c->peeked is needed or, with TLS, the
 * gate. */
bool fg_mqtt_guarded(const struct fg_mqtt *c);
/* Reads until nothing comes, the burst is full (*ret_more; may be left out where the socket tells)
 * or reading was stopped. False: the connection is at its end, c->rc and c->rc_errno say why. */
bool fg_mqtt_take(struct fg_mqtt *c, bool *ret_more);

/* On the worker: the context for one connection, or NULL with the reason in `why`. The reasons of a
 * refused certificate are noted in `c` later. */
SSL_CTX *fg_mqtt_tls_new(struct fg_mqtt *c, char *why, size_t cap);
/* What an error code of OpenSSL means for a person. */
void fg_mqtt_tls_reason(unsigned long code, char *why, size_t cap);

/* Behind the library's beginning to connect by TLS: nothing that is not checked gets past it from
 * now on. 0, -ENOMEM, -ENOTCONN. Closed when the library's handle is gone. */
int fg_mqtt_gate_open(struct fg_mqtt *c);
void fg_mqtt_gate_close(struct fg_mqtt *c);
/* Before the library is asked to read. Is there something for it? 0, or a MOSQ_ERR_ code with
 * c->rc_errno and perhaps c->why. */
int fg_mqtt_gate_look(struct fg_mqtt *c, bool *ret_have);

/* What a line that the library logged says about TLS, if it does. */
bool fg_mqtt_tls_why(const char *logged, char *why, size_t cap);
