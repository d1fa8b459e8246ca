/* What befalls the gateway: which of it at all, how often and when, the seed says. */
#include "sim.h"

#include "spool/private.h"

#include <errno.h>
#include <string.h>

#define HOUR FG_S(3600)

static unsigned one_of(struct world *w, const unsigned *of, unsigned count)
{
	return of[sim_below(w, count)];
}

#define ONE_OF(w, ...) \
	one_of(w, (const unsigned[]){ __VA_ARGS__ }, \
	       sizeof((const unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))

/* -- what can befall -- */

static void field_lost(struct world *w)
{
	field_cut(&w->field[sim_below(w, FIELDS)], -ECONNRESET);
}

static void upstream_lost(struct world *w)
{
	upstream_cut(&w->upstream[sim_below(w, UPSTREAMS)], -EPIPE);
}

static void upstream_hole(struct world *w)
{
	struct upstream *up = &w->upstream[sim_below(w, UPSTREAMS)];

	sim_say(w, "u%u is behind a hole", up->index);
	up->hole = true;
}

static void upstream_stall(struct world *w)
{
	struct upstream *up = &w->upstream[sim_below(w, UPSTREAMS)];

	up->stalled_until = w->now_ns + sim_below(w, FG_S(90));
	sim_say(w, "u%u stalls", up->index);
}

static void upstream_busy(struct world *w)
{
	struct upstream *up = &w->upstream[sim_below(w, UPSTREAMS)];

	up->busy_until = w->now_ns + sim_below(w, FG_S(60));
	up->unordered = true;
	sim_say(w, "u%u is busy", up->index);
}

static void disk_well(struct world *w, void *arg)
{
	(void)arg;
	w->disk.permille = 0;
	sim_say(w, "the disk is well");
}

static void disk_fails(struct world *w)
{
	w->disk.permille = ONE_OF(w, 10, 100, 500, 1000);
	w->disk.error = (int)ONE_OF(w, 0, ENOSPC, EIO);
	w->disk.syncs = w->disk.error == EIO && sim_chance(w, 500);
	sim_say(w, "the disk fails: %d, %u of 1000%s", w->disk.error, w->disk.permille,
		w->disk.syncs ? ", syncs too" : "");
	sim_at(w, sim_below(w, FG_S(30)), disk_well, NULL, NULL);
}

/* What the gateway says is synced, no power cut may take. A dead one only seems to sync. */
static void sure_note(struct world *w)
{
	const struct fg_spool *spool = w->gateway && !w->disk.dead ? w->gateway->spool : NULL;

	for (uint32_t i = 0; spool && i < w->npayloads; i++) {
		struct payload *p = &w->payload[i];

		if (p->taken && p->epoch == fg_spool_epoch(spool)->id &&
		    p->spool_pos <= fg_spool_committed(spool))
			p->sure = true;
	}
}

static void crash(struct world *w)
{
	sure_note(w);
	w->disk.dead = true;
}

static void crash_soon(struct world *w)
{
	w->disk.dies_in = (int64_t)sim_below(w, 60);
}

static void stop(struct world *w)
{
	w->stopping = true;
}

static void cut(struct world *w)
{
	sure_note(w);
	w->cuts++;
	w->boot++;
	w->disk.dead = true;
	sim_say(w, "power cut");
}

static void clock_step(struct world *w)
{
	static const int64_t steps[] = { 3600, -3600, 86400, -86400, 10 * 31557600ll, 1, -1, 60 };
	int64_t by = steps[sim_below(w, sizeof(steps) / sizeof(steps[0]))];

	/* a bridge that is not in the configuration for a day of the wall clock is given up */
	for (unsigned i = 0; i < UPSTREAMS; i++)
		if (w->upstream[i].exists && !w->upstream[i].configured)
			w->upstream[i].given_up = true;
	w->wall_ns += by * 1000000000;
	if (w->wall_ns < 0)
		w->wall_ns = 0;
	w->disciplined = sim_chance(w, 500);
	sim_say(w, "the clock steps by %lld s", (long long)by);
}

static void clock_wobble(struct world *w, void *arg)
{
	(void)arg;
	w->wall_ns += (int64_t)sim_below(w, FG_MS(2000)) - (int64_t)FG_MS(1000);
	if (w->wall_ns < 0)
		w->wall_ns = 0;
	if (--w->wobbles > 0 && !w->calm)
		sim_at(w, FG_MS(10), clock_wobble, NULL, NULL);
}

static void clock_wobbles(struct world *w)
{
	if (w->wobbles)
		return;
	w->wobbles = 1000;
	sim_at(w, 0, clock_wobble, NULL, NULL);
}

static void command(struct world *w)
{
	upstream_command(&w->upstream[sim_below(w, UPSTREAMS)]);
}

static void sink_shape(struct world *w, unsigned i)
{
	w->conf.sink[i].records = ONE_OF(w, 1, 3, 20, 100);
	w->conf.sink[i].kib = ONE_OF(w, 1, 4, 64);
	w->conf.sink[i].linger_ms = ONE_OF(w, 0, 20, 200, 5000);
	w->conf.sink[i].window = ONE_OF(w, 1, 2, 16, 64);
	w->conf.sink[i].stall_s = ONE_OF(w, 1, 5, 30);
}

/* A reload that shrinks a window still has what was sent before. */
static void reload(struct world *w)
{
	unsigned i = (unsigned)sim_below(w, UPSTREAMS);
	struct upstream *up = &w->upstream[i];

	if (sim_chance(w, 300)) {
		w->conf.limit_kib = ONE_OF(w, 256, 1024, 4096);
	} else if (up->exists && sim_chance(w, 400)) {
		up->configured = !up->configured;
		up->lenient = true;
	} else if (up->exists && sim_chance(w, 300)) {
		up->match_some = !up->match_some;
		up->matched = true;
		up->lenient = true;
	} else {
		sink_shape(w, i);
	}
	life_reload(w);
}

static const struct {
	const char *name;
	void (*cb)(struct world *);
	unsigned weight;
} HAZARDS[] = {
	{ "field lost", field_lost, 20 },	{ "upstream lost", upstream_lost, 20 },
	{ "upstream hole", upstream_hole, 10 }, { "upstream stall", upstream_stall, 10 },
	{ "upstream busy", upstream_busy, 5 },	{ "disk fails", disk_fails, 8 },
	{ "crash", crash, 4 },			{ "crash soon", crash_soon, 6 },
	{ "stop", stop, 4 },			{ "reload", reload, 8 },
	{ "clock step", clock_step, 4 },	{ "clock wobbles", clock_wobbles, 1 },
	{ "command", command, 10 },		{ "power cut", cut, 3 },
};

#define NHAZARDS (sizeof(HAZARDS) / sizeof(HAZARDS[0]))

static void on_hazard(struct world *w, void *arg)
{
	unsigned total = 0, n;

	for (size_t i = 0; i < NHAZARDS; i++)
		total += w->faults & 1u << i ? HAZARDS[i].weight : 0;
	n = (unsigned)sim_below(w, total);
	for (size_t i = 0; i < NHAZARDS && total > 0 && w->loop && !w->stopping; i++) {
		unsigned weight = w->faults & 1u << i ? HAZARDS[i].weight : 0;

		if (n < weight) {
			HAZARDS[i].cb(w);
			break;
		}
		n -= weight;
	}
	if (!w->calm)
		sim_at(w, sim_below(w, w->end_ns / 40), on_hazard, arg, NULL);
}

/* -- who there is -- */

static void make_conf(struct world *w)
{
	static const char *const commits[] = { "each", "100ms", "1s", "never" };

	w->conf = (struct conf){
		.limit_kib = ONE_OF(w, 64, 256, 1024, 4096),
		.segment_kib = ONE_OF(w, 16, 64, 256),
		.commit = commits[sim_below(w, 4)],
		.refuse = sim_chance(w, 400),
		.liveness = sim_chance(w, 500),
		.trust = sim_chance(w, 500),
	};
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		sink_shape(w, i);
		w->conf.sink[i].live_first = sim_chance(w, 150);
	}
}

static void make_peers(struct world *w)
{
	unsigned fields = (unsigned)sim_between(w, 1, FIELDS);
	unsigned upstreams = (unsigned)sim_between(w, 1, UPSTREAMS);

	for (unsigned i = 0; i < FIELDS; i++) {
		w->field[i] = (struct field){ .world = w, .index = i, .exists = i < fields };
		w->field[i].line = i == 2;
		w->field[i].every_ns = w->end_ns / sim_between(w, 20, 300);
		if (w->field[i].exists)
			field_begin(&w->field[i]);
	}
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		struct upstream *up = &w->upstream[i];

		*up = (struct upstream){ .world = w, .index = i };
		up->exists = up->configured = i < upstreams;
		up->match_some = i == 1 && sim_chance(w, 300);
		up->matched = up->match_some;
		up->unordered = w->conf.sink[i].live_first;
		up->largest = sim_chance(w, 150) ? 1500 : 0;
		up->refuse_permille = sim_chance(w, 150) ? 20 : 0;
		upstream_begin(up);
	}
}

void script_begin(struct world *w)
{
	w->end_ns = ONE_OF(w, 60, 600, 600, 600, 7200, 7200, 86400) * FG_S(1);
	w->faults = (unsigned)sim_random(w) & (unsigned)sim_random(w);
	if (sim_chance(w, 200))
		w->faults = ~0u;
	w->limit_payloads = PAYLOADS;
	w->wall_ns = sim_chance(w, 200) ? 0 : 1767225600ll * 1000000000;
	w->disciplined = sim_chance(w, 500);
	make_conf(w);
	make_peers(w);
	sim_at(w, sim_below(w, w->end_ns / 40), on_hazard, NULL, NULL);
}
