/* Calls that are passed on: `tail` to all of them, `devices` to one after the other, `send` to the
 * one that knows the way. */
#include <fg/doc.h>

#include "processes/private.h"
#include "decode/decode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_AGAIN FG_S(1)
#define ANSWER_NS FG_S(10)

static struct process *find(struct fg_processes *all, uint32_t index)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->items[i].index == index && !all->items[i].finished)
			return &all->items[i];
	return NULL;
}

/* -- one call to one of them, its lines and its end as they come -- */

struct relay {
	struct fg_control_client *client;
	struct fg_ask *ask;
	struct process *process;
	struct process *next;	/* devices: whose page comes after this one's last */
	bool more;		/* its own next page was named */
};

static void relay_gone(void *user)
{
	struct relay *relay = user;

	fg_ask_drop(relay->ask);
	free(relay);
}

static void relay_end(void *arg, int error, const struct fg_control_result *result)
{
	struct relay *relay = arg;
	struct fg_control_client *client = relay->client;
	unsigned index = relay->process->index;
	char line[64];
	int n;

	if (error == 0 && result->ok && relay->next && !relay->more) {
		n = snprintf(line, sizeof(line), "{\"next\":\"%u.\"}", relay->next->index);
		fg_control_line(client, fg_str(line, (size_t)n));
	}
	free(relay);
	if (error)
		fg_control_fail(client, FG_CONTROL_FAILED, "process %u: %s", index,
				error == -ETIMEDOUT ? "it does not answer" :
				error == -EPIPE	    ? "it has ended" :
						      strerror(-error));
	else if (result->ok)
		fg_control_done(client);
	else
		fg_control_fail(client, (enum fg_control_status)result->status, "%s",
				result->error);
}

static void relay_line(void *arg, struct fg_str line)
{
	struct relay *relay = arg;

	fg_control_line(relay->client, line);
}

static void relay_begin(struct process *process, struct process *next, struct fg_str request,
			uint64_t timeout_ns, const struct fg_ask_ops *ops,
			struct fg_control_client *client)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (relay) {
		*relay = (struct relay){ .client = client, .process = process, .next = next };
		if (fg_ask_new(process->all->loop, process->socket, request, timeout_ns, ops, relay,
			       &relay->ask) == 0) {
			fg_control_hold(client, relay, relay_gone);
			return;
		}
	}
	free(relay);
	fg_control_fail(client, FG_CONTROL_FAILED, "out of memory");
}

/* -- devices: a page of one process; its name has the process before it, "2.BUCKET/OF" -- */

static void devices_line(void *arg, struct fg_str line)
{
	static const char begin[] = "{\"next\":\"";
	struct relay *relay = arg;
	char text[96];
	int n;

	if (!fg_str_starts(line, FG_STR("{\"next\":\""))) {
		fg_control_line(relay->client, line);
		return;
	}
	relay->more = true;
	n = snprintf(text, sizeof(text), "%s%u.%.*s", begin, relay->process->index,
		     (int)(line.len - strlen(begin)), line.ptr + strlen(begin));
	if (n > 0 && n < (int)sizeof(text))
		fg_control_line(relay->client, fg_str(text, (size_t)n));
}

static struct process *after(struct fg_processes *all, const struct process *process)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->items[i].index > process->index && !all->items[i].finished &&
		    !all->items[i].left_over)
			return &all->items[i];
	return NULL;
}

void processes_call_devices(void *arg, struct fg_control_client *client,
			    const struct fg_doc *request)
{
	static const struct fg_ask_ops ops = { .line = devices_line, .end = relay_end };
	struct fg_str from = fg_control_text(request, "from");
	struct fg_processes *all = arg;
	struct process *process;
	char place[64] = "", text[128];
	uint32_t index = 1;
	int n;

	if (from.len && from.len < sizeof(place)) {
		snprintf(text, sizeof(text), "%.*s", (int)from.len, from.ptr);
		if (sscanf(text, "%" SCNu32 ".%63[0-9/]", &index, place) < 1)
			index = 1;
	}
	process = find(all, index);
	if (!process) {
		fg_control_fail(client, FG_CONTROL_USAGE, "no such page");
		return;
	}
	n = snprintf(text, sizeof(text), "{\"call\":\"devices\",\"from\":\"%s\"}", place);
	relay_begin(process, after(all, process), fg_str(text, (size_t)n), ANSWER_NS, &ops, client);
}

/* -- tail -- */

struct tail;

struct tail_part {
	struct tail *tail;
	struct process *process;
	struct fg_ask *ask;		/* NULL: not now */
};

struct tail {
	struct fg_control_client *client;
	struct fg_timer again;		/* looks for those that were started meanwhile */
	struct fg_buf request;
	unsigned count;
	struct tail_part parts[];
};

static void tail_line(void *arg, struct fg_str line)
{
	fg_control_stream(((struct tail_part *)arg)->tail->client, line);
}

static void tail_free(struct fg_handle *handle)
{
	struct tail *tail =
		(struct tail *)(void *)((char *)handle - offsetof(struct tail, again.handle));

	fg_buf_fini(&tail->request);
	free(tail);
}

static void tail_close(struct tail *tail)
{
	for (unsigned i = 0; i < tail->count; i++)
		if (tail->parts[i].ask)
			fg_ask_drop(tail->parts[i].ask);
	fg_handle_close(&tail->again.handle, tail_free);
}

static void tail_gone(void *user)
{
	tail_close(user);
}

/* A wrong request is refused by all of them; one that ends comes again. */
static void tail_end(void *arg, int error, const struct fg_control_result *result)
{
	struct tail_part *part = arg;
	struct tail *tail = part->tail;
	struct fg_control_client *client = tail->client;

	part->ask = NULL;
	if (error || result->ok)
		return;
	tail_close(tail);
	fg_control_fail(client, (enum fg_control_status)result->status, "%s", result->error);
}

static void tail_look(struct fg_timer *timer)
{
	static const struct fg_ask_ops ops = { .line = tail_line, .end = tail_end };
	struct tail *tail = (struct tail *)(void *)((char *)timer - offsetof(struct tail, again));

	for (unsigned i = 0; i < tail->count; i++) {
		struct tail_part *part = &tail->parts[i];

		if (!part->ask && part->process->state == PROCESS_UP)
			(void)fg_ask_new(timer->handle.loop, part->process->socket,
					 fg_buf_view(&tail->request), 0, &ops, part, &part->ask);
	}
	(void)fg_timer_start(timer, TAIL_AGAIN);
}

void processes_call_tail(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_str device = fg_control_text(request, "device");
	struct fg_processes *all = arg;
	struct tail *tail = calloc(1, sizeof(*tail) + all->count * sizeof(tail->parts[0]));

	if (!tail) {
		fg_control_fail(client, FG_CONTROL_FAILED, "out of memory");
		return;
	}
	tail->client = client;
	fg_buf_init(&tail->request, FG_CONTROL_REQUEST);
	fg_buf_text(&tail->request, "{\"call\":\"tail\",\"device\":");
	fg_buf_json(&tail->request, device);
	fg_buf_char(&tail->request, '}');
	for (unsigned i = 0; i < all->count; i++)
		tail->parts[tail->count++] =
			(struct tail_part){ .tail = tail, .process = &all->items[i] };
	fg_timer_init(all->loop, &tail->again, tail_look);
	fg_control_hold(client, tail, tail_gone);
	tail_look(&tail->again);
}

/* -- send: first it is asked who knows the way to the device -- */

static int64_t number_in(const struct part *part, const char *name, int64_t otherwise)
{
	struct fg_str step = fg_str_c(name);
	const struct fg_node *node;
	struct fg_doc doc;
	int64_t n = otherwise;

	fg_doc_init(&doc, 4, part->lines.len + 1);
	if (part->lines.len &&
	    fg_json_parse(fg_str(part->lines.data, part->lines.len - 1), &doc) == 0) {
		node = fg_doc_find(&doc, &step, 1);
		n = node && node->value.kind == FG_INT ? node->value.i : otherwise;
	}
	fg_doc_fini(&doc);
	return n;
}

/* The one that has heard the device last; else one that has a way to it all the same; else one that
 * says why there is none. */
static struct process *knows_best(const struct gather *gather)
{
	struct process *best = NULL;
	int64_t best_rank = INT64_MAX;

	for (unsigned i = 0; i < gather->count; i++) {
		const struct part *part = &gather->parts[i];
		int64_t silent_ms = number_in(part, "silent_ms", -1), rank;

		if (part->error || !part->result.ok || part->process->left_over)
			continue;
		rank = number_in(part, "error", -EACCES) < 0 ? INT64_MAX - 1 :
		       silent_ms < 0			     ? INT64_MAX - 2 :
							       silent_ms;
		if (rank < best_rank) {
			best = part->process;
			best_rank = rank;
		}
	}
	return best;
}

static void way_done(struct gather *gather)
{
	static const struct fg_ask_ops ops = { .line = relay_line, .end = relay_end };
	struct process *process = knows_best(gather);

	if (!gather->client)
		return;
	if (process)
		relay_begin(process, NULL, fg_buf_view(&gather->request), 0, &ops, gather->client);
	else
		fg_control_fail(gather->client, FG_CONTROL_FAILED, "no process answers");
}

static void write_request(struct fg_buf *out, const char *call, const struct fg_doc *request,
			  bool payload)
{
	fg_buf_init(out, FG_CONTROL_REQUEST - 1);
	fg_buf_printf(out, "{\"call\":\"%s\",\"path\":", call);
	fg_buf_json(out, fg_control_text(request, "path"));
	if (payload) {
		fg_buf_text(out, ",\"payload\":");
		fg_buf_json(out, fg_control_text(request, "payload"));
	}
	fg_buf_char(out, '}');
}

void processes_call_send(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_buf way, send;
	int r = -ENOMEM;

	write_request(&way, "way", request, false);
	write_request(&send, "send", request, true);
	if (!way.failed && !send.failed)
		r = gather_begin(arg, GATHER_ALL, fg_buf_view(&way), fg_buf_view(&send), client,
				 way_done);
	if (r < 0)
		fg_control_fail(client, FG_CONTROL_FAILED, "what is asked for is too long");
	fg_buf_fini(&way);
	fg_buf_fini(&send);
}
