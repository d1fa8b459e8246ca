/* fieldgate send: a command to a device, through the running gateway; waits for its outcome. */
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

struct wanted {
	const char *id, *expires, *value;
	bool text;
};

/* The value as JSON: as it is if it is a JSON scalar, so that a number keeps its digits; else the
 * text it is. */
static void put_value(struct fg_buf *out, const struct wanted *wanted)
{
	cJSON *json = wanted->text ? NULL : cJSON_ParseWithOpts(wanted->value, NULL, cJSON_True);
	bool scalar = cJSON_IsNumber(json) || cJSON_IsBool(json) || cJSON_IsString(json);

	cJSON_Delete(json);
	if (scalar)
		fg_buf_text(out, wanted->value);
	else
		fg_buf_json(out, fg_str_c(wanted->value));
}

static void put_payload(struct fg_buf *out, const struct wanted *wanted)
{
	fg_buf_text(out, "{");
	if (wanted->id) {
		fg_buf_text(out, "\"id\":");
		fg_buf_json(out, fg_str_c(wanted->id));
		fg_buf_char(out, ',');
	}
	if (wanted->expires) {
		fg_buf_text(out, "\"expires\":");
		fg_buf_json(out, fg_str_c(wanted->expires));
		fg_buf_char(out, ',');
	}
	fg_buf_text(out, "\"value\":");
	put_value(out, wanted);
	fg_buf_char(out, '}');
}

static int take_line(void *arg, struct fg_str line)
{
	fg_buf_str(arg, line);
	fg_buf_char(arg, '\0');
	return 0;
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

/* Prints the outcome; FG_EXIT_OK if it was done. */
static int show(const struct fg_buf *answer, bool json)
{
	cJSON *root = answer->failed || !answer->len ? NULL : cJSON_Parse(answer->data);
	const char *outcome = text_of(root, "outcome"), *why = text_of(root, "why");
	int status = strcmp(outcome, "done") == 0 ? FG_EXIT_OK : FG_EXIT_NO;

	if (!*outcome)
		status = fg_cli_failed("send", "the gateway's answer cannot be read");
	else if (json)
		printf("%s\n", answer->data);
	else
		printf("%s%s%s\n", outcome, *why ? ": " : "", why);
	cJSON_Delete(root);
	return status;
}

static int send_command(const struct cli_target *target, const char *device, const char *point,
			const struct wanted *wanted, bool json)
{
	struct fg_buf path, payload, members, answer;
	int status;

	fg_buf_init(&path, 2048);
	fg_buf_init(&payload, 4096);
	fg_buf_init(&members, 8192);
	fg_buf_init(&answer, 64u << 10);
	fg_buf_printf(&path, "%s/%s", device, point);
	put_payload(&payload, wanted);
	fg_buf_text(&members, ",\"path\":");
	fg_buf_json(&members, fg_buf_view(&path));
	fg_buf_text(&members, ",\"payload\":");
	fg_buf_json(&members, fg_buf_view(&payload));
	status = path.failed || payload.failed || members.failed ?
			 fg_cli_misuse("send", "what is to be sent is too long") :
			 cli_call_with("send", target, "send", fg_buf_view(&members), -1, take_line,
				       &answer);
	if (status == FG_EXIT_OK)
		status = show(&answer, json);
	fg_buf_fini(&path);
	fg_buf_fini(&payload);
	fg_buf_fini(&members);
	fg_buf_fini(&answer);
	return status;
}

int fg_cli_send(int argc, char **argv)
{
	struct cli_target target = { 0 };
	struct wanted wanted = { 0 };
	bool json = false;
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&target),
		{ 0, "id", "ID", "carried out once, however often it is sent", NULL, &wanted.id },
		{ 0, "expires", "WHEN", "\"30s\", or an ISO 8601 time: not after that", NULL,
		  &wanted.expires },
		{ 0, "text", NULL, "the value is a text, whatever it looks like", &wanted.text,
		  NULL },
		FG_CLI_JSON(&json),
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "send",
		.operands = "DEVICE POINT VALUE",
		.summary = "Sends a command to a device and waits for its outcome: done (0), or\n"
			   "failed, expired, unreachable, refused (1). Only points that the\n"
			   "device's profile declares writable can be written.",
		.flags = flags,
		.min_operands = 3,
		.max_operands = 3,
	};
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	wanted.value = argv[3];
	return send_command(&target, argv[1], argv[2], &wanted, json);
}
