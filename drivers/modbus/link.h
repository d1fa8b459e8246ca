/*
 * The way to the devices: a TCP connection or a tty, both as bytes to send and bytes that came.
 */
#pragma once

#include <fg/driver.h>

#include "adapt/tty.h"
#include "conf.h"
#include "lookup.h"
#include "pdu.h"

enum { MODBUS_IN_MAX = 1024 };

struct modbus_link {
	struct fg_source *source;
	const struct modbus_conf *conf;
	void (*up)(struct modbus_link *);
	void (*came)(struct modbus_link *);	/* there are new bytes in `in` */
	struct fg_io io;
	struct fg_timer connecting;	/* how long an attempt may take */
	bool tcp, ready, faulted;
	int fd;				/* the socket, or tty.fd */
	struct fg_tty tty;
	struct modbus_lookup *lookup;
	struct addrinfo *next;		/* address to be tried after this one */
	uint64_t char_ns;		/* of one character on the line; 0: TCP */
	uint8_t in[MODBUS_IN_MAX];
	size_t in_len;
	uint8_t out[MODBUS_FRAME_MAX];
	size_t out_len, out_at;
};

/* After source, conf and callbacks are set: it can be closed from here on. */
void modbus_link_init(struct modbus_link *link);
/* Begins; `up` follows, or fg_source_fault(). 0 or -errno. */
int modbus_link_open(struct modbus_link *link);
/* Sends one frame; what had come before it is thrown away on a line, where it can only be late. */
void modbus_link_send(struct modbus_link *link, const uint8_t *bytes, size_t len);
/* The first `len` bytes of `in` are done with. */
void modbus_link_consume(struct modbus_link *link, size_t len);
void modbus_link_fault(struct modbus_link *link, int error, const char *what);
/* Closes; `closed` is called in the close phase with the io's handle. */
void modbus_link_close(struct modbus_link *link, void (*closed)(struct fg_handle *));
/* In that callback: the descriptor goes. */
void modbus_link_fini(struct modbus_link *link);
