/*
 * Bringing sources up and keeping them up. A driver only says that it is up, at fault or closed;
 * when to close and when to try again is decided here, the same for all of them. Faults are
 * carried out from a deferred callback, never from within the driver's own.
 */
#include "intake/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RETRY_FIRST FG_MS(200)
#define RETRY_CAP FG_S(10)
#define STEADY FG_S(10)		/* up for so long: the next fault begins with short waits again */

static void inlet_open(struct fg_inlet *inlet)
{
	int r;

	inlet->state = FG_LINK_OPENING;
	inlet->faulted = inlet->close_called = false;
	if (inlet->source.driver->state_size)
		memset(inlet->source.state, 0, inlet->source.driver->state_size);
	r = inlet->source.driver->ops.open(&inlet->source);
	if (r < 0)
		fg_source_fault(&inlet->source, r, "cannot open");
	else if (inlet->paused)
		inlet->source.driver->ops.pause(&inlet->source);
}

static void on_retry(struct fg_timer *timer)
{
	inlet_open((struct fg_inlet *)((char *)timer - offsetof(struct fg_inlet, retry)));
}

static void inlet_free(struct fg_handle *handle)
{
	struct fg_inlet *inlet =
		(struct fg_inlet *)((char *)handle - offsetof(struct fg_inlet, retry));
	void (*removed)(void *) = inlet->removed;
	void *arg = inlet->removed_arg;

	free(inlet->source.state);
	free(inlet);
	if (removed)
		removed(arg);
}

static void inlet_unlink(struct fg_inlet *inlet)
{
	struct fg_inlet **at = &inlet->intake->inlets;

	while (*at != inlet)
		at = &(*at)->next;
	*at = inlet->next;
	/* Routes hold the inlet's address, devices too. */
	routes_clear(inlet->intake);
	way_forget_source(inlet);
	fg_handle_close(&inlet->retry.handle, inlet_free);
}

static void wait_and_retry(struct fg_inlet *inlet)
{
	inlet->state = FG_LINK_RETRYING;
	fg_loop_hurry(inlet->source.loop);
	if (fg_timer_start(&inlet->retry, fg_backoff_after(&inlet->backoff, inlet->error)) < 0)
		fg_loop_defer(inlet->intake->conf.loop, &inlet->act);
}

static void tell_beyond_repair(struct fg_inlet *inlet)
{
	const struct fg_intake_conf *conf = &inlet->intake->conf;

	if (inlet->error != -ENOTRECOVERABLE || !conf->beyond_repair)
		return;
	inlet->error = 0;
	conf->beyond_repair(conf->beyond_repair_arg);
}

/* The one place where the state moves on after a fault, a close or a removal. */
static void on_act(struct fg_defer *defer)
{
	struct fg_inlet *inlet =
		(struct fg_inlet *)((char *)defer - offsetof(struct fg_inlet, act));

	tell_beyond_repair(inlet);
	if (!inlet->close_called && inlet->state != FG_LINK_RETRYING) {
		inlet->close_called = true;
		inlet->submitted = inlet->reported;
		inlet->unkept = inlet->unkept_once = 0;
		inlet->state = FG_LINK_CLOSING;
		inlet->reopen = inlet->away = false;
		inlet->source.driver->ops.close(&inlet->source);
		return;
	}
	if (inlet->state == FG_LINK_CLOSING && !inlet->reopen)
		return;
	if (inlet->removing)
		inlet_unlink(inlet);
	else if (!fg_timer_active(&inlet->retry))
		wait_and_retry(inlet);
}

void fg_source_up(struct fg_source *source)
{
	struct fg_inlet *inlet = (struct fg_inlet *)source;

	if (inlet->state != FG_LINK_OPENING && !inlet->away)
		return;
	inlet->state = FG_LINK_UP;
	inlet->away = false;
	inlet->turned_ns = fg_loop_now(source->loop);
	fg_loop_hurry(source->loop);
	fg_log(&source->logger, FG_INFO, "up", "after_faults=%llu",
	       (unsigned long long)inlet->faults);
	if (inlet->intake->events.up)
		inlet->intake->events.up(inlet->intake->events.arg, source);
}

void fg_source_away(struct fg_source *source)
{
	struct fg_inlet *inlet = (struct fg_inlet *)source;

	if (inlet->state > FG_LINK_UP || inlet->away)
		return;
	inlet->state = FG_LINK_UP;
	inlet->away = true;
	inlet->turned_ns = fg_loop_now(source->loop);
}

void fg_source_fault(struct fg_source *source, int error, const char *what)
{
	struct fg_inlet *inlet = (struct fg_inlet *)source;
	char quoted[2 * sizeof(inlet->fault)];

	if (inlet->faulted || inlet->close_called || inlet->removing)
		return;
	inlet->faulted = true;
	inlet->error = error;
	inlet->faults++;
	if (error == -EPROTO || strcmp(what, strerror(-error)) == 0)
		snprintf(inlet->fault, sizeof(inlet->fault), "%s", what);
	else
		snprintf(inlet->fault, sizeof(inlet->fault), "%s: %s", what, strerror(-error));
	if (inlet->state == FG_LINK_UP) {
		if (fg_loop_now(source->loop) - inlet->turned_ns > STEADY)
			fg_backoff_reset(&inlet->backoff);
		inlet->turned_ns = fg_loop_now(source->loop);
	}
	fg_log(&source->logger, inlet->backoff.attempt < 3 ? FG_WARN : FG_DEBUG, "fault",
	       "what=%s attempt=%u",
	       fg_log_quote(inlet->fault, strlen(inlet->fault), quoted, sizeof(quoted)),
	       inlet->backoff.attempt);
	fg_loop_defer(source->loop, &inlet->act);
}

void fg_source_closed(struct fg_source *source)
{
	struct fg_inlet *inlet = (struct fg_inlet *)source;

	if (inlet->intake->events.closed)
		inlet->intake->events.closed(inlet->intake->events.arg, source);
	inlet->reopen = true;
	fg_loop_defer(source->loop, &inlet->act);
}

void intake_pause_inlet(struct fg_inlet *inlet)
{
	if (inlet->paused)
		return;
	inlet->paused = true;
	if (!inlet->close_called && inlet->state <= FG_LINK_UP)
		inlet->source.driver->ops.pause(&inlet->source);
}

void intake_resume_inlet(struct fg_inlet *inlet)
{
	if (!inlet->paused)
		return;
	inlet->paused = false;
	if (!inlet->close_called && inlet->state <= FG_LINK_UP)
		inlet->source.driver->ops.resume(&inlet->source);
}

static struct fg_inlet *inlet_new(struct fg_intake *intake, const struct fg_driver_conf *conf,
				  enum fg_level level)
{
	size_t len = strlen(conf->name);
	struct fg_inlet *inlet = calloc(1, sizeof(*inlet) + len + 1);

	if (!inlet)
		return NULL;
	memcpy(inlet->name, conf->name, len);
	inlet->intake = intake;
	inlet->profile_name = conf->profile;
	inlet->interval_ns = conf->interval_ns;
	inlet->shared = conf->shared;
	inlet->source = (struct fg_source){
		.name = inlet->name,
		.driver = conf->driver,
		.conf = conf->conf,
		.loop = intake->conf.loop,
		.gateway = intake->conf.gateway,
		.commands = intake->conf.commands,
		.logger = {
			.log = intake->conf.log,
			.component = conf->driver->name,
			.name = inlet->name,
			.level = level,
		},
	};
	inlet->turned_ns = fg_loop_now(intake->conf.loop);
	inlet->source.state = calloc(1, conf->driver->state_size + 1);
	if (!inlet->source.state) {
		free(inlet);
		return NULL;
	}
	return inlet;
}

const struct fg_framer_conf *fg_source_framer(const struct fg_source *source)
{
	return ((const struct fg_inlet *)source)->framer;
}

void intake_bind_profile(struct fg_inlet *inlet, const char *name)
{
	inlet->profile_name = name;
	inlet->profile = name ? fg_profiles_find(inlet->intake->profiles, name) : NULL;
	inlet->framer = NULL;
	if (fg_profile_framer(inlet->profile, &inlet->framer_conf))
		inlet->framer = &inlet->framer_conf;
}

int fg_intake_add(struct fg_intake *intake, const struct fg_driver_conf *conf, enum fg_level level,
		  struct fg_inlet **ret_inlet)
{
	struct fg_inlet *inlet = inlet_new(intake, conf, level), **at = &intake->inlets;

	if (!inlet)
		return -ENOMEM;
	intake_bind_profile(inlet, conf->profile);
	intake_load_memo(inlet);
	inlet->act.cb = on_act;
	inlet->paused = intake->stopping || !fg_spool_has_room(intake->conf.spool);
	fg_backoff_init(&inlet->backoff, RETRY_FIRST, RETRY_CAP);
	fg_timer_init(intake->conf.loop, &inlet->retry, on_retry);
	while (*at)
		at = &(*at)->next;
	*at = inlet;
	if (ret_inlet)
		*ret_inlet = inlet;
	inlet_open(inlet);
	return 0;
}

void fg_intake_remove(struct fg_inlet *inlet, void (*removed)(void *arg), void *arg)
{
	inlet->removing = true;
	inlet->removed = removed;
	inlet->removed_arg = arg;
	fg_timer_stop(&inlet->retry);
	fg_loop_defer(inlet->intake->conf.loop, &inlet->act);
}
