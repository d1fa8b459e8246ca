/*
 * How a serial line is set: the words that a configuration uses for it, and what termios calls
 * them. Pure: opens nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include <fg/option.h>

enum fg_tty_flow { FG_TTY_FLOW_NONE, FG_TTY_FLOW_RTSCTS, FG_TTY_FLOW_XONXOFF };

struct fg_tty_line {
	speed_t speed;		/* a Bxxx constant */
	const char *mode;	/* "8N1": data bits, parity, stop bits */
	enum fg_tty_flow flow;
};

/* Every speed that has a Bxxx constant, by its number of bits per second; the value is the
 * constant. The usual ones stand first, because a fault lists them in this order. */
extern const struct fg_choice fg_tty_bauds[];
/* Bits per second of a Bxxx constant; 9600 for what is none. */
unsigned long fg_tty_baud_number(speed_t speed);

/* The c_cflag bits of a mode. 0, or -EINVAL: not a mode (untouched). */
int fg_tty_mode_parse(const char *mode, tcflag_t *ret_cflag);
/* The same as an option's check. */
int fg_tty_mode_check(const char *mode, char *why, size_t cap);

/* Raw, in the line's speed, mode and flow control, whatever it was before. -EINVAL: not a mode or
 * not a speed. */
int fg_tty_line_apply(const struct fg_tty_line *line, struct termios *tio);

/* What of the line is not so in `got`, which the kernel gave back: a word ("speed", "mode", "flow
 * control", "raw mode"), or NULL when all of it was taken. */
const char *fg_tty_line_differs(const struct termios *want, const struct termios *got);

/* Bits that one byte takes on the line, start and stop bits counted; 10 for what is not a mode. */
unsigned fg_tty_mode_bits(const char *mode);
