/* What the files of processes/ share. */
#pragma once

#include <sys/types.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "config/applied.h"
#include "control/caller.h"
#include "control/control.h"
#include "processes/processes.h"

#define ENVIRONMENT_MAX 1024

enum process_state {
	PROCESS_DOWN,		/* waits for its start, or has ended for good */
	PROCESS_STARTING,
	PROCESS_UP,		/* has said that it is ready */
};

/* A configuration that is not proven yet. */
struct trial {
	enum { TRIAL_NONE, TRIAL_WATCHED, TRIAL_ENDING } state;
	struct fg_trial asked;
	struct fg_timer tick;
	uint64_t deadline_ns, good_ns;	/* good_ns: since when all is up, 0: it is not */
	bool kept;
	char why[512];
	struct fg_control_client *client;	/* who waits for the outcome, or NULL */
	struct fg_work work;
	int result;			/* of the work */
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
	struct trial trial;
	struct fg_applied applied;
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
/* Whether the next step of stopping can be taken. */
void processes_stop_step(struct fg_processes *);
/* All stop, and that is the exit status. */
void processes_give_up(struct fg_processes *, int status);

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

/* The one line of an answer; empty if there is none. */
struct fg_str gather_line(const struct part *);

/* calls.c */
int processes_control_open(struct fg_processes *);
/* reload.c: all go over to what the file says. What is said of it goes to `client` (or NULL), as a
 * line; `done` is called when all have (or NULL). -EBUSY; -EINVAL: it was refused, the one before
 * stays; -errno. */
int processes_go_over(struct fg_processes *, struct fg_control_client *client,
		      void (*done)(struct gather *));
void processes_reload(struct fg_processes *);
void processes_reload_failed(struct fg_control_client *, int error);
void processes_call_reload(void *arg, struct fg_control_client *, const struct fg_doc *request);
/* trial.c */
void trial_watch(struct fg_processes *, struct fg_trial *asked);	/* moved */
void trial_refused(struct fg_processes *, const char *why);
void trial_tick(struct fg_timer *);
void processes_call_apply(void *arg, struct fg_control_client *, const struct fg_doc *request);
/* account.c */
void processes_call_ledger(void *arg, struct fg_control_client *, const struct fg_doc *request);
void processes_call_status(void *arg, struct fg_control_client *, const struct fg_doc *request);
void processes_call_others(void *arg, struct fg_control_client *, const struct fg_doc *request);
/* stream.c */
void processes_call_tail(void *arg, struct fg_control_client *, const struct fg_doc *request);
void processes_call_devices(void *arg, struct fg_control_client *, const struct fg_doc *request);
void processes_call_send(void *arg, struct fg_control_client *, const struct fg_doc *request);
