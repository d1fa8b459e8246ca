/* What the loop's side and the threads' side of a connection share. */
#pragma once

#include "adapt/nats.h"

#include <pthread.h>

#include <nats/nats.h>

struct fg_nats_job {
	struct fg_nats_out out;		/* no subject: withdrawn */
	char *bytes;			/* what was copied, or NULL: `out` is lent by the loop */
	bool probe;
};

enum nats_kind { NATS_UP, NATS_ANSWER, NATS_MESSAGE, NATS_DOWN };

/* What the threads tell the loop. */
struct fg_nats_event {
	struct fg_nats_event *next;
	enum nats_kind kind;
	uint32_t token, stamp;
	int error;
	int64_t max_payload;
	size_t subject_len, reply_len, len;
	char bytes[];			/* subject, reply, body, and a NUL */
};

struct fg_nats_link {
	/* the loop's */
	struct fg_nats *nats;
	struct fg_wake wake;
	bool threaded, closing, connecting;
	unsigned char *there;		/* descriptors that led to the server's port before */
	pthread_t thread;

	/* constant once the thread runs */
	struct fg_nats_conf conf;

	/* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_cond_t heard;		/* a subscription may go on to tell */
	struct fg_nats_job *jobs;	/* a ring of conf.queue */
	uint32_t first, count;
	bool reads;			/* the thread reads what a job lends, one with */
	uint32_t read_token;		/* this token */
	bool ending;			/* the loop wants it closed */
	bool ended;			/* the thread has nothing more to do with it */
	bool conn_closed;
	bool deaf;			/* nothing is told any more */
	bool hold;			/* no message is told now */
	bool crowded;			/* something did not find a place in the queue */
	bool room;			/* and would find one now: the loop is to know */
	uint32_t complete;		/* subscriptions of which no more callback comes */
	struct fg_nats_event *events, **events_end;
	uint32_t nevents, events_max;
	uint32_t nmessages;		/* of the events */

	/* the thread's */
	natsConnection *conn;
	natsSubscription *subs[3];
	uint32_t nsubs;
	natsInbox *inbox;
	bool kept;			/* the library still owes a callback: it is never freed */
};

/* -- nats_queue.c: of the loop -- */
struct fg_nats_link *nats_link_new(const struct fg_nats_conf *conf, size_t there);
void nats_link_free(struct fg_nats_link *link);

/* Takes `bytes` over, also when it fails. -EAGAIN: full. */
int nats_queue_add(struct fg_nats_link *link, const struct fg_nats_job *job);
/* Waits as long as the thread reads a job with this token. */
void nats_queue_withdraw(struct fg_nats_link *link, uint32_t token);
void nats_queue_end(struct fg_nats_link *link);
/* What has come since the last time; *ret_ended: the thread ends; *ret_room: the queue has room
 * again. */
struct fg_nats_event *nats_events_take(struct fg_nats_link *link, bool *ret_ended, bool *ret_room);
void nats_hold(struct fg_nats_link *link, bool hold);

/* -- nats_queue.c: of the threads -- */
/* Waits for something to do. False: the loop has said that it ends. What the job lends may be read
 * until nats_queue_read(), or until the next is taken. */
bool nats_queue_take(struct fg_nats_link *link, struct fg_nats_job *job);
void nats_queue_read(struct fg_nats_link *link);
/* For the loop. What there is no memory or no place for is left out: whoever waits for it asks
 * again, and sees then that it is down. */
void nats_tell(struct fg_nats_link *link, const struct fg_nats_event *what, struct fg_str subject,
	       struct fg_str reply, struct fg_str body);

/* nats_thread.c */
void *nats_thread(void *link);
