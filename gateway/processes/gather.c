/* One call to several processes at once, and all their answers together. */
#include "processes/private.h"

#include <errno.h>
#include <stdlib.h>

#define ANSWER_NS FG_S(10)

static void gather_free(struct gather *gather)
{
	struct gather **at = &gather->all->gathers;

	while (*at != gather)
		at = &(*at)->next;
	*at = gather->next;
	for (unsigned i = 0; i < gather->count; i++) {
		if (gather->parts[i].ask)
			fg_ask_drop(gather->parts[i].ask);
		fg_buf_fini(&gather->parts[i].lines);
	}
	fg_buf_fini(&gather->request);
	free(gather);
}

static void one_less(struct gather *gather)
{
	if (--gather->waiting > 0)
		return;
	gather->done(gather);
	gather_free(gather);
}

static void on_line(void *arg, struct fg_str line)
{
	struct part *part = arg;

	fg_buf_str(&part->lines, line);
	fg_buf_char(&part->lines, '\n');
}

static void on_end(void *arg, int error, const struct fg_control_result *result)
{
	struct part *part = arg;

	part->ask = NULL;
	/* it has ended in the middle of it, or is just being started */
	part->error = error == -EPIPE || error == -ECONNREFUSED || error == -ENOENT ? -ENOTCONN :
										      error;
	part->result = *result;
	one_less(part->gather);
}

static void part_begin(struct part *part, struct process *process, struct fg_str request)
{
	static const struct fg_ask_ops ops = { .line = on_line, .end = on_end };

	part->process = process;
	fg_buf_init(&part->lines, 2 * FG_CONTROL_REPLY);
	part->error = process->pid > 0 ? fg_ask_new(process->all->loop, process->socket, request,
						    ANSWER_NS, &ops, part, &part->ask) :
					 -ENOTCONN;
	part->gather->waiting += part->ask != NULL;
}

struct fg_str gather_line(const struct part *part)
{
	const struct fg_buf *lines = &part->lines;
	const char *end = lines->len ? memchr(lines->data, '\n', lines->len) : NULL;

	return end ? fg_str(lines->data, (size_t)(end - lines->data)) : fg_str(NULL, 0);
}

static void on_gone(void *user)
{
	((struct gather *)user)->client = NULL;
}

int gather_begin(struct fg_processes *all, enum gather_whom whom, struct fg_str request,
		 struct fg_str later, struct fg_control_client *client,
		 void (*done)(struct gather *))
{
	struct gather *gather = calloc(1, sizeof(*gather) + all->count * sizeof(gather->parts[0]));

	if (!gather)
		return -ENOMEM;
	gather->all = all;
	gather->next = all->gathers;
	all->gathers = gather;
	gather->client = client;
	gather->done = done;
	gather->waiting = 1;
	fg_buf_init(&gather->request, FG_CONTROL_REQUEST);
	fg_buf_str(&gather->request, later);
	if (client)
		fg_control_hold(client, gather, on_gone);
	for (unsigned i = 0; i < all->count; i++) {
		struct process *process = &all->items[i];

		if (process->finished || (whom == GATHER_OTHERS && process->index == 1))
			continue;
		gather->parts[gather->count].gather = gather;
		part_begin(&gather->parts[gather->count++], process, request);
	}
	one_less(gather);
	return 0;
}

void gathers_drop(struct fg_processes *all)
{
	while (all->gathers) {
		struct gather *gather = all->gathers;

		if (gather->client)
			fg_control_fail(gather->client, FG_CONTROL_FAILED, "the gateway stops");
		gather_free(gather);
	}
}
