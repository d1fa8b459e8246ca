#include "run/siblings.h"

#include "run/private.h"
#include "run/sum.h"
#include "run/total.h"

#include <errno.h>
#include <inttypes.h>

#define ANSWER_NS FG_S(2)
#define ROOM ((size_t)4 << 20)

static const struct fg_process_conf *process_of(const struct fg_gateway *gateway)
{
	return &gateway->now->config->process;
}

void run_siblings_init(struct fg_gateway *gateway)
{
	struct run_siblings *s = &gateway->siblings;

	fg_buf_init(&s->ledger, ROOM);
	fg_buf_init(&s->list, ROOM);
	fg_buf_init(&s->next[0], ROOM);
	fg_buf_init(&s->next[1], ROOM);
}

void run_siblings_fini(struct fg_gateway *gateway)
{
	struct run_siblings *s = &gateway->siblings;

	fg_buf_fini(&s->ledger);
	fg_buf_fini(&s->list);
	fg_buf_fini(&s->next[0]);
	fg_buf_fini(&s->next[1]);
}

/* One that runs alone has none; but there may have been some. */
void run_siblings_remember(struct fg_gateway *gateway)
{
	struct run_siblings *s = &gateway->siblings;
	struct fg_total total;

	if (process_of(gateway)->count)
		return;
	fg_total_init(&total, false);
	fg_total_finished(&total, gateway->spool_dir);
	if (total.count && !total.failed) {
		fg_sum_json(total.sum, &s->ledger);
		fg_buf_str(&s->list, fg_buf_view(&total.list));
	}
	fg_total_fini(&total);
}

static void on_line(void *arg, struct fg_str line)
{
	struct run_siblings *s = &((struct fg_gateway *)arg)->siblings;

	if (s->lines < 2)
		fg_buf_str(&s->next[s->lines], line);
	s->lines++;
}

static void copy(struct fg_buf *to, const struct fg_buf *from)
{
	fg_buf_reset(to);
	fg_buf_str(to, fg_buf_view(from));
}

/* Half an answer says nothing: the last whole one stays. */
static void on_end(void *arg, int error, const struct fg_control_result *result)
{
	struct fg_gateway *gateway = arg;
	struct run_siblings *s = &gateway->siblings;

	s->ask = NULL;
	if (error == 0 && result->ok && s->lines == 2) {
		copy(&s->ledger, &s->next[0]);
		copy(&s->list, &s->next[1]);
	}
	if (gateway->stopping)
		run_stop_step(gateway);
	else
		run_publish_status(gateway);
}

bool run_siblings_ask(struct fg_gateway *gateway)
{
	static const struct fg_ask_ops ops = { .line = on_line, .end = on_end };
	struct run_siblings *s = &gateway->siblings;
	const struct fg_process_conf *process = process_of(gateway);

	if (process->index != 1)
		return false;
	if (s->ask)
		return true;
	s->lines = 0;
	fg_buf_reset(&s->next[0]);
	fg_buf_reset(&s->next[1]);
	return fg_ask_new(gateway->loop, process->parent, FG_STR("{\"call\":\"others\"}"),
			  ANSWER_NS, &ops, gateway, &s->ask) == 0;
}

void run_siblings_drop(struct fg_gateway *gateway)
{
	if (gateway->siblings.ask)
		fg_ask_drop(gateway->siblings.ask);
	gateway->siblings.ask = NULL;
}

void run_siblings_ledger(struct fg_gateway *gateway, struct fg_buf *out)
{
	const struct fg_buf *others = &gateway->siblings.ledger;
	struct fg_sum *sum = others->len ? fg_sum_new() : NULL;
	struct fg_buf own;

	fg_buf_init(&own, ROOM);
	fg_gateway_ledger(gateway, &own);
	if (sum && fg_sum_add(sum, fg_buf_view(&own)) == 0 &&
	    fg_sum_add(sum, fg_buf_view(others)) == 0)
		fg_sum_json(sum, out);
	else
		fg_buf_str(out, fg_buf_view(&own));
	fg_sum_free(sum);
	fg_buf_fini(&own);
}

void run_siblings_list(struct fg_gateway *gateway, struct fg_buf *out)
{
	const struct fg_spool_epoch *epoch = fg_spool_epoch(gateway->spool);
	const struct fg_buf *others = &gateway->siblings.list;

	if (process_of(gateway)->index != 1 && !others->len)
		return;
	fg_buf_printf(out,
		      ",\"processes\":[{\"process\":1,\"epoch\":\"%016" PRIx64
		      "\",\"last\":%" PRIu64 "}",
		      epoch->id, fg_spool_accepted(gateway->spool) - epoch->base);
	if (others->len) {
		fg_buf_char(out, ',');
		fg_buf_str(out, fg_buf_view(others));
	}
	fg_buf_char(out, ']');
}

void run_siblings_total(struct fg_gateway *gateway, struct fg_buf *out)
{
	run_siblings_ledger(gateway, out);
	if (out->failed || !gateway->siblings.list.len)
		return;
	out->len--;	/* the closing brace: one more member follows */
	run_siblings_list(gateway, out);
	fg_buf_char(out, '}');
}
