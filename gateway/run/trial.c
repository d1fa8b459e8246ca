/* The trial of a configuration, from the reload that brought it to what is said of it on the
 * disk. */
#include "run/trial.h"

#include "run/private.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#define LOOK_EVERY FG_MS(100)
#define STEADY FG_S(1)
#define DEADLINE_LEAST FG_MS(500)

#define of_tick(ptr) ((struct fg_gateway *)((char *)(ptr)-offsetof(struct fg_gateway, trial.tick)))
#define of_work(ptr) ((struct fg_gateway *)((char *)(ptr)-offsetof(struct fg_gateway, trial.work)))

/* -- what is said of it -- */

void run_applied_set(struct fg_gateway *gateway, const char *outcome, uint64_t version,
		     const char *sha256, const char *why)
{
	fg_applied_set(&gateway->applied, outcome, version, sha256, fg_str_c(why));
	(void)fg_timer_start(&gateway->status_timer, 0);
}

void run_applied_json(struct fg_gateway *gateway, struct fg_buf *out)
{
	if (!*gateway->applied.outcome)
		return;
	fg_buf_text(out, ",\"applied\":");
	fg_applied_json(&gateway->applied, out);
}

static void client_tell(struct fg_gateway *gateway)
{
	struct run_trial *trial = &gateway->trial;
	struct fg_control_client *client = trial->client;
	struct fg_buf line;

	if (!client)
		return;
	trial->client = NULL;
	fg_buf_init(&line, 8192);
	fg_buf_printf(&line,
		      "{\"outcome\":\"%s\",\"applied\":%s,\"generation\":%" PRIu64
		      ",\"faults\":[],\"why\":",
		      trial->kept ? "done" : "returned", trial->kept ? "true" : "false",
		      gateway->generation);
	fg_buf_json(&line, fg_str_c(trial->why));
	fg_buf_char(&line, '}');
	fg_control_line(client, fg_buf_view(&line));
	fg_buf_fini(&line);
	if (trial->kept)
		fg_control_done(client);
	else
		fg_control_fail(client, FG_CONTROL_NO, "%s", trial->why);
}

static void on_client_gone(void *user)
{
	((struct run_trial *)user)->client = NULL;
}

bool run_trial_await(struct fg_gateway *gateway, struct fg_control_client *client)
{
	struct run_trial *trial = &gateway->trial;

	if (trial->state == TRIAL_NONE || trial->client)
		return false;
	trial->client = client;
	fg_control_hold(client, trial, on_client_gone);
	return true;
}

/* -- its end -- */

static void work_end(struct fg_work *work)
{
	struct fg_gateway *gateway = of_work(work);
	struct run_trial *trial = &gateway->trial;

	trial->result = trial->kept ? fg_put_keep(gateway->config_path) :
				      fg_put_back(gateway->config_path, &trial->asked);
	if (run_remote_note(&gateway->remote, &trial->end) < 0 && trial->result == 0)
		trial->result = -EIO;
}

/* Whoever put it in place says so too, and may be allowed what this process is not. */
static void ended(struct fg_gateway *gateway)
{
	struct run_trial *trial = &gateway->trial;
	bool restart = trial->restart;

	trial->state = TRIAL_NONE;
	if (trial->result < 0)
		fg_log(&gateway->logger, FG_WARN, "the file could not be told of it",
		       "path=\"%s\" error=\"%s\"", gateway->config_path, strerror(-trial->result));
	gateway->applied = trial->end;
	if (trial->end.version)
		gateway->remote.record = trial->end;
	(void)fg_timer_start(&gateway->status_timer, 0);
	client_tell(gateway);
	if (restart && !gateway->stopping && gateway->restart)
		gateway->restart(gateway->restart_arg, &trial->asked, trial->why);
	fg_trial_fini(&trial->asked);
	run_config_unuse(trial->before);
	trial->before = NULL;
}

static void on_work_done(struct fg_work *work)
{
	struct fg_gateway *gateway = of_work(work);

	gateway->changing--;
	ended(gateway);
	if (gateway->stopping)
		run_stop_step(gateway);
}

static void end(struct fg_gateway *gateway, bool kept)
{
	struct run_trial *trial = &gateway->trial;
	char quoted[512];

	trial->state = TRIAL_ENDING;
	trial->kept = kept;
	fg_applied_set(&trial->end, kept ? "done" : "returned", trial->asked.version,
		       trial->asked.sha256, fg_str_c(trial->why));
	fg_timer_stop(&trial->tick);
	fg_log(&gateway->logger, kept ? FG_INFO : FG_ERROR,
	       kept ? "configuration kept" : "configuration given up, the one before returned",
	       "sha256=%.12s why=%s", trial->asked.sha256,
	       fg_log_quote(trial->why, strlen(trial->why), quoted, sizeof(quoted)));
	trial->work = (struct fg_work){ .work = work_end, .done = on_work_done };
	gateway->changing++;
	if (fg_loop_work(gateway->loop, &trial->work) < 0) {
		work_end(&trial->work);
		on_work_done(&trial->work);
	}
}

/* -- coming back -- */

static int load_before(struct fg_gateway *gateway, struct fg_faults *faults,
		       struct run_config **ret_before)
{
	char path[PATH_MAX];
	int r = fg_put_last_good(gateway->config_path, path, sizeof(path));

	return r < 0 ? r : run_load(gateway, path, faults, ret_before);
}

static void come_back(struct fg_gateway *gateway)
{
	struct run_trial *trial = &gateway->trial;
	struct run_config *before = trial->before;
	struct fg_faults faults;
	int r = 0;

	if (gateway->changing > 0)
		return;
	trial->before = NULL;
	fg_faults_init(&faults);
	if (!before)
		r = load_before(gateway, &faults, &before);
	if (r == 0) {
		r = run_exchange(gateway, before, &faults, NULL);
		if (r == -EINVAL) {
			run_config_unuse(before);
			trial->restart = true;	/* of another id or spool: by a start only */
		}
	}
	if (r < 0 && !trial->restart)
		fg_log(&gateway->logger, FG_ERROR, "the last good configuration cannot return",
		       "error=\"%s\"", strerror(-r));
	fg_faults_fini(&faults);
	end(gateway, false);
}

static void give_up(struct fg_gateway *gateway, struct fg_str why)
{
	struct run_trial *trial = &gateway->trial;

	snprintf(trial->why, sizeof(trial->why), "not up within %.3g s: %.*s",
		 (double)trial->asked.deadline_ns / 1e9, (int)(why.len < 400 ? why.len : 400),
		 why.len ? why.ptr : "");
	trial->state = TRIAL_RETURNING;
	come_back(gateway);
}

/* -- the watch -- */

static void look(struct fg_gateway *gateway)
{
	struct run_trial *trial = &gateway->trial;
	uint64_t now = fg_loop_now(gateway->loop);
	struct fg_buf why;

	fg_buf_init(&why, 64u << 10);
	if (!run_all_up(gateway, &trial->asked, &why)) {
		trial->good_ns = 0;
		if (now >= trial->deadline_ns)
			give_up(gateway, fg_buf_view(&why));
	} else if (!trial->good_ns) {
		trial->good_ns = now;
	} else if (now - trial->good_ns >= STEADY) {
		trial->why[0] = '\0';
		end(gateway, true);
	}
	fg_buf_fini(&why);
}

static void on_tick(struct fg_timer *timer)
{
	struct fg_gateway *gateway = of_tick(timer);

	if (gateway->stopping)
		return;	/* the next start goes on with it */
	if (gateway->trial.state == TRIAL_WATCHED)
		look(gateway);
	else if (gateway->trial.state == TRIAL_RETURNING)
		come_back(gateway);
	if (gateway->trial.state == TRIAL_WATCHED || gateway->trial.state == TRIAL_RETURNING)
		(void)fg_timer_start(timer, LOOK_EVERY);
}

void run_trial_watch(struct fg_gateway *gateway, struct fg_trial *asked, struct run_config *before)
{
	struct run_trial *trial = &gateway->trial;
	uint64_t wait_ns = (uint64_t)asked->deadline_ns;

	fg_trial_move(&trial->asked, asked);
	trial->before = before;
	if (before)
		before->uses++;
	trial->state = TRIAL_WATCHED;
	trial->good_ns = 0;
	trial->kept = trial->restart = false;
	trial->deadline_ns =
		fg_loop_now(gateway->loop) + (wait_ns < DEADLINE_LEAST ? DEADLINE_LEAST : wait_ns);
	fg_log(&gateway->logger, FG_INFO, "configuration on trial",
	       "sha256=%.12s deadline_ms=%" PRId64 " starts=%u", trial->asked.sha256,
	       trial->asked.deadline_ns / 1000000, trial->asked.starts);
	run_applied_set(gateway, "trying", trial->asked.version, trial->asked.sha256, "");
	(void)fg_timer_start(&trial->tick, LOOK_EVERY);
}

void run_trial_open(struct fg_gateway *gateway)
{
	fg_timer_init(gateway->loop, &gateway->trial.tick, on_tick);
}

void run_trial_close(struct fg_gateway *gateway)
{
	fg_handle_close(&gateway->trial.tick.handle, NULL);
}

void run_trial_fini(struct fg_gateway *gateway)
{
	fg_trial_fini(&gateway->trial.asked);
	run_config_unuse(gateway->trial.before);
	gateway->trial.before = NULL;
}
