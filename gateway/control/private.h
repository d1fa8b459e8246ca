/* What the files of control/ share. */
#pragma once

#include <sys/types.h>

#include "control/control.h"

enum client_state {
	CLIENT_ASKING,		/* the request is being read */
	CLIENT_HELD,		/* a stream */
	CLIENT_ANSWERING,	/* all is said, not all is sent */
	CLIENT_CLOSED,		/* waits for the close phase */
};

struct fg_control_client;

/* What a client is made of: a connection, or somebody in this process. */
struct control_way {
	void (*line)(struct fg_control_client *, struct fg_str);
	void (*stream)(struct fg_control_client *, struct fg_str);
	/* status 0: done */
	void (*end)(struct fg_control_client *, int status, struct fg_str error);
	void (*held)(struct fg_control_client *);
};

struct fg_control_client {
	const struct control_way *way;
	void *user;
	void (*gone)(void *user);
};

struct connection {
	struct fg_control_client client;
	struct fg_io io;
	struct fg_timer patience;
	int fd;
	struct fg_control *control;
	struct connection *next;
	enum client_state state;
	struct fg_buf out;
	size_t sent;			/* bytes of out */
	uint64_t left_out;		/* lines of a stream, not yet said */
	size_t asked;			/* bytes of request */
	char request[FG_CONTROL_REQUEST];
};

struct fg_control {
	struct fg_io listener;
	struct fg_timer again;		/* accepts again after the system had no room */
	int fd;
	struct fg_loop *loop;
	struct fg_logger logger;
	const struct fg_control_call *calls;
	void *arg;
	struct connection *clients;
	unsigned most;			/* clients at a time */
	unsigned nclients;		/* also those that wait for the close phase */
	dev_t dev;			/* of the socket file: whether it is still ours */
	ino_t ino;
	bool closing;
	unsigned handles;		/* of the listener, not closed yet */
	char path[];
};

/* connection.c: takes the connected descriptor, also on failure. */
void connection_new(struct fg_control *, int fd);
/* Ends it from outside: a stream is told, as far as it reads. */
void connection_close(struct connection *);
/* control.c: its memory was given back. */
void control_client_gone(struct fg_control *, const struct connection *);
/* ask.c: finds the call that the request names and makes it. */
void control_dispatch(const struct fg_control_call *calls, void *arg, struct fg_control_client *,
		      struct fg_str request);
