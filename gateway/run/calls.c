/* What the control socket can be asked (control/control.h): ledger, status, reload, requeue,
 * discard, and, in files of their own, devices, tail and send. Every answer is a line of JSON. */
#include "run/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* -- what can be seen -- */

/* 0: it is none. */
static uint32_t number_read(struct fg_str text, uint32_t most)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9' || n > most)
			return 0;
		n = n * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	return n <= most ? (uint32_t)n : 0;
}

bool run_number(struct fg_control_client *client, const struct fg_doc *request, const char *member,
		uint32_t otherwise, uint32_t most, uint32_t *ret_number)
{
	struct fg_str step = fg_str_c(member);

	*ret_number = otherwise;
	if (!fg_doc_find(request, &step, 1))
		return true;
	*ret_number = number_read(fg_control_text(request, member), most);
	if (*ret_number)
		return true;
	fg_control_fail(client, FG_CONTROL_USAGE,
			"\"%s\": expected a whole number from 1 to %" PRIu32, member, most);
	return false;
}

void run_answer(struct fg_gateway *gateway, struct fg_control_client *client,
		void (*say)(struct fg_gateway *, struct fg_buf *))
{
	struct fg_buf text;

	fg_buf_init(&text, FG_CONTROL_REPLY);
	say(gateway, &text);
	if (text.failed) {
		fg_control_fail(client, FG_CONTROL_FAILED, "out of memory");
	} else {
		fg_control_line(client, fg_buf_view(&text));
		fg_control_done(client);
	}
	fg_buf_fini(&text);
}

void run_call_ledger(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;

	(void)request;
	/* of several processes each gives its own account, to their parent */
	run_answer(gateway, client,
		   gateway->now->config->process.count ? fg_gateway_ledger : run_siblings_total);
}

void run_call_status(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	(void)request;
	run_answer(arg, client, fg_gateway_state);
}

/* -- reload -- */

/* {"report":"...","faults":[...]}, also where it was refused. */
static int reload(struct fg_gateway *gateway, struct fg_control_client *client)
{
	struct fg_faults faults;
	struct fg_buf report, text;
	int r;

	fg_faults_init(&faults);
	fg_buf_init(&report, 4096);
	fg_buf_init(&text, FG_CONTROL_REPLY);
	r = fg_gateway_reload(gateway, &faults, &report);
	fg_buf_text(&text, "{\"report\":");
	fg_buf_json(&text, fg_buf_view(&report));
	fg_buf_text(&text, ",\"faults\":");
	fg_faults_json(&faults, &text);
	fg_buf_char(&text, '}');
	/* one line: newlines are only between the faults */
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\n')
			text.data[i] = ' ';
	if (!text.failed)
		fg_control_line(client, fg_buf_view(&text));
	fg_buf_fini(&text);
	fg_buf_fini(&report);
	fg_faults_fini(&faults);
	return r;
}

static void reload_failed(struct fg_control_client *client, int r)
{
	if (r == -EINVAL)
		fg_control_fail(client, FG_CONTROL_NO,
				"the configuration is not valid; "
				"the one before stays");
	else
		fg_control_fail(client, FG_CONTROL_FAILED, "%s", strerror(-r));
}

void run_call_reload(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	int r = reload(arg, client);

	(void)request;
	if (r < 0)
		reload_failed(client, r);
	else
		fg_control_done(client);
}

/* A reload of what `fieldgate apply` has put in place: answered when it is known whether it has
 * come up. */
static void call_apply(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	int r = reload(arg, client);

	(void)request;
	if (r < 0)
		reload_failed(client, r);
	else if (!run_trial_await(arg, client))
		fg_control_fail(client, FG_CONTROL_NO,
				"the gateway has not read it: does it run with another file?");
}

/* -- dead letters -- */

static void dead_letters(struct fg_gateway *gateway, struct fg_control_client *client,
			 const struct fg_doc *request,
			 int (*act)(struct fg_forward *, const char *, uint64_t *))
{
	struct fg_str bridge = fg_control_text(request, "bridge");
	uint64_t count = 0;
	char name[256], line[64];
	int r, n;

	if (bridge.len >= sizeof(name)) {
		fg_control_fail(client, FG_CONTROL_USAGE, "the bridge's name is too long");
		return;
	}
	n = snprintf(name, sizeof(name), "%.*s", (int)bridge.len, bridge.len ? bridge.ptr : "");
	r = n > 0 ? act(gateway->forward, name, &count) : -ENOENT;
	if (r == -ENOENT) {
		fg_control_fail(client, FG_CONTROL_NO, "no bridge \"%s\"", name);
	} else if (r == -EAGAIN) {
		fg_control_fail(client, FG_CONTROL_NO,
				"the dead letters of %s are being sent again already", name);
	} else if (r < 0) {
		fg_control_fail(client, FG_CONTROL_FAILED, "%s: %s", name, strerror(-r));
	} else {
		n = snprintf(line, sizeof(line), "{\"records\":%" PRIu64 "}", count);
		fg_control_line(client, fg_str(line, (size_t)n));
		fg_control_done(client);
	}
}

void run_call_requeue(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	dead_letters(arg, client, request, fg_forward_requeue);
}

void run_call_discard(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	dead_letters(arg, client, request, fg_forward_discard);
}

static const struct fg_control_call calls[] = {
	{ "ledger", run_call_ledger },
	{ "status", run_call_status },
	{ "devices", run_call_devices },
	{ "reload", run_call_reload },
	{ "apply", call_apply },
	{ "tail", run_call_tail },
	{ "requeue", run_call_requeue },
	{ "discard", run_call_discard },
	{ "send", run_call_send },
	{ "way", run_call_way },	/* asked by the parent of several processes */
	{ 0 },
};

/* Without it the gateway does its work all the same. */
int run_control_open(struct fg_gateway *gateway)
{
	const char *path = gateway->now->config->run.socket;
	struct fg_logger logger = { .log = gateway->log,
				    .component = "control",
				    .level = run_level(gateway, "control") };
	char quoted[256];
	int r = fg_control_open(gateway->loop, &logger, path, calls, gateway, &gateway->control);

	if (r == 0 && gateway->now->config->process.count)
		fg_control_set_clients(gateway->control, RUN_AWAY_CLIENTS);
	/* tried again now and then, but said once */
	if (r < 0 && !gateway->control_missed)
		fg_log(&logger, FG_WARN, "no control socket, ignoring", "path=%s error=\"%s\"",
		       fg_log_quote(path, strlen(path), quoted, sizeof(quoted)), strerror(-r));
	gateway->control_missed = r < 0;
	return r;
}
