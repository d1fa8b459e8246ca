/* What the loop and the threads hand to each other: the queue of what is to be sent, and the list
 * of what came. All of it is under the link's lock. */
#include "adapt/nats_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_MAX ((size_t)96 << 20)

struct fg_nats_link *nats_link_new(const struct fg_nats_conf *conf, size_t there)
{
	struct fg_nats_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->conf = *conf;
	link->events_end = &link->events;
	link->events_max = 2 * conf->queue + 64;
	pthread_mutex_init(&link->lock, NULL);
	pthread_cond_init(&link->changed, NULL);
	pthread_cond_init(&link->heard, NULL);
	link->there = calloc(1, there);
	link->jobs = calloc(conf->queue, sizeof(*link->jobs));
	if (link->there && link->jobs)
		return link;
	nats_link_free(link);
	return NULL;
}

void nats_link_free(struct fg_nats_link *link)
{
	struct fg_nats_event *next;

	for (; link->count > 0; link->count--, link->first++)
		free(link->jobs[link->first % link->conf.queue].bytes);
	for (struct fg_nats_event *e = link->events; e; e = next) {
		next = e->next;
		free(e);
	}
	if (!link->kept) {
		pthread_mutex_destroy(&link->lock);
		pthread_cond_destroy(&link->changed);
		pthread_cond_destroy(&link->heard);
	}
	free(link->jobs);
	free(link->there);
	if (!link->kept)
		free(link);
}

int nats_queue_add(struct fg_nats_link *link, const struct fg_nats_job *job)
{
	uint32_t places = link->conf.queue - (job->out.quiet ? link->conf.kept : 0);
	int r = -EAGAIN;

	pthread_mutex_lock(&link->lock);
	if (link->count >= places) {
		link->crowded = true;
	} else {
		link->jobs[(link->first + link->count++) % link->conf.queue] = *job;
		pthread_cond_signal(&link->changed);
		r = 0;
	}
	pthread_mutex_unlock(&link->lock);
	if (r < 0)
		free(job->bytes);
	return r;
}

/*
 * What a job lends is the loop's, which writes the next pack to where the last one was. It is read
 * by the thread from nats_queue_take() to nats_queue_read(), and by nobody else. Both of these and
 * this here hold the lock, so what is written after this is written after what was read:
 * - a job that waits loses its subject, by which the thread knows, when it takes it, that it must
 *   not look at the rest. It keeps its place, or `room` would have to be told from here as well;
 * - the one that is being read, `reads` tells of, and the end of that is waited for. The thread
 *   copies meanwhile and does nothing that could take longer: that it has read, it says before it
 *   calls what waits for the connection.
 * Only the loop adds, so none comes while it waits. `changed` is signalled to one waiter only where
 * the loop adds, so it takes no signal from the thread by waiting there too.
 */
void nats_queue_withdraw(struct fg_nats_link *link, uint32_t token)
{
	pthread_mutex_lock(&link->lock);
	for (uint32_t i = 0; i < link->count; i++) {
		struct fg_nats_job *job = &link->jobs[(link->first + i) % link->conf.queue];

		if (job->out.token == token && !job->bytes)
			job->out.subject = NULL; /* a probe has none anyway */
	}
	while (link->reads && link->read_token == token)
		pthread_cond_wait(&link->changed, &link->lock);
	pthread_mutex_unlock(&link->lock);
}

/* Under the lock. */
static void read_end(struct fg_nats_link *link)
{
	link->reads = false;
	pthread_cond_broadcast(&link->changed);
}

void nats_queue_read(struct fg_nats_link *link)
{
	pthread_mutex_lock(&link->lock);
	read_end(link);
	pthread_mutex_unlock(&link->lock);
}

void nats_queue_end(struct fg_nats_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->ending = true;
	pthread_cond_broadcast(&link->changed);
	pthread_cond_broadcast(&link->heard);
	pthread_mutex_unlock(&link->lock);
}

void nats_hold(struct fg_nats_link *link, bool hold)
{
	pthread_mutex_lock(&link->lock);
	link->hold = hold;
	pthread_cond_broadcast(&link->heard);
	pthread_mutex_unlock(&link->lock);
}

struct fg_nats_event *nats_events_take(struct fg_nats_link *link, bool *ret_ended, bool *ret_room)
{
	struct fg_nats_event *e;

	pthread_mutex_lock(&link->lock);
	e = link->events;
	link->events = NULL;
	link->events_end = &link->events;
	link->nevents = link->nmessages = 0;
	*ret_ended = link->ended;
	*ret_room = link->room;
	link->ended = link->room = false;
	pthread_cond_broadcast(&link->heard);
	pthread_mutex_unlock(&link->lock);
	return e;
}

bool nats_queue_take(struct fg_nats_link *link, struct fg_nats_job *job)
{
	bool more;

	pthread_mutex_lock(&link->lock);
	read_end(link);
	while (link->count == 0 && !link->ending)
		pthread_cond_wait(&link->changed, &link->lock);
	more = !link->ending;
	if (more) {
		*job = link->jobs[link->first];
		link->first = (link->first + 1) % link->conf.queue;
		link->count--;
		link->reads = job->out.subject && !job->bytes;
		link->read_token = job->out.token;
	}
	if (more && link->crowded && link->count <= (link->conf.queue - link->conf.kept) / 2) {
		link->crowded = false;
		link->room = true;
		fg_wake_send(&link->wake);
	}
	pthread_mutex_unlock(&link->lock);
	return more;
}

void nats_tell(struct fg_nats_link *link, const struct fg_nats_event *what, struct fg_str subject,
	       struct fg_str reply, struct fg_str body)
{
	size_t len = subject.len + reply.len + body.len;
	struct fg_nats_event *e = len <= EVENT_MAX ? malloc(sizeof(*e) + len + 1) : NULL;

	if (!e)
		return;
	*e = *what;
	e->next = NULL;
	e->subject_len = subject.len;
	e->reply_len = reply.len;
	e->len = body.len;
	if (subject.len)
		memcpy(e->bytes, subject.ptr, subject.len);
	if (reply.len)
		memcpy(e->bytes + subject.len, reply.ptr, reply.len);
	if (body.len)
		memcpy(e->bytes + subject.len + reply.len, body.ptr, body.len);
	e->bytes[len] = '\0';
	pthread_mutex_lock(&link->lock);
	if (!link->deaf && (link->nevents < link->events_max || e->kind == NATS_DOWN)) {
		*link->events_end = e;
		link->events_end = &e->next;
		link->nmessages += e->kind == NATS_MESSAGE;
		if (link->nevents++ == 0)
			fg_wake_send(&link->wake);
		e = NULL;
	}
	pthread_mutex_unlock(&link->lock);
	free(e);
}
