/*
 * The console's other side: when it is open, and what it may ask. It is opened when the gateway
 * starts, tried again if that failed, and exchanged by a reload that changes its options or finds
 * files of it renewed.
 */
#include "run/private.h"

#include <errno.h>
#include <stdlib.h>

#ifndef FG_VERSION
#define FG_VERSION "0"
#endif

#define AGAIN_NS FG_S(5)

struct run_console {
	struct fg_desk desk;
	struct fg_gateway *gateway;
	struct run_config *config;	/* a use: its options are from there */
	bool closing;
};

/* -- what it may ask -- */

static const struct fg_control_call CALLS[] = {
	{ "status", run_call_status },
	{ "ledger", run_call_ledger },
	{ "ready", run_call_ready },
	{ "search", run_call_search },
	{ "device", run_call_device },
	{ "send", run_call_send },
	{ "spool", run_call_spool },
	{ "dead", run_call_dead },
	{ "requeue", run_call_requeue },
	{ "discard", run_call_discard },
	{ "config", run_call_config },
	{ "check", run_call_check },
	{ "put", run_call_put },
	{ "reload", run_call_reload },
	{ "tail", run_call_tail },
	{ 0 },
};

int fg_desk_ask(struct fg_desk *desk, struct fg_str request, const struct fg_desk_asker *asker,
		struct fg_desk_call **ret_call)
{
	struct run_console *console = (struct run_console *)desk;
	const struct fg_control_asker who = { asker->arg, asker->line, asker->end };
	struct fg_control_client *client;
	int r = fg_control_ask_here(CALLS, console->gateway, request, &who, &client);

	*ret_call = (struct fg_desk_call *)client;
	return r;
}

void fg_desk_leave(struct fg_desk_call *call)
{
	fg_control_leave((struct fg_control_client *)call);
}

/* -- when it is open -- */

static void console_open(struct fg_gateway *gateway)
{
	const struct fg_config *config = gateway->now->config;
	struct run_console *console;
	int r = -ENOMEM;

	if (!config->console_by || gateway->console || gateway->stopping)
		return;
	console = calloc(1, sizeof(*console));
	if (console) {
		console->gateway = gateway;
		console->desk = (struct fg_desk){
			.console = config->console_by,
			.conf = &config->console,
			.loop = gateway->loop,
			.logger = { .log = gateway->log,
				    .component = "console",
				    .level = run_level(gateway, "console") },
			.gateway = gateway->id,
			.version = FG_VERSION,
		};
		r = config->console_by->open(&console->desk);
	}
	if (r == 0) {
		console->config = gateway->now;
		console->config->uses++;
		gateway->console = console;
		gateway->console_missed = false;
		return;
	}
	free(console);
	/* tried again and again, but said once */
	if (!gateway->console_missed)
		fg_log(&gateway->logger, FG_ERROR, "no console", "address=%s error=\"%s\"",
		       config->console.listen, strerror(-r));
	gateway->console_missed = true;
	(void)fg_timer_start(&gateway->console_timer, AGAIN_NS);
}

void fg_desk_closed(struct fg_desk *desk)
{
	struct run_console *console = (struct run_console *)desk;
	struct fg_gateway *gateway = console->gateway;

	gateway->console = NULL;
	run_config_unuse(console->config);
	free(console);
	gateway->changing--;
	if (gateway->stopping)
		run_stop_step(gateway);
	else
		console_open(gateway);
}

/* Not at once: whoever asked for a reload may have asked by it, and waits for the answer. */
static void console_close(struct fg_gateway *gateway)
{
	if (!gateway->console || gateway->console->closing)
		return;
	gateway->console->closing = true;
	gateway->changing++;
	fg_loop_defer(gateway->loop, &gateway->console_defer);
}

static void on_defer(struct fg_defer *defer)
{
	struct fg_gateway *gateway =
		(struct fg_gateway *)((char *)defer - offsetof(struct fg_gateway, console_defer));

	gateway->console->desk.console->close(&gateway->console->desk);
}

static void on_again(struct fg_timer *timer)
{
	console_open(
		(struct fg_gateway *)((char *)timer - offsetof(struct fg_gateway, console_timer)));
}

void run_console_start(struct fg_gateway *gateway)
{
	fg_timer_init(gateway->loop, &gateway->console_timer, on_again);
	gateway->console_defer.cb = on_defer;
	console_open(gateway);
}

void run_console_changed(struct fg_gateway *gateway)
{
	gateway->console_missed = false;
	if (gateway->console)
		console_close(gateway);
	else
		console_open(gateway);
}

void run_console_renewed(struct fg_gateway *gateway)
{
	const struct run_console *console = gateway->console;

	if (!console || console->closing || !console->desk.console->renewed ||
	    !console->desk.console->renewed(&console->desk))
		return;
	fg_log(&gateway->logger, FG_INFO, "files of the console were renewed", "address=%s",
	       console->desk.conf->listen);
	run_console_changed(gateway);
}

void run_console_stop(struct fg_gateway *gateway)
{
	fg_handle_close(&gateway->console_timer.handle, NULL);
	console_close(gateway);
}
