/*
 * What a console is, and what it may call: a window into the running gateway for people, monitoring
 * and programs. It sees nothing of the gateway's inside. It asks, in the words of the control
 * socket, and gets lines of JSON. A configuration that has no "console" never loads it.
 */
#pragma once

#include <stdint.h>

#include <fg/cost.h>
#include <fg/fault.h>
#include <fg/log.h>
#include <fg/loop.h>
#include <fg/option.h>
#include <fg/str.h>

#define FG_CONSOLE_TOKEN_MIN 16	/* bytes */

struct fg_console_tls {
	const char *cert, *key;		/* paths of PEM files, or NULL */
};

/* The group "console" of the configuration. */
struct fg_console_conf {
	const char *listen;		/* "http://ADDRESS:PORT" or "https://..." */
	struct fg_secret token;		/* name NULL: none is asked for */
	struct fg_console_tls tls;
	int64_t viewers;
	bool apply;
};

/* One that is open. */
struct fg_desk {
	const struct fg_console *console;
	const struct fg_console_conf *conf;
	struct fg_loop *loop;
	struct fg_logger logger;
	const char *gateway, *version;
	void *state;			/* the console's own; NULL before open */
};

/* The names of a console's implementations are those of CONFIG_CONSOLE_X. */
struct fg_console {
	const char *name, *summary;
	void (*check)(const struct fg_console_conf *, struct fg_faults *);
	/* What it takes at worst, added to `cost`. */
	void (*cost)(const struct fg_console_conf *, struct fg_cost *cost);
	/* Must not block. 0, or -errno: it is not open, and tried again later. */
	int (*open)(struct fg_desk *);
	/* Optional: whether files that it read when it was opened (a certificate) are others now,
	 * and can be read. A reload opens it anew then. */
	bool (*renewed)(const struct fg_desk *);
	/* Not from within a callback of its own calls; ends with fg_desk_closed(). */
	void (*close)(struct fg_desk *);
};

/* -- of the gateway, for a console -- */
/* Who asks. */
struct fg_desk_asker {
	void *arg;
	/* A line of the answer, or of a stream. */
	void (*line)(void *arg, struct fg_str line);
	/* The end, once; nothing comes after it. status 0: done; 1: the answer is no, 2: not to be
	 * asked so, 3: it could not be done; `error` says why then. */
	void (*end)(void *arg, int status, struct fg_str error);
};

struct fg_desk_call;

/*
 * Asks what `request`, an object with the member "call", says: the calls of the control socket
 * (control/control.h; run/console.c has the table). It may have ended before this returns, and then
 * *ret_call is NULL. Else that is for fg_desk_leave() until `end` has come. 0, or -ENOMEM (nothing
 * was asked).
 */
int fg_desk_ask(struct fg_desk *, struct fg_str request, const struct fg_desk_asker *,
		struct fg_desk_call **ret_call);
/* Whoever asked goes; `end` does not come. Not from within `line` or `end`. */
void fg_desk_leave(struct fg_desk_call *);
/* It is closed: nothing of the desk may be used from here on. From the close phase. */
void fg_desk_closed(struct fg_desk *);
