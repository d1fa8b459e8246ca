/*
 * The control socket: how the other commands reach the running gateway. A Unix stream socket, mode
 * 0660; whoever may open it may ask anything.
 *
 * One call a connection. The client sends one line, a JSON object with the member "call" and
 * whatever that call takes:
 *
 *     {"call":"discard","bridge":"cloud"}
 *
 * The reply is lines. Those of the call's own come first, as many as it has; the last one begins
 * with {"ok": and says how it ended, then the connection is closed:
 *
 *     {"ok":true}
 *     {"ok":false,"status":3,"error":"no bridge \"cloud\""}       status: of the command, 1 to 3
 *
 * No client can hold up the loop or make it grow: a request has FG_CONTROL_REQUEST bytes and some
 * seconds, a reply FG_CONTROL_REPLY bytes, and a stream whose reader is slow loses lines, which is
 * said by a line {"left_out":N} in their place.
 */
#pragma once

#include <fg/doc.h>
#include <fg/log.h>
#include <fg/loop.h>

#include "base/buf.h"

#define FG_CONTROL_CLIENTS 16
#define FG_CONTROL_REQUEST ((size_t)4 << 10)
#define FG_CONTROL_REPLY ((size_t)4 << 20)
#define FG_CONTROL_STREAM ((size_t)1 << 20)	/* of a stream that is not being read */

enum fg_control_status { FG_CONTROL_NO = 1, FG_CONTROL_USAGE, FG_CONTROL_FAILED };

struct fg_control;
struct fg_control_client;

/* A call. `request` lives until `handle` returns; the client until it is ended, or gone (see
 * fg_control_hold). `handle` must end it, or hold it. */
struct fg_control_call {
	const char *name;		/* NULL ends the table */
	void (*handle)(void *arg, struct fg_control_client *client, const struct fg_doc *request);
};

/*
 * Makes the socket, and its folder if that is missing (0755). A socket file that nobody answers on
 * is replaced. calls and arg are borrowed.
 *   -EADDRINUSE   another process answers there
 *   -EEXIST       what stands there is no socket
 *   -ENAMETOOLONG, -EACCES, -ENOMEM, ...
 */
int fg_control_open(struct fg_loop *loop, const struct fg_logger *logger, const char *path,
		    const struct fg_control_call *calls, void *arg,
		    struct fg_control **ret_control);
/* Another bound than FG_CONTROL_CLIENTS. */
void fg_control_set_clients(struct fg_control *control, unsigned clients);
/* Ends all clients (streams with {"ok":true}, as far as they read) and removes the file. No call is
 * made from here on; the memory goes in the loop's close phase. */
void fg_control_close(struct fg_control *control);

/* -- for calls -- */
/* A string member of the request, or an empty one. */
struct fg_str fg_control_text(const struct fg_doc *request, const char *member);
/* One line of the reply (no newline in it). What does not fit makes the call fail. */
void fg_control_line(struct fg_control_client *client, struct fg_str line);
/* The end: nothing may be done with the client after one of these. */
void fg_control_done(struct fg_control_client *client);
void fg_control_fail(struct fg_control_client *client, enum fg_control_status status,
		     const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* -- streams: calls that end when the client goes -- */
/* Keeps the client beyond `handle`. `gone` is called once, when it ends for whatever reason but the
 * two above; the client must not be used after that. */
void fg_control_hold(struct fg_control_client *client, void *user, void (*gone)(void *user));
/* One line, or it is left out and counted if the client does not keep up. */
void fg_control_stream(struct fg_control_client *client, struct fg_str line);

/* -- asking from within the process: the same calls, without a socket -- */
struct fg_control_asker {
	void *arg;
	/* A line of the answer, or of a stream. */
	void (*line)(void *arg, struct fg_str line);
	/* How it ended, once; nothing comes after it. status 0: done, else of the command. */
	void (*end)(void *arg, int status, struct fg_str error);
};

/* Makes a call; it may have ended before this returns, then *ret_client is NULL. Else that is for
 * fg_control_leave() until `end` has come. 0, or -ENOMEM (nothing was called). */
int fg_control_ask_here(const struct fg_control_call *calls, void *arg, struct fg_str request,
			const struct fg_control_asker *asker,
			struct fg_control_client **ret_client);
/* The one who asked goes: the call is told so (see fg_control_hold), `end` does not come. */
void fg_control_leave(struct fg_control_client *client);
