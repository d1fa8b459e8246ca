/*
 * More than one process (run.processes), after Node.js's cluster: a parent that takes no records
 * itself, and below it N gateways, each with its own loop, spool, epoch and account. The parent
 * starts them and starts them anew, passes on signals and reloads, speaks for all of them to
 * systemd, and answers the control socket with the sum of what they say.
 *
 *     parent ──fork, exec──> fieldgate run --process K/N      NOTIFY_SOCKET: ready, alive
 *            ──control socket, SOCKET.K──> ledger, status, reload, send, ...
 *
 * Processes beyond N whose spools are still there (there were more before) run too, until they have
 * given back what they and their peers hold; then their account is kept and their spool removed.
 */
#pragma once

#include <stdbool.h>

#include <fg/loop.h>

#include "base/log.h"
#include "config/config.h"
#include "config/put.h"

/* What a process that was left over ends with when it has nothing left, and by nothing else. */
#define FG_PROCESS_DRAINED 64

struct fg_processes;

struct fg_processes_conf {
	struct fg_loop *loop;
	struct fg_log *log;
	const char *path, *source;	/* of the configuration; what this start reads instead */
	struct fg_trial *trial;		/* it is on trial, or NULL; moved */
};

/* A way to run (CONFIG_RUN_PROCESSES); a module where a gateway alone is to carry nothing of it. */
struct fg_run {
	const char *name;
	/* Begins to start them. Takes the configuration, also on failure. -errno. */
	int (*start)(const struct fg_processes_conf *, struct fg_config *,
		     struct fg_processes **ret_processes);
	/* Stops all of them, the first one last, then calls `stopped`. */
	void (*stop)(struct fg_processes *);
	/* Called when the last one has ended, whoever wished it, with the exit status for all. */
	void (*on_stopped)(struct fg_processes *, void (*stopped)(void *arg, int status),
			   void *arg);
	void (*reload)(struct fg_processes *);
	/* Whether all are up. */
	bool (*well)(const struct fg_processes *);
	/* After `stopped`. */
	void (*free)(struct fg_processes *);
};
