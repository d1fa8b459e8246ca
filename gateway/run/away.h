/*
 * Commands of one of several processes (run.processes): whoever asked here, the process that heard
 * the device last carries it out. The parent knows who that is, so it is asked with `send`, as
 * `fieldgate send` asks it, and its answer is the outcome.
 */
#pragma once

#include <fg/command.h>

struct fg_gateway;
struct run_away;

#define RUN_AWAY_MAX 64		/* at a time; the rest waits for its turn */
#define RUN_AWAY_CLIENTS (RUN_AWAY_MAX + 16)	/* of a control socket that is asked by them */

/* fg_commands_conf.elsewhere; arg is the gateway. */
int run_away_send(void *arg, struct fg_command *, struct fg_str path, struct fg_str payload);
/* The gateway stops: nobody is told any more. */
void run_away_drop(struct fg_gateway *);
