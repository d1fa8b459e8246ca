/*
 * Stopping, in this order: take nothing more; sources close; what is in flight may still be
 * acknowledged for a moment; "offline" is said; sinks close; the spool commits everything and
 * writes its clean end.
 */
#include "run/private.h"

#include <stdlib.h>

#define PATIENCE FG_MS(1000)	/* for acknowledgements that are on their way */

enum { STEP_SOURCES, STEP_FLIGHTS, STEP_SINKS, STEP_SPOOL, STEP_DONE };

static void say_offline(struct fg_gateway *gateway)
{
	struct fg_buf text;

	if (gateway->now->config->process.index > 1)
		return;
	fg_buf_init(&text, 64u << 10);
	fg_gateway_topic(gateway, false, &text);
	if (!text.failed)
		fg_forward_status(gateway->forward, fg_buf_view(&text));
	fg_buf_fini(&text);
}

static void close_timers(struct fg_gateway *gateway)
{
	fg_handle_close(&gateway->keep.handle, NULL);
	fg_handle_close(&gateway->forward_hook.handle, NULL);
	fg_handle_close(&gateway->clock_timer.handle, NULL);
	fg_handle_close(&gateway->status_timer.handle, NULL);
	fg_handle_close(&gateway->sweep_timer.handle, NULL);
	fg_handle_close(&gateway->ready_timer.handle, NULL);
	fg_handle_close(&gateway->stop_timer.handle, NULL);
	fg_handle_close(&gateway->watchdog.handle, NULL);
	fg_handle_close(&gateway->look_timer.handle, NULL);
	fg_handle_close(&gateway->drain_timer.handle, NULL);
	run_trial_close(gateway);
	run_remote_close(gateway);
	run_clock_close(gateway);
}

static void on_spool_closed(void *arg)
{
	struct fg_gateway *gateway = arg;

	gateway->spool = NULL;
	gateway->step = STEP_DONE;
	fg_log(&gateway->logger, FG_INFO, "stopped", "gateway=%s", gateway->id);
	if (gateway->stopped)
		gateway->stopped(gateway->stopped_arg);
}

void run_stop_step(struct fg_gateway *gateway)
{
	if (gateway->changing > 0)
		return;
	switch (gateway->step) {
	case STEP_SOURCES:
		gateway->step = STEP_FLIGHTS;
		fg_forward_stop(gateway->forward);
		(void)run_siblings_ask(gateway);
		(void)fg_timer_start(&gateway->stop_timer, PATIENCE);
		fg_loop_hurry(gateway->loop);	/* perhaps nothing is in flight */
		break;
	case STEP_FLIGHTS:
		if ((!fg_forward_drained(gateway->forward) || gateway->siblings.ask) &&
		    fg_timer_active(&gateway->stop_timer))
			break;
		run_siblings_drop(gateway);
		gateway->step = STEP_SINKS;
		say_offline(gateway);
		run_remove_sinks(gateway);
		if (gateway->changing > 0)
			break;
		__attribute__((fallthrough));
	case STEP_SINKS:
		gateway->step = STEP_SPOOL;
		close_timers(gateway);
		fg_spool_close(gateway->spool, on_spool_closed, gateway);
		break;
	}
}

void fg_gateway_stop(struct fg_gateway *gateway, void (*stopped)(void *arg), void *arg)
{
	if (gateway->stopping)
		return;
	gateway->stopping = true;
	gateway->stopped = stopped;
	gateway->stopped_arg = arg;
	fg_notify("STOPPING=1");
	/* First: their outcomes still go out with what is sent last. */
	fg_commands_stop(gateway->commands);
	run_away_drop(gateway);
	if (gateway->control)
		fg_control_close(gateway->control);
	gateway->control = NULL;
	run_console_stop(gateway);
	/* What was taken in this turn is written and acknowledged before the sources close. */
	fg_intake_keep(gateway->intake);
	fg_intake_pause(gateway->intake);
	run_remove_sources(gateway);
	run_stop_step(gateway);
}
