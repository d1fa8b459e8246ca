/* What the files of this driver share. */
#pragma once

#include <fg/driver.h>

#include "adapt/mosquitto.h"

enum mqtt_retained { MQTT_RETAINED_IGNORE, MQTT_RETAINED_TAKE };

struct mqtt_source_conf {
	struct fg_mqtt_conf mqtt;
	struct fg_list subscribe;
	int64_t qos;
	const char *share;
	int retained;			/* enum mqtt_retained */
};

struct mqtt_source {
	struct fg_mqtt conn;
	struct fg_source *source;
	char *client_id, *own_prefix;	/* "fieldgate/{gateway}/": never input */
	size_t own_prefix_len;
	char **filters;			/* as sent: with the share's prefix */
	uint64_t list_id;		/* says which subscriptions these are */
	uint64_t awaits;		/* position that kept() must reach, 0: none */
	uint64_t away_since_ns;
	struct fg_timer back;
	bool paused, away;
	bool refused;			/* something was read that may not be acknowledged */
	bool mixed;			/* the session may hold other subscriptions too */
	bool subscribed, resubscribed;
};

int mqtt_source_open(struct fg_source *);
void mqtt_source_close(struct fg_source *);
void mqtt_source_pause(struct fg_source *);
void mqtt_source_resume(struct fg_source *);
void mqtt_source_kept(struct fg_source *, uint64_t upto);
