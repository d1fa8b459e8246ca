/*
 * Who may. Whoever has the token, in a header; or the page, by a session that it got for the token:
 * EventSource cannot send headers. Without a token only loopback is listened at, and only who calls
 * it by a loopback name is let in: a page from elsewhere can have its own name resolve to
 * 127.0.0.1, but it cannot choose what the browser then says in Host.
 */
#include "console/parse.h"
#include "console/private.h"

#include <stdio.h>
#include <sys/random.h>

#define COOKIE "fieldgate"
#define SESSION_NS FG_S(12 * 3600)

static const char not_here[] = "this address is not called by that name";

/* -- sessions -- */

static struct console_session *session_of(struct console *console, struct fg_str id)
{
	uint64_t now = fg_loop_now(console->desk->loop);
	struct console_session *found = NULL;

	/* all of them are compared: the time tells nothing of which */
	for (size_t i = 0; i < CONSOLE_SESSIONS; i++) {
		struct console_session *session = &console->sessions[i];

		if (console_same(id, fg_str_c(session->id)) && session->until_ns > now)
			found = session;
	}
	return found;
}

/* The oldest one has to give way. */
static struct console_session *session_new(struct console *console)
{
	struct console_session *session = &console->sessions[0];
	unsigned char random[16];

	for (size_t i = 1; i < CONSOLE_SESSIONS; i++)
		if (console->sessions[i].until_ns < session->until_ns)
			session = &console->sessions[i];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return NULL;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(session->id + 2 * i, 3, "%02x", random[i]);
	session->until_ns = fg_loop_now(console->desk->loop) + SESSION_NS;
	return session;
}

/* -- the check -- */

static bool has_token(struct console_request *request)
{
	const struct fg_secret *token = &request->console->desk->conf->token;
	struct fg_str given;

	if (!token->name)
		return true;
	if (console_bearer(request_header(request, "Authorization"), &given))
		return console_same(given, fg_str(token->value, token->len));
	return console_cookie(request_header(request, "Cookie"), COOKIE, &given) &&
	       session_of(request->console, given);
}

/* What no browser says of a page that came from here. */
static bool is_foreign(const struct console_request *request)
{
	struct fg_str origin = request_header(request, "Origin");
	struct fg_str site = request_header(request, "Sec-Fetch-Site");

	if (origin.len &&
	    !console_origin_is(origin, request->console->tls, request_header(request, "Host")))
		return true;
	return site.len && !fg_str_eq_c(site, "same-origin") && !fg_str_eq_c(site, "none");
}

static void denied(struct console_request *request, const char *why)
{
	struct console *console = request->console;
	uint32_t left_out;

	console->counts.denied++;
	if (fg_log_allowed(&console->denied_limit, fg_loop_now(console->desk->loop), 5, &left_out))
		fg_log(&console->desk->logger, FG_WARN, "denied", "why=\"%s\" left_out=%u", why,
		       left_out);
}

static unsigned refusal(struct console_request *request, const char **ret_why)
{
	unsigned flags = request->route->flags;
	bool bare = !request->console->desk->conf->token.name;

	*ret_why = not_here;
	if (bare && !console_host_is_loopback(request_header(request, "Host")))
		return 403;
	*ret_why = "this comes from another site";
	if ((flags & ROUTE_CHANGES || !(flags & ROUTE_OPEN)) && is_foreign(request))
		return 403;
	*ret_why = "a token is needed: Authorization: Bearer TOKEN";
	if (!(flags & ROUTE_OPEN) && !has_token(request))
		return 401;
	*ret_why = "not allowed by the configuration: console.apply";
	if (flags & ROUTE_APPLY && !request->console->desk->conf->apply)
		return 403;
	return 0;
}

unsigned access_check(struct console_request *request, const char **ret_why)
{
	unsigned status = refusal(request, ret_why);

	if (status) {
		denied(request, *ret_why);
		return status;
	}
	*ret_why = "expected Content-Type: application/json";
	if (request->route->flags & ROUTE_CHANGES && strcmp(request->route->method, "POST") == 0 &&
	    !console_type_is_json(request_header(request, "Content-Type")))
		return 400;
	return 0;
}

/* -- /api/v1/session -- */

static enum MHD_Result answer_cookie(struct console_request *request, const char *id,
				     uint64_t seconds)
{
	static const char yes[] = "{\"ok\":true}\n";
	struct MHD_Response *response = MHD_create_response_from_buffer(
		sizeof(yes) - 1, (void *)(uintptr_t)yes, MHD_RESPMEM_PERSISTENT);
	char cookie[160];

	snprintf(cookie, sizeof(cookie),
		 COOKIE "=%s; Path=/; Max-Age=%llu; HttpOnly; "
			"SameSite=Strict%s",
		 id, (unsigned long long)seconds, request->console->tls ? "; Secure" : "");
	if (response)
		(void)MHD_add_response_header(response, "Set-Cookie", cookie);
	return answer_send(request, 200, NULL, response);
}

enum MHD_Result access_begin(struct console_request *request)
{
	const struct fg_secret *token = &request->console->desk->conf->token;
	struct fg_str step = FG_STR("token");
	const struct console_session *session = NULL;
	const struct fg_node *node = NULL;
	struct fg_doc doc;
	bool good = false;

	fg_doc_init(&doc, 4, request->body.len);
	if (fg_json_parse(fg_buf_view(&request->body), &doc) == 0)
		node = fg_doc_find(&doc, &step, 1);
	if (node && node->type == FG_NODE_SCALAR && node->value.kind == FG_STRING)
		good = !token->name ||
		       console_same(node->value.s, fg_str(token->value, token->len));
	else
		node = NULL;
	fg_doc_fini(&doc);
	if (!node)
		return answer_error(request, 400, "expected {\"token\":\"...\"}");
	if (good)
		session = session_new(request->console);
	if (session)
		return answer_cookie(request, session->id, SESSION_NS / FG_S(1));
	denied(request, "wrong token");
	return answer_error(request, 401, "that is not the token");
}

enum MHD_Result access_end(struct console_request *request)
{
	struct console_session *session = NULL;
	struct fg_str id;

	if (console_cookie(request_header(request, "Cookie"), COOKIE, &id))
		session = session_of(request->console, id);
	if (session)
		*session = (struct console_session){ 0 };
	return answer_cookie(request, "", 0);
}
