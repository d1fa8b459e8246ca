/*
 * The upstreams. What is sent arrives at once and in order, or, behind a hole, not at all; its
 * acknowledgement comes later, in any order, or never. What has arrived is audited and compared
 * with what the devices were promised.
 */
#include "sim.h"

#include "decode/decode.h"

#include <errno.h>
#include <fg/command.h>
#include <stdlib.h>
#include <string.h>

struct upstream_conf {
	int64_t peer;
};

static const struct fg_option OPTIONS[] = {
	{ .name = "peer", .type = FG_OPT_INT, .offset = offsetof(struct upstream_conf, peer),
	  .flags = FG_OPT_REQUIRED, .min = 0, .max = UPSTREAMS - 1, .help = "Which upstream." },
	{ 0 },
};

static struct upstream *upstream_of(const struct fg_sink *sink)
{
	return &sim_world()->upstream[((const struct upstream_conf *)sink->conf)->peer];
}

void upstream_begin(struct upstream *up)
{
	up->audit = fg_audit_new();
	fg_buf_init(&up->overtaken, 1 << 20);
	up->got = calloc(PAYLOADS, sizeof(up->got[0]));
	if (!up->audit || !up->got)
		sim_fail(up->world, "no memory");
}

/* -- what arrives -- */

static const struct fg_value *member(const struct fg_doc *doc, uint32_t object, const char *key)
{
	for (uint32_t n = object + 1; n < doc->nodes[object].next; n = doc->nodes[n].next)
		if (fg_str_eq_c(doc->nodes[n].key, key))
			return &doc->nodes[n].value;
	return NULL;
}

static void take_lost(struct upstream *up, const struct fg_doc *doc, const struct fg_value *why)
{
	const struct fg_value *epoch = member(doc, 1, "epoch"), *first = member(doc, 1, "first");
	const struct fg_value *last = member(doc, 1, "last");
	char text[17];
	struct lost lost;

	sim_say(up->world, "u%u is told of a loss: %.*s", up->index, (int)why->s.len, why->s.ptr);
	if (fg_str_eq_c(why->s, "damaged") && !up->world->cuts)
		sim_fail(up->world, "u%u is told of damage on a disk that only fails openly",
			 up->index);
	if (!epoch || !first || !last || epoch->s.len != 16)
		return;
	memcpy(text, epoch->s.ptr, 16);
	text[16] = '\0';
	lost = (struct lost){ strtoull(text, NULL, 16), (uint64_t)first->i, (uint64_t)last->i };
	if (member(doc, 1, "vs")) {
		for (unsigned i = 0; i < up->nunknown; i++)
			if (up->unknown[i] == lost.epoch)
				return;
		if (up->nunknown == CUTS)
			sim_fail(up->world, "too many power cuts for the simulation");
		up->unknown[up->nunknown++] = lost.epoch;
		return;
	}
	if (up->nlost == LOST)
		sim_fail(up->world, "too many losses for the simulation");
	up->lost[up->nlost++] = lost;
}

static void take_order(struct upstream *up, const struct payload *p, uint32_t id)
{
	uint32_t *newest = &up->newest[p->peer][p->device];

	/* sent twice by its device, which did not hear that it was kept: the first was refused */
	if (p->again && up->nlost > 0)
		return;
	if (id + 1 < *newest && !up->unordered && !up->lenient)
		sim_fail(up->world, "u%u: payload %u came first behind %u of its device", up->index,
			 id, *newest - 1);
	if (id + 1 > *newest)
		*newest = id + 1;
}

static void take_point(struct upstream *up, int64_t number)
{
	struct world *w = up->world;
	uint32_t id = (uint32_t)(number / POINTS), bit = 1u << (number % POINTS);

	if (number < 0 || id >= w->npayloads || number % POINTS >= w->payload[id].points)
		sim_fail(w, "u%u got %lld, which nobody sent", up->index, (long long)number);
	up->records++;
	if (!(up->got[id] & bit))
		take_order(up, &w->payload[id], id);
	else if (!w->payload[id].again)
		up->twice++;
	up->got[id] |= bit;
	/* a power cut may take the positions of ten seconds with it, a disk that fails more */
	if (up->twice > up->allowed_twice && !w->cuts && !w->disk.failures && !up->lenient)
		sim_fail(w, "u%u: %llu records came twice, %llu were in flight when it was cut off",
			 up->index, (unsigned long long)up->twice,
			 (unsigned long long)up->allowed_twice);
}

static void take_records(struct upstream *up, const struct fg_doc *doc)
{
	for (uint32_t n = 1; n < doc->len; n = doc->nodes[n].next) {
		const struct fg_value *name = member(doc, n, "n"), *v = member(doc, n, "v");

		if (name && v && name->s.len > 1 && name->s.ptr[0] == 'p' && v->kind == FG_INT)
			take_point(up, v->i);
	}
}

static void take(struct upstream *up, struct fg_str payload)
{
	const struct fg_value *why;
	const char *wrong = NULL;
	struct fg_doc doc;

	fg_doc_init(&doc, 8, 1 << 22);
	if (fg_json_parse(payload, &doc) < 0 || doc.len < 2)
		sim_fail(up->world, "u%u got what is no pack", up->index);
	if (fg_audit_pack(up->audit, &doc, &wrong) < 0)
		sim_fail(up->world, "u%u got a bad pack: %s", up->index, wrong ? wrong : "?");
	up->packs++;
	why = member(&doc, 1, "why");
	if (why)
		take_lost(up, &doc, why);
	take_records(up, &doc);
	fg_doc_fini(&doc);
}

/* What is broken is between us and the gateway. */
static void take_through(struct upstream *up, const struct fg_batch *batch)
{
	struct world *w = up->world;

	if (w->broken == BROKEN_ANSWER && sim_chance(w, 5))
		return;
	if (w->broken == BROKEN_ORDER && !up->overtaken.len && sim_chance(w, 20)) {
		fg_buf_str(&up->overtaken, batch->payload);
		return;
	}
	take(up, batch->payload);
	if (up->overtaken.len)
		take(up, fg_buf_view(&up->overtaken));
	fg_buf_reset(&up->overtaken);
}

/* -- acknowledgements -- */

static void on_answer(struct world *w, void *arg)
{
	struct parcel *parcel = arg;
	struct upstream *up = parcel->up;
	struct fg_batch *batch = parcel->batch;

	if (up->stalled_until > w->now_ns) {
		sim_at(w, up->stalled_until - w->now_ns, on_answer, parcel, &up->age);
		return;
	}
	parcel->batch = NULL;
	sim_say(w, "u%u answers %llu..%llu: %d", up->index, (unsigned long long)batch->first,
		(unsigned long long)batch->last, parcel->error);
	fg_sink_done(up->sink, batch, parcel->error,
		     parcel->error ? "the simulated upstream says so" : NULL);
}

static void hold(struct upstream *up, struct fg_batch *batch, int error)
{
	up->held[batch->slot] = (struct parcel){ up, batch, error };
}

static void answer_later(struct upstream *up, struct fg_batch *batch, int error)
{
	struct world *w = up->world;

	hold(up, batch, error);
	sim_at(w, sim_chance(w, 50) ? sim_below(w, FG_S(2)) : sim_below(w, FG_MS(80)), on_answer,
	       &up->held[batch->slot], &up->age);
}

static void on_ready(struct world *w, void *arg)
{
	struct upstream *up = arg;

	(void)w;
	fg_sink_ready(up->sink);
}

/* For good: the same pack is refused each time, or who was not heard refusing it would take it. */
static bool refuses(const struct upstream *up, const struct fg_batch *batch)
{
	uint64_t hash = (batch->epoch ^ up->world->seed ^ batch->first) * 0x9e3779b97f4a7c15u;

	return (hash >> 33) % 1000 < up->refuse_permille;
}

/* What the upstream makes of a pack: 0 it takes it. */
static int judge(struct upstream *up, const struct fg_batch *batch)
{
	struct world *w = up->world;

	if (w->calm)
		return batch->payload.len > 64000 ? -EMSGSIZE : 0;
	if (up->largest && batch->payload.len > up->largest)
		return -EMSGSIZE;
	if (up->busy_until > w->now_ns && sim_chance(w, 700))
		return -EAGAIN;
	/* who will not even hear of a loss, or that there was none, cannot complain of a gap */
	if (memmem(batch->payload.ptr, batch->payload.len, "\"n\":\"lost\"", 10))
		return 0;
	return refuses(up, batch) ? -EBADMSG : 0;
}

static int upstream_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct upstream *up = upstream_of(sink);
	struct world *w = up->world;
	uint64_t window = (uint64_t)sink->window * batch->records;
	int error;

	if (w->disk.dead)
		return -EAGAIN;
	if (window > up->window)
		up->window = window;
	if (!up->up || batch->slot >= sink->window || up->held[batch->slot].batch)
		sim_fail(w, "u%u: a pack where none may be", up->index);
	if (!w->calm && sim_chance(w, 10)) {
		up->unordered = true;
		sim_at(w, sim_below(w, FG_MS(200)), on_ready, up, &up->age);
		return -EAGAIN;
	}
	error = judge(up, batch);
	sim_say(w, "u%u gets %llu..%llu of %llx%s: %d", up->index, (unsigned long long)batch->first,
		(unsigned long long)batch->last, (unsigned long long)batch->epoch,
		up->hole ? " in a hole" : "", error);
	if (up->hole) {
		hold(up, batch, 0);
		return 0;
	}
	if (error == 0)
		take_through(up, batch);
	else if (error != -EBADMSG)
		up->unordered = true;
	if (error == 0 && sim_chance(w, 50)) {
		if (up->at_once_turn != w->turns)
			up->at_once = 0;
		up->at_once_turn = w->turns;
		up->at_once += batch->records;
		fg_sink_done(sink, batch, 0, NULL);
		return 0;
	}
	if (error && sim_chance(w, 300))
		return error == -EAGAIN ? (sim_at(w, FG_MS(100), on_ready, up, &up->age), error) :
					  error;
	answer_later(up, batch, error);
	return 0;
}

/* -- connections -- */

static void on_up(struct world *w, void *arg)
{
	struct upstream *up = arg;

	if (!w->calm && sim_chance(w, 80)) {
		fg_sink_fault(up->sink, -ECONNREFUSED, "cannot connect");
		return;
	}
	up->up = true;
	sim_say(w, "u%u is up", up->index);
	fg_sink_up(up->sink);
}

static int upstream_open(struct fg_sink *sink)
{
	struct upstream *up = upstream_of(sink);
	struct world *w = up->world;

	up->sink = sink;
	up->age++;
	up->up = up->hole = false;
	memset(up->held, 0, sizeof(up->held));
	if (w->disk.dead || (!w->calm && sim_chance(w, 30)))
		return -EIO;
	sim_at(w, sim_below(w, FG_MS(300)), on_up, up, &up->age);
	return 0;
}

static void on_closed(struct world *w, void *arg)
{
	struct upstream *up = arg;
	struct fg_sink *sink = up->sink;

	(void)w;
	up->sink = NULL;
	fg_sink_closed(sink);
}

void upstream_allow(struct upstream *up)
{
	const struct world *w = up->world;
	uint64_t window =
		(uint64_t)w->conf.sink[up->index].window * w->conf.sink[up->index].records;

	/* after a reload it may hold what was sent before */
	if (window > up->window)
		up->window = window;
	up->allowed_twice += up->window;
	/* a refusal that was not heard: cut anew it may be taken, behind what came after it */
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		up->unordered |= up->held[i].batch && up->held[i].error == -EBADMSG;
	if (w->disk.dead && up->at_once_turn == w->turns)
		up->allowed_twice += up->at_once;
}

static void upstream_close(struct fg_sink *sink)
{
	struct upstream *up = upstream_of(sink);
	struct world *w = up->world;

	upstream_allow(up);
	up->age++;
	up->up = false;
	if (sink->commands)
		fg_command_forget(sink->commands, up);
	up->outcomes = up->requests;
	sim_say(w, "u%u closes", up->index);
	sim_at(w, w->disk.dead ? 0 : sim_below(w, FG_MS(100)), on_closed, up, &up->age);
}

static void upstream_status(struct fg_sink *sink, struct fg_str json)
{
	sim_hash(sim_world(), json.ptr, 0);
	fg_sink_alive(sink, true);
}

void upstream_cut(struct upstream *up, int error)
{
	if (up->sink && !up->world->disk.dead)
		fg_sink_fault(up->sink, error, "the upstream has gone");
}

/* -- commands -- */

static void on_outcome(void *arg, struct fg_str reply, const struct fg_request_result *result)
{
	struct upstream *up = arg;

	(void)reply;
	up->outcomes++;
	sim_say(up->world, "u%u hears of its command: %s", up->index,
		fg_outcome_name(result->outcome));
	if (up->outcomes > up->requests)
		sim_fail(up->world, "u%u: a command with two outcomes", up->index);
}

void upstream_command(struct upstream *up)
{
	struct world *w = up->world;
	char path[16];
	struct fg_request request = {
		.payload = FG_STR("1"),
		.outcome = on_outcome,
		.arg = up,
		.reply = FG_STR(""),
	};

	if (!up->up || !up->sink->commands || w->disk.dead)
		return;
	snprintf(path, sizeof(path), "f0%c/p0", (char)('a' + sim_below(w, DEVICES)));
	request.path = fg_str_c(path);
	up->requests++;
	fg_command_request(up->sink->commands, &request);
}

const struct fg_bridge sim_bridge = {
	.name = "sim",
	.summary = "A simulated upstream.",
	.acknowledges = true,
	.conf_size = sizeof(struct upstream_conf),
	.options = OPTIONS,
	.ops = { .open = upstream_open, .close = upstream_close, .send = upstream_send,
		 .status = upstream_status },
};
