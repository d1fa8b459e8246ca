/* What a start does about a configuration that was put in place and never proven. */
#include "cli/start.h"

#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void cli_start_init(struct cli_start *start, const char *path)
{
	*start = (struct cli_start){ .path = path };
	snprintf(start->source, sizeof(start->source), "%s", path);
	fg_trial_init(&start->trial);
	start->tried = fg_put_on_trial(path, &start->trial) == 0;
}

void cli_start_fini(struct cli_start *start)
{
	fg_trial_fini(&start->trial);
}

/* The next start reads the last good one, whether or not this process may put it in place. */
static bool go_back(struct cli_start *start, const char *why)
{
	int r = fg_put_last_good(start->path, start->source, sizeof(start->source));

	if (r < 0)
		return false;
	snprintf(start->why, sizeof(start->why), "%s", why);
	start->tried = false;
	start->returned = true;
	return true;
}

bool cli_start_back(struct cli_start *start, const char *why)
{
	int r;

	if (!start->tried || !go_back(start, why))
		return false;
	(void)fg_cli_failed("run", "%s is given up, the last good one returns: %s", start->path,
			    start->why);
	r = fg_put_back(start->path, &start->trial);
	if (r < 0)
		(void)fg_cli_failed("run", "%s: %s", start->path, strerror(-r));
	return true;
}

void cli_start_given_up(struct cli_start *start, const struct fg_trial *trial, const char *why)
{
	memcpy(start->trial.sha256, trial->sha256, sizeof(trial->sha256));
	start->trial.version = trial->version;
	(void)go_back(start, why);
}

/* A process that ends before it can judge would try for ever. */
static bool was_tried_enough(struct cli_start *start)
{
	char why[128];
	int r;

	if (!start->tried)
		return false;
	if (start->trial.starts >= FG_TRIAL_STARTS) {
		snprintf(why, sizeof(why), "it was started %u times and did not stay up",
			 start->trial.starts);
		return cli_start_back(start, why);
	}
	r = fg_put_count(start->path, &start->trial);
	if (r < 0)
		(void)fg_cli_failed("run", "%s: the start with it cannot be counted: %s",
				    start->path, strerror(-r));
	return false;
}

int cli_start_load(struct cli_start *start, struct fg_config **ret_config)
{
	int status;

	(void)was_tried_enough(start);
	status = fg_cli_load("run", start->source, ret_config);
	if (status != FG_EXIT_OK && cli_start_back(start, "it cannot be read"))
		status = fg_cli_load("run", start->source, ret_config);
	return status;
}
