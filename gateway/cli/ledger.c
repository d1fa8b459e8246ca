/* fieldgate ledger: the account of every record, from the running gateway or from its files. */
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "run/gateway.h"

#include <string.h>

#define LEDGER_MAX ((size_t)16 << 20)

static int of_files(const char *config, const char *dir, struct fg_buf *out)
{
	struct cli_settings settings;
	int status = cli_settings_read("ledger", config, &settings), r;

	if (status != FG_EXIT_OK)
		return status;
	r = fg_ledger_of_files(dir, settings.gateway, config != NULL, out);
	fg_buf_char(out, '\n');
	cli_settings_fini(&settings);
	return r < 0 ? fg_cli_failed("ledger", "%s: %s", dir, strerror(-r)) : FG_EXIT_OK;
}

int fg_cli_ledger(int argc, char **argv)
{
	struct cli_target target = { 0 };
	const char *dir = NULL;
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&target),
		{ .name = "spool", .value = "DIR", .help = "from the files of a stopped gateway",
		  .ret_value = &dir },
		{ .name = "json", .help = "it is JSON in any case" },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "ledger",
		.operands = "",
		.summary = "Prints the account of every record, as JSON: for each bridge,\n"
			   "accepted = acknowledged + sent + waiting + dead + dropped.",
		.flags = flags,
	};
	struct fg_buf out;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (dir && target.socket)
		return fg_cli_misuse("ledger", "--spool and --socket are two ways to ask");
	fg_buf_init(&out, LEDGER_MAX);
	status = dir ? of_files(target.config, dir, &out) :
		       cli_call_one("ledger", &target, "ledger", NULL, NULL, &out);
	if (status == FG_EXIT_OK)
		status = fg_cli_print("ledger", &out);
	fg_buf_fini(&out);
	return status;
}
