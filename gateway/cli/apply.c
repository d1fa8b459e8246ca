/*
 * fieldgate apply: a configuration is checked, put in place so that a power cut leaves the old one
 * or the new (config/put.h), and tried by the running gateway. What does not come up goes back.
 */
#include "cli/apply.h"

#include "base/units.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "config/sha256.h"
#include "profile/book.h"
#include "profile/shipped.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_NS 30000000000ll
#define DEADLINE_MAX_NS 3600000000000ll

/* -- what is there -- */

static int new_read(struct cli_apply *apply)
{
	struct fg_profile_book book;
	struct fg_faults faults;
	int r = fg_put_read(apply->file, "", &apply->text);

	fg_faults_init(&faults);
	if (r == 0)
		r = fg_config_parse(fg_buf_view(&apply->text), fg_shipped_profiles(), &faults,
				    &apply->after);
	if (r == 0) {
		(void)fg_config_secrets(apply->after, false, &faults);
		r = fg_profile_book_open(&book, apply->after, &faults);
		if (r == 0)
			fg_profile_book_close(&book);
	}
	fg_cli_print_faults(&faults);
	fg_faults_fini(&faults);
	if (r == -EINVAL)
		return FG_EXIT_NO;
	if (r < 0)
		return fg_cli_failed("apply", "%s: %s", apply->file, strerror(-r));
	fg_sha256_hex(fg_buf_view(&apply->text), apply->trial.sha256);
	return FG_EXIT_OK;
}

/* What is in place may be anything; it is worth to come back to if it is valid and no trial. */
static void old_read(struct cli_apply *apply)
{
	struct fg_faults faults;
	struct fg_trial trial;

	fg_faults_init(&faults);
	if (fg_config_load(apply->path, fg_shipped_profiles(), &faults, &apply->before) < 0)
		apply->before = NULL;
	fg_faults_fini(&faults);
	fg_trial_init(&trial);
	apply->left_over = fg_put_on_trial(apply->path, &trial) == 0;
	apply->good = apply->before && !apply->left_over &&
		      strcmp(apply->before->sha256, apply->trial.sha256) != 0;
	fg_trial_fini(&trial);
}

/* -- whether it may -- */

static int may_replace(struct cli_apply *apply)
{
	struct fg_config_diff diff;
	struct fg_faults faults;
	int r = 0;

	if (apply->pending) {
		(void)fg_cli_failed("apply", "a configuration is on trial; wait for its end");
		return FG_EXIT_NO;
	}
	if (!*apply->running || apply->restart || !apply->before)
		return FG_EXIT_OK;
	fg_faults_init(&faults);
	r = fg_config_diff(apply->before, apply->after, &faults, &diff);
	if (r == 0)
		fg_config_diff_fini(&diff);
	if (r == -EINVAL) {
		for (size_t i = 0; i < faults.count; i++)
			if (!faults.items[i].doubt)
				fprintf(stderr, "%s: %s\n", faults.items[i].pointer,
					faults.items[i].text);
		(void)fg_cli_failed("apply", "a restart is needed: --restart puts it in place for "
					     "the next start; the one before stays");
	}
	fg_faults_fini(&faults);
	return r == -EINVAL ? FG_EXIT_NO :
	       r < 0	    ? fg_cli_failed("apply", "%s", strerror(-r)) :
			      FG_EXIT_OK;
}

static bool is_there(const struct cli_apply *apply)
{
	return apply->before && strcmp(apply->before->sha256, apply->trial.sha256) == 0;
}

/* The file has it already. One that somebody has put there by hand has nothing to go back to. */
static int there(const struct cli_apply *apply)
{
	if (!*apply->running || strcmp(apply->running, apply->trial.sha256) == 0) {
		fprintf(stderr, "%s: no change\n", apply->path);
		return FG_EXIT_OK;
	}
	(void)fg_cli_failed("apply",
			    "%s has it already, and the gateway runs another: "
			    "fieldgate reload",
			    apply->path);
	return FG_EXIT_NO;
}

/* -- what is done -- */

static int put(struct cli_apply *apply)
{
	int r = fg_put_new(apply->path, fg_buf_view(&apply->text), apply->good, &apply->trial);

	if (r < 0)
		return fg_cli_failed("apply", "%s: %s", apply->path, strerror(-r));
	if (!*apply->running)
		fprintf(stderr, "%s: in place; no gateway runs\n", apply->path);
	else if (apply->restart)
		fprintf(stderr, "%s: in place, for the next start\n", apply->path);
	return FG_EXIT_OK;
}

/* The gateway has said so on the disk too, if it may. */
static int settle(struct cli_apply *apply, int status)
{
	int r = status == FG_EXIT_OK ? fg_put_keep(apply->path) :
				       fg_put_back(apply->path, &apply->trial);

	if (r == 0)
		return status;
	return fg_cli_failed("apply", "%s: %s", apply->path, strerror(-r));
}

static int replace(struct cli_apply *apply)
{
	int status;

	old_read(apply);
	apply->socket = (apply->before ? apply->before : apply->after)->run.socket;
	status = cli_apply_look(apply);
	if (status == FG_EXIT_OK && is_there(apply) && (!apply->left_over || !*apply->running))
		return there(apply);
	if (status == FG_EXIT_OK)
		status = may_replace(apply);
	if (status == FG_EXIT_OK)
		status = put(apply);
	if (status == FG_EXIT_OK && *apply->running && !apply->restart)
		status = settle(apply, cli_apply_try(apply));
	return status;
}

static int apply_locked(struct cli_apply *apply)
{
	int lock, status, r = fg_put_allowed(apply->path);

	if (r == 0)
		r = fg_put_lock(apply->path, &lock);
	if (r == -EWOULDBLOCK)
		return fg_cli_failed("apply", "%s: another one is being applied", apply->path);
	if (r < 0)
		return fg_cli_failed("apply", "%s: %s", apply->path, strerror(-r));
	status = replace(apply);
	close(lock);
	return status;
}

static int deadline_read(const char *text, int64_t *ret_ns)
{
	int64_t ns = DEADLINE_NS;

	if (text && (fg_duration_parse(fg_str_c(text), &ns) < 0 || ns <= 0 || ns > DEADLINE_MAX_NS))
		return fg_cli_misuse("apply", "--deadline is a duration of up to \"1h\"");
	*ret_ns = ns;
	return FG_EXIT_OK;
}

int fg_cli_apply(int argc, char **argv)
{
	struct cli_apply apply = { .path = FG_CONFIG_PATH };
	const char *deadline = NULL;
	bool lenient = false;
	const struct fg_cli_flag flags[] = {
		FG_CLI_CONFIG(&apply.path),
		{ 0, "deadline", "DURATION", "within which it has to come up (30s)", NULL,
		  &deadline },
		{ 0, "lenient", NULL, "what is new in it need not be up", &lenient, NULL },
		{ 0, "restart", NULL, "only put it in place, for the next start", &apply.restart,
		  NULL },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "apply",
		.operands = "FILE",
		.summary = "Checks FILE and puts it in place of the configuration (-c), which a\n"
			   "power cut cannot tear, then has the running gateway go over to it. If\n"
			   "what was up before, or what is new, is not up within the deadline,\n"
			   "the one before returns (1).",
		.flags = flags,
		.min_operands = 1,
		.max_operands = 1,
	};
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	apply.file = argv[1];
	fg_trial_init(&apply.trial);
	fg_buf_init(&apply.text, FG_CONFIG_MAX);
	apply.trial.lenient = lenient;
	status = deadline_read(deadline, &apply.trial.deadline_ns);
	if (status == FG_EXIT_OK)
		status = new_read(&apply);
	if (status == FG_EXIT_OK)
		status = apply_locked(&apply);
	fg_config_free(apply.before);
	fg_config_free(apply.after);
	fg_buf_fini(&apply.text);
	fg_trial_fini(&apply.trial);
	return status;
}
