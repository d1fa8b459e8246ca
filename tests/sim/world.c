/* Time, chance, events, and the record of what was done. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

struct world *sim_world(void)
{
	static struct world world;

	return &world;
}

uint64_t sim_random(struct world *w)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t sim_below(struct world *w, uint64_t n)
{
	return n ? sim_random(w) % n : 0;
}

bool sim_chance(struct world *w, unsigned permille)
{
	return sim_below(w, 1000) < permille;
}

uint64_t sim_between(struct world *w, uint64_t low, uint64_t high)
{
	return low + sim_below(w, high - low + 1);
}

/* What became void stays until it would have been due, or until there is no room. */
static void events_purge(struct world *w)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < w->nevents; i++)
		if (!w->events[i].age || *w->events[i].age == w->events[i].born)
			w->events[kept++] = w->events[i];
	w->nevents = kept;
}

void sim_at(struct world *w, uint64_t after_ns, void (*cb)(struct world *, void *arg), void *arg,
	    const uint32_t *age)
{
	struct event *event;

	if (w->nevents == EVENTS)
		events_purge(w);
	event = &w->events[w->nevents];
	if (w->nevents == EVENTS)
		sim_fail(w, "too many events for the simulation");
	w->nevents++;
	*event = (struct event){
		.due_ns = w->now_ns + after_ns,
		.order = w->order++,
		.cb = cb,
		.arg = arg,
		.age = age,
		.born = age ? *age : 0,
	};
}

static int event_first(const struct world *w)
{
	int first = -1;

	for (unsigned i = 0; i < w->nevents; i++) {
		const struct event *e = &w->events[i], *f = first < 0 ? NULL : &w->events[first];

		if (!f || e->due_ns < f->due_ns || (e->due_ns == f->due_ns && e->order < f->order))
			first = (int)i;
	}
	return first;
}

uint64_t sim_next_due(const struct world *w)
{
	int first = event_first(w);

	return first < 0 ? UINT64_MAX : w->events[first].due_ns;
}

void sim_run_due(struct world *w)
{
	uint64_t upto = w->order;	/* what these add is for the next turn */

	for (;;) {
		int first = -1;
		struct event event;

		for (unsigned i = 0; i < w->nevents; i++) {
			const struct event *e = &w->events[i];

			if (e->due_ns > w->now_ns || e->order >= upto)
				continue;
			if (first < 0 || e->due_ns < w->events[first].due_ns ||
			    (e->due_ns == w->events[first].due_ns &&
			     e->order < w->events[first].order))
				first = (int)i;
		}
		if (first < 0)
			return;
		event = w->events[first];
		w->events[first] = w->events[--w->nevents];
		if (!event.age || *event.age == event.born)
			event.cb(w, event.arg);
	}
}

void sim_hash(struct world *w, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		w->hash = (w->hash ^ p[i]) * 0x100000001b3;
}

void sim_say(struct world *w, const char *fmt, ...)
{
	char *line = w->said[w->nsaid++ % (sizeof(w->said) / sizeof(w->said[0]))];
	size_t size = sizeof(w->said[0]);
	int n = snprintf(line, size, "%12.6f ", (double)w->now_ns / 1e9);
	va_list args;

	va_start(args, fmt);
	vsnprintf(line + n, size - (size_t)n, fmt, args);
	va_end(args);
	sim_hash(w, line, strlen(line));
	if (w->verbose)
		fprintf(stderr, "%s\n", line);
}

void sim_fail(struct world *w, const char *fmt, ...)
{
	const unsigned room = sizeof(w->said) / sizeof(w->said[0]);
	va_list args;

	for (unsigned i = w->nsaid > room ? w->nsaid - room : 0; !w->verbose && i < w->nsaid; i++)
		fprintf(stderr, "%s\n", w->said[i % room]);
	fprintf(stderr, "seed %llu failed at %.6f: ", (unsigned long long)w->seed,
		(double)w->now_ns / 1e9);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nonce more: make sim SEED=%llu\n", (unsigned long long)w->seed);
	_Exit(1);
}
