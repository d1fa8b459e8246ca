/*
 * libnats on threads of its own, as found with 3.4.1 (and read of 3.10):
 *
 * - It holds its connection's lock while it connects and while it writes, for seconds where a
 *   server hangs, and every other call waits for that lock. So none of them is made on the loop's
 *   thread: what is to be sent goes through a bounded queue to a thread that is ours, what comes
 *   goes through a list and a wake back to the loop.
 * - A TLS handshake has no deadline, and its socket is nobody's but the library's until it is over.
 *   Who gives up shuts down the sockets that have come since and lead to that port; if one was
 *   somebody else's, he connects again.
 * - Its own reconnecting would keep what was sent in a buffer, in which it gets old. A connection
 *   here leads to one server and ends with it; whoever opened it opens the next.
 * - Callbacks come from threads of the library. The last ones are that the connection is closed,
 *   and that each subscription is complete; before those nothing that they touch may go.
 * - The host of a certificate is checked only where its build forces that: it is always told.
 * - A message that is too large is refused by the library, one to a subject that is not allowed by
 *   the server, some time later, on the error handler.
 */
#pragma once

#include <stdbool.h>

#include <fg/loop.h>
#include <fg/str.h>

struct fg_nats_link;

struct fg_nats_conf {
	const char *server;		/* nats://HOST:PORT or tls://HOST:PORT */
	const char *name;		/* as which it shows on the server */
	/* NULL where there is none. The seed: of a user, "SU..." */
	const char *username, *password, *token, *credentials, *seed;
	bool tls, insecure;
	const char *ca, *cert, *key, *server_name;
	uint32_t timeout_ms;		/* of an attempt's steps, of a write */
	uint32_t queue;			/* what may wait to be sent, */
	uint32_t kept;			/* of which so many places are not for what is quiet */
	const char *subscribe[2];	/* subjects of which `message` tells, or NULL */
};

struct fg_nats_out {
	const char *subject;
	struct fg_str payload;
	const char *reply;		/* NULL: the answer goes to `answer` */
	const char *id, *stream, *type;	/* headers, or NULL */
	const char *after;		/* Nats-Expected-Last-Subject-Sequence, or NULL */
	bool copy;			/* subject and payload are copied at once */
	bool quiet;			/* no answer is expected, and none is told */
	uint32_t token, stamp;		/* come back with the answer */
};

#define FG_NATS_PROBE UINT32_MAX	/* token of the answer to fg_nats_probe() */

/* Embedded; callbacks are set by the owner, and come on the loop. */
struct fg_nats {
	struct fg_loop *loop;
	struct fg_nats_link *link;	/* private */
	struct fg_timer patience;	/* private */
	void (*up)(struct fg_nats *, int64_t max_payload);
	/* 0; -EHOSTUNREACH: nobody listens on that subject; -EMSGSIZE: larger than the server
	 * takes. It may come more than once for one sending. */
	void (*answer)(struct fg_nats *, uint32_t token, uint32_t stamp, int error,
		       struct fg_str body);
	void (*message)(struct fg_nats *, struct fg_str subject, struct fg_str reply,
			struct fg_str body);
	/* Something did not find a place in the queue, and half of the queue is free by now. */
	void (*room)(struct fg_nats *);
	/* The connection could not be made, or has ended, or the server has refused something
	 * (-EACCES). To be closed. */
	void (*down)(struct fg_nats *, int error, const char *why);
	void (*closed)(struct fg_nats *);
};

/* Begins to connect; ends in `up` or `down`. What conf points to stays until `closed`. -ENOMEM,
 * -EAGAIN: no thread. Must be closed even if it failed. */
int fg_nats_open(struct fg_loop *, struct fg_nats *, const struct fg_nats_conf *);
/* No callback comes any more but `closed`, at the latest when a name that is being looked up is
 * found or not. */
void fg_nats_close(struct fg_nats *);
/* What is not copied stays until it is withdrawn or until `closed`: an answer to one sending says
 * nothing of the next, which may still wait. -EAGAIN: the queue is full; `room` tells when it is
 * not any more. */
int fg_nats_send(struct fg_nats *, const struct fg_nats_out *);
/* What was not copied and has this token is not sent any more if it still waits, and nothing of it
 * is read once this returns. It waits for no more than the library's copying of one message. */
void fg_nats_withdraw(struct fg_nats *, uint32_t token);
/* Whether `message` is told; it is from the beginning. What comes meanwhile waits in the library,
 * which gives up the rest when that is too much. A few that have come already are still told. */
void fg_nats_hear(struct fg_nats *, bool hear);
/* Whether the server is still there: an answer, or `down`. */
int fg_nats_probe(struct fg_nats *);

/* The public key ("U...") of a user's seed ("SU..."). -EINVAL: it is none. */
#define FG_NATS_KEY 57
int fg_nats_public_key(const char *seed, char out[FG_NATS_KEY]);

/* Decodes standard base64 into `out`, which has room for in.len bytes; -EINVAL. */
int fg_nats_base64(struct fg_str in, char *out, size_t *ret_len);
