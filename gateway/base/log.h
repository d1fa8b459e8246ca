/*
 * The log behind <fg/log.h>: one logfmt line, one write(2). A line for which the reader makes no
 * room is left out and counted, so that a full pipe cannot hold up the loop.
 */
#pragma once

#include <fg/log.h>

#include <stddef.h>

struct fg_log_level {
	const char *component;
	enum fg_level level;
};

struct fg_log {
	int fd;
	bool journal;			/* fd is the journal's: it has a clock of its own */
	enum fg_level level;
	const struct fg_log_level *levels;	/* by component, borrowed */
	size_t nlevels;
	unsigned long left_out;		/* lines since the last one that was written */
	unsigned process;		/* one of several: said in each line; 0: not */
};

/* A log to `fd` (not closed here). Asks $JOURNAL_STREAM whether that is the journal. */
void fg_log_init(struct fg_log *log, int fd, enum fg_level level);
/* Level of a component: its own or the log's. */
enum fg_level fg_log_level(const struct fg_log *log, const char *component);
/* component and name (may be NULL) are borrowed. */
void fg_logger_init(struct fg_logger *logger, struct fg_log *log, const char *component,
		    const char *name);
