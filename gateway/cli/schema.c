/* fieldgate schema: the configuration's JSON Schema; with --markdown what docs/options.md holds. */
#include "config/schema.h"

#include "cli/cli.h"
#include "cli/commands.h"

#include <string.h>

int fg_cli_schema(int argc, char **argv)
{
	bool markdown = false;
	const struct fg_cli_flag flags[] = {
		{ .name = "markdown", .help = "print the reference of all options",
		  .ret_set = &markdown },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "schema",
		.operands = "",
		.summary = "Prints the JSON Schema (2020-12) of the configuration, made from\n"
			   "the tables that parse it.",
		.flags = flags,
	};
	struct fg_buf out;
	int status, r;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	fg_buf_init(&out, 16 << 20);
	r = markdown ? fg_config_reference(&out) : fg_config_schema(&out);
	status = r < 0 ? fg_cli_failed("schema", "%s", strerror(-r)) : fg_cli_print("schema", &out);
	fg_buf_fini(&out);
	return status;
}
