/*
 * Devices that are not there: what the parts of `fieldgate simulate` share. A stream is one
 * transport with its devices; it knows how to send one reading more. The pace (simulate_stream.c)
 * says when, and adds up what was acknowledged.
 *
 * The MQTT and CoAP clients here are written out by hand: they must not share a fault with the
 * libraries that the gateway uses, and a program without them must not carry those for a demo.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <fg/loop.h>

struct sim;
struct sim_stream;

struct sim_url {
	char scheme[16];
	char host[256];		/* or the path of a Unix socket */
	char port[8];
};

struct sim_conf {
	const char *mqtt, *coap;	/* URLs, or NULL */
	bool serial;
	uint32_t devices;
	double rate;			/* readings per second over all; 0: as fast as can be */
	uint64_t count;			/* readings over all; 0: until told to stop */
	int64_t linger_ns;		/* the pseudo-terminal stays so long; -1: until told */
};

struct sim_stream_ops {
	const char *name;
	bool acknowledges;		/* the summary says what was acknowledged */
	/* Begins to come up and calls sim_stream_ready() once it is. 0 or -errno. */
	int (*open)(struct sim_stream *);
	/* One reading more. -EAGAIN: not now, sim_stream_ready() later. */
	int (*send)(struct sim_stream *);
	/* After some sends. */
	void (*flush)(struct sim_stream *);
	/* Asynchronous; ends with sim_stream_closed(). Also called when open failed. */
	void (*close)(struct sim_stream *);
};

/* The first member of every transport's own struct. */
struct sim_stream {
	const struct sim_stream_ops *ops;
	struct sim *sim;
	struct fg_loop *loop;
	const char *url;
	uint32_t devices;
	double rate;
	uint64_t count;
	bool ready, stopping, open;
	double credit;			/* readings that may be sent now */
	uint64_t credit_at_ns;
	uint64_t sent, acknowledged, refused, repeated;
	struct fg_timer pace;
};

/* -- simulate_stream.c -- */
int sim_stream_open(struct sim_stream *);
void sim_stream_close(struct sim_stream *);
void sim_stream_stop(struct sim_stream *);	/* begins no reading more */
void sim_stream_ready(struct sim_stream *);	/* a send would be taken again */
void sim_stream_settle(struct sim_stream *, bool acknowledged);	/* one reading's outcome */
bool sim_stream_done(const struct sim_stream *);

/* The JSON text of a device's reading; the same numbers give the same text. No NUL; its length. */
#define SIM_READING_MAX 128
size_t sim_reading(uint32_t device, uint64_t seq, char out[SIM_READING_MAX]);
/* Its id "d0007". */
#define SIM_DEVICE_MAX 16
size_t sim_device(uint32_t device, char out[SIM_DEVICE_MAX]);

/* -- simulate.c -- */
void sim_settled(struct sim *);			/* a stream may be done */
void sim_stream_closed(struct sim_stream *);
void sim_fail(struct sim *, struct sim_stream *, const char *what, int error);	/* gives up */
void sim_say(const struct sim_stream *, const char *what, const char *why);	/* to stderr */

/* -- the transports; NULL: out of memory -- */
struct sim_stream *sim_mqtt_new(struct fg_loop *, uint32_t devices);
struct sim_stream *sim_coap_new(struct fg_loop *, uint32_t devices);
struct sim_stream *sim_serial_new(struct fg_loop *, uint32_t devices);

/* -- simulate_net.c -- */

/* Splits "scheme://host:port"; the default port is filled in. -EINVAL */
int sim_url_parse(const char *text, const char *default_port, struct sim_url *ret_url);

/* Looks a name up on a worker. */
struct sim_lookup {
	struct fg_work work;
	struct sim_url url;
	int socktype;
	unsigned tries;			/* that failed before this one */
	int error;			/* 0, or -errno */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	void (*done)(struct sim_lookup *);
};

int sim_lookup_start(struct fg_loop *, struct sim_lookup *);
