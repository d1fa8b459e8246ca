/* fieldgate check: every fault on a line of its own; doubts do not change the exit status. */
#include "cli/cli.h"

#include "cli/commands.h"
#include "profile/book.h"
#include "profile/shipped.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int show(const struct fg_faults *faults, bool json, const char *path)
{
	struct fg_buf out;
	int status = FG_EXIT_OK;

	if (json) {
		fg_buf_init(&out, 16 << 20);
		fg_faults_json(faults, &out);
		status = fg_cli_print("check", &out);
		fg_buf_fini(&out);
	} else {
		fg_cli_print_faults(faults);
		if (!faults->faults)
			fprintf(stderr, "%s: valid\n", path);
	}
	return faults->faults ? FG_EXIT_NO : status;
}

/* Patterns that cannot be told apart are found when the profiles are compiled. */
static void check_profiles(const struct fg_config *config, struct fg_faults *faults)
{
	struct fg_profile_book book;

	if (fg_profile_book_open(&book, config, faults) == 0)
		fg_profile_book_close(&book);
}

int fg_cli_check(int argc, char **argv)
{
	const char *path = FG_CONFIG_PATH;
	bool json = false;
	const struct fg_cli_flag flags[] = { FG_CLI_CONFIG(&path), FG_CLI_JSON(&json), { 0 } };
	const struct fg_cli_usage usage = {
		.name = "check",
		.operands = "",
		.summary = "Validates the configuration: every fault is a line on stderr,\n"
			   "named by its JSON Pointer. Warnings do not change the exit status.",
		.flags = flags,
	};
	struct fg_config *config = NULL;
	struct fg_faults faults;
	int status, r;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	fg_faults_init(&faults);
	r = fg_config_load(path, fg_shipped_profiles(), &faults, &config);
	if (r == 0) {
		fg_config_secrets(config, false, &faults);
		check_profiles(config, &faults);
	}
	if (r == 0 || r == -EINVAL)
		status = show(&faults, json, path);
	else
		status = fg_cli_failed("check", "%s: %s", path, strerror(-r));
	fg_config_free(config);
	fg_faults_fini(&faults);
	return status;
}
