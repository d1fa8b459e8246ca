/* fieldgate run: the gateway in the foreground until a signal ends it. */
#include "run/confine.h"
#include "run/gateway.h"
#include "run/panel.h"
#include "run/total.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/start.h"
#include "config/registry.h"
#include "processes/processes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One of several processes, as its parent says: --process INDEX/COUNT/PID. */
struct place {
	unsigned index, count;
	int parent;
};

struct running {
	struct fg_loop *loop;
	struct fg_gateway *gateway;		/* or */
	const struct fg_run *way;		/* with */
	struct fg_processes *processes;
	struct place place;
	struct fg_panel panel;
	struct fg_signal term, interrupt, hangup;
	struct cli_start start;
	bool signals, again, broken, drained;
	int status;
};

#define running_of(member, ptr) \
	((struct running *)((char *)(ptr) - offsetof(struct running, member)))

static void close_signals(struct running *running)
{
	if (!running->signals)
		return;
	fg_handle_close(&running->term.handle, NULL);
	fg_handle_close(&running->interrupt.handle, NULL);
	fg_handle_close(&running->hangup.handle, NULL);
	running->signals = false;
}

static void on_stopped(void *arg)
{
	struct running *running = arg;

	fg_panel_end(&running->panel);
	close_signals(running);
}

static void stop(struct running *running)
{
	if (running->processes)
		running->way->stop(running->processes);
	else
		fg_gateway_stop(running->gateway, on_stopped, running);
}

static void on_term(struct fg_signal *signal, int signo)
{
	(void)signo;
	stop(running_of(term, signal));
}

static void on_interrupt(struct fg_signal *signal, int signo)
{
	(void)signo;
	stop(running_of(interrupt, signal));
}

static void on_hangup(struct fg_signal *signal, int signo)
{
	struct running *running = running_of(hangup, signal);
	struct fg_faults faults;

	(void)signo;
	if (running->processes) {
		running->way->reload(running->processes);
		return;
	}
	fg_faults_init(&faults);
	(void)fg_gateway_reload(running->gateway, &faults, NULL);
	fg_cli_print_faults(&faults);
	fg_faults_fini(&faults);
}

static int open_signals(struct running *running)
{
	int r = fg_signal_init(running->loop, &running->term, SIGTERM, on_term);

	if (r == 0)
		r = fg_signal_init(running->loop, &running->interrupt, SIGINT, on_interrupt);
	if (r == 0)
		r = fg_signal_init(running->loop, &running->hangup, SIGHUP, on_hangup);
	running->signals = r == 0;
	return r;
}

/* The one before needs a start of its own. */
static void on_restart(void *arg, const struct fg_trial *trial, const char *why)
{
	struct running *running = arg;

	cli_start_given_up(&running->start, trial, why);
	running->again = true;
	fg_gateway_stop(running->gateway, on_stopped, running);
}

static void on_broken(void *arg)
{
	struct running *running = arg;

	running->broken = true;
	fg_gateway_stop(running->gateway, on_stopped, running);
}

/* Left over from a run with more processes, it has nothing left: its parent sees it end, and clears
 * up behind it. */
static void on_drained(void *arg)
{
	struct running *running = arg;

	running->drained = true;
	fg_gateway_stop(running->gateway, on_stopped, running);
}

static int not_started(struct running *running, const struct fg_gateway_failure *failure, int error)
{
	/* another process in the spool is no fault of the configuration */
	if (error != -EBUSY && cli_start_back(&running->start, failure->text))
		running->again = true;
	else if (error != -EINVAL || running->gateway)
		(void)fg_cli_failed("run", "%s", failure->text);
	if (!running->gateway) {
		close_signals(running);
		return error == -EINVAL ? FG_EXIT_NO : FG_EXIT_FAILED;
	}
	fg_gateway_stop(running->gateway, on_stopped, running);
	(void)fg_loop_run(running->loop);
	return FG_EXIT_FAILED;
}

static void inlet_look(void *arg, const struct fg_inlet_info *info)
{
	*(bool *)arg &= info->state == FG_LINK_UP;
}

static void outbox_look(void *arg, const struct fg_outbox_info *info)
{
	*(bool *)arg &= info->up;
}

static bool gateway_well(void *arg)
{
	struct fg_gateway *gateway = arg;
	bool well = fg_gateway_takes(gateway);

	fg_intake_each(fg_gateway_intake(gateway), inlet_look, &well);
	fg_forward_each(fg_gateway_forward(gateway), outbox_look, &well);
	return well;
}

static int start_and_run(struct running *running, struct fg_log *log, struct fg_config *config)
{
	struct cli_start *start = &running->start;
	struct fg_gateway_failure failure;
	struct fg_faults faults;
	int r;

	fg_faults_init(&faults);
	r = fg_gateway_start(running->loop, log, config, start->path, &faults, &failure,
			     &running->gateway);
	fg_cli_print_faults(&faults);
	fg_faults_fini(&faults);
	if (r < 0)
		return not_started(running, &failure, r);
	fg_gateway_on_restart(running->gateway, on_restart, running);
	fg_gateway_on_broken(running->gateway, on_broken, running);
	fg_gateway_on_drained(running->gateway, on_drained, running);
	if (start->tried)
		fg_gateway_try(running->gateway, &start->trial);
	else if (start->returned)
		fg_gateway_returned(running->gateway, &start->trial, start->why);
	fg_panel_begin(&running->panel, running->loop, gateway_well, running->gateway);
	r = fg_loop_run(running->loop);
	if (r < 0)
		return fg_cli_failed("run", "the loop: %s", strerror(-r));
	if (running->drained)
		return FG_PROCESS_DRAINED;
	return running->broken ? FG_EXIT_FAILED : FG_EXIT_OK;
}

/* -- more than one process -- */

static void on_all_stopped(void *arg, int status)
{
	struct running *running = arg;

	running->status = status;
	on_stopped(running);
}

static bool processes_well(void *arg)
{
	const struct running *running = arg;

	return running->way->well(running->processes);
}

/* Whether the configuration, or what stands in its spool's folder, takes more than one. */
static bool is_for_several(const struct fg_config *config)
{
	uint32_t index;

	return config->run.processes > 1 || fg_process_folders(config->spool.dir, &index, 1) > 0;
}

static int no_way(struct running *running, struct fg_config *config)
{
	char why[512];

	close_signals(running);
	fg_config_free(config);
	fg_registry_explain(FG_REGISTRY_RUN, "processes", why, sizeof(why));
	return fg_cli_failed("run", "more than one process: %s", why);
}

static int start_all_and_run(struct running *running, struct fg_log *log, struct fg_config *config)
{
	struct cli_start *start = &running->start;
	const struct fg_processes_conf conf = {
		.loop = running->loop,
		.log = log,
		.path = start->path,
		.source = start->source,
		.trial = start->tried ? &start->trial : NULL,
	};
	int r;

	if (fg_registry_run("processes", &running->way) < 0)
		return no_way(running, config);
	r = running->way->start(&conf, config, &running->processes);
	if (r < 0) {
		close_signals(running);
		return fg_cli_failed("run", "the processes: %s", strerror(-r));
	}
	running->way->on_stopped(running->processes, on_all_stopped, running);
	fg_panel_begin(&running->panel, running->loop, processes_well, running);
	r = fg_loop_run(running->loop);
	if (r < 0)
		return fg_cli_failed("run", "the loop: %s", strerror(-r));
	/* ended by itself before it could be judged */
	if (running->status != FG_EXIT_OK && conf.trial && *conf.trial->sha256 &&
	    cli_start_back(start, "its processes do not start"))
		running->again = true;
	return running->status;
}

/* -- from one start to its end -- */

/* Takes the configuration. */
static int run_once(struct running *running, struct fg_log *log, struct fg_config *config)
{
	int status;

	running->again = false;
	running->gateway = NULL;
	running->loop = fg_loop_new();
	if (!running->loop || open_signals(running) < 0) {
		status = errno;
		fg_config_free(config);
		return fg_cli_failed("run", "the loop: %s", strerror(status));
	}
	if (running->place.count == 0 && is_for_several(config))
		status = start_all_and_run(running, log, config);
	else
		status = start_and_run(running, log, config);
	while (fg_loop_turn(running->loop, false) > 0)
		;	/* what a failed start left half open is closed */
	fg_gateway_free(running->gateway);
	if (running->processes)
		running->way->free(running->processes);
	running->processes = NULL;
	fg_loop_free(running->loop);
	return status;
}

/* Before there is a thread or a secret; and what only root may open before that. */
static int confine(struct running *running, struct fg_config *config, struct fg_log *log)
{
	const struct fg_logger logger = { .log = log,
					  .component = "run",
					  .level = fg_config_level(config, "run") };
	struct fg_confine_failure failure;
	bool root;

	if (running->place.count == 0)
		fg_panel_open(&running->panel, &config->run, &logger);
	if (fg_confine(&config->run, config->spool.dir, &failure, &root) < 0)
		return fg_cli_failed("run", "%s", failure.text);
	if (root && running->place.count == 0)
		fg_log(&logger, FG_WARN, "runs as root", "hint=%s", "\"run.user\"");
	return FG_EXIT_OK;
}

static int run(struct running *running)
{
	struct fg_config *config;
	struct fg_log log;
	int status = cli_start_load(&running->start, &config);

	if (status != FG_EXIT_OK)
		return status;
	fg_log_init(&log, STDERR_FILENO, (enum fg_level)config->run.log_level);
	status = confine(running, config, &log);
	if (status != FG_EXIT_OK) {
		fg_config_free(config);
		return status;
	}
	status = run_once(running, &log, config);
	while (running->again) {
		status = cli_start_load(&running->start, &config);
		if (status != FG_EXIT_OK)
			return status;
		fg_log_init(&log, STDERR_FILENO, (enum fg_level)config->run.log_level);
		status = run_once(running, &log, config);
	}
	return status;
}

/* -- one of several -- */

/* What ends with its parent must not miss that it has ended already. */
static int place_read(struct place *place, const char *text)
{
	if (sscanf(text, "%u/%u/%d", &place->index, &place->count, &place->parent) != 3 ||
	    place->index == 0 || place->count == 0)
		return fg_cli_misuse("run", "--process is for the gateway itself");
	if (getppid() != place->parent)
		return fg_cli_failed("run", "process %u: its parent has ended", place->index);
	return FG_EXIT_OK;
}

/* Its parent has confined itself, started the watchdog, and judges what is on trial. */
static int run_one_of_them(struct running *running, const char *source)
{
	const struct place *place = &running->place;
	struct fg_config *config;
	struct fg_log log;
	int status = fg_cli_load("run", source ? source : running->start.path, &config);

	if (status != FG_EXIT_OK)
		return status;
	fg_log_init(&log, STDERR_FILENO, (enum fg_level)config->run.log_level);
	log.process = place->index;
	fg_panel_none(&running->panel);
	running->start.tried = false;
	if (fg_config_share(config, place->index, place->count) < 0)
		status = fg_cli_failed("run", "out of memory");
	else
		status = confine(running, config, &log);
	if (status != FG_EXIT_OK) {
		fg_config_free(config);
		return status;
	}
	return run_once(running, &log, config);
}

int fg_cli_run(int argc, char **argv)
{
	const char *path = FG_CONFIG_PATH, *process = NULL, *source = NULL;
	const struct fg_cli_flag flags[] = {
		FG_CLI_CONFIG(&path),
		{ .name = "process", .value = "PLACE", .ret_value = &process },
		{ .name = "source", .value = "FILE", .ret_value = &source },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "run",
		.operands = "",
		.summary = "Runs the gateway in the foreground. SIGTERM or SIGINT stops it\n"
			   "cleanly, SIGHUP reloads the configuration.",
		.flags = flags,
	};
	struct running running = { 0 };
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (process && (status = place_read(&running.place, process)) != FG_EXIT_OK)
		return status;
	cli_start_init(&running.start, path);
	status = process ? run_one_of_them(&running, source) : run(&running);
	cli_start_fini(&running.start);
	return status;
}
