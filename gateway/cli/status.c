/* fieldgate status: the running gateway's state as tables, or as the JSON it gives. */
#include "base/number.h"

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/status_devices.h"
#include "cli/status_show.h"
#include "cli/status_watch.h"

#include <stdio.h>
#include <unistd.h>

#define EVERY_S 2.0
#define EVERY_MIN_S 0.1
#define EVERY_MAX_S 86400.0

static int show(const char *answer)
{
	struct cli_status_view view = {
		.out = stdout,
		.columns = cli_columns(STDOUT_FILENO, NULL),
	};
	cJSON *root = cJSON_Parse(answer);

	if (!root)
		return fg_cli_failed("status", "the answer is not JSON");
	cli_status_show(&view, root);
	cJSON_Delete(root);
	return FG_EXIT_OK;
}

static int once(const struct cli_target *target, bool json)
{
	struct fg_buf out;
	int status;

	fg_buf_init(&out, (size_t)8 << 20);
	status = cli_call_one("status", target, "status", NULL, NULL, &out);
	if (status == FG_EXIT_OK && json) {
		status = fg_cli_print("status", &out);
	} else if (status == FG_EXIT_OK) {
		fg_buf_char(&out, '\0');
		status = out.failed ? fg_cli_failed("status", "out of memory") : show(out.data);
	}
	fg_buf_fini(&out);
	return status;
}

/* Seconds between two looks. */
static bool read_every(const char *text, double *ret_s)
{
	struct fg_value value;

	*ret_s = EVERY_S;
	if (!text)
		return true;
	if (fg_value_parse_number(fg_str_c(text), &value) < 0)
		return false;
	*ret_s = fg_value_double(&value);
	return *ret_s >= EVERY_MIN_S && *ret_s <= EVERY_MAX_S;
}

int fg_cli_status(int argc, char **argv)
{
	struct cli_target target = { 0 };
	bool json = false, devices = false, watch = false;
	const char *every = NULL;
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&target),
		FG_CLI_JSON(&json),
		{ 0, "devices", NULL, "show every device instead", &devices, NULL },
		{ 'w', "watch", "[SECONDS]", "again and again (every 2), with rates", &watch,
		  &every },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "status",
		.operands = "",
		.summary = "Shows the running gateway's state: drivers, bridges, what waits.\n"
			   "With --watch also how fast they are, and when a backlog will have\n"
			   "drained; Ctrl-C ends it.",
		.flags = flags,
	};
	double every_s;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (watch && devices)
		return fg_cli_misuse("status", "--watch and --devices do not go together");
	if (!read_every(every, &every_s))
		return fg_cli_misuse("status", "--watch takes seconds, %g to %g", EVERY_MIN_S,
				     EVERY_MAX_S);
	if (watch)
		return cli_status_watch(&target, every_s, json);
	return devices ? cli_status_devices(&target, json) : once(&target, json);
}
