/*
 * The call "put": a configuration that came by the console, put in place as `fieldgate apply` does
 * it, and tried. One that is not valid, or needs a restart, changes nothing. Answers, when it is
 * known whether it has come up:
 *
 *     {"applied":true|false,"why":"...","faults":[...],...}
 *
 * Steps as of run/remote.h, without a signature and a version: what it would be is looked at on the
 * loop, a worker writes the files, the loop goes over to it, on trial.
 */
#include "config/sha256.h"
#include "run/private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct run_putting {
	struct fg_work work;
	struct fg_gateway *gateway;
	struct fg_control_client *client;	/* NULL: has gone */
	struct fg_buf text;
	struct run_config *by, *wanted;		/* uses; wanted NULL: it is in force */
	struct fg_trial trial;
	int result;
};

static void answer(struct fg_control_client *client, const char *why,
		   const struct fg_faults *faults)
{
	struct fg_buf line;

	if (!client)
		return;
	fg_buf_init(&line, FG_CONTROL_REPLY / 2);
	fg_buf_text(&line, "{\"applied\":false,\"why\":");
	fg_buf_json(&line, fg_str_c(why));
	fg_buf_char(&line, ',');
	run_faults_lists(&line, faults);
	fg_buf_char(&line, '}');
	fg_control_line(client, line.failed ? FG_STR("{\"applied\":false}") : fg_buf_view(&line));
	fg_buf_fini(&line);
	fg_control_fail(client, FG_CONTROL_NO, "%s", why);
}

static void refuse(struct fg_control_client *client, const char *why)
{
	struct fg_faults none;

	fg_faults_init(&none);
	answer(client, why, &none);
	fg_faults_fini(&none);
}

static void putting_free(struct run_putting *putting)
{
	struct fg_gateway *gateway = putting->gateway;

	gateway->putting = NULL;
	run_config_unuse(putting->by);
	run_config_unuse(putting->wanted);
	fg_trial_fini(&putting->trial);
	fg_buf_fini(&putting->text);
	free(putting);
	if (gateway->stopping)
		run_stop_step(gateway);
}

static void on_gone(void *user)
{
	((struct run_putting *)user)->client = NULL;
}

/* -- the worker -- */

static void put_work(struct fg_work *work)
{
	struct run_putting *putting = (struct run_putting *)work;
	const char *path = putting->gateway->config_path;
	int lock, r = fg_put_allowed(path);

	if (r == 0)
		r = fg_put_lock(path, &lock);
	if (r == 0) {
		r = run_file_is_in_force(putting->gateway, putting->by);
		if (r == 0)
			r = fg_put_new(path, fg_buf_view(&putting->text), true, &putting->trial);
		close(lock);
	}
	putting->result = r;
}

/* -- the loop -- */

static void go_over(struct run_putting *putting)
{
	struct fg_gateway *gateway = putting->gateway;
	struct run_config *before = gateway->now;
	struct fg_faults faults;
	int r;

	fg_faults_init(&faults);
	before->uses++;
	r = run_exchange(gateway, putting->wanted, &faults, NULL);
	if (r == 0) {
		putting->wanted = NULL;
		run_trial_watch(gateway, &putting->trial, before);
		if (putting->client && !run_trial_await(gateway, putting->client))
			refuse(putting->client, "nobody can wait for its outcome");
	} else {
		(void)fg_put_back(gateway->config_path, &putting->trial);
		answer(putting->client, strerror(-r), &faults);
	}
	run_config_unuse(before);
	fg_faults_fini(&faults);
}

static void on_put_done(struct fg_work *work)
{
	struct run_putting *putting = (struct run_putting *)work;
	struct fg_gateway *gateway = putting->gateway;

	gateway->changing--;
	gateway->trial.state = TRIAL_NONE;
	if (putting->result == -ESTALE)
		refuse(putting->client, "the file was changed and not reloaded");
	else if (putting->result == -EWOULDBLOCK)
		refuse(putting->client, "another one is being applied");
	else if (putting->result < 0)
		refuse(putting->client, strerror(-putting->result));
	else if (gateway->stopping)
		refuse(putting->client, "the gateway stops; the next start goes on with it");
	else
		go_over(putting);
	putting_free(putting);
}

static void put_begin(struct run_putting *putting)
{
	struct fg_gateway *gateway = putting->gateway;

	putting->trial.deadline_ns = gateway->now->config->fleet.deadline_ns;
	fg_sha256_hex(fg_buf_view(&putting->text), putting->trial.sha256);
	run_note_up(gateway, &putting->trial);
	putting->by = gateway->now;
	putting->by->uses++;
	putting->work = (struct fg_work){ .work = put_work, .done = on_put_done };
	gateway->putting = putting;
	gateway->trial.state = TRIAL_PUTTING;
	gateway->changing++;
	fg_control_hold(putting->client, putting, on_gone);
	if (fg_loop_work(gateway->loop, &putting->work) < 0) {
		put_work(&putting->work);
		on_put_done(&putting->work);
	}
}

static int look_at(struct run_putting *putting, struct fg_faults *faults)
{
	struct fg_config_diff diff;
	int r = run_load_text(fg_buf_view(&putting->text), faults, &putting->wanted);

	if (r == 0)
		r = fg_config_diff(putting->gateway->now->config, putting->wanted->config, faults,
				   &diff);
	if (r == 0)
		fg_config_diff_fini(&diff);
	return r;
}

static const char *why_not_now(const struct fg_gateway *gateway)
{
	if (gateway->trial.state != TRIAL_NONE || gateway->putting)
		return "a configuration is on trial";
	if (gateway->changing > 0 || gateway->stopping)
		return "the reload before this one is still being carried out";
	return NULL;
}

void run_call_put(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	const char *busy = why_not_now(gateway);
	struct run_putting *putting = busy ? NULL : calloc(1, sizeof(*putting));
	struct fg_faults faults;
	int r;

	if (!putting) {
		refuse(client, busy ? busy : "out of memory");
		return;
	}
	putting->gateway = gateway;
	putting->client = client;
	fg_trial_init(&putting->trial);
	fg_buf_init(&putting->text, FG_CONFIG_MAX);
	fg_buf_str(&putting->text, fg_control_text(request, "text"));
	fg_faults_init(&faults);
	r = putting->text.failed ? -ENOMEM : look_at(putting, &faults);
	if (r == 0 && strcmp(putting->wanted->config->sha256, gateway->now->config->sha256) == 0)
		r = -EALREADY;
	if (r == 0) {
		put_begin(putting);
	} else {
		answer(client,
		       r == -EINVAL   ? "it is not valid, or needs a restart" :
		       r == -EALREADY ? "it is in force already" :
					strerror(-r),
		       &faults);
		putting_free(putting);
	}
	fg_faults_fini(&faults);
}
