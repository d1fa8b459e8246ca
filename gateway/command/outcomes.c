/* What became of commands: told once, and remembered by id, so that a request that comes a second
 * time does nothing a second time. */
#include "command/private.h"

#include <stdio.h>
#include <stdlib.h>

const char *fg_outcome_name(enum fg_outcome outcome)
{
	static const char *const names[] = { "done", "failed", "expired", "unreachable",
					     "refused" };

	return (unsigned)outcome <= FG_OUTCOME_REFUSED ? names[outcome] : "failed";
}

const struct told *command_told(const struct fg_commands *commands, uint64_t hash)
{
	for (uint32_t i = 0; commands->told && hash && i < FG_COMMANDS_TOLD; i++)
		if (commands->told[i].hash == hash)
			return &commands->told[i];
	return NULL;
}

/* The oldest id is forgotten for it. Most gateways are never commanded: the table is made with the
 * first id. */
static void remember(struct fg_commands *commands, uint64_t hash, enum fg_outcome outcome,
		     const char *why)
{
	struct told *told;

	if (hash == 0)
		return;
	if (!commands->told)
		commands->told = calloc(FG_COMMANDS_TOLD, sizeof(*commands->told));
	if (!commands->told)
		return;
	told = &commands->told[commands->told_at++ % FG_COMMANDS_TOLD];
	told->hash = hash;
	told->outcome = outcome;
	snprintf(told->why, sizeof(told->why), "%s", why);
}

struct job *command_job_free(struct job *job)
{
	while (job->followers) {
		struct job *next = job->followers->next;

		job->commands->nfollowers--;
		command_job_free(job->followers);
		job->followers = next;
	}
	fg_arena_fini(&job->rendered);
	fg_arena_fini(&job->arena);
	free(job);
	return NULL;
}

static void as_json(struct fg_buf *out, const struct fg_request_result *result)
{
	fg_buf_text(out, "{\"id\":");
	fg_buf_str(out, result->id);
	fg_buf_text(out, ",\"device\":");
	fg_buf_json(out, result->device);
	fg_buf_text(out, ",\"point\":");
	fg_buf_json(out, result->point);
	fg_buf_text(out, ",\"outcome\":");
	fg_buf_json(out, fg_str_c(fg_outcome_name(result->outcome)));
	if (result->why.len) {
		fg_buf_text(out, ",\"why\":");
		fg_buf_json(out, result->why);
	}
	fg_buf_char(out, '}');
}

void command_answer(struct job *job, enum fg_outcome outcome, const char *why)
{
	struct fg_request_result result = {
		.id = job->id.len ? job->id : FG_STR("null"),
		.device = job->device,
		.point = job->point,
		.outcome = outcome,
		.why = fg_str_c(why),
	};
	struct fg_buf json;

	if (!job->outcome)
		return;
	fg_buf_init(&json, 16u << 10);
	as_json(&json, &result);
	result.json = json.failed ? FG_STR("{}") : fg_buf_view(&json);
	job->outcome(job->arg, job->reply, &result);
	job->outcome = NULL;
	fg_buf_fini(&json);
}

/* Those who have asked for the same. */
static void tell_followers(struct job *job, enum fg_outcome outcome, const char *why)
{
	while (job->followers) {
		struct job *f = job->followers;

		/* off the list first: who is answered may forget others */
		job->followers = f->next;
		job->commands->nfollowers--;
		f->device = job->device;
		f->point = job->point;
		command_answer(f, outcome, why);
		command_job_free(f);
	}
}

void command_tell(struct job *job, enum fg_outcome outcome, const char *why)
{
	struct fg_commands *commands = job->commands;
	char path[96], quoted[160];

	if (!why)
		why = "";
	commands->stats.outcomes[outcome]++;
	fg_log(&commands->logger, FG_INFO, "command", "to=%s outcome=%s why=%s",
	       fg_log_quote(job->path.ptr, job->path.len, path, sizeof(path)),
	       fg_outcome_name(outcome), fg_log_quote(why, strlen(why), quoted, sizeof(quoted)));
	remember(commands, job->id_hash, outcome, why);
	command_answer(job, outcome, why);
	tell_followers(job, outcome, why);
}

/* -- what comes again -- */

/* `here`: what is away may have been found to be for this process after all. */
static struct job *under_way(const struct fg_commands *commands, uint64_t hash, bool here)
{
	struct job *job = commands->first;

	while (job && (job->id_hash != hash || job->state == JOB_DONE || (here && job->away)))
		job = job->next;
	return job;
}

/* The one that is under way, or one that follows it, has the same place for its outcome: this is
 * the same request, delivered once more. Who has gone is nobody: his place may be another's now. */
static bool is_delivered_again(const struct job *first, const struct job *job)
{
	const struct job *one = first;

	while (one && (!one->outcome || one->arg != job->arg || !fg_str_eq(one->reply, job->reply)))
		one = one == first ? first->followers : one->next;
	return one != NULL;
}

/* Takes the job: it is told the outcome of the one that is under way. */
static void follow(struct job *first, struct job *job)
{
	struct fg_commands *commands = job->commands;

	/* one that is over has told what was to be told */
	if (first->state == JOB_OVER || command_waiting(commands) >= FG_COMMANDS_MAX) {
		command_answer(job, FG_OUTCOME_REFUSED, "a command with this id is under way");
		command_job_free(job);
		return;
	}
	job->next = first->followers;
	first->followers = job;
	commands->nfollowers++;
}

bool command_repeated(struct job *job, const struct fg_request *request)
{
	struct fg_commands *commands = job->commands;
	const struct told *told = command_told(commands, job->id_hash);
	struct job *first =
		job->id_hash && !told ? under_way(commands, job->id_hash, request->here) : NULL;

	/* a stored one is refused, whatever became of its like */
	if ((!told && !first) || request->retained)
		return false;
	commands->stats.repeated++;
	if (first && request->again && !is_delivered_again(first, job)) {
		follow(first, job);
		return true;
	}
	if (told && request->again)
		command_answer(job, told->outcome, told->why);
	command_job_free(job);
	return true;
}
