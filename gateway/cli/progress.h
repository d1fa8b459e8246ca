/*
 * How far long work is: one line on stderr that is drawn over itself, only where stderr is a
 * terminal. Elsewhere, and with TERM=dumb, nothing is ever written. Who prints something else
 * while it stands there hides it first. What is called for each record costs a comparison, or a
 * look at the clock where nobody knows how much there is to do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_unit { CLI_BYTES, CLI_RECORDS };

struct cli_progress {
	const char *what;
	enum cli_unit unit;
	uint64_t total;			/* 0: nobody knows */
	uint64_t look_at;		/* before so much is done, the clock is not looked at */
	int64_t begun_ns, next_ns, every_ns;
	bool on, shown;
};

/* `what` is borrowed. Nothing is shown yet: what is done at once needs no line. */
void cli_progress_begin(struct cli_progress *, const char *what, enum cli_unit, uint64_t total);
void cli_progress_draw(struct cli_progress *, uint64_t done);
/* Takes the line away, until it is drawn again; at the end for good. */
void cli_progress_hide(struct cli_progress *);

/* So much is done. */
static inline void cli_progress_at(struct cli_progress *progress, uint64_t done)
{
	if (progress->on && done >= progress->look_at)
		cli_progress_draw(progress, done);
}

/* The line itself, at most `columns` characters: share, amount, rate and time that is left. */
void cli_progress_line(const struct cli_progress *, uint64_t done, double elapsed_s, size_t columns,
		       char *out, size_t size);

/* A terminal that can be drawn on. */
bool cli_is_terminal(int fd);
/* Columns (and rows, unless NULL) of the terminal at fd; 0 if it is none or does not say. */
size_t cli_columns(int fd, size_t *ret_rows);
