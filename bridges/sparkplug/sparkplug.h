/*
 * The gateway as an edge node of Sparkplug B 3.0 (Eclipse): what the files of this bridge share.
 *
 * The outbox hands over SenML packs; each is said as messages, one a run of records of one device,
 * with births in front of them where the host does not know a metric yet. Sequence numbers follow
 * the order in which messages leave, so a message is made when it can leave, and never earlier: at
 * most SPARK_MESSAGES are under way, one pack is being said at a time, and a pack is done when all
 * its messages are.
 */
#pragma once

#include <fg/bridge.h>

#include "adapt/mosquitto.h"
#include "adapt/packs.h"

#include "known.h"

#define SPARK_MESSAGES 64
#define SPARK_NO_SLOT UINT32_MAX
#define SPARK_NOT_NOW_MS 10000 /* what is older and has waited is history */

struct spark_conf {
	struct fg_mqtt_conf mqtt;
	const char *group, *node, *host;
	int64_t qos;
	uint64_t known;
};

/* One place in the window. */
struct spark_slot {
	struct fg_batch *batch;		/* NULL: free */
	uint32_t pending;		/* messages under way */
	bool handed;			/* all of them were made */
	bool taken;			/* one of them was */
	int error;
	const char *why;
};

/* One message under way. */
struct spark_message {
	int mid;
	uint32_t slot;			/* SPARK_NO_SLOT: of no pack */
};

/* A place in the pack that is being said. */
struct spark_place {
	uint32_t at;
	struct fg_item item;		/* what records carry on */
};

/* What is kept from one opening to the next. */
struct spark_keep {
	struct known known;
	int bdseq;			/* of the connection now; -1: there was none */
};

struct spark {
	struct fg_mqtt conn;
	struct fg_sink *sink;
	struct spark_keep *keep;
	char *client_id, *node, *will_topic, *ncmd_topic, *state_topic;
	struct fg_buf will, text, topic;
	struct fg_packs packs;
	struct fg_doc state;		/* of the host */
	struct fg_timer wait;		/* for the host; in a session, until rebirth_ns */
	uint64_t rebirth_ns;		/* before that none that is asked for */
	struct spark_slot *slots;	/* sink->window of them */
	struct spark_message messages[SPARK_MESSAGES];
	uint32_t nmessages;
	struct fg_batch *saying;	/* the pack that is being said */
	struct spark_place place;	/* before its next record */
	bool emptied;			/* for its sake: what was known */
	struct known_device *newborn;	/* whose birth the message at hand is */
	bool of_pack;			/* the message at hand is of the pack */
	uint32_t birth;			/* next device of the births that are due */
	bool node_due;			/* the node's own birth is */
	uint8_t seq;
	bool up, blocked;
	/* noted in the library's callbacks */
	bool subscribed, rebirth, host_online, host_offline;
	bool host_known;
	double host_time;
};

static inline const struct spark_conf *spark_conf(const struct spark *s)
{
	return s->sink->conf;
}

/* sink.c */
int spark_open(struct fg_sink *sink);
void spark_close(struct fg_sink *sink);
int spark_send(struct fg_sink *sink, struct fg_batch *batch);
void spark_flush(struct fg_sink *sink);
void spark_fini(struct fg_sink *sink);

/* message.c */
/* What is due next, into s->topic and s->text: 1: one message, 0: nothing more of the pack that is
 * being said; -ENOSPC: no more can be known, -EBADMSG, -ENOMEM. Its `seq` is s->seq. */
int spark_next(struct spark *s, int64_t now_ms);
/* Whether the library has taken that message. */
void spark_said(struct spark *s, bool said);
void spark_node_death(struct spark *s, struct fg_buf *out);
void spark_births_begin(struct spark *s);
int64_t spark_now_ms(void);
/* A device's name as one level of a topic: '/' becomes _x2F_, and what could be read so is
 * escaped in its turn. */
void spark_put_level(struct fg_buf *out, struct fg_str name);
