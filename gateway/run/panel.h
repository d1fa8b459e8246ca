/*
 * What the board has for a gateway as a whole: the hardware watchdog, which resets the board when
 * nobody feeds it, and a LED that says how it is. Both are opened before the process gives up root.
 */
#pragma once

#include <fg/loop.h>

#include "config/config.h"

struct fg_panel {
	int watchdog, led;		/* -1: none */
	uint64_t feed_ns, fed_ns;	/* between two feeds; when it was last */
	bool lit, begun;
	bool (*well)(void *arg);
	void *arg;
	struct fg_timer timer;
};

/* What cannot be opened is logged and done without: a gateway without its LED still works. */
void fg_panel_open(struct fg_panel *, const struct fg_run_conf *, const struct fg_logger *);
/* There is nothing to open: for one of several processes, whose parent has it. */
void fg_panel_none(struct fg_panel *);
/*
 * From here on the loop feeds the watchdog, and the LED is on while all is well (every driver and
 * bridge is up and the spool takes what comes), blinks while it is not, and is off when the gateway
 * has ended.
 */
void fg_panel_begin(struct fg_panel *, struct fg_loop *, bool (*well)(void *arg), void *arg);
/* A clean end: the LED is off, the watchdog is told that nobody will feed it. */
void fg_panel_end(struct fg_panel *);
