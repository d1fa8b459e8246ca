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

struct mqtt_sent;

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
	/* commands that were published, until the broker has acknowledged them */
	struct mqtt_sent *sent;
	uint32_t nsent, sent_cap;
	uint32_t ntold;			/* of them: the broker has answered */
	struct fg_defer flush;
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

/* -- command.c -- */
int mqtt_source_command(struct fg_source *, struct fg_command *);
void mqtt_source_flush(struct fg_defer *);
/* From the library's callback: a note. */
void mqtt_sent_note(struct mqtt_source *, int mid, int reason);
/* Tells what was noted. */
void mqtt_sent_tell(struct mqtt_source *);
/* The connection is left without a fault: what was not acknowledged is told as unreachable. */
void mqtt_sent_leave(struct mqtt_source *);
/* The connection is lost: what was under way is given back with the source. */
void mqtt_sent_forget(struct mqtt_source *);
