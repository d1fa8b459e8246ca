/*
 * A tty as a descriptor: opened without becoming anybody's terminal, held alone, set, checked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "line.h"

struct serial_port {
	int fd;			/* -1: closed */
	bool pty;		/* a pseudo-terminal, which has neither speed nor parity */
	bool exclusive;		/* TIOCEXCL is set and has to be taken back */
	bool counts;		/* the driver below counts overruns */
	uint32_t overruns;	/* of the device and of the kernel's buffer, as last read */
	const char *differs;	/* what the kernel did not take, or NULL (serial_line_differs) */
};

/* Opens and sets `path`; does not block. 0, or: -errno of open (-ENOENT, -EACCES ...), -ENOTTY,
 * -EBUSY: another process holds it, -EOPNOTSUPP: the device does not do this line, `differs` says
 * what of it. A device that only lacks the flow control, and a pseudo-terminal whatever it lacks,
 * is opened all the same, with `differs` set. */
int serial_port_open(struct serial_port *port, const char *path, const struct serial_line *line);

/* Gives it back, as others can open it. A closed port is left alone. */
void serial_port_close(struct serial_port *port);

/* Hands bytes over as they come, not after the driver's wait for more (16 ms on some USB adapters).
 * Best effort: not every driver can. */
void serial_port_quicken(const struct serial_port *port);

/* Overruns since the last call: how often the device or the kernel had to throw bytes away. */
uint32_t serial_port_overruns(struct serial_port *port);
