/*
 * The whole gateway, put together: configuration, spool, profiles, devices, intake (sources) and
 * forward (sinks) on one loop. It owns all of them. Nothing here knows a protocol.
 */
#pragma once

#include <stdbool.h>

#include "base/log.h"
#include "config/config.h"
#include "config/put.h"
#include "intake/intake.h"
#include "outbox/outbox.h"

struct fg_gateway;

/* Why a start failed, for a person. */
struct fg_gateway_failure {
	char text[512];
};

/*
 * Opens the spool and begins to open every source and sink. Takes the configuration (also on
 * failure). -EBUSY (the spool is in use), -EINVAL (secrets, profiles: in the faults), -errno of
 * the spool. If something that the configuration names cannot be made (a cursor, memory), nothing
 * is taken in, *ret_gateway is set all the same, and the caller stops it and runs the loop.
 */
int fg_gateway_start(struct fg_loop *, struct fg_log *, struct fg_config *, const char *config_path,
		     struct fg_faults *, struct fg_gateway_failure *ret_failure,
		     struct fg_gateway **ret_gateway);
/* Takes nothing more, commits everything, says "offline", closes all; then calls `stopped`. */
void fg_gateway_stop(struct fg_gateway *, void (*stopped)(void *arg), void *arg);
struct fg_gateway *fg_gateway_free(struct fg_gateway *);	/* after `stopped` */

/* Reads the configuration anew and applies the difference. 0, or -EINVAL with faults, -errno; the
 * one in force stays then. What was done is said in `report` (a line, NULL: not wanted). */
int fg_gateway_reload(struct fg_gateway *, struct fg_faults *, struct fg_buf *report);

/* True once the spool is open and every source and sink is up or has begun to retry. `ready` is
 * called once then. */
void fg_gateway_on_ready(struct fg_gateway *, void (*ready)(void *arg), void *arg);

/* -- a configuration that is not proven yet (config/put.h) -- */
/* It was started with one: it is watched from here on. `trial` is moved. */
void fg_gateway_try(struct fg_gateway *, struct fg_trial *trial);
/* It was started with the one before, because of that: for the status. */
void fg_gateway_returned(struct fg_gateway *, const struct fg_trial *, const char *why);
/* `restart` is called when the one before has to return and needs a restart to do so, with what was
 * on trial and why it was given up. */
void fg_gateway_on_restart(struct fg_gateway *,
			   void (*restart)(void *arg, const struct fg_trial *, const char *why),
			   void *arg);
/* Something in this process is broken for good (a library that remembers that it could not begin):
 * the caller stops the gateway and ends with an error, so that it is started anew. */
void fg_gateway_on_broken(struct fg_gateway *, void (*broken)(void *arg), void *arg);

/* A process that is left over from a run with more (config->process) has forwarded all that it had,
 * and its peers hold nothing more for it: the caller stops the gateway. */
void fg_gateway_on_drained(struct fg_gateway *, void (*drained)(void *arg), void *arg);

/* -- what can be seen of it: JSON texts appended to `out` -- */
void fg_gateway_ledger(struct fg_gateway *, struct fg_buf *out);
void fg_gateway_state(struct fg_gateway *, struct fg_buf *out);		/* `fieldgate status` */
/* The status topic; of several processes the first one's has the account of all. */
void fg_gateway_topic(struct fg_gateway *, bool online, struct fg_buf *out);

/* Whether the spool has room and its disk works. */
bool fg_gateway_takes(const struct fg_gateway *);

struct fg_forward *fg_gateway_forward(struct fg_gateway *);
struct fg_intake *fg_gateway_intake(struct fg_gateway *);
const struct fg_config *fg_gateway_config(const struct fg_gateway *);
struct fg_loop *fg_gateway_loop(struct fg_gateway *);

/* The account of a stopped gateway from its files alone: the same JSON as fg_gateway_ledger.
 * `gateway` is its id where the spool does not say another, or if `sure` in any case. */
int fg_ledger_of_files(const char *spool_dir, const char *gateway, bool sure, struct fg_buf *out);
