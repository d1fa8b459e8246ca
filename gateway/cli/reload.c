/* fieldgate reload: makes the running gateway read its configuration again. */
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"

#include <stdio.h>

#include <cjson/cJSON.h>

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

static void show_answer(const char *answer)
{
	cJSON *root = cJSON_Parse(answer);
	const cJSON *fault;

	cJSON_ArrayForEach(fault, cJSON_GetObjectItemCaseSensitive(root, "faults")) {
		const char *severity = text_of(fault, "severity"), *at = text_of(fault, "pointer");

		fprintf(stderr, "%s%s%s%s\n", *severity == 'w' ? "warning: " : "", at,
			*at ? ": " : "", text_of(fault, "text"));
	}
	if (*text_of(root, "report"))
		fprintf(stderr, "%s\n", text_of(root, "report"));
	cJSON_Delete(root);
}

int fg_cli_reload(int argc, char **argv)
{
	struct cli_target target = { 0 };
	bool json = false;
	const struct fg_cli_flag flags[] = { CLI_TARGET_FLAGS(&target), FG_CLI_JSON(&json), { 0 } };
	const struct fg_cli_usage usage = {
		.name = "reload",
		.operands = "",
		.summary = "Makes the running gateway read its configuration again. If that has\n"
			   "faults they are printed, and the one before stays (1).",
		.flags = flags,
	};
	struct fg_buf out;
	int status, r;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	fg_buf_init(&out, (size_t)8 << 20);
	status = cli_call_one("reload", &target, "reload", NULL, NULL, &out);
	if (json && out.len) {
		r = fg_cli_print("reload", &out);
		status = status ? status : r;
	} else if (out.len) {
		fg_buf_char(&out, '\0');
		if (!out.failed)
			show_answer(out.data);
	}
	fg_buf_fini(&out);
	return status;
}
