/* What the files of processes/ share. */
#pragma once

#include <sys/types.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "control/caller.h"
#include "control/control.h"
#include "processes/processes.h"

#define ENVIRONMENT_MAX 1024

enum process_state {
	PROCESS_DOWN,		/* waits for its start, or has ended for good */
	PROCESS_STARTING,
	PROCESS_UP,		/* has said that it is ready */
};

/* One of them. */
struct process {
	struct fg_processes *all;
	uint32_t index;
	bool left_over;			/* its index is beyond the count */
	bool told;			/* to stop */
	bool finished;			/* left over, and no more */
	enum process_state state;
	pid_t pid;			/* 0: it does not run */
	unsigned starts;
	uint64_t started_ns, heard_ns;	/* fg_loop_now() */
	struct fg_backoff backoff;
	struct fg_timer again;
	unsigned busy;			/* looks at a spool that another process still has */
	char socket[108];
	char *dir;			/* its spool */
};

struct fg_processes {
	struct fg_loop *loop;
	struct fg_log *log;
	struct fg_logger logger;
	struct fg_processes_conf conf;
	struct fg_config *config;	/* as it is in the file; what a reload is compared with */
	uint64_t generation;
	struct process *items;		/* by index */
	unsigned count;			/* of them */
	int exe;			/* this program, whatever stands in its place now */
	int notify;			/* socket on which they say that they are ready, alive */
	char notify_name[32];
	struct fg_io notify_io;
	struct fg_signal child;
	struct fg_timer look;		/* whether all are alive */
	uint64_t alive_ns;		/* systemd is told that often; 0: never */
	uint64_t told_ns;
	struct fg_control *control;
	struct gather *gathers;		/* calls under way */
	bool ready, stopping, over, control_missed;
	int status;
	void (*stopped)(void *arg, int status);
	void *stopped_arg;
};

/* child.c */
void process_start(struct process *);
void process_tell(struct process *, int signo);
/* Takes note of all that have ended. */
void processes_reap(struct fg_processes *);

/* alive.c */
int processes_notify_open(struct fg_processes *);
void processes_notify_close(struct fg_processes *);
void processes_look(struct fg_timer *);

/* processes.c: one has ended (status as of wait), has become ready. */
void processes_ended(struct process *, int status);
void processes_became_ready(struct fg_processes *);

/* gather.c: one call to several of them. */
struct part {
	struct gather *gather;
	struct process *process;
	struct fg_ask *ask;		/* under way, or NULL */
	struct fg_buf lines;		/* each with its newline */
	int error;			/* of the ask; -ENOTCONN: it does not run */
	struct fg_control_result result;
};

struct gather {
	struct gather *next;
	struct fg_processes *all;
	struct fg_control_client *client;	/* who waits for it; NULL: nobody (any more) */
	void (*done)(struct gather *);	/* with all answers; it goes when that returns */
	struct fg_buf request;		/* the caller's own: what is asked after this */
	unsigned waiting, count;
	struct part parts[];
};

enum gather_whom { GATHER_ALL, GATHER_OTHERS /* but the first */ };
/* Holds the client, if there is one. `later` is kept as gather->request. -ENOMEM: not begun. */
int gather_begin(struct fg_processes *, enum gather_whom, struct fg_str request,
		 struct fg_str later, struct fg_control_client *, void (*done)(struct gather *));
void gathers_drop(struct fg_processes *);

/* calls.c */
int processes_control_open(struct fg_processes *);
/* reload.c */
void processes_call_reload(void *arg, struct fg_control_client *, const struct fg_doc *request);
/* account.c */
void processes_call_ledger(void *arg, struct fg_control_client *, const struct fg_doc *request);
void processes_call_status(void *arg, struct fg_control_client *, const struct fg_doc *request);
void processes_call_others(void *arg, struct fg_control_client *, const struct fg_doc *request);
/* stream.c */
void processes_call_tail(void *arg, struct fg_control_client *, const struct fg_doc *request);
void processes_call_devices(void *arg, struct fg_control_client *, const struct fg_doc *request);
void processes_call_send(void *arg, struct fg_control_client *, const struct fg_doc *request);
