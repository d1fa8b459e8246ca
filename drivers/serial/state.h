/* The state of one serial line, shared by the reading and the writing side. */
#pragma once

#include <fg/driver.h>

#include "adapt/tty.h"
#include "held.h"
#include "serial.h"

struct serial_out;

/* What is to be written. */
struct serial_outs {
	struct serial_out *first, **end;
	uint32_t count;
	bool blocked;			/* the kernel's queue is full */
	struct fg_timer look;		/* whether that queue is empty */
};

struct serial {
	struct fg_source *source;
	struct fg_io io;
	struct fg_timer silence;
	struct fg_tty port;
	struct fg_framer framer;
	struct serial_held held;
	struct serial_outs out;
	bool framing, paused, faulted;
	bool begun;			/* a byte has come since the port was opened */
	uint64_t opened_ns;
	uint64_t looked_ns;		/* at the overruns */
	uint64_t skipped_unsaid;
	struct fg_log_limit skipped_limit;
};

void serial_fault(struct serial *serial, int error, const char *what);
/* Tells the loop what is waited for. */
void serial_watch(struct serial *serial);

/* -- command.c -- */
int serial_command(struct fg_source *source, struct fg_command *command);
/* Writes what can be written, tells what was sent. */
void serial_out_pump(struct serial *serial);
void serial_out_look(struct fg_timer *timer);
void serial_out_init(struct serial *serial);
/* What is not sent is given back with the source. */
void serial_out_fini(struct serial *serial);
