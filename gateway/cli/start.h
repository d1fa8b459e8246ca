/*
 * Which configuration a start begins with: the file, or, where that is on trial and fails, the last
 * good one beside it (config/put.h).
 */
#pragma once

#include "config/config.h"
#include "config/put.h"

#include <limits.h>

struct cli_start {
	const char *path;		/* -c */
	char source[PATH_MAX];		/* what is read: path, or the last good one */
	struct fg_trial trial;		/* of what is in the file, if it is on trial */
	bool tried, returned;
	char why[512];			/* it returned */
};

void cli_start_init(struct cli_start *, const char *path);
void cli_start_fini(struct cli_start *);
/* FG_EXIT_OK, or what was said on stderr. */
int cli_start_load(struct cli_start *, struct fg_config **ret_config);
/* What was loaded does not start. True: the last good one is to be loaded now. */
bool cli_start_back(struct cli_start *, const char *why);
/* What was on trial has been given up while it ran. */
void cli_start_given_up(struct cli_start *, const struct fg_trial *, const char *why);
