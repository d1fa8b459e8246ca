/*
 * A configuration that comes from afar, step by step:
 *
 *     take ─> worker: read it, who signed it ─> which version, is it valid, what does it change
 *          ─> worker: note the version, put it in place ─> go over to it, on trial (run/trial.h)
 *
 * Only the newest is waited with, and four a second at most are looked at, so that whoever may
 * publish cannot keep the gateway busy. What became of it is noted in SPOOLDIR/fleet.json, which
 * outlives any start: versions never go back.
 */
#pragma once

#include <fg/loop.h>
#include <fg/remote.h>

#include "config/applied.h"
#include "config/envelope.h"
#include "config/put.h"

struct fg_gateway;
struct run_config;

struct run_remote {
	struct fg_remote take;		/* what the bridge calls */
	struct fg_timer again;
	struct fg_buf next;		/* the newest that was not looked at */
	size_t next_len;		/* its own length; 0: there is none */
	struct fg_applied record;	/* as in the file; version 0: there is none */
	char *path;			/* of the file */

	/* of the one that is looked at */
	bool busy;
	struct fg_buf text;
	struct fg_envelope envelope;
	struct run_config *by;		/* whose keys count; a use */
	struct run_config *wanted;	/* what it would be, or NULL */
	struct fg_trial trial;
	struct fg_applied trying;	/* for the file */
	struct fg_work work;
	int result;
	const char *why;		/* it failed; constant text, or NULL */
};

int run_remote_open(struct fg_gateway *);	/* before there is a bridge */
void run_remote_start(struct fg_gateway *);	/* reads the file; says what cannot work */
void run_remote_close(struct fg_gateway *);	/* the timer */
void run_remote_fini(struct fg_gateway *);
/* On a worker, too: 0, or -ESTALE: the file is not what `now` was read from, or -errno. */
int run_file_is_in_force(const struct fg_gateway *, const struct run_config *now);
/* On a worker, too: what became of a version that was on trial. */
int run_remote_note(const struct run_remote *, const struct fg_applied *);
