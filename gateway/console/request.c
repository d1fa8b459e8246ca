/*
 * A request, from its head to its answer. Its head is judged before a byte of its body is taken; a
 * call of the gateway that does not end at once suspends its connection until it has.
 */
#include "console/parse.h"
#include "console/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* -- its beginning -- */

struct fg_str request_header(const struct console_request *request, const char *name)
{
	return fg_str_c(MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name));
}

void *request_new(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct console *console = cls;
	struct console_request *request = calloc(1, sizeof(*request));
	const union MHD_ConnectionInfo *info;

	if (!request)
		return NULL;
	request->target = strdup(target);
	if (!request->target) {
		free(request);
		return NULL;
	}
	console_target(fg_str_c(request->target), &request->path, &request->query);
	request->console = console;
	request->connection = connection;
	fg_buf_init(&request->body, CONSOLE_BODY);
	fg_buf_init(&request->answer, CONSOLE_ANSWER);
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	request->peer = info ? info->socket_context : NULL;
	if (request->peer)
		request->peer->request = request;
	LIST_INSERT_HEAD(&console->requests, request, link);
	console->counts.requests++;
	return request;
}

static void body_drop(struct console_request *request)
{
	request->console->bodies -= request->body.len;
	fg_buf_fini(&request->body);
}

void request_completed(void *cls, struct MHD_Connection *connection, void **context,
		       enum MHD_RequestTerminationCode code)
{
	struct console_request *request = *context;
	struct console *console = cls;

	(void)connection;
	(void)code;
	*context = NULL;
	if (!request)
		return;
	if (request->call)
		fg_desk_leave(request->call);
	if (request->viewer)
		stream_gone(request->viewer);
	if (request->peer) {
		request->peer->request = NULL;
		request->peer->since_ns = fg_loop_now(console->desk->loop);
	}
	LIST_REMOVE(request, link);
	body_drop(request);
	fg_buf_fini(&request->answer);
	free(request->target);
	free(request);
}

/* -- its answer -- */

static enum MHD_Result metrics_send(struct console_request *request)
{
	struct console *console = request->console;
	struct metrics_more more = { .viewers = console->nviewers, .counts = console->counts };
	long pages = 0;
	struct fg_buf text;
	struct fg_doc doc;
	enum MHD_Result result;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file && fscanf(file, "%*d %ld", &pages) == 1)
		more.resident = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	if (file)
		fclose(file);
	fg_buf_init(&text, CONSOLE_ANSWER);
	fg_doc_init(&doc, 16, request->answer.len);
	if (fg_json_parse(fg_buf_view(&request->answer), &doc) == 0)
		metrics_write(&doc, &more, &text);
	fg_doc_fini(&doc);
	if (text.failed || text.len == 0)
		result = answer_error(request, 503, "out of memory");
	else
		result = answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8",
				     fg_buf_view(&text));
	fg_buf_fini(&text);
	return result;
}

static enum MHD_Result answer_now(struct console_request *request)
{
	if (request->answer.failed)
		return answer_error(request, 503, "the answer is too long");
	if (request->status == 200 && request->route->flags & ROUTE_METRICS)
		return metrics_send(request);
	fg_buf_char(&request->answer, '\n');
	return answer_text(request, request->status, NULL, fg_buf_view(&request->answer));
}

/* -- what the gateway says -- */

static void on_line(void *arg, struct fg_str line)
{
	struct console_request *request = arg;

	if (request->answer.len)
		fg_buf_char(&request->answer, '\n');
	fg_buf_str(&request->answer, line);
}

static void answered(struct console_request *request, unsigned status)
{
	request->call = NULL;
	request->status = status;
	request->state = REQUEST_ANSWERED;
	if (!request->suspended)
		return;
	request->suspended = false;
	request->since_ns = fg_loop_now(request->console->desk->loop);
	MHD_resume_connection(request->connection);
	server_hurry(request->console);
}

static void error_set(struct console_request *request, struct fg_str error)
{
	fg_buf_reset(&request->answer);
	fg_buf_text(&request->answer, "{\"error\":");
	fg_buf_json(&request->answer, error);
	fg_buf_char(&request->answer, '}');
}

/* What it has said already is a better answer than its last word, if that is a no. */
static void on_end(void *arg, int status, struct fg_str error)
{
	struct console_request *request = arg;
	const unsigned statuses[] = { 200, request->route->no ? request->route->no : 422, 400,
				      503 };

	if (status > 1 || (status == 1 && request->answer.len == 0))
		error_set(request, error);
	answered(request, statuses[status >= 0 && status <= 3 ? status : 3]);
}

void request_give_up(struct console_request *request)
{
	if (request->state != REQUEST_ASKING || !request->suspended)
		return;
	if (request->call)
		fg_desk_leave(request->call);
	if (request->route->flags & ROUTE_APPLY)
		error_set(request,
			  FG_STR("the console closes, and the configuration may be kept: look at "
				 "/api/v1/config"));
	else
		error_set(request, FG_STR("the console closes"));
	answered(request, 503);
}

static enum MHD_Result ask(struct console_request *request)
{
	const struct fg_desk_asker asker = { .arg = request, .line = on_line, .end = on_end };
	struct fg_buf text;
	const char *why;
	int r = 0;

	fg_buf_init(&text, 8 * CONSOLE_CONFIG);
	why = routes_ask(request, &text);
	body_drop(request);
	if (!why && !text.failed) {
		request->state = REQUEST_ASKING;
		r = fg_desk_ask(request->console->desk, fg_buf_view(&text), &asker, &request->call);
	}
	if (text.failed)
		r = -ENOMEM;
	fg_buf_fini(&text);
	if (why)
		return answer_error(request, 400, "%s", why);
	if (r < 0)
		return answer_error(request, 503, "out of memory");
	if (request->state == REQUEST_ANSWERED)
		return answer_now(request);
	MHD_suspend_connection(request->connection);
	request->suspended = true;
	return MHD_YES;
}

/* -- what the client says -- */

/* What takes the gateway's time is not to be had as often as somebody likes. */
static bool comes_too_soon(const struct console_request *request)
{
	struct console *console = request->console;
	uint64_t now = fg_loop_now(console->desk->loop);

	if (!(request->route->flags & ROUTE_SELDOM))
		return false;
	if (now < console->seldom_ns)
		return true;
	console->seldom_ns = now + CONSOLE_SELDOM_NS;
	return false;
}

/* All of it is here. */
static enum MHD_Result act(struct console_request *request)
{
	request->since_ns = fg_loop_now(request->console->desk->loop);
	if (request->too_long)
		return answer_error(request, 413, "more than %zu bytes", request->body.max);
	if (request->body.failed)
		return answer_error(request, 503, "out of memory");
	if (comes_too_soon(request))
		return answer_error(request, 429, "too soon: once a second");
	if (request->route->answer)
		return request->route->answer(request);
	return ask(request);
}

static enum MHD_Result take(struct console_request *request, struct fg_str bytes)
{
	struct console *console = request->console;

	if (request->too_long)	/* and it does not end: so do we */
		return MHD_NO;
	if (request->body.len + bytes.len > request->body.max) {
		request->too_long = true;
		return MHD_YES;
	}
	if (console->bodies + bytes.len > CONSOLE_BODIES)
		request->body.failed = true;
	console->bodies -= request->body.len;
	fg_buf_str(&request->body, bytes);
	console->bodies += request->body.len;
	return MHD_YES;
}

static bool length_fits(struct console_request *request)
{
	struct fg_str length = request_header(request, "Content-Length");
	struct fg_str digits = length;

	while (digits.len > 1 && *digits.ptr == '0')
		digits = fg_str(digits.ptr + 1, digits.len - 1);
	return digits.len <= 9 &&
	       (digits.len == 0 || strtoul(digits.ptr, NULL, 10) <= request->body.max);
}

static enum MHD_Result begin(struct console_request *request, const char *method)
{
	const char *allow = NULL, *why = NULL;
	unsigned status;

	request->route = routes_find(method, request->path, &allow);
	if (!request->route && !allow)
		return answer_error(request, 404, "there is nothing here");
	if (!request->route)
		return answer_error(request, 405, "only %s", allow);
	if (request->route->flags & ROUTE_TEXT)
		request->body.max = CONSOLE_CONFIG;
	status = access_check(request, &why);
	if (status)
		return answer_error(request, status, "%s", why);
	if (!length_fits(request))
		return answer_error(request, 413, "more than %zu bytes", request->body.max);
	request->state = REQUEST_BODY;
	return MHD_YES;
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *data,
			       size_t *len, void **context)
{
	struct console_request *request = *context;
	enum MHD_Result result;

	(void)cls;
	(void)connection;
	(void)url;
	(void)version;
	if (!request)
		return MHD_NO;
	switch (request->state) {
	case REQUEST_HEAD:
		return begin(request, method);
	case REQUEST_BODY:
		if (*len == 0)
			return act(request);
		result = take(request, fg_str(data, *len));
		*len = 0;
		return result;
	case REQUEST_ANSWERED:
		return answer_now(request);
	case REQUEST_ASKING:
	case REQUEST_SENDING:
		break;
	}
	return MHD_NO;
}
