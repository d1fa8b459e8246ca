/* fieldgate fleet check: each fault of a whole fleet on a line of its own, where it comes from. */
#include "cli/fleet.h"
#include "profile/shipped.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int show(const struct fg_fleet *fleet, bool json, const char *folder)
{
	size_t faults = fleet->report.faults;
	int status = FG_EXIT_OK;
	struct fg_buf out;

	fg_buf_init(&out, 64 << 20);
	if (json) {
		cli_fleet_report_json(fleet, &out);
		status = fg_cli_print("fleet check", &out);
	} else {
		cli_fleet_report_text(fleet, &out);
		if (out.len)
			fwrite(out.data, 1, out.len, stderr);
		fprintf(stderr, "%s: %zu gateway%s, %zu fault%s%s\n", folder, fleet->ngateways,
			fleet->ngateways == 1 ? "" : "s", faults, faults == 1 ? "" : "s",
			faults ? "" : ": valid");
	}
	fg_buf_fini(&out);
	return faults ? FG_EXIT_NO : status;
}

int cli_fleet_check(int argc, char **argv)
{
	bool json = false;
	const struct fg_cli_flag flags[] = { FG_CLI_JSON(&json), { 0 } };
	const struct fg_cli_usage usage = {
		.name = "fleet check",
		.operands = "FLEET",
		.summary =
			"Validates the effective configuration of every gateway of a fleet,\n"
			"as fieldgate check does, but for what only the gateway's own disk\n"
			"can tell (secrets, certificates). Each fault is one line on stderr,\n"
			"with the file and the JSON Pointer that it comes from, however many\n"
			"gateways inherit it. Unknown groups, files that are no JSON and ids\n"
			"used twice are faults; groups without gateways and nulls that remove\n"
			"nothing are warnings, which do not change the exit status.\n\n"
			"Exit status: 0 valid, 1 there are faults, 2 wrong usage, 3 no such\n"
			"fleet.",
		.flags = flags,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct fg_fleet fleet;
	int status, r;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	status = cli_fleet_load("fleet check", argv[1], &fleet);
	if (status != FG_EXIT_OK)
		return status;
	r = fg_fleet_check(&fleet, fg_shipped_profiles());
	status = r < 0 ? fg_cli_failed("fleet check", "%s", strerror(-r)) :
			 show(&fleet, json, argv[1]);
	fg_fleet_fini(&fleet);
	return status;
}
