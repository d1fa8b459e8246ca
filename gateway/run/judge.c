/* Whether a configuration has come up, measured by what was up before it. */
#include "run/private.h"

struct looking {
	const char *name, *fault;
	bool up;
};

static void look_inlet(void *arg, const struct fg_inlet_info *info)
{
	struct looking *looking = arg;

	if (strcmp(info->name, looking->name) != 0)
		return;
	looking->up = info->state == FG_LINK_UP;
	looking->fault = info->fault;
}

static void look_outbox(void *arg, const struct fg_outbox_info *info)
{
	struct looking *looking = arg;

	if (strcmp(info->name, looking->name) != 0)
		return;
	looking->up = info->up;
	looking->fault = info->fault;
}

/* What was down before is not this configuration's fault. */
static bool must_be_up(const struct fg_trial *trial, const char *kind, const char *name)
{
	enum fg_was was = fg_trial_was(trial, kind, name);

	if (!trial->known)
		return false;
	return was == FG_WAS_UP || (was == FG_WAS_ABSENT && !trial->lenient);
}

static bool is_missing(const struct fg_trial *trial, const char *kind,
		       const struct looking *looking, bool needed, struct fg_buf *why)
{
	if (looking->up || (!needed && !must_be_up(trial, kind, looking->name)))
		return false;
	fg_buf_printf(why, "%s%s is not up%s%s", why->len ? "; " : "", looking->name,
		      looking->fault ? ": " : "", looking->fault ? looking->fault : "");
	return true;
}

bool run_all_up(struct fg_gateway *gateway, const struct fg_trial *trial, struct fg_buf *why)
{
	const struct fg_config *config = gateway->now->config;
	bool missing = false;

	for (size_t i = 0; i < config->ndrivers; i++) {
		struct looking looking = { .name = config->drivers[i].name };

		if (!config->drivers[i].enabled)
			continue;
		fg_intake_each(gateway->intake, look_inlet, &looking);
		missing |= is_missing(trial, "drivers", &looking, false, why);
	}
	for (size_t i = 0; i < config->nbridges; i++) {
		struct looking looking = { .name = config->bridges[i].name };

		fg_forward_each(gateway->forward, look_outbox, &looking);
		/* what came from afar must leave the way for what comes next */
		missing |= is_missing(trial, "bridges", &looking,
				      trial->version && config->bridges[i].remote, why);
	}
	if (!missing && gateway->changing > 0)
		fg_buf_text(why, "what it changes has not ended yet");
	return !missing && gateway->changing == 0;
}

static void note_inlet(void *arg, const struct fg_inlet_info *info)
{
	fg_trial_note(arg, "drivers", info->name, info->state == FG_LINK_UP);
}

static void note_outbox(void *arg, const struct fg_outbox_info *info)
{
	fg_trial_note(arg, "bridges", info->name, info->up);
}

void run_note_up(struct fg_gateway *gateway, struct fg_trial *trial)
{
	fg_buf_reset(&trial->before);
	fg_intake_each(gateway->intake, note_inlet, trial);
	fg_forward_each(gateway->forward, note_outbox, trial);
	trial->known = true;
}
