/*
 * A configuration on trial (run/trial.h), for a gateway of several processes: their parent is the
 * judge. What was up before, and what the configuration adds, has to be up in all of them; else the
 * file of the last good one returns, and all go over to it.
 *
 *     reload ──> watch: ask all, again and again ──> keep: the file says so
 *                                                └─> give up: the file goes back ──> reload
 */
#include <fg/doc.h>

#include "processes/private.h"
#include "decode/decode.h"
#include "run/sum.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define LOOK_EVERY FG_MS(200)
#define STEADY FG_S(1)
#define DEADLINE_LEAST FG_MS(500)
#define STATUS_BROKEN 3
#define NOT_UP "not up within %.3g s: %.*s"

#define of(member, ptr) \
	((struct fg_processes *)(void *)((char *)(ptr)-offsetof(struct fg_processes, member)))

/* -- what is said of it -- */

static void applied(struct fg_processes *all, const char *outcome, const char *why)
{
	const struct fg_trial *asked = &all->trial.asked;

	fg_applied_set(&all->applied, outcome, asked->version, asked->sha256, fg_str_c(why));
}

static void on_client_gone(void *user)
{
	((struct trial *)user)->client = NULL;
}

static void client_tell(struct fg_processes *all)
{
	struct trial *trial = &all->trial;
	struct fg_control_client *client = trial->client;
	struct fg_buf line;

	trial->client = NULL;
	if (!client)
		return;
	fg_buf_init(&line, 8192);
	fg_buf_printf(&line, "{\"outcome\":\"%s\",\"generation\":%" PRIu64 ",\"why\":",
		      trial->kept ? "done" : "returned", all->generation);
	fg_buf_json(&line, fg_str_c(trial->why));
	fg_buf_char(&line, '}');
	fg_control_line(client, fg_buf_view(&line));
	fg_buf_fini(&line);
	if (trial->kept)
		fg_control_done(client);
	else
		fg_control_fail(client, FG_CONTROL_NO, "%s", trial->why);
}

static void ended(struct fg_processes *all)
{
	struct trial *trial = &all->trial;
	char quoted[512];

	applied(all, trial->kept ? "done" : "returned", trial->why);
	fg_log(&all->logger, trial->kept ? FG_INFO : FG_ERROR,
	       trial->kept ? "configuration kept" :
			     "configuration given up, the one before returned",
	       "sha256=%.12s why=%s", trial->asked.sha256,
	       fg_log_quote(trial->why, strlen(trial->why), quoted, sizeof(quoted)));
	client_tell(all);
	fg_trial_fini(&trial->asked);
	trial->state = TRIAL_NONE;
	if (all->stopping)
		processes_stop_step(all);
}

/* -- its end, on the disk first -- */

static void work_end(struct fg_work *work)
{
	struct fg_processes *all = of(trial.work, work);

	all->trial.result = all->trial.kept ? fg_put_keep(all->conf.path) :
					      fg_put_back(all->conf.path, &all->trial.asked);
}

static void on_work_done(struct fg_work *work)
{
	struct fg_processes *all = of(trial.work, work);
	int r = all->trial.result;

	if (r < 0)
		fg_log(&all->logger, FG_WARN, "the file could not be told of it",
		       "path=\"%s\" error=\"%s\"", all->conf.path, strerror(-r));
	/* what another start has to come back to, only a start can */
	if (!all->trial.kept && !all->stopping && processes_go_over(all, NULL, NULL) < 0) {
		ended(all);
		processes_give_up(all, STATUS_BROKEN);
		return;
	}
	ended(all);
}

static void end(struct fg_processes *all, bool kept)
{
	struct trial *trial = &all->trial;

	trial->state = TRIAL_ENDING;
	trial->kept = kept;
	fg_timer_stop(&trial->tick);
	trial->work = (struct fg_work){ .work = work_end, .done = on_work_done };
	if (fg_loop_work(all->loop, &trial->work) < 0) {
		work_end(&trial->work);
		on_work_done(&trial->work);
	}
}

void trial_refused(struct fg_processes *all, const char *why)
{
	snprintf(all->trial.why, sizeof(all->trial.why), "%s", why);
	end(all, false);
}

/* -- the watch -- */

static bool is_up(const struct fg_doc *doc, const char *kind, const char *name)
{
	struct fg_str steps[3] = { fg_str_c(kind), fg_str_c(name), FG_STR("state") };
	const struct fg_node *node = fg_doc_find(doc, steps, 3);

	return node && node->value.kind == FG_STRING &&
	       (fg_str_eq_c(node->value.s, "up") || fg_str_eq_c(node->value.s, "away"));
}

/* What was down before is not this configuration's fault. */
static bool is_missing(const struct fg_trial *asked, const struct fg_doc *doc, const char *member,
		       const char *kind, const char *name, struct fg_buf *why)
{
	enum fg_was was = fg_trial_was(asked, kind, name);
	bool needed = was == FG_WAS_UP || (was == FG_WAS_ABSENT && !asked->lenient);

	if (!asked->known || !needed || is_up(doc, member, name))
		return false;
	fg_buf_printf(why, "%s%s is not up", why->len ? "; " : "", name);
	return true;
}

static bool all_up(const struct fg_processes *all, const struct fg_doc *doc, struct fg_buf *why)
{
	const struct fg_config *config = all->config;
	const struct fg_trial *asked = &all->trial.asked;
	bool missing = false;

	for (size_t i = 0; i < config->ndrivers; i++)
		if (config->drivers[i].enabled)
			missing |= is_missing(asked, doc, "drivers", "drivers",
					      config->drivers[i].name, why);
	for (size_t i = 0; i < config->nbridges; i++)
		missing |= is_missing(asked, doc, "links", "bridges", config->bridges[i].name, why);
	return !missing;
}

/* All have to answer: one that does not run has nothing up. */
static bool judge(struct gather *gather, struct fg_buf *why)
{
	struct fg_sum *sum = fg_sum_new();
	struct fg_buf text;
	struct fg_doc doc;
	bool good = sum != NULL;

	fg_buf_init(&text, 2 * FG_CONTROL_REPLY);
	fg_doc_init(&doc, 8, 2 * FG_CONTROL_REPLY);
	for (unsigned i = 0; i < gather->count && good; i++) {
		const struct part *part = &gather->parts[i];

		if (part->process->left_over)
			continue;
		good = part->error == 0 && part->result.ok &&
		       fg_sum_add(sum, gather_line(part)) == 0;
		if (!good)
			fg_buf_printf(why, "process %u does not answer", part->process->index);
	}
	if (good)
		fg_sum_json(sum, &text);
	good = good && fg_json_parse(fg_buf_view(&text), &doc) == 0 &&
	       all_up(gather->all, &doc, why);
	fg_doc_fini(&doc);
	fg_buf_fini(&text);
	fg_sum_free(sum);
	return good;
}

static void look_done(struct gather *gather)
{
	struct fg_processes *all = gather->all;
	struct trial *trial = &all->trial;
	uint64_t now = fg_loop_now(all->loop);
	struct fg_buf why;

	if (trial->state != TRIAL_WATCHED || all->stopping)
		return;	/* the next start goes on with it */
	fg_buf_init(&why, 400);
	if (!judge(gather, &why)) {
		trial->good_ns = 0;
		if (now >= trial->deadline_ns) {
			snprintf(trial->why, sizeof(trial->why), NOT_UP,
				 (double)trial->asked.deadline_ns / 1e9, (int)why.len,
				 why.len ? why.data : "");
			end(all, false);
		}
	} else if (!trial->good_ns) {
		trial->good_ns = now;
	} else if (now - trial->good_ns >= STEADY) {
		trial->why[0] = '\0';
		end(all, true);
	}
	fg_buf_fini(&why);
	if (trial->state == TRIAL_WATCHED)
		(void)fg_timer_start(&trial->tick, LOOK_EVERY);
}

void trial_tick(struct fg_timer *timer)
{
	struct fg_processes *all = of(trial.tick, timer);

	if (gather_begin(all, GATHER_ALL, FG_STR("{\"call\":\"status\"}"), fg_str(NULL, 0), NULL,
			 look_done) < 0)
		(void)fg_timer_start(timer, LOOK_EVERY);
}

void trial_watch(struct fg_processes *all, struct fg_trial *asked)
{
	struct trial *trial = &all->trial;
	uint64_t wait_ns = (uint64_t)asked->deadline_ns;

	fg_trial_move(&trial->asked, asked);
	trial->state = TRIAL_WATCHED;
	trial->good_ns = 0;
	trial->kept = false;
	trial->deadline_ns =
		fg_loop_now(all->loop) + (wait_ns < DEADLINE_LEAST ? DEADLINE_LEAST : wait_ns);
	fg_log(&all->logger, FG_INFO, "configuration on trial",
	       "sha256=%.12s deadline_ms=%" PRId64 " starts=%u", trial->asked.sha256,
	       trial->asked.deadline_ns / 1000000, trial->asked.starts);
	applied(all, "trying", "");
	(void)fg_timer_start(&trial->tick, LOOK_EVERY);
}

/* -- the call: a reload of what `fieldgate apply` has put in place -- */

void processes_call_apply(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_processes *all = arg;
	struct fg_trial asked;
	int r;

	(void)request;
	r = processes_go_over(all, client, NULL);
	if (r < 0) {
		processes_reload_failed(client, r);
		return;
	}
	fg_trial_init(&asked);
	if (fg_put_on_trial(all->conf.path, &asked) < 0 ||
	    strcmp(asked.sha256, all->config->sha256) != 0) {
		fg_control_fail(client, FG_CONTROL_NO,
				"the gateway has not read it: does it run with another file?");
	} else {
		trial_watch(all, &asked);
		all->trial.client = client;
		fg_control_hold(client, &all->trial, on_client_gone);
	}
	fg_trial_fini(&asked);
}
