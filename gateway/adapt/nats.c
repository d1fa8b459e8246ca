#include "adapt/nats.h"

#include "adapt/nats_private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define STACK ((size_t)256 << 10)
#define SOCKETS_MAX 4096

#define nats_of(t) ((struct fg_nats *)((char *)(t)-offsetof(struct fg_nats, patience)))

/* -- from the loop -- */

int fg_nats_send(struct fg_nats *n, const struct fg_nats_out *out)
{
	struct fg_nats_link *link = n->link;
	struct fg_nats_job job = { .out = *out };
	size_t subject = strlen(out->subject) + 1;

	if (out->copy) {
		job.bytes = malloc(subject + out->payload.len + 1);
		if (!job.bytes)
			return -ENOMEM;
		memcpy(job.bytes, out->subject, subject);
		if (out->payload.len)
			memcpy(job.bytes + subject, out->payload.ptr, out->payload.len);
		job.out.subject = job.bytes;
		job.out.payload.ptr = job.bytes + subject;
	}
	return nats_queue_add(link, &job);
}

void fg_nats_withdraw(struct fg_nats *n, uint32_t token)
{
	nats_queue_withdraw(n->link, token);
}

int fg_nats_probe(struct fg_nats *n)
{
	return nats_queue_add(n->link, &(struct fg_nats_job){ .probe = true });
}

void fg_nats_hear(struct fg_nats *n, bool hear)
{
	nats_hold(n->link, !hear);
}

static void event_tell(struct fg_nats *n, const struct fg_nats_event *e)
{
	struct fg_str body = fg_str(e->bytes + e->subject_len + e->reply_len, e->len);

	switch (e->kind) {
	case NATS_UP:
		n->link->connecting = false;
		fg_timer_stop(&n->patience);
		n->up(n, e->max_payload);
		break;
	case NATS_ANSWER:
		n->answer(n, e->token, e->stamp, e->error, body);
		break;
	case NATS_MESSAGE:
		n->message(n, fg_str(e->bytes, e->subject_len),
			   fg_str(e->bytes + e->subject_len, e->reply_len), body);
		break;
	case NATS_DOWN:
		n->link->connecting = false;
		fg_timer_stop(&n->patience);
		n->down(n, e->error, body.ptr);
		break;
	}
}

static void on_wake_closed(struct fg_handle *handle)
{
	struct fg_nats_link *link =
		(struct fg_nats_link *)((char *)handle - offsetof(struct fg_nats_link, wake));
	struct fg_nats *n = link->nats;

	nats_link_free(link);
	n->link = NULL;
	n->closed(n);
}

static void on_patience_closed(struct fg_handle *handle)
{
	struct fg_nats *n = nats_of(handle);

	if (n->link)
		fg_handle_close(&n->link->wake.handle, on_wake_closed);
	else
		n->closed(n);
}

static void thread_ended(struct fg_nats *n)
{
	if (n->link->threaded)
		pthread_join(n->link->thread, NULL);
	fg_handle_close(&n->patience.handle, on_patience_closed);
}

static void on_wake(struct fg_wake *wake)
{
	struct fg_nats_link *link =
		(struct fg_nats_link *)((char *)wake - offsetof(struct fg_nats_link, wake));
	struct fg_nats_event *e, *next;
	bool ended, room;

	e = nats_events_take(link, &ended, &room);
	if (room && !link->closing)
		link->nats->room(link->nats);
	for (; e; e = next) {
		next = e->next;
		if (!link->closing)
			event_tell(link->nats, e);
		free(e);
	}
	if (ended)
		thread_ended(link->nats);
}

/* -- giving up an attempt -- */

static int port_of(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return -1;
	if (peer.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&peer)->sin_port);
	if (peer.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&peer)->sin6_port);
	return -1;
}

static int server_port(const char *server)
{
	const char *colon = strrchr(server, ':');

	return colon ? (int)strtol(colon + 1, NULL, 10) : -1;
}

static int highest_descriptor(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > SOCKETS_MAX)
		return SOCKETS_MAX;
	return (int)limit.rlim_cur;
}

/* Of each descriptor: whether it led there before the attempt. */
static void sockets_note(struct fg_nats_link *link)
{
	int port = server_port(link->conf.server), highest = highest_descriptor();

	for (int fd = 0; fd < highest; fd++)
		if (port_of(fd) == port)
			link->there[fd / 8] |= (unsigned char)(1 << fd % 8);
}

static void attempt_abort(struct fg_nats_link *link)
{
	int port = server_port(link->conf.server), highest = highest_descriptor();

	for (int fd = 0; fd < highest; fd++)
		if (!(link->there[fd / 8] & 1 << fd % 8) && port_of(fd) == port)
			shutdown(fd, SHUT_RDWR);
}

static void on_patience(struct fg_timer *timer)
{
	struct fg_nats *n = nats_of(timer);

	attempt_abort(n->link);
	/* it may have been between two of its sockets */
	(void)fg_timer_start(timer, FG_MS(n->link->conf.timeout_ms));
}

/* -- from open to closed -- */

static int thread_start(struct fg_nats_link *link)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int rc = pthread_attr_init(&attr);

	if (rc != 0)
		return -rc;
	pthread_attr_setstacksize(&attr, STACK);
	/* the library's threads inherit it: no signal is theirs */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&link->thread, &attr, nats_thread, link);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	link->threaded = rc == 0;
	return -rc;
}

int fg_nats_open(struct fg_loop *loop, struct fg_nats *n, const struct fg_nats_conf *conf)
{
	struct fg_nats_link *link;
	int r;

	n->loop = loop;
	fg_timer_init(loop, &n->patience, on_patience);
	n->link = NULL;
	link = nats_link_new(conf, SOCKETS_MAX / 8);
	if (!link)
		return -ENOMEM;
	link->nats = n;
	r = fg_wake_init(loop, &link->wake, on_wake);
	if (r < 0) {
		nats_link_free(link);
		return r;
	}
	n->link = link;
	sockets_note(link);
	link->connecting = true;
	(void)fg_timer_start(&n->patience, FG_MS(3 * (uint64_t)conf->timeout_ms));
	r = thread_start(link);
	if (r < 0)
		link->connecting = false;
	return r;
}

void fg_nats_close(struct fg_nats *n)
{
	if (!n->link || !n->link->threaded) {
		fg_handle_close(&n->patience.handle, on_patience_closed);
		return;
	}
	n->link->closing = true;
	nats_queue_end(n->link);
	if (n->link->connecting) {
		attempt_abort(n->link);
		(void)fg_timer_start(&n->patience, FG_MS(100));
	}
}
