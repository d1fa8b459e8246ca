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

/* On the worker: the context for one connection, or NULL with the reason in `why`. The reasons of a
 * refused certificate are noted in `c` later. */
SSL_CTX *fg_mqtt_tls_new(struct fg_mqtt *c, char *why, size_t cap);
