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
	bool drain;			/* not an option: empties the session, and ends it */
};

struct mqtt_sent;

struct mqtt_source {
	struct fg_mqtt conn;
	struct fg_source *source;
	char *client_id, *own_prefix;	/* "fieldgate/{gateway}/": never input */
	size_t own_prefix_len;
	char **filters;			/* as sent: with the share's prefix */
	/* The same as another number of processes would have them: shared by the gateway's own
	 * group, or alone. A session may hold those too, from before. */
	char **others;
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
	bool subscribed, resubscribed, granted;
	bool had_retained;		/* resubscribed, and they have come before */
	bool unsubscribe;		/* the others, when the library has returned */
	struct fg_timer quiet;		/* see drain.c */
	enum { MQTT_DRAIN_TAKING, MQTT_DRAIN_ENDING, MQTT_DRAIN_DONE } drain;
};

/* The group in which the processes of one gateway share a source; the caller frees. */
char *mqtt_own_group(const char *gateway, const char *name);

int mqtt_source_open(struct fg_source *);
void mqtt_source_close(struct fg_source *);
void mqtt_source_pause(struct fg_source *);
void mqtt_source_resume(struct fg_source *);
void mqtt_source_kept(struct fg_source *, uint64_t upto);

/* -- drain.c: the session of a process that is no more -- */
void mqtt_drain_up(struct mqtt_source *, bool session_present);
void mqtt_drain_taken(struct mqtt_source *);	/* a message came */
void mqtt_drain_unsubscribed(struct mqtt_source *);
void mqtt_drain_quiet(struct fg_timer *);

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
