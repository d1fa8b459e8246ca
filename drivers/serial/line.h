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

enum serial_flow { SERIAL_FLOW_NONE, SERIAL_FLOW_RTSCTS, SERIAL_FLOW_XONXOFF };

struct serial_line {
	speed_t speed;		/* a Bxxx constant */
	const char *mode;	/* "8N1": data bits, parity, stop bits */
	enum serial_flow flow;
};

/* Every speed that has a Bxxx constant, by its number of bits per second; the value is the
 * constant. The usual ones stand first, because a fault lists them in this order. */
extern const struct fg_choice serial_bauds[];
/* Bits per second of a Bxxx constant; 9600 for what is none. */
unsigned long serial_baud_number(speed_t speed);

/* The c_cflag bits of a mode. 0, or -EINVAL: not a mode (untouched). */
int serial_mode_parse(const char *mode, tcflag_t *ret_cflag);
/* The same as an option's check. */
int serial_mode_check(const char *mode, char *why, size_t cap);

/* Raw, in the line's speed, mode and flow control, whatever it was before. -EINVAL: not a mode or
 * not a speed. */
int serial_line_apply(const struct serial_line *line, struct termios *tio);

/* What of the line is not so in `got`, which the kernel gave back: a word ("speed", "mode", "flow
 * control", "raw mode"), or NULL when all of it was taken. */
const char *serial_line_differs(const struct termios *want, const struct termios *got);

/* Bits that one byte takes on the line, start and stop bits counted; 10 for what is not a mode. */
unsigned serial_mode_bits(const char *mode);

/* Turns "\r\n" or "\x03" written out as an escape (backslash and letters: \n \r \t \0 \\ \xHH) into
 * bytes. 0 and their number, -EINVAL: an unknown escape, -EMSGSIZE: more than `cap`. */
int serial_unescape(const char *text, char *out, size_t cap, size_t *ret_len);
