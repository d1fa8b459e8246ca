/* Reload: the difference is judged here, for the gateway as a whole, and carried out by each. */
#include "processes/private.h"

#include "config/fault.h"
#include "profile/shipped.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is to be in force once all have gone over to it. */
static int look(struct fg_processes *all, struct fg_faults *faults, struct fg_buf *report,
		struct fg_config **ret_next)
{
	struct fg_config_diff diff;
	unsigned n[4] = { 0 };
	int r = fg_config_load(all->conf.path, fg_shipped_profiles(), faults, ret_next);

	if (r < 0)
		return r;
	r = fg_config_diff(all->config, *ret_next, faults, &diff);
	if (r < 0) {
		fg_config_free(*ret_next);
		return r;
	}
	for (size_t i = 0; i < diff.ndrivers; i++)
		n[diff.drivers[i].change]++;
	for (size_t i = 0; i < diff.nbridges; i++)
		n[diff.bridges[i].change]++;
	fg_config_diff_fini(&diff);
	fg_buf_printf(report, "generation %llu: %u as before, %u changed, %u added, %u removed",
		      (unsigned long long)all->generation + 1, n[FG_SAME], n[FG_CHANGED],
		      n[FG_ADDED], n[FG_REMOVED]);
	return 0;
}

static void say(struct fg_control_client *client, const struct fg_buf *report,
		const struct fg_faults *faults)
{
	struct fg_buf text;

	fg_buf_init(&text, FG_CONTROL_REPLY);
	fg_buf_text(&text, "{\"report\":");
	fg_buf_json(&text, fg_buf_view(report));
	fg_buf_text(&text, ",\"faults\":");
	fg_faults_json(faults, &text);
	fg_buf_char(&text, '}');
	/* one line: newlines are only between the faults */
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\n')
			text.data[i] = ' ';
	if (!text.failed)
		fg_control_line(client, fg_buf_view(&text));
	fg_buf_fini(&text);
}

static void log_faults(struct fg_processes *all, const struct fg_faults *faults)
{
	char at[256], what[512];

	for (size_t i = 0; i < faults->count; i++) {
		const struct fg_fault_item *fault = &faults->items[i];

		fg_log(&all->logger, fault->doubt ? FG_WARN : FG_ERROR,
		       fault->doubt ? "doubt" : "fault", "at=%s what=%s",
		       fg_log_quote(fault->pointer, strlen(fault->pointer), at, sizeof(at)),
		       fg_log_quote(fault->text, strlen(fault->text), what, sizeof(what)));
	}
}

/* One that does not run reads it when it starts. */
static const struct part *refused(const struct gather *gather)
{
	for (unsigned i = 0; i < gather->count; i++) {
		const struct part *part = &gather->parts[i];

		if (part->error != -ENOTCONN && (part->error || !part->result.ok))
			return part;
	}
	return NULL;
}

static void all_told(struct gather *gather)
{
	struct fg_processes *all = gather->all;
	const struct part *part = refused(gather);
	char why[sizeof(part->result.error) + 32];

	fg_log(&all->logger, part ? FG_ERROR : FG_INFO,
	       part ? "reload refused by a process" : "reloaded", "generation=%llu process=%u",
	       (unsigned long long)all->generation, part ? part->process->index : 0);
	if (!part)
		return;
	snprintf(why, sizeof(why), "process %u: %s", part->process->index,
		 part->error ? strerror(-part->error) : part->result.error);
	if (all->trial.state == TRIAL_WATCHED)
		trial_refused(all, why);
}

static void reload_done(struct gather *gather)
{
	const struct part *part = refused(gather);

	all_told(gather);
	if (!gather->client)
		return;
	if (!part)
		fg_control_done(gather->client);
	else
		fg_control_fail(gather->client, FG_CONTROL_NO, "process %u: %s",
				part->process->index,
				part->error ? strerror(-part->error) : part->result.error);
}

int processes_go_over(struct fg_processes *all, struct fg_control_client *client,
		      void (*done)(struct gather *))
{
	struct fg_config *next = NULL;
	struct fg_faults faults;
	struct fg_buf report;
	int r = all->trial.state == TRIAL_WATCHED ? -EBUSY : 0;

	fg_faults_init(&faults);
	fg_buf_init(&report, 4096);
	if (r < 0)
		fg_fault(&faults, "", "a configuration is on trial");
	else
		r = look(all, &faults, &report, &next);
	log_faults(all, &faults);
	if (client)
		say(client, &report, &faults);
	if (r == 0) {
		fg_config_free(all->config);
		all->config = next;
		all->generation++;
		r = gather_begin(all, GATHER_ALL, FG_STR("{\"call\":\"reload\"}"), fg_str(NULL, 0),
				 done ? client : NULL, done ? done : all_told);
	} else {
		fg_log(&all->logger, FG_ERROR, "reload refused, the old configuration stays",
		       "faults=%zu", faults.faults);
	}
	fg_buf_fini(&report);
	fg_faults_fini(&faults);
	return r;
}

void processes_reload_failed(struct fg_control_client *client, int error)
{
	if (error == -EINVAL)
		fg_control_fail(client, FG_CONTROL_NO,
				"the configuration is not valid; the one before stays");
	else
		fg_control_fail(client, FG_CONTROL_FAILED, "%s", strerror(-error));
}

void processes_reload(struct fg_processes *all)
{
	if (!all->stopping)
		(void)processes_go_over(all, NULL, NULL);
}

void processes_call_reload(void *arg, struct fg_control_client *client,
			   const struct fg_doc *request)
{
	int r = processes_go_over(arg, client, reload_done);

	(void)request;
	if (r < 0)
		processes_reload_failed(client, r);
}
