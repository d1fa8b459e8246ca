/* The parent: who runs, who is to run again, and how all of it ends. */
#include "processes/processes.h"

#include "processes/private.h"
#include "run/notify.h"
#include "run/total.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETRY_FIRST FG_MS(100)
#define RETRY_CAP FG_S(30)
#define STEADY FG_S(10)		/* up for so long: the next end begins with short waits again */
#define STATUS_BROKEN 3		/* fieldgate's own: could not do it */

/* -- the end of all -- */

static bool any_runs(const struct fg_processes *all, bool first_too)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->items[i].pid > 0 && (first_too || all->items[i].index > 1))
			return true;
	return false;
}

static void close_handles(struct fg_processes *all)
{
	for (unsigned i = 0; i < all->count; i++)
		fg_handle_close(&all->items[i].again.handle, NULL);
	fg_handle_close(&all->child.handle, NULL);
	fg_handle_close(&all->look.handle, NULL);
	fg_handle_close(&all->trial.tick.handle, NULL);
	processes_notify_close(all);
}

/* The first one speaks for all of them, so it is the last one to go: what it says then has the
 * final accounts of the others. */
void processes_stop_step(struct fg_processes *all)
{
	bool last = !any_runs(all, false);

	if (!all->stopping || all->over)
		return;
	for (unsigned i = 0; i < all->count; i++) {
		struct process *process = &all->items[i];

		fg_timer_stop(&process->again);
		if (process->told || (process->index == 1 && !last))
			continue;
		process->told = true;
		process_tell(process, SIGTERM);
	}
	if (any_runs(all, true))
		return;
	/* a worker still tells the disk; it comes here again when it has ended */
	if (all->trial.state == TRIAL_ENDING)
		return;
	all->over = true;
	gathers_drop(all);
	if (all->control)
		fg_control_close(all->control);
	all->control = NULL;
	close_handles(all);
	fg_log(&all->logger, FG_INFO, "all processes stopped", "status=%d", all->status);
	if (all->stopped)
		all->stopped(all->stopped_arg, all->status);
}

static void stop_all(struct fg_processes *all)
{
	if (!all->stopping)
		fg_notify("STOPPING=1");
	all->stopping = true;
	processes_stop_step(all);
}

void processes_give_up(struct fg_processes *all, int status)
{
	if (all->status == 0)
		all->status = status;
	stop_all(all);
}

/* -- the end of one -- */

/* It has given back what it had. */
static void finish(struct process *process)
{
	struct fg_processes *all = process->all;
	int r = fg_process_finish(all->config->spool.dir, process->index, all->config->gateway.id);

	process->finished = true;
	fg_log(&all->logger, r < 0 ? FG_WARN : FG_INFO,
	       r < 0 ? "process that was left over: its spool cannot be removed" :
		       "process that was left over is finished, its spool removed",
	       "process=%u error=\"%s\"", process->index, r < 0 ? strerror(-r) : "");
}

static void start_later(struct process *process, int status)
{
	struct fg_processes *all = process->all;
	uint64_t after_ns;

	if (fg_loop_now(all->loop) - process->started_ns > STEADY)
		fg_backoff_reset(&process->backoff);
	after_ns = fg_backoff_next(&process->backoff);
	fg_log(&all->logger, FG_ERROR, "process ended", "process=%u %s=%d again_ms=%llu",
	       process->index, WIFSIGNALED(status) ? "signal" : "status",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	       (unsigned long long)(after_ns / 1000000));
	(void)fg_timer_start(&process->again, after_ns);
}

void processes_ended(struct process *process, int status)
{
	struct fg_processes *all = process->all;
	bool exited = WIFEXITED(status);
	bool drained = process->left_over && exited && WEXITSTATUS(status) == FG_PROCESS_DRAINED;

	if (all->stopping) {
		if (exited && WEXITSTATUS(status) != 0 && !drained && all->status == 0)
			all->status = STATUS_BROKEN;
		processes_stop_step(all);
	} else if (drained) {
		finish(process);
	} else if (!all->ready && !process->left_over && exited && WEXITSTATUS(status) != 0) {
		/* what does not start is said at once, as by a gateway alone */
		processes_give_up(all, WEXITSTATUS(status));
	} else {
		start_later(process, status);
	}
}

static void on_child(struct fg_signal *signal, int signo)
{
	struct fg_processes *all =
		(struct fg_processes *)(void *)((char *)signal -
						offsetof(struct fg_processes, child));

	(void)signo;
	(void)fg_loop_update_now(all->loop);
	processes_reap(all);
}

static void on_again(struct fg_timer *timer)
{
	struct process *process =
		(struct process *)(void *)((char *)timer - offsetof(struct process, again));

	if (!process->all->stopping)
		process_start(process);
}

void processes_became_ready(struct fg_processes *all)
{
	if (all->ready || all->stopping)
		return;
	for (unsigned i = 0; i < all->count; i++)
		if (!all->items[i].left_over && all->items[i].state != PROCESS_UP)
			return;
	all->ready = true;
	fg_log(&all->logger, FG_INFO, "ready", "gateway=%s processes=%d", all->config->gateway.id,
	       (int)all->config->run.processes);
	fg_notify("READY=1");
	if (all->conf.trial)
		trial_watch(all, all->conf.trial);
	all->conf.trial = NULL;
}

/* -- putting it together -- */

static int process_init(struct fg_processes *all, uint32_t index)
{
	struct process *process = &all->items[all->count];
	char dir[PATH_MAX];
	int r = fg_process_folder(all->config->spool.dir, index, dir, sizeof(dir));

	if (r < 0)
		return r;
	*process = (struct process){
		.all = all,
		.index = index,
		.left_over = index > (uint32_t)all->config->run.processes,
		.dir = strdup(dir),
	};
	if (!process->dir ||
	    snprintf(process->socket, sizeof(process->socket), FG_PROCESS_SOCKET,
		     all->config->run.socket, index) >= (int)sizeof(process->socket))
		return process->dir ? -ENAMETOOLONG : -ENOMEM;
	fg_backoff_init(&process->backoff, RETRY_FIRST, RETRY_CAP);
	fg_timer_init(all->loop, &process->again, on_again);
	all->count++;
	return 0;
}

/* Those that are wanted, then those that are left over. */
static int list_processes(struct fg_processes *all)
{
	const struct fg_config *config = all->config;
	uint32_t folders[FG_PROCESSES_MAX], wanted = (uint32_t)config->run.processes;
	unsigned n = fg_process_folders(config->spool.dir, folders, FG_PROCESSES_MAX);
	int r = 0;

	all->items = calloc(wanted + n + 1, sizeof(*all->items));
	if (!all->items)
		return -ENOMEM;
	/* what was interrupted when there was only a folder to remove */
	for (unsigned i = 0; i < n; i++)
		if (fg_process_is_finished(config->spool.dir, folders[i]))
			(void)fg_process_finish(config->spool.dir, folders[i], config->gateway.id);
	n = fg_process_folders(config->spool.dir, folders, FG_PROCESSES_MAX);
	for (uint32_t i = 1; i <= wanted && r == 0; i++)
		r = process_init(all, i);
	for (unsigned i = 0; i < n && r == 0; i++)
		if (folders[i] > wanted)
			r = process_init(all, folders[i]);
	return r;
}

static int open_parts(struct fg_processes *all)
{
	int r;

	/* What stands in the program's place later, after an upgrade, is another one. */
	all->exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (all->exe < 0)
		return -errno;
	r = list_processes(all);
	if (r == 0)
		r = processes_notify_open(all);
	if (r == 0)
		r = fg_signal_init(all->loop, &all->child, SIGCHLD, on_child);
	return r;
}

static void free_all(struct fg_processes *all)
{
	for (unsigned i = 0; i < all->count; i++)
		free(all->items[i].dir);
	free(all->items);
	fg_trial_fini(&all->trial.asked);
	if (all->exe >= 0)
		close(all->exe);
	if (all->notify >= 0)
		close(all->notify);
	fg_config_free(all->config);
	free(all);
}

static int start_all(const struct fg_processes_conf *conf, struct fg_config *config,
		     struct fg_processes **ret_processes)
{
	struct fg_processes *all = calloc(1, sizeof(*all));
	int r;

	if (!all) {
		fg_config_free(config);
		return -ENOMEM;
	}
	all->conf = *conf;
	all->loop = conf->loop;
	all->log = conf->log;
	all->config = config;
	all->generation = 1;
	all->exe = all->notify = -1;
	all->logger = (struct fg_logger){ .log = conf->log,
					  .component = "processes",
					  .level = fg_config_level(config, "processes") };
	fg_timer_init(all->loop, &all->look, processes_look);
	fg_timer_init(all->loop, &all->trial.tick, trial_tick);
	fg_trial_init(&all->trial.asked);
	r = open_parts(all);
	if (r < 0) {
		free_all(all);
		return r;
	}
	all->alive_ns = fg_watchdog_ns();
	(void)processes_control_open(all);
	(void)fg_timer_start(&all->look, 0);
	for (unsigned i = 0; i < all->count; i++)
		process_start(&all->items[i]);
	*ret_processes = all;
	return 0;
}

static void on_stopped(struct fg_processes *all, void (*stopped)(void *arg, int status), void *arg)
{
	all->stopped = stopped;
	all->stopped_arg = arg;
}

static bool are_well(const struct fg_processes *all)
{
	for (unsigned i = 0; i < all->count; i++)
		if (!all->items[i].left_over && all->items[i].state != PROCESS_UP)
			return false;
	return !all->stopping;
}

const struct fg_run fg_run_processes = {
	.name = "processes",
	.start = start_all,
	.stop = stop_all,
	.on_stopped = on_stopped,
	.reload = processes_reload,
	.well = are_well,
	.free = free_all,
};
