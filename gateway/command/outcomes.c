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
}
