/*
 * A configuration that comes by MQTT: what is stored under fieldgate/{gateway}/config is handed on
 * each time the bridge has connected, and when it is published anew. It is read behind the
 * library's callbacks, the newest only.
 */
#pragma once

#include "adapt/mosquitto.h"

struct mqtt_sink;

/* Of one opening; all zero where no configuration comes by this bridge. */
struct mqtt_remote {
	char *topic;
	char *envelope;		/* the newest, or NULL */
	size_t len;		/* its own, also where it is too long to be kept */
	bool noted;
};

int mqtt_remote_open(struct mqtt_sink *s);
void mqtt_remote_close(struct mqtt_sink *s);
/* From the library's callback: notes only. False: not one of ours. */
bool mqtt_remote_message(struct mqtt_sink *s, const struct fg_mqtt_message *m);
void mqtt_remote_turn(struct mqtt_sink *s);
