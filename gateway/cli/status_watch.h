/* fieldgate status --watch: the state again and again, until a signal ends it. */
#pragma once

#include <stdbool.h>

#include "cli/call.h"

/*
 * On a terminal the screen is drawn over itself, at its size, and given back at the end with the
 * last state on it; elsewhere a state is written after the other, or with `json` an answer a line.
 * A gateway that goes away is waited for; one that was never there is a failure. Ended by SIGINT,
 * SIGTERM, SIGHUP, or by who reads standard output. An exit status.
 */
int cli_status_watch(const struct cli_target *target, double every_s, bool json);
