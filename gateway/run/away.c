#include "run/away.h"

#include <fg/doc.h>

#include "decode/decode.h"
#include "run/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct run_away {
	struct run_away *next;
	struct fg_gateway *gateway;
	struct fg_command *command;
	struct fg_ask *ask;
	bool told;			/* the outcome was among the lines */
	enum fg_outcome outcome;
	char why[256];
};

static void unlink_away(struct run_away *away)
{
	struct run_away **at = &away->gateway->away;

	while (*at != away)
		at = &(*at)->next;
	*at = away->next;
	away->gateway->naway--;
}

static void copy_text(char *out, size_t cap, struct fg_str text)
{
	snprintf(out, cap, "%.*s", (int)(text.len < cap ? text.len : cap - 1),
		 text.len ? text.ptr : "");
}

static void on_line(void *arg, struct fg_str line)
{
	struct run_away *away = arg;
	struct fg_str name;
	struct fg_doc doc;

	fg_doc_init(&doc, 4, line.len + 1);
	if (fg_json_parse(line, &doc) == 0) {
		name = fg_control_text(&doc, "outcome");
		copy_text(away->why, sizeof(away->why), fg_control_text(&doc, "why"));
		for (int i = 0; i <= FG_OUTCOME_REFUSED; i++) {
			if (!fg_str_eq_c(name, fg_outcome_name((enum fg_outcome)i)))
				continue;
			away->outcome = (enum fg_outcome)i;
			away->told = true;
		}
	}
	fg_doc_fini(&doc);
}

static void on_end(void *arg, int error, const struct fg_control_result *result)
{
	struct run_away *away = arg;

	unlink_away(away);
	if (away->told)
		fg_command_done(away->command, away->outcome, *away->why ? away->why : NULL);
	else
		fg_command_done(away->command, FG_OUTCOME_UNREACHABLE,
				error ? "the process that had it has ended" : result->error);
	free(away);
}

int run_away_send(void *arg, struct fg_command *command, struct fg_str path, struct fg_str payload)
{
	static const struct fg_ask_ops ops = { .line = on_line, .end = on_end };
	struct fg_gateway *gateway = arg;
	struct run_away *away;
	struct fg_buf request;
	int r;

	if (gateway->naway >= RUN_AWAY_MAX)
		return -EAGAIN;
	away = calloc(1, sizeof(*away));
	if (!away)
		return -ENOMEM;
	*away = (struct run_away){ .gateway = gateway, .command = command, .next = gateway->away };
	fg_buf_init(&request, FG_CONTROL_REQUEST - 1);
	fg_buf_text(&request, "{\"call\":\"send\",\"path\":");
	fg_buf_json(&request, path);
	fg_buf_text(&request, ",\"payload\":");
	fg_buf_json(&request, payload);
	fg_buf_char(&request, '}');
	r = request.failed ? -EMSGSIZE :
			     fg_ask_new(gateway->loop, gateway->now->config->process.parent,
					fg_buf_view(&request), 0, &ops, away, &away->ask);
	fg_buf_fini(&request);
	if (r < 0) {
		free(away);
		return r;
	}
	gateway->away = away;
	gateway->naway++;
	return 0;
}

void run_away_drop(struct fg_gateway *gateway)
{
	while (gateway->away) {
		struct run_away *away = gateway->away;

		fg_ask_drop(away->ask);
		unlink_away(away);
		free(away);
	}
}
