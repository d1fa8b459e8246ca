#include "cli/call.h"

#include "cli/cli.h"
#include "cli/settings.h"
#include "control/client.h"
#include "control/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHY 640	/* bytes of what is said of a failure */

static void explain(const char *socket, int r, char *out, size_t size)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		snprintf(out, size, "no gateway answers on %s", socket);
		break;
	case -ETIMEDOUT:
		snprintf(out, size, "the gateway on %s does not answer", socket);
		break;
	case -EPIPE:
		snprintf(out, size, "the gateway on %s ended the connection", socket);
		break;
	case -EPROTO:
		snprintf(out, size, "what answers on %s is no gateway", socket);
		break;
	case -EACCES:
		snprintf(out, size, "%s: %s: only who may write to that socket may ask", socket,
			 strerror(-r));
		break;
	default:
		snprintf(out, size, "%s: %s", socket, strerror(-r));
	}
}

/* An exit status; `why` where it is not FG_EXIT_OK. */
static int ask(const char *socket, struct fg_str request, int timeout_ms,
	       int (*line)(void *arg, struct fg_str line), void *arg, char *why, size_t size)
{
	struct fg_control_result result;
	int r = fg_control_ask(socket, request, timeout_ms, line, arg, &result);

	if (r > 0) /* the caller had enough */
		return FG_EXIT_OK;
	if (r < 0) {
		explain(socket, r, why, size);
		return FG_EXIT_FAILED;
	}
	if (!result.ok)
		snprintf(why, size, "%s", result.error);
	return result.ok ? FG_EXIT_OK : result.status;
}

int cli_call_with(const char *command, const struct cli_target *target, const char *name,
		  struct fg_str members, int timeout_ms, int (*line)(void *arg, struct fg_str line),
		  void *arg)
{
	struct cli_settings settings = { 0 };
	struct fg_buf request;
	char why[WHY];
	int status = FG_EXIT_OK;

	if (!target->socket)
		status = cli_settings_read(command, target->config, &settings);
	if (status != FG_EXIT_OK)
		return status;
	fg_buf_init(&request, FG_CONTROL_REQUEST - 1);
	fg_buf_printf(&request, "{\"call\":\"%s\"", name);
	fg_buf_str(&request, members);
	fg_buf_char(&request, '}');
	if (request.failed) {
		status = fg_cli_misuse(command, "what is asked for is too long");
	} else {
		status = ask(target->socket ? target->socket : settings.socket,
			     fg_buf_view(&request), timeout_ms, line, arg, why, sizeof(why));
		if (status != FG_EXIT_OK)
			(void)fg_cli_failed(command, "%s", why);
	}
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

int cli_call_try(const char *socket, const char *name, int timeout_ms, struct fg_buf *out,
		 char *why, size_t size)
{
	char request[64];
	int n = snprintf(request, sizeof(request), "{\"call\":\"%s\"}", name);
	int status = ask(socket, fg_str(request, (size_t)n), timeout_ms, take_line, out, why, size);

	if (status == FG_EXIT_OK && out->failed) {
		snprintf(why, size, "the answer is too long");
		return FG_EXIT_FAILED;
	}
	return status;
}
