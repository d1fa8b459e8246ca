/* What the control socket of all of them can be asked: the same as a gateway's that runs alone. */
#include <fg/doc.h>

#include "processes/private.h"
#include "decode/decode.h"
#include "run/away.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -- dead letters: each process has its own -- */

static int64_t records_of(const struct part *part)
{
	struct fg_str step = FG_STR("records");
	const struct fg_node *node;
	struct fg_doc doc;
	int64_t n = 0;

	fg_doc_init(&doc, 4, part->lines.len + 1);
	if (part->lines.len &&
	    fg_json_parse(fg_str(part->lines.data, part->lines.len - 1), &doc) == 0) {
		node = fg_doc_find(&doc, &step, 1);
		n = node && node->value.kind == FG_INT ? node->value.i : 0;
	}
	fg_doc_fini(&doc);
	return n;
}

/* A bridge that none has is no bridge; what one could not do is said. */
static void dead_done(struct gather *gather)
{
	const struct part *failed = NULL;
	int64_t records = 0;
	char line[64];
	int n;

	if (!gather->client)
		return;
	for (unsigned i = 0; i < gather->count; i++) {
		const struct part *part = &gather->parts[i];

		if (part->error == 0 && part->result.ok)
			records += records_of(part);
		else
			failed = part;
	}
	if (failed) {
		fg_control_fail(gather->client,
				failed->error ? FG_CONTROL_FAILED :
						(enum fg_control_status)failed->result.status,
				"process %u: %s", failed->process->index,
				failed->error ? strerror(-failed->error) : failed->result.error);
		return;
	}
	n = snprintf(line, sizeof(line), "{\"records\":%" PRId64 "}", records);
	fg_control_line(gather->client, fg_str(line, (size_t)n));
	fg_control_done(gather->client);
}

static void dead_letters(struct fg_processes *all, struct fg_control_client *client,
			 const char *call, struct fg_str bridge)
{
	struct fg_buf request;
	int r = -ENOMEM;

	fg_buf_init(&request, FG_CONTROL_REQUEST);
	fg_buf_printf(&request, "{\"call\":\"%s\",\"bridge\":", call);
	fg_buf_json(&request, bridge);
	fg_buf_char(&request, '}');
	if (!request.failed)
		r = gather_begin(all, GATHER_ALL, fg_buf_view(&request), fg_str(NULL, 0), client,
				 dead_done);
	if (r < 0)
		fg_control_fail(client, FG_CONTROL_FAILED, "%s", strerror(-r));
	fg_buf_fini(&request);
}

static void call_requeue(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	dead_letters(arg, client, "requeue", fg_control_text(request, "bridge"));
}

static void call_discard(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	dead_letters(arg, client, "discard", fg_control_text(request, "bridge"));
}

static const struct fg_control_call calls[] = {
	{ "ledger", processes_call_ledger },
	{ "status", processes_call_status },
	{ "others", processes_call_others },
	{ "devices", processes_call_devices },
	{ "reload", processes_call_reload },
	{ "apply", processes_call_apply },
	{ "tail", processes_call_tail },
	{ "requeue", call_requeue },
	{ "discard", call_discard },
	{ "send", processes_call_send },
	{ 0 },
};

int processes_control_open(struct fg_processes *all)
{
	const char *path = all->config->run.socket;
	struct fg_logger logger = { .log = all->log,
				    .component = "control",
				    .level = fg_config_level(all->config, "control") };
	char quoted[256];
	int r = fg_control_open(all->loop, &logger, path, calls, all, &all->control);

	if (r == 0)
		fg_control_set_clients(all->control, RUN_AWAY_CLIENTS);
	/* tried again now and then, but said once */
	if (r < 0 && !all->control_missed)
		fg_log(&logger, FG_WARN, "no control socket, ignoring", "path=%s error=\"%s\"",
		       fg_log_quote(path, strlen(path), quoted, sizeof(quoted)), strerror(-r));
	all->control_missed = r < 0;
	return r;
}
