/*
 * Commands: what is sent down to a device. Whoever may command (a bridge, the control socket, a
 * driver) makes a request; the profile of the device says how its point is written; the device's
 * driver carries it out.
 *
 *     fg_command_request ──> waits its turn ──> ops.command ──> fg_command_done ──> outcome
 *
 * Each request has exactly one outcome, at the latest when it expires. The requests of one device
 * are carried out one after the other, in order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/str.h>
#include <fg/value.h>

struct fg_commands;

enum fg_outcome {
	FG_OUTCOME_DONE,	/* the device (or its broker) has confirmed it */
	FG_OUTCOME_FAILED,	/* the device said no */
	FG_OUTCOME_EXPIRED,	/* its time was over before it could be carried out */
	FG_OUTCOME_UNREACHABLE,	/* nobody answered */
	FG_OUTCOME_REFUSED,	/* by the gateway: nothing was sent */
};

const char *fg_outcome_name(enum fg_outcome);

/* -- south: what a driver carries out -- */

/* The strings live as long as the command: until its fg_command_done(), or until the driver has
 * said fg_source_closed(), which gives back all commands that are with it. */
struct fg_command {
	struct fg_str device;	/* its own id, not escaped */
	struct fg_str point;	/* as in records */
	/* as the device takes it: the point's map, scale and offset undone */
	struct fg_value value;
	/* where the profile says it goes: an MQTT topic, a CoAP path; empty: the profile says
	 * nothing, the driver's own way */
	struct fg_str to;
	struct fg_str payload;	/* the value in the profile's template; the bytes to be sent */
	int content_format;	/* CoAP's of the payload, or -1 */
	/* fg_input's of the device's last payload; 0: not heard in this run */
	uint64_t peer;
	/* fg_loop_now(): an answer after it is too late, and what was not begun is not begun any
	 * more. It moves to the present when the outcome is told before, by `expires` say. */
	uint64_t deadline_ns;
	void *user;		/* the driver's own */
};

/* What became of it. `why` may be NULL; it is copied. Exactly once for each command that the
 * driver has taken; also after the deadline, when the outcome has been told already. */
void fg_command_done(struct fg_command *, enum fg_outcome, const char *why);

/* -- north: who asks for it -- */

struct fg_request_result {
	struct fg_str id;	/* the request's own, as JSON text; "null" if it had none */
	struct fg_str device, point;
	enum fg_outcome outcome;
	struct fg_str why;	/* may be empty */
	struct fg_str json;	/* all of that as one JSON object */
};

struct fg_request {
	/* "{device}/{point}" as in records; the longest device that is known wins, else the first
	 * level is the device */
	struct fg_str path;
	/* {"id","value","expires"} in JSON, or a bare value */
	struct fg_str payload;
	bool retained;		/* came from a broker's store: refused */
	bool here;		/* of several processes it is for this one: the others were asked */
	/* Whoever asks has a place of its own for the outcome, and waits there: of an id that was
	 * seen before it is told what became of it, as soon as that is known. Else it is told
	 * nothing. */
	bool again;
	/* Called once with the outcome, possibly before fg_command_request() returns; `reply` is
	 * handed back. Not called after fg_command_forget(arg). */
	void (*outcome)(void *arg, struct fg_str reply, const struct fg_request_result *);
	void *arg;
	struct fg_str reply;	/* FG_REQUEST_REPLY bytes at most; copied */
};

#define FG_REQUEST_REPLY 1024

void fg_command_request(struct fg_commands *, const struct fg_request *);
/* Whoever asked has gone: what is under way goes on, its outcome is told to nobody. */
void fg_command_forget(struct fg_commands *, void *arg);
