/* The account and the state of all of them: the sum, and each by itself. */
#include "processes/private.h"

#include "run/gateway.h"
#include "run/total.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const states[] = { "restarting", "starting", "up" };

/* What each item of "processes" has besides: it tells how the process is. */
static void item_more(const struct process *process, char *out, size_t cap)
{
	snprintf(out, cap, ",\"state\":\"%s\",\"pid\":%d,\"starts\":%u",
		 process->left_over ? "draining" : states[process->state], (int)process->pid,
		 process->starts);
}

/* One that does not run has its account in its files; one that is being made has none yet. */
static int add_files(const struct process *process, struct fg_total *total, const char *more)
{
	struct fg_buf ledger;
	int r;

	fg_buf_init(&ledger, FG_CONTROL_REPLY);
	r = fg_ledger_of_files(process->dir, process->all->config->gateway.id, false, &ledger);
	if (r == 0)
		fg_total_ledger(total, process->index, fg_buf_view(&ledger), more);
	fg_buf_fini(&ledger);
	return r == -ENOENT ? 0 : r;
}

static int add_part(const struct part *part, struct fg_total *total)
{
	char more[96];

	item_more(part->process, more, sizeof(more));
	if (part->error == -ENOTCONN)
		return add_files(part->process, total, more);
	if (part->error < 0 || !part->result.ok)
		return part->error ? part->error : -EIO;
	fg_total_add(total, part->process->index, gather_line(part), more);
	return 0;
}

/* False: one account is not to be had, and the client was told so. */
static bool add_all(struct gather *gather, struct fg_total *total)
{
	for (unsigned i = 0; i < gather->count; i++) {
		const struct part *part = &gather->parts[i];
		int r = add_part(part, total);

		if (r == 0)
			continue;
		fg_control_fail(gather->client, FG_CONTROL_FAILED, "process %u: %s",
				part->process->index,
				r == -ETIMEDOUT ? "it does not answer" : strerror(-r));
		return false;
	}
	fg_total_finished(total, gather->all->config->spool.dir);
	return true;
}

static void answer(struct gather *gather, struct fg_total *total)
{
	struct fg_buf text;

	fg_buf_init(&text, FG_CONTROL_REPLY);
	if (fg_total_json(total, &text) == 0 && total->within && *gather->all->applied.outcome) {
		text.len--;	/* the closing brace: one more member follows */
		fg_buf_text(&text, ",\"applied\":");
		fg_applied_json(&gather->all->applied, &text);
		fg_buf_char(&text, '}');
	}
	if (total->failed || text.failed || text.len == 0) {
		fg_control_fail(gather->client, FG_CONTROL_FAILED, "out of memory");
	} else {
		fg_control_line(gather->client, fg_buf_view(&text));
		fg_control_done(gather->client);
	}
	fg_buf_fini(&text);
}

static void sum_done(struct gather *gather, bool within)
{
	struct fg_total total;

	if (!gather->client)
		return;
	fg_total_init(&total, within);
	if (add_all(gather, &total))
		answer(gather, &total);
	fg_total_fini(&total);
}

static void ledger_done(struct gather *gather)
{
	sum_done(gather, false);
}

static void status_done(struct gather *gather)
{
	sum_done(gather, true);
}

/* For the first process: see run/siblings.h. */
static void others_done(struct gather *gather)
{
	struct fg_total total;
	struct fg_buf text;

	if (!gather->client)
		return;
	fg_total_init(&total, false);
	fg_buf_init(&text, FG_CONTROL_REPLY);
	if (add_all(gather, &total)) {
		if (total.sum)
			fg_sum_json(total.sum, &text);
		fg_control_line(gather->client, fg_buf_view(&text));
		fg_control_line(gather->client, fg_buf_view(&total.list));
		if (total.failed || text.failed)
			fg_control_fail(gather->client, FG_CONTROL_FAILED, "out of memory");
		else
			fg_control_done(gather->client);
	}
	fg_buf_fini(&text);
	fg_total_fini(&total);
}

/* -- the calls -- */

static void ask_all(struct fg_processes *all, enum gather_whom whom, const char *call,
		    struct fg_control_client *client, void (*done)(struct gather *))
{
	char request[64];
	int n = snprintf(request, sizeof(request), "{\"call\":\"%s\"}", call);

	if (gather_begin(all, whom, fg_str(request, (size_t)n), fg_str(NULL, 0), client, done) < 0)
		fg_control_fail(client, FG_CONTROL_FAILED, "out of memory");
}

void processes_call_ledger(void *arg, struct fg_control_client *client,
			   const struct fg_doc *request)
{
	(void)request;
	ask_all(arg, GATHER_ALL, "ledger", client, ledger_done);
}

void processes_call_status(void *arg, struct fg_control_client *client,
			   const struct fg_doc *request)
{
	(void)request;
	ask_all(arg, GATHER_ALL, "status", client, status_done);
}

void processes_call_others(void *arg, struct fg_control_client *client,
			   const struct fg_doc *request)
{
	(void)request;
	ask_all(arg, GATHER_OTHERS, "ledger", client, others_done);
}
