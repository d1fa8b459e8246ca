/* What the process gives up before it reads a secret, opens the spool or hears anybody. */
#pragma once

#include <stdbool.h>

#include "config/config.h"

/* Why it failed, for a person. */
struct fg_confine_failure {
	char text[256];
};

/*
 * Started as root with run.user set, the process becomes that user, with the user's groups and for
 * good; the spool's folder and the socket's are made before, if they are missing, and are the
 * user's. In any case: no program that it executes gains privileges, no core file is written and
 * no process of the same user reads its memory, files it makes are closed to others.
 * Call it before the first thread. *ret_root: it still is root. 0, or -errno (*ret_failure says
 * what): then it must not go on.
 */
int fg_confine(const struct fg_run_conf *, const char *spool_dir,
	       struct fg_confine_failure *ret_failure, bool *ret_root);
