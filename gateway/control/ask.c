/* What calls say to their client, whoever it is; and the client that is no connection but somebody
 * in this process. */
#include "control/control.h"

#include "control/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ERROR_MAX 512

/* -- what a call says -- */

struct fg_str fg_control_text(const struct fg_doc *request, const char *member)
{
	struct fg_str step = fg_str_c(member);
	const struct fg_node *node = fg_doc_find(request, &step, 1);

	if (!node || node->type != FG_NODE_SCALAR || node->value.kind != FG_STRING)
		return fg_str(NULL, 0);
	return node->value.s;
}

void fg_control_line(struct fg_control_client *client, struct fg_str line)
{
	client->way->line(client, line);
}

void fg_control_done(struct fg_control_client *client)
{
	client->way->end(client, 0, fg_str(NULL, 0));
}

void fg_control_fail(struct fg_control_client *client, enum fg_control_status status,
		     const char *fmt, ...)
{
	char text[ERROR_MAX];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	client->way->end(client, (int)status, fg_str(text, n > 0 ? (size_t)n : 0));
}

void fg_control_hold(struct fg_control_client *client, void *user, void (*gone)(void *user))
{
	client->user = user;
	client->gone = gone;
	client->way->held(client);
}

void fg_control_stream(struct fg_control_client *client, struct fg_str line)
{
	client->way->stream(client, line);
}

void control_dispatch(const struct fg_control_call *calls, void *arg,
		      struct fg_control_client *client, struct fg_str line)
{
	const struct fg_control_call *c = calls;
	struct fg_str name;
	struct fg_doc doc;

	fg_doc_init(&doc, 4, line.len);
	if (fg_json_parse(line, &doc) < 0 || doc.nodes[0].type != FG_NODE_OBJECT) {
		fg_control_fail(client, FG_CONTROL_USAGE, "not a request");
	} else {
		name = fg_control_text(&doc, "call");
		while (c->name && !fg_str_eq_c(name, c->name))
			c++;
		if (c->name)
			c->handle(arg, client, &doc);
		else
			fg_control_fail(client, FG_CONTROL_USAGE, "unknown call");
	}
	fg_doc_fini(&doc);
}

/* -- somebody in this process -- */

struct local {
	struct fg_control_client client;
	struct fg_control_asker asker;
	bool held, ended, asking;
};

static struct local *local_of(struct fg_control_client *client)
{
	return (struct local *)client;
}

static void local_line(struct fg_control_client *client, struct fg_str line)
{
	struct local *local = local_of(client);

	local->asker.line(local->asker.arg, line);
}

static void local_end(struct fg_control_client *client, int status, struct fg_str error)
{
	struct local *local = local_of(client);

	local->ended = true;
	local->asker.end(local->asker.arg, status, error);
	if (!local->asking)
		free(local);
}

static void local_held(struct fg_control_client *client)
{
	local_of(client)->held = true;
}

int fg_control_ask_here(const struct fg_control_call *calls, void *arg, struct fg_str request,
			const struct fg_control_asker *asker, struct fg_control_client **ret_client)
{
	static const struct control_way way = {
		.line = local_line,
		.stream = local_line,
		.end = local_end,
		.held = local_held,
	};
	struct local *local = calloc(1, sizeof(*local));

	*ret_client = NULL;
	if (!local)
		return -ENOMEM;
	local->client.way = &way;
	local->asker = *asker;
	local->asking = true;
	control_dispatch(calls, arg, &local->client, request);
	local->asking = false;
	if (local->ended)
		free(local);
	else
		*ret_client = &local->client;
	return 0;
}

void fg_control_leave(struct fg_control_client *client)
{
	struct local *local = local_of(client);

	if (local->held && client->gone)
		client->gone(client->user);
	free(local);
}
