/* The parts of `fieldgate apply`: what is to be put in place, and what the gateway says of it. */
#pragma once

#include "base/buf.h"
#include "config/config.h"
#include "config/put.h"

struct cli_apply {
	const char *path;		/* where it goes */
	const char *file;		/* what goes there */
	struct fg_buf text;		/* of it */
	struct fg_config *before, *after;	/* before: NULL if it is not there, or not valid */
	struct fg_trial trial;
	const char *socket;
	char running[65];		/* sha256 of what the gateway runs; "": none runs */
	bool pending;			/* what is in place is on trial itself */
	bool left_over;			/* the same, and nobody tries it */
	bool restart, good;
};

/* apply_ask.c: the gateway's side; FG_EXIT_OK, or what was said on stderr. */
/* What runs, and what is up, into the trial. */
int cli_apply_look(struct cli_apply *);
/* Has the gateway go over to what was put in place, and waits for what becomes of it. FG_EXIT_NO:
 * the one before returned, or has to. */
int cli_apply_try(struct cli_apply *);
