#include "cli/call.h"

#include "cli/cli.h"
#include "cli/settings.h"
#include "control/client.h"
#include "control/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int explain(const char *command, const char *socket, int r)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		return fg_cli_failed(command, "no gateway answers on %s", socket);
	case -ETIMEDOUT:
		return fg_cli_failed(command, "the gateway on %s does not answer", socket);
	case -EPIPE:
		return fg_cli_failed(command, "the gateway on %s ended the connection", socket);
	case -EPROTO:
		return fg_cli_failed(command, "what answers on %s is no gateway", socket);
	default:
		return fg_cli_failed(command, "%s: %s", socket, strerror(-r));
	}
}

static int ask(const char *command, const char *socket, struct fg_str request, int timeout_ms,
	       int (*line)(void *arg, struct fg_str line), void *arg)
{
	struct fg_control_result result;
	int r = fg_control_ask(socket, request, timeout_ms, line, arg, &result);

	if (r > 0) /* the caller had enough */
		return FG_EXIT_OK;
	if (r < 0)
		return explain(command, socket, r);
	if (result.ok)
		return FG_EXIT_OK;
	(void)fg_cli_failed(command, "%s", result.error);
	return result.status;
}

int cli_call_with(const char *command, const struct cli_target *target, const char *name,
		  struct fg_str members, int timeout_ms, int (*line)(void *arg, struct fg_str line),
		  void *arg)
{
	struct cli_settings settings = { 0 };
	struct fg_buf request;
	int status = FG_EXIT_OK;

	if (!target->socket)
		status = cli_settings_read(command, target->config, &settings);
	if (status != FG_EXIT_OK)
		return status;
	fg_buf_init(&request, FG_CONTROL_REQUEST - 1);
	fg_buf_printf(&request, "{\"call\":\"%s\"", name);
	fg_buf_str(&request, members);
	fg_buf_char(&request, '}');
	status = request.failed ? fg_cli_misuse(command, "what is asked for is too long") :
				  ask(command, target->socket ? target->socket : settings.socket,
				      fg_buf_view(&request), timeout_ms, line, arg);
	fg_buf_fini(&request);
	cli_settings_fini(&settings);
	return status;
}

int cli_call(const char *command, const struct cli_target *target, const char *name,
	     const char *member, const char *value, int timeout_ms,
	     int (*line)(void *arg, struct fg_str line), void *arg)
{
	struct fg_buf members;
	int status;

	fg_buf_init(&members, FG_CONTROL_REQUEST);
	if (value) {
		fg_buf_printf(&members, ",\"%s\":", member);
		fg_buf_json(&members, fg_str_c(value));
	}
	status = members.failed ? fg_cli_misuse(command, "%s is too long", member) :
				  cli_call_with(command, target, name, fg_buf_view(&members),
						timeout_ms, line, arg);
	fg_buf_fini(&members);
	return status;
}

static int take_line(void *arg, struct fg_str line)
{
	struct fg_buf *out = arg;

	fg_buf_str(out, line);
	fg_buf_char(out, '\n');
	return 0;
}

int cli_call_one(const char *command, const struct cli_target *target, const char *name,
		 const char *member, const char *value, struct fg_buf *out)
{
	int status = cli_call(command, target, name, member, value, CLI_CALL_MS, take_line, out);

	if (status == FG_EXIT_OK && out->failed)
		return fg_cli_failed(command, "the answer is too long");
	return status;
}
