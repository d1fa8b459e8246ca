/*
 * A configuration on trial. When one is loaded whose file says that it is not proven yet
 * (config/put.h), it is watched: what was up before it, and what it adds, has to be up within its
 * deadline, all at once and for a second. Then it is kept; else the one before returns, in this
 * process first and in the file after.
 *
 * What blocks is done by a worker, and counts as a change that is under way (gateway->changing): so
 * no reload comes in between, and a gateway that stops waits for it.
 */
#pragma once

#include <fg/loop.h>

#include "config/applied.h"
#include "config/put.h"
#include "control/control.h"

struct fg_gateway;
struct run_config;

enum run_trial_state {
	TRIAL_NONE,
	TRIAL_PUTTING,		/* a worker puts it in place */
	TRIAL_WATCHED,
	TRIAL_RETURNING,	/* it has failed; the one before comes back as soon as it can */
	TRIAL_ENDING,		/* a worker says so on the disk */
};

struct run_trial {
	enum run_trial_state state;
	struct fg_trial asked;
	struct run_config *before;	/* what returns; NULL: the file of the last good one */
	struct fg_timer tick;
	uint64_t deadline_ns, good_ns;	/* good_ns: since when all is up, 0: it is not */
	bool kept;
	bool restart;			/* what returns needs one */
	char why[512];
	struct fg_applied end;		/* how it ended */
	struct fg_control_client *client;	/* who waits for the outcome, or NULL */
	struct fg_work work;
	bool working;
	int result;			/* of the work */
};

void run_trial_open(struct fg_gateway *);
void run_trial_close(struct fg_gateway *);	/* the timer */
void run_trial_fini(struct fg_gateway *);
/* The configuration that is in force from now on is on trial as `asked` says, which is moved.
 * Takes a use of `before` (may be NULL). */
void run_trial_watch(struct fg_gateway *, struct fg_trial *asked, struct run_config *before);
/* The client that is told of the outcome. False: nothing is on trial, or one waits already. */
bool run_trial_await(struct fg_gateway *, struct fg_control_client *);
/* Notes an outcome, and has it published. */
void run_applied_set(struct fg_gateway *, const char *outcome, uint64_t version, const char *sha256,
		     const char *why);
/* ,"applied":{...} if there is something to say. */
void run_applied_json(struct fg_gateway *, struct fg_buf *out);

/* judge.c: whether all is up that has to be. If not, what is missing is added to `why`. */
bool run_all_up(struct fg_gateway *, const struct fg_trial *, struct fg_buf *why);
/* What is up now, into trial->before. */
void run_note_up(struct fg_gateway *, struct fg_trial *);
