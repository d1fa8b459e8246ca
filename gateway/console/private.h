/* What the files of console/ share. */
#pragma once

#include <fg/buf.h>
#include <fg/console.h>
#include <fg/doc.h>

#include <sys/queue.h>
#include <sys/types.h>
#include <time.h>

#include <microhttpd.h>

#define CONSOLE_BODY ((size_t)16 << 10)		/* of a request that is no configuration */
#define CONSOLE_CONFIG ((size_t)256 << 10)	/* of one that is */
#define CONSOLE_BODIES ((size_t)1 << 20)	/* of all that are being read */
#define CONSOLE_ANSWER ((size_t)4 << 20)	/* as of the control socket */
#define CONSOLE_OTHERS 32			/* connections beside those of viewers */
#define CONSOLE_FREE 8				/* of all of them, for who comes next */
#define CONSOLE_POOL ((size_t)16 << 10)		/* of a connection: its request's head */
#define CONSOLE_SESSIONS 32

#define CONSOLE_ASK_NS FG_S(10)			/* for a whole request */
#define CONSOLE_TAKE_NS FG_S(60)		/* for a whole answer that is no stream */
#define CONSOLE_SELDOM_NS FG_S(1)		/* between two reloads */
#define CONSOLE_SILENT_S 15			/* nothing moved either way */

struct console;
struct console_request;

/* A connection, from its beginning to its end. */
struct console_peer {
	LIST_ENTRY(console_peer) link;
	int fd;
	uint64_t since_ns;		/* it was opened, or its last answer was sent */
	struct console_request *request;	/* that it is at, or NULL */
	bool ended;			/* by us: it is on its way out */
};

struct console_session {
	char id[33];			/* hexadecimal; empty: free */
	uint64_t until_ns;
};

/* What happens to a request. */
enum {
	ROUTE_OPEN = 1,			/* no token is asked for */
	ROUTE_CHANGES = 2,		/* from the same origin only, and JSON */
	ROUTE_TEXT = 4,			/* the body is a configuration, handed on as "text" */
	ROUTE_APPLY = 8,		/* unless console.apply says so, 403 */
	ROUTE_METRICS = 16,		/* the answer, a status, becomes metrics */
	ROUTE_SELDOM = 32,		/* once in CONSOLE_SELDOM_NS, else 429 */
};

struct console_route {
	const char *method, *path;
	const char *call;		/* of the gateway, or NULL */
	unsigned flags;
	unsigned no;			/* status of an answer that is no */
	const char *query[5];		/* parameters that become members of the request */
	const char *members[3];		/* texts of the body that do, and must be there */
	/* Instead of the last two: makes the request's members; NULL, or why not. */
	const char *(*build)(const struct fg_doc *body, struct fg_buf *out);
	/* Without a call: answers. */
	enum MHD_Result (*answer)(struct console_request *);
};

enum request_state {
	REQUEST_HEAD,			/* the first bytes are here */
	REQUEST_BODY,			/* more may follow */
	REQUEST_ASKING,			/* the gateway has it */
	REQUEST_ANSWERED,		/* its answer waits to be sent */
	REQUEST_SENDING,
};

struct console_request {
	LIST_ENTRY(console_request) link;
	struct console *console;
	struct MHD_Connection *connection;
	struct console_peer *peer;
	const struct console_route *route;
	char *target;			/* as it came */
	struct fg_str path, query;
	enum request_state state;
	bool suspended, too_long;
	struct fg_buf body, answer;
	struct fg_desk_call *call;
	unsigned status;		/* of the answer */
	const char *type;		/* of it; NULL: JSON */
	uint64_t since_ns;		/* it was complete */
	struct console_viewer *viewer;	/* of a stream */
};

/* A file as it was when it was read: renewed in place or exchanged, it is another one. */
struct console_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct console_counts {
	uint64_t requests, refused, denied, left_out;
};

struct console {
	struct fg_desk *desk;
	struct MHD_Daemon *daemon;
	bool tls, loopback, closing;
	struct console_stamp cert, key;	/* with TLS */
	bool due;			/* a connection was resumed: run it before the sleep */
	unsigned handles;		/* not closed yet */
	struct fg_io io;		/* the daemon's epoll */
	struct fg_hook prepare;
	struct fg_timer wait;		/* until the daemon has to be run */
	struct fg_timer sweep;		/* once a second, while anybody is connected */
	struct fg_timer burst;		/* readings of a moment are sent together */
	uint64_t wait_until_ns;
	unsigned eager;			/* turns in a row in which it had more to do at once */
	uint64_t ran_ns;
	uint64_t turns;			/* times that it was run */
	size_t bodies;			/* bytes that are being read */
	LIST_HEAD(, console_peer) peers;
	unsigned npeers;		/* of those that are not ended */
	LIST_HEAD(, console_request) requests;
	LIST_HEAD(, console_viewer) viewers;
	unsigned nviewers;
	struct console_session sessions[CONSOLE_SESSIONS];
	struct console_counts counts;
	struct fg_log_limit denied_limit, library_limit;
	uint64_t seldom_ns;		/* when the next reload is taken */
	unsigned ticks;			/* seconds for which somebody has looked */
};

/* server.c: the daemon on the loop. */
int server_open(struct fg_desk *);
void server_close(struct fg_desk *);
bool server_renewed(const struct fg_desk *);
/* It has something to do, such as a connection that was resumed. */
void server_hurry(struct console *);

/* request.c: from the head of a request to its answer. */
void *request_new(void *console, const char *target, struct MHD_Connection *);
enum MHD_Result request_handle(void *console, struct MHD_Connection *, const char *url,
			       const char *method, const char *version, const char *data,
			       size_t *len, void **request);
void request_completed(void *console, struct MHD_Connection *, void **request,
		       enum MHD_RequestTerminationCode);
/* The console closes: who waits for an answer gets none. */
void request_give_up(struct console_request *);
/* The value of a header, or an empty one. */
struct fg_str request_header(const struct console_request *, const char *name);

/* answer.c: what is sent. */
enum MHD_Result answer_error(struct console_request *, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The text is copied; type NULL: JSON. */
enum MHD_Result answer_text(struct console_request *, unsigned status, const char *type,
			    struct fg_str text);
/* Adds the headers that every answer has, sends it and lets it go. Takes NULL: no memory. */
enum MHD_Result answer_send(struct console_request *, unsigned status, const char *type,
			    struct MHD_Response *);
/* The pages that are part of the program. */
enum MHD_Result answer_file(struct console_request *);
bool answer_has_file(struct fg_str path);

/* routes.c */
/* The route of a method and path, or NULL; *ret_allow are the methods that the path has then. */
const struct console_route *routes_find(const char *method, struct fg_str path,
					const char **ret_allow);
/* The words in which the gateway is asked. NULL, or why it cannot be. */
const char *routes_ask(const struct console_request *, struct fg_buf *out);

/* access.c: who may. */
/* 0, or the status with which it is refused, and why. */
unsigned access_check(struct console_request *, const char **ret_why);
enum MHD_Result access_begin(struct console_request *);
enum MHD_Result access_end(struct console_request *);

/* stream.c: server-sent events. */
enum MHD_Result stream_begin(struct console_request *);
void stream_tick(struct console *);	/* a second has passed */
void stream_wake(struct console *);	/* what is due goes out */
void stream_gone(struct console_viewer *);
void stream_end(struct console *);	/* all of them */

/* metrics.c: a pure function: what `status` says as Prometheus' text format. */
struct metrics_more {
	uint64_t resident;		/* bytes; 0: not known */
	unsigned viewers;
	struct console_counts counts;
};
void metrics_write(const struct fg_doc *status, const struct metrics_more *, struct fg_buf *out);
