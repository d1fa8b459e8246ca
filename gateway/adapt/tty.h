/*
 * A tty as a descriptor: opened without becoming anybody's terminal, held alone, set, checked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "adapt/tty_line.h"

struct fg_tty {
	int fd;			/* -1: closed */
	bool pty;		/* a pseudo-terminal, which has neither speed nor parity */
	bool exclusive;		/* TIOCEXCL is set and has to be taken back */
	bool counts;		/* the driver below counts overruns */
	uint32_t overruns;	/* of the device and of the kernel's buffer, as last read */
	const char *differs;	/* what the kernel did not take, or NULL (fg_tty_line_differs) */
};

/* Opens and sets `path`; does not block. 0, or: -errno of open (-ENOENT, -EACCES ...), -ENOTTY,
 * -EBUSY: another process holds it, -EOPNOTSUPP: the device does not do this line, `differs` says
 * what of it. A device that only lacks the flow control, and a pseudo-terminal whatever it lacks,
 * is opened all the same, with `differs` set. */
int fg_tty_open(struct fg_tty *port, const char *path, const struct fg_tty_line *line);

/* Why it was not opened with -EOPNOTSUPP, as a sentence. */
const char *fg_tty_refused(const struct fg_tty *port);

/* RS-485 by the UART's own driver: who drives the line when is switched by the kernel, in time. */
struct fg_tty_rs485 {
	bool enabled;
	bool rts_on_send, rts_after_send;	/* level of RTS */
	bool rx_during_tx;			/* the line's own echo is read */
	int64_t delay_before_ns, delay_after_ns;	/* whole milliseconds count */
};

/* 0; -EOPNOTSUPP: the device does not do it. */
int fg_tty_set_rs485(const struct fg_tty *port, const struct fg_tty_rs485 *rs485);

/* Throws away what has come and was not read. */
void fg_tty_drain(const struct fg_tty *port);

/* Gives it back, as others can open it. A closed port is left alone. */
void fg_tty_close(struct fg_tty *port);

/* Hands bytes over as they come, not after the driver's wait for more (16 ms on some USB adapters).
 * Best effort: not every driver can. */
void fg_tty_quicken(const struct fg_tty *port);

/* Overruns since the last call: how often the device or the kernel had to throw bytes away. */
uint32_t fg_tty_overruns(struct fg_tty *port);
