#include "run/gateway.h"

#include "run/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define STATUS_EVERY FG_S(30)
#define SWEEP_EVERY FG_S(3600)
#define DRAIN_EVERY FG_MS(250)
#define READY_LATEST FG_S(1)	/* what is still opening by then counts as being tried */

#define of(member, ptr) \
	((struct fg_gateway *)((char *)(ptr) - offsetof(struct fg_gateway, member)))

/* -- what the spool tells -- */

static void on_committed(void *arg, uint64_t upto)
{
	struct fg_gateway *gateway = arg;

	if (gateway->intake) /* not yet, or no more */
		fg_intake_committed(gateway->intake, upto);
}

static void on_room(void *arg)
{
	struct fg_gateway *gateway = arg;

	if (gateway->intake)
		fg_intake_room(gateway->intake);
}

static int on_sync_cursors(void *arg)
{
	struct fg_forward *forward = ((struct fg_gateway *)arg)->forward;

	return forward ? fg_forward_sync_cursors(forward) : 0;
}

/* -- the turn -- */

static const struct fg_process_conf *process_of(const struct fg_gateway *gateway)
{
	return &gateway->now->config->process;
}

static void say_ready(struct fg_gateway *gateway)
{
	gateway->ready_said = true;
	fg_timer_stop(&gateway->ready_timer);
	/* of several processes their parent says the word */
	fg_log(&gateway->logger, FG_INFO, process_of(gateway)->count ? "started" : "ready",
	       "gateway=%s", gateway->id);
	fg_notify("READY=1");
	if (gateway->ready)
		gateway->ready(gateway->ready_arg);
}

static void on_look(struct fg_timer *timer)
{
	fg_intake_look(of(look_timer, timer)->intake);
}

/* The timer is set anew only when it has to fire earlier: a device that is heard does not move it,
 * and what it finds too early is looked at again later. */
static void arm_look(struct fg_gateway *gateway)
{
	int64_t next = fg_liveness_next(gateway->liveness);

	/* who stops does not look any more: it would be due again at once, without end */
	if (gateway->stopping || next == FG_LIVENESS_NEVER ||
	    (fg_timer_active(&gateway->look_timer) && gateway->look_ns <= next))
		return;
	fg_clock_update(&gateway->clock);
	gateway->look_ns = next;
	next -= gateway->clock.boot_ns;
	(void)fg_timer_start(&gateway->look_timer, next > 0 ? (uint64_t)next : 0);
}

/* Check phase, first: what the turn brought in is kept, then acknowledged. */
static void on_keep(struct fg_hook *hook)
{
	struct fg_gateway *gateway = of(keep, hook);

	fg_intake_keep(gateway->intake);
	arm_look(gateway);
}

/* Check phase, second: what is kept goes on. */
static void on_forward(struct fg_hook *hook)
{
	struct fg_gateway *gateway = of(forward_hook, hook);

	run_clock_follow(gateway);
	fg_forward_pump(gateway->forward);
	if (!gateway->ready_said && !gateway->stopping &&
	    (gateway->ready_due ||
	     (fg_intake_settled(gateway->intake) && fg_forward_settled(gateway->forward))))
		say_ready(gateway);
	if (gateway->stopping)
		run_stop_step(gateway);
}

static void on_ready_latest(struct fg_timer *timer)
{
	of(ready_timer, timer)->ready_due = true;
	fg_loop_hurry(timer->handle.loop);
}

static void on_patience_over(struct fg_timer *timer)
{
	run_stop_step(of(stop_timer, timer));
}

/* -- now and then -- */

void run_publish_status(struct fg_gateway *gateway)
{
	struct fg_buf text;

	if (gateway->stopping || process_of(gateway)->index > 1)
		return;
	fg_buf_init(&text, 64u << 10);
	fg_gateway_topic(gateway, true, &text);
	if (!text.failed)
		fg_forward_status(gateway->forward, fg_buf_view(&text));
	fg_buf_fini(&text);
}

static void on_status(struct fg_timer *timer)
{
	if (!run_siblings_ask(of(status_timer, timer)))
		run_publish_status(of(status_timer, timer));
	if (!of(status_timer, timer)->control && !of(status_timer, timer)->stopping)
		(void)run_control_open(of(status_timer, timer));
	(void)fg_timer_start(timer, STATUS_EVERY);
}

static void on_bridge_up(void *arg)
{
	/* Soon, not from within the bridge's own callback. */
	(void)fg_timer_start(&((struct fg_gateway *)arg)->status_timer, 0);
}

static void on_sweep(struct fg_timer *timer)
{
	fg_forward_sweep(of(sweep_timer, timer)->forward);
	(void)fg_timer_start(timer, SWEEP_EVERY);
}

static void look_account(void *arg, const struct fg_account *account)
{
	*(uint64_t *)arg += account->waiting + account->dead;
}

/* A process that is left over has nothing more to do: what came is forwarded, nobody holds more for
 * it, and no dead letter waits for somebody to decide. */
static void on_drain_look(struct fg_timer *timer)
{
	struct fg_gateway *gateway = of(drain_timer, timer);
	uint64_t left = 0;

	if (gateway->stopping)
		return;
	fg_clock_update(&gateway->clock);
	fg_forward_accounts(gateway->forward, look_account, &left);
	if (left == 0 && gateway->changing == 0 && fg_intake_drained(gateway->intake) &&
	    gateway->drained)
		gateway->drained(gateway->drained_arg);
	else
		(void)fg_timer_start(timer, DRAIN_EVERY);
}

static void on_watchdog(struct fg_timer *timer)
{
	fg_notify("WATCHDOG=1");
	(void)fg_timer_start(timer, of(watchdog, timer)->watchdog_ns);
}

/* -- putting it together -- */

static int failed(struct fg_gateway_failure *failure, int error, const char *what)
{
	snprintf(failure->text, sizeof(failure->text), "%s: %s", what, strerror(-error));
	return error;
}

static int open_spool(struct fg_gateway *gateway, struct fg_gateway_failure *failure)
{
	struct fg_logger logger = { .log = gateway->log,
				    .component = "spool",
				    .level = run_level(gateway, "spool") };
	struct fg_spool_events events = {
		.arg = gateway,
		.committed = on_committed,
		.room = on_room,
		.sync_cursors = on_sync_cursors,
	};
	struct fg_spool_conf conf = gateway->now->config->spool;
	int r;

	conf.gateway = gateway->now->config->gateway.id;
	r = fg_spool_open(gateway->loop, &logger, &conf, &events, &gateway->spool);

	if (r == -EBUSY)
		snprintf(failure->text, sizeof(failure->text),
			 "the spool %s is in use by another process", gateway->spool_dir);
	else if (r < 0)
		snprintf(failure->text, sizeof(failure->text), "the spool %s: %s",
			 gateway->spool_dir, strerror(-r));
	return r;
}

static void on_beyond_repair(void *arg)
{
	struct fg_gateway *gateway = arg;

	if (gateway->stopping || !gateway->broken)
		return;
	fg_log(&gateway->logger, FG_ERROR, "beyond repair: only a new process mends it",
	       "gateway=%s", gateway->id);
	gateway->broken(gateway->broken_arg);
}

static int make_commands(struct fg_gateway *gateway)
{
	const struct fg_commands_conf conf = {
		.loop = gateway->loop,
		.log = gateway->log,
		.level = run_level(gateway, "command"),
		.clock = &gateway->clock,
		.elsewhere = process_of(gateway)->count ? run_away_send : NULL,
		.elsewhere_arg = gateway,
	};

	return fg_commands_new(&conf, &gateway->commands);
}

static int make_parts(struct fg_gateway *gateway, struct fg_gateway_failure *failure)
{
	const struct fg_config *config = gateway->now->config;
	int r = make_commands(gateway);
	struct fg_intake_conf intake = {
		.gateway = gateway->id,
		.spool_dir = gateway->spool_dir,
		.payload_max = config->limits.payload,
		.depth_max = (uint32_t)config->limits.depth,
		.devices_max = (uint32_t)config->limits.devices,
		.commit_each = config->spool.commit_ns == FG_COMMIT_EACH,
		.loop = gateway->loop,
		.log = gateway->log,
		.spool = gateway->spool,
		.clock = &gateway->clock,
		.devices = gateway->devices,
		.liveness = gateway->liveness,
		.commands = gateway->commands,
		.beyond_repair = on_beyond_repair,
		.beyond_repair_arg = gateway,
	};
	struct fg_forward_conf forward = {
		.gateway = gateway->id,
		.spool_dir = gateway->spool_dir,
		.loop = gateway->loop,
		.log = gateway->log,
		.spool = gateway->spool,
		.clock = &gateway->clock,
		.commands = gateway->commands,
		.remote = &gateway->remote.take,
		.beyond_repair = on_beyond_repair,
		.beyond_repair_arg = gateway,
	};

	if (r == 0)
		r = run_remote_open(gateway);
	if (r == 0)
		r = fg_intake_new(&intake, &gateway->intake);
	if (r == 0)
		r = fg_forward_new(&forward, &gateway->forward);
	if (r < 0)
		return failed(failure, r, "out of memory");
	fg_commands_set_intake(gateway->commands, gateway->intake);
	fg_intake_set_profiles(gateway->intake, gateway->now->book.profiles);
	fg_forward_on_up(gateway->forward, on_bridge_up, gateway);
	return 0;
}

static void start_timers(struct fg_gateway *gateway)
{
	struct fg_loop *loop = gateway->loop;

	fg_hook_init(loop, &gateway->keep, FG_PHASE_CHECK, on_keep);
	fg_hook_init(loop, &gateway->forward_hook, FG_PHASE_CHECK, on_forward);
	fg_timer_init(loop, &gateway->clock_timer, run_clock_ask);
	fg_timer_init(loop, &gateway->status_timer, on_status);
	fg_timer_init(loop, &gateway->sweep_timer, on_sweep);
	fg_timer_init(loop, &gateway->ready_timer, on_ready_latest);
	fg_timer_init(loop, &gateway->stop_timer, on_patience_over);
	fg_timer_init(loop, &gateway->watchdog, on_watchdog);
	fg_timer_init(loop, &gateway->look_timer, on_look);
	fg_timer_init(loop, &gateway->drain_timer, on_drain_look);
	if (process_of(gateway)->index > process_of(gateway)->count)
		(void)fg_timer_start(&gateway->drain_timer, DRAIN_EVERY);
	run_trial_open(gateway);
	run_remote_start(gateway);
	fg_hook_start(&gateway->keep);
	fg_hook_start(&gateway->forward_hook);
	run_clock_ask(&gateway->clock_timer);
	run_clock_open(gateway);
	(void)fg_timer_start(&gateway->status_timer, STATUS_EVERY);
	(void)fg_timer_start(&gateway->sweep_timer, SWEEP_EVERY);
	(void)fg_timer_start(&gateway->ready_timer, READY_LATEST);
	gateway->watchdog_ns = fg_watchdog_ns();
	if (gateway->watchdog_ns)
		(void)fg_timer_start(&gateway->watchdog, gateway->watchdog_ns);
}

/* The will is fixed when a connection is made, so it says only what stays true. */
static void make_will(struct fg_gateway *gateway)
{
	char text[256];
	int n;

	/* one of several speaks for all */
	if (process_of(gateway)->index > 1)
		return;
	n = snprintf(
		text, sizeof(text), "{\"state\":\"offline\",\"config\":\"%s\",\"since\":%lld}",
		gateway->now->config->sha256,
		(long long)(fg_clock_wall_of(&gateway->clock, gateway->started_ns) / 1000000000));

	fg_forward_set_will(gateway->forward, fg_str(text, (size_t)n));
}

static int start_parts(struct fg_gateway *gateway, struct fg_gateway_failure *failure)
{
	int r = fg_devices_new((uint32_t)gateway->now->config->limits.devices, &gateway->devices);

	if (r == 0)
		r = fg_liveness_new(&gateway->now->config->liveness, &gateway->liveness);
	if (r < 0)
		return failed(failure, r, "out of memory");
	r = open_spool(gateway, failure);
	if (r < 0)
		return r;
	r = make_parts(gateway, failure);
	if (r < 0)
		return r;
	run_siblings_remember(gateway);
	make_will(gateway);
	start_timers(gateway);
	(void)run_control_open(gateway);
	run_console_start(gateway);
	fg_loop_hurry(gateway->loop);	/* ready, if nothing is still opening */
	return 0;
}

int fg_gateway_start(struct fg_loop *loop, struct fg_log *log, struct fg_config *config,
		     const char *config_path, struct fg_faults *faults,
		     struct fg_gateway_failure *failure, struct fg_gateway **ret_gateway)
{
	struct fg_gateway *gateway = calloc(1, sizeof(*gateway));
	int r = -ENOMEM;

	failure->text[0] = '\0';
	if (gateway) {
		gateway->clock_fd = -1;
		gateway->loop = loop;
		gateway->log = log;
		gateway->config_path = config_path;
		gateway->generation = 1;
		run_siblings_init(gateway);
		gateway->id = strdup(config->gateway.id);
		gateway->spool_dir = strdup(config->spool.dir);
		if (gateway->id && gateway->spool_dir)
			r = fg_config_secrets(config, true, faults);
		if (r == 0)
			r = run_config_new(config, faults, &gateway->now);
	}
	if (r < 0) {
		fg_config_free(config);
		fg_gateway_free(gateway);
		return failed(failure, r, "configuration");
	}
	gateway->logger = (struct fg_logger){ .log = log,
					      .component = "gateway",
					      .level = run_level(gateway, "gateway") };
	fg_clock_init(&gateway->clock, config->clock.trust == FG_TRUST_ALWAYS);
	gateway->started_ns = gateway->clock.boot_ns;
	r = start_parts(gateway, failure);
	if (r < 0) {
		fg_gateway_free(gateway);
		return r;
	}
	*ret_gateway = gateway;
	/* without one of its bridges the spool would give back what that has not had */
	r = run_add_all(gateway);
	return r < 0 ? failed(failure, r, "cannot start what the configuration names") : 0;
}

struct fg_gateway *fg_gateway_free(struct fg_gateway *gateway)
{
	if (!gateway)
		return NULL;
	/* closing the spool tells of commits */
	gateway->intake = fg_intake_free(gateway->intake);
	gateway->forward = fg_forward_free(gateway->forward);
	fg_liveness_free(gateway->liveness);
	fg_commands_free(gateway->commands);
	fg_devices_free(gateway->devices);
	if (gateway->spool)
		fg_spool_close(gateway->spool, NULL, NULL);
	run_trial_fini(gateway);
	run_remote_fini(gateway);
	run_siblings_fini(gateway);
	run_config_unuse(gateway->now);
	free(gateway->id);
	free(gateway->spool_dir);
	free(gateway);
	return NULL;
}

void fg_gateway_on_ready(struct fg_gateway *gateway, void (*ready)(void *arg), void *arg)
{
	gateway->ready = ready;
	gateway->ready_arg = arg;
}

void fg_gateway_on_broken(struct fg_gateway *gateway, void (*broken)(void *arg), void *arg)
{
	gateway->broken = broken;
	gateway->broken_arg = arg;
}

void fg_gateway_on_drained(struct fg_gateway *gateway, void (*drained)(void *arg), void *arg)
{
	gateway->drained = drained;
	gateway->drained_arg = arg;
}

bool fg_gateway_takes(const struct fg_gateway *gateway)
{
	return fg_spool_has_room(gateway->spool);
}

void fg_gateway_on_restart(struct fg_gateway *gateway,
			   void (*restart)(void *arg, const struct fg_trial *, const char *why),
			   void *arg)
{
	gateway->restart = restart;
	gateway->restart_arg = arg;
}

void fg_gateway_try(struct fg_gateway *gateway, struct fg_trial *trial)
{
	run_trial_watch(gateway, trial, NULL);
}

void fg_gateway_returned(struct fg_gateway *gateway, const struct fg_trial *trial, const char *why)
{
	char quoted[512];

	fg_log(&gateway->logger, FG_ERROR, "configuration given up, the one before returned",
	       "sha256=%.12s why=%s", trial->sha256,
	       fg_log_quote(why, strlen(why), quoted, sizeof(quoted)));
	run_applied_set(gateway, "returned", trial->version, trial->sha256, why);
	if (!trial->version)
		return;
	gateway->remote.record = gateway->applied;
	if (run_remote_note(&gateway->remote, &gateway->applied) < 0)
		fg_log(&gateway->logger, FG_WARN, "what became of it cannot be noted",
		       "version=%llu", (unsigned long long)trial->version);
}

struct fg_forward *fg_gateway_forward(struct fg_gateway *gateway)
{
	return gateway->forward;
}

struct fg_intake *fg_gateway_intake(struct fg_gateway *gateway)
{
	return gateway->intake;
}

const struct fg_config *fg_gateway_config(const struct fg_gateway *gateway)
{
	return gateway->now->config;
}

struct fg_loop *fg_gateway_loop(struct fg_gateway *gateway)
{
	return gateway->loop;
}
