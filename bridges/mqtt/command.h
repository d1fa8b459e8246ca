/*
 * Commands that come by MQTT: what is published below fieldgate/{gateway}/command/ is asked for,
 * and its outcome is published, on the topic that the asker named (MQTT 5) or on
 * fieldgate/{gateway}/outcome.
 */
#pragma once

#include <fg/command.h>
#include <fg/log.h>

#include "adapt/mosquitto.h"

struct mqtt_sink;
struct fg_sink;

#define MQTT_OUTCOMES_ON_THE_WAY 2	/* unacknowledged at a time */
#define MQTT_OUTCOMES_MAX 2048		/* that wait for the upstream */
#define MQTT_OUTCOMES_BYTES (1u << 20)
#define MQTT_ASKED_MAX 64		/* commands; then reading stops until they are taken */
#define MQTT_ASKED_BYTES (64u << 10)	/* of a payload */

/* A command that was read, until the library has returned. */
struct mqtt_asked {
	struct mqtt_asked *next;
	struct fg_str path, payload, reply;
	bool retained;
	char bytes[];
};

/* Of one opening; all zero where the sink may not command. */
struct mqtt_commands {
	char *filter, *prefix, *outcome_topic;
	size_t prefix_len;
	struct mqtt_asked *asked, **asked_end;
	uint32_t nasked;
	struct fg_log_limit odd;
};

int mqtt_commands_open(struct mqtt_sink *s);
void mqtt_commands_up(struct mqtt_sink *s);
/* The connection is gone: what was asked and not taken comes again, what was told and not
 * acknowledged is told again. */
void mqtt_commands_down(struct mqtt_sink *s);
void mqtt_commands_close(struct mqtt_sink *s);

/* From the library's callbacks: notes only. */
void mqtt_commands_message(struct mqtt_sink *s, const struct fg_mqtt_message *m);
/* False: not one of ours. */
bool mqtt_commands_published(struct mqtt_sink *s, int mid, int reason);
/* Acts upon the notes. */
void mqtt_commands_turn(struct mqtt_sink *s);

/* The sink is given up. */
void mqtt_sink_fini(struct fg_sink *sink);
