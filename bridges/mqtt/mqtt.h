/* What the files of this bridge share. */
#pragma once

#include <fg/bridge.h>

#include "adapt/mosquitto.h"

#include "command.h"
#include "remote.h"

struct mqtt_sink_conf {
	struct fg_mqtt_conf mqtt;
	const char *topic, *status;	/* of the packs; of the state, empty: none */
	int64_t qos;
};

/* One place in the window. */
struct mqtt_slot {
	struct fg_batch *batch;		/* NULL: free */
	int mid;
	int reason;			/* as in MQTT 5, once it is done */
};

struct mqtt_sink {
	struct fg_mqtt conn;
	struct fg_sink *sink;
	char *client_id, *topic, *status_topic, *will;
	int status_mid;			/* of the last status */
	struct mqtt_slot *slots;	/* sink->window of them */
	uint32_t *done;			/* slots to report, in the order of their acknowledgement */
	uint32_t ndone, in_flight;
	uint32_t expected;		/* slot that is likely to be acknowledged next */
	bool up, blocked;
	struct mqtt_commands commands;
	struct mqtt_remote remote;
};

int mqtt_sink_open(struct fg_sink *);
void mqtt_sink_close(struct fg_sink *);
int mqtt_sink_send(struct fg_sink *, struct fg_batch *);
void mqtt_sink_flush(struct fg_sink *);
void mqtt_sink_status(struct fg_sink *, struct fg_str json);

/* -- collect.c -- */
int mqtt_collect(struct fg_collect *collect);
