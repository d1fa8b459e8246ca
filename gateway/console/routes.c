/* What can be asked by HTTP, as a table (docs/api/openapi.json says it with words), and how it is
 * said to the gateway. */
#include "console/parse.h"
#include "console/private.h"

#include <errno.h>
#include <stdio.h>

#define VALUE_MAX 2048

static enum MHD_Result answer_health(struct console_request *request)
{
	return answer_text(request, 200, NULL, FG_STR("{\"ok\":true}\n"));
}

/* -- a command -- */

static const struct fg_node *member(const struct fg_doc *doc, const char *name)
{
	struct fg_str step = fg_str_c(name);
	const struct fg_node *node = fg_doc_find(doc, &step, 1);

	return node && node->type == FG_NODE_SCALAR ? node : NULL;
}

static struct fg_str text_of(const struct fg_doc *doc, const char *name)
{
	const struct fg_node *node = member(doc, name);

	return node && node->value.kind == FG_STRING ? node->value.s : fg_str(NULL, 0);
}

/* False: no number, true, false or text. */
static bool put_scalar(struct fg_buf *out, const struct fg_value *value)
{
	char number[FG_NUMBER_MAX];

	if (fg_value_is_number(value))
		fg_buf_str(out, fg_str(number, fg_value_write_number(value, number)));
	else if (value->kind == FG_STRING)
		fg_buf_json(out, value->s);
	else if (value->kind == FG_BOOL)
		fg_buf_text(out, value->b ? "true" : "false");
	else
		return false;
	return true;
}

static bool put_payload(struct fg_buf *out, const struct fg_node *value, double timeout_s)
{
	struct fg_buf payload;
	bool good;

	fg_buf_init(&payload, 6 * CONSOLE_BODY);
	fg_buf_text(&payload, "{\"value\":");
	good = put_scalar(&payload, &value->value);
	fg_buf_printf(&payload, ",\"expires\":\"%.0fms\"}", timeout_s * 1000);
	fg_buf_json(out, fg_buf_view(&payload));
	good = good && !payload.failed;
	fg_buf_fini(&payload);
	return good;
}

static const char *build_command(const struct fg_doc *body, struct fg_buf *out)
{
	struct fg_str device = text_of(body, "device"), point = text_of(body, "point");
	const struct fg_node *value = member(body, "value"), *timeout = member(body, "timeout_s");
	double timeout_s = timeout ? fg_value_double(&timeout->value) : 10;
	struct fg_buf path;

	if (!device.len || !point.len)
		return "\"device\" and \"point\" are texts that must be there";
	if (!value)
		return "\"value\" must be there: a number, true, false or a text";
	if (timeout &&
	    (!fg_value_is_number(&timeout->value) || !(timeout_s > 0) || timeout_s > 300))
		return "\"timeout_s\" is a number of seconds, up to 300";
	fg_buf_init(&path, 2 * CONSOLE_BODY);
	fg_buf_str(&path, device);
	fg_buf_char(&path, '/');
	fg_buf_str(&path, point);
	fg_buf_text(out, ",\"path\":");
	fg_buf_json(out, fg_buf_view(&path));
	fg_buf_fini(&path);
	fg_buf_text(out, ",\"payload\":");
	return put_payload(out, value, timeout_s) ? NULL :
						    "\"value\" is no number, true, false or text";
}

/* -- the table -- */

#define API "/api/v1"

static const struct console_route ROUTES[] = {
	{ .method = "GET", .path = "/healthz", .answer = answer_health, .flags = ROUTE_OPEN },
	{ .method = "GET", .path = "/readyz", .call = "ready", .flags = ROUTE_OPEN, .no = 503 },
	{ .method = "GET", .path = "/metrics", .call = "status", .flags = ROUTE_METRICS },
	{ .method = "GET", .path = API "/openapi.json", .answer = answer_file },
	{ .method = "POST", .path = API "/session", .answer = access_begin,
	  .flags = ROUTE_OPEN | ROUTE_CHANGES },
	{ .method = "DELETE", .path = API "/session", .answer = access_end,
	  .flags = ROUTE_OPEN | ROUTE_CHANGES },
	{ .method = "GET", .path = API "/stream", .answer = stream_begin },
	{ .method = "GET", .path = API "/status", .call = "status" },
	{ .method = "GET", .path = API "/ledger", .call = "ledger" },
	{ .method = "GET", .path = API "/devices", .call = "search",
	  .query = { "search", "state", "from", "limit" } },
	{ .method = "GET", .path = API "/device", .call = "device", .query = { "id" }, .no = 404 },
	{ .method = "POST", .path = API "/command", .call = "send", .flags = ROUTE_CHANGES,
	  .build = build_command },
	{ .method = "GET", .path = API "/spool", .call = "spool" },
	{ .method = "GET", .path = API "/dead", .call = "dead", .query = { "bridge", "limit" },
	  .no = 404 },
	{ .method = "POST", .path = API "/dead/requeue", .call = "requeue", .flags = ROUTE_CHANGES,
	  .members = { "bridge" }, .no = 404 },
	{ .method = "POST", .path = API "/dead/discard", .call = "discard", .flags = ROUTE_CHANGES,
	  .members = { "bridge" }, .no = 404 },
	{ .method = "GET", .path = API "/config", .call = "config" },
	{ .method = "POST", .path = API "/config/check", .call = "check",
	  .flags = ROUTE_CHANGES | ROUTE_TEXT },
	{ .method = "POST", .path = API "/config/apply", .call = "put",
	  .no = 200,
	  .flags = ROUTE_CHANGES | ROUTE_TEXT | ROUTE_APPLY },
	{ .method = "POST", .path = API "/reload", .call = "reload",
	  .flags = ROUTE_CHANGES | ROUTE_SELDOM },
	{ 0 },
};

static const struct console_route PAGE = {
	.method = "GET",
	.answer = answer_file,
	.flags = ROUTE_OPEN,
};

static bool method_is(const char *method, const char *wanted)
{
	return strcmp(method, wanted) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(wanted, "GET") == 0);
}

const struct console_route *routes_find(const char *method, struct fg_str path,
					const char **ret_allow)
{
	for (const struct console_route *route = ROUTES; route->path; route++) {
		if (!fg_str_eq_c(path, route->path))
			continue;
		if (method_is(method, route->method))
			return route;
		*ret_allow = *ret_allow ? "POST, DELETE" : route->method;
	}
	if (*ret_allow || !answer_has_file(path))
		return NULL;
	*ret_allow = PAGE.method;
	return method_is(method, PAGE.method) ? &PAGE : NULL;
}

/* -- how the gateway is asked -- */

static const char *put_query(const struct console_request *request, struct fg_buf *out)
{
	char value[VALUE_MAX];
	size_t len;

	for (const char *const *name = request->route->query; *name; name++) {
		int r = console_query(request->query, *name, value, sizeof(value), &len);

		if (r == -ENOENT)
			continue;
		if (r == -E2BIG)
			return "a parameter is too long";
		if (r < 0)
			return "a parameter is there twice, or its escapes are none";
		fg_buf_printf(out, ",\"%s\":", *name);
		fg_buf_json(out, fg_str(value, len));
	}
	return NULL;
}

static const char *put_members(const struct console_request *request, const struct fg_doc *body,
			       struct fg_buf *out)
{
	for (const char *const *name = request->route->members; *name; name++) {
		struct fg_str text = text_of(body, *name);

		if (!text.len)
			return "the body lacks a text that must be there: \"bridge\"";
		fg_buf_printf(out, ",\"%s\":", *name);
		fg_buf_json(out, text);
	}
	return request->route->build ? request->route->build(body, out) : NULL;
}

static const char *put_body(const struct console_request *request, struct fg_buf *out)
{
	const char *why = "the body is no JSON object";
	struct fg_doc doc;

	fg_doc_init(&doc, 8, request->body.len);
	if (fg_json_parse(fg_buf_view(&request->body), &doc) == 0 &&
	    doc.nodes[0].type == FG_NODE_OBJECT)
		why = put_members(request, &doc, out);
	fg_doc_fini(&doc);
	return why;
}

const char *routes_ask(const struct console_request *request, struct fg_buf *out)
{
	const struct console_route *route = request->route;
	const char *why = NULL;

	fg_buf_printf(out, "{\"call\":\"%s\"", route->call);
	if (route->query[0])
		why = put_query(request, out);
	else if (route->members[0] || route->build)
		why = put_body(request, out);
	if (route->flags & ROUTE_TEXT) {
		fg_buf_text(out, ",\"text\":");
		fg_buf_json(out, fg_buf_view(&request->body));
	}
	fg_buf_char(out, '}');
	return why;
}
