/*
 * Whether a packet of MQTT 5 that a broker sent may be shown to the library. libmosquitto 2.0.11
 * asserts, which ends the process, when it meets a property that it does not know, and reads on
 * behind a list of properties that is shorter than its last value. Pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum fg_mqtt_type {
	FG_MQTT_CONNACK = 2,
	FG_MQTT_PUBLISH = 3,
	FG_MQTT_PUBACK = 4,
	FG_MQTT_PUBREC = 5,
	FG_MQTT_PUBREL = 6,
	FG_MQTT_PUBCOMP = 7,
	FG_MQTT_SUBACK = 9,
	FG_MQTT_UNSUBACK = 11,
	FG_MQTT_PINGRESP = 13,
	FG_MQTT_DISCONNECT = 14,
	FG_MQTT_AUTH = 15,
};

struct fg_mqtt_head {
	enum fg_mqtt_type type;
	int qos;			/* of PUBLISH, else 0 */
	size_t len;			/* bytes of the whole packet, may be more than are there */
	uint8_t refusal;		/* the code of a CONNACK as in MQTT 3.1.1, else 0 */
};

/* Checks the packet that begins at `data` up to the end of its properties (MQTT 5, sections 2.2.2
 * and 3): 0, also if what follows them is not there yet; -EAGAIN: `len` bytes do not reach that
 * far; -EBADMSG: malformed, or nothing that a broker sends. What text holds is not looked at,
 * but for wildcards in a response topic. */
int fg_mqtt_guard(const uint8_t *data, size_t len, struct fg_mqtt_head *ret_head);
