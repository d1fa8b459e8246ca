/* Liveness (see the header): intervals learned, silence looked at, changes queued. */
#include "device/liveness.h"

#include <errno.h>
#include <stdlib.h>

#define MS_NS INT64_C(1000000)
#define LOOK_EVERY (1000 * MS_NS)
#define LAG_MAX (5000 * MS_NS)	/* a look that is later than this finds that nobody listened */
#define GAPS_LEARN 8		/* intervals seen before one is believed */
#define MEMORY 64		/* intervals after which a longer one is about forgotten */

struct fg_liveness {
	struct fg_liveness_conf conf;
	struct fg_device **heap;	/* the earliest due_ns first */
	uint32_t count, cap;
	int64_t looked_ns, since_ns;	/* since: the silence before does not count */
	struct fg_device *head, *tail;	/* those with a change that is not kept yet */
	struct fg_device *unsaid;	/* from here on it is not even said */
	uint32_t states[FG_ALIVE__MAX];	/* of late and offline; online is not counted */
};

int fg_liveness_new(const struct fg_liveness_conf *conf, struct fg_liveness **ret_liveness)
{
	struct fg_liveness *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->conf = *conf;
	*ret_liveness = l;
	return 0;
}

struct fg_liveness *fg_liveness_free(struct fg_liveness *l)
{
	if (l)
		free(l->heap);
	free(l);
	return NULL;
}

const char *fg_alive_name(enum fg_alive state)
{
	static const char *const names[] = { "online", "late", "offline" };

	return names[state];
}

/* -- the heap -- */

static void heap_put(struct fg_liveness *l, uint32_t at, struct fg_device *device)
{
	l->heap[at] = device;
	device->slot = at + 1;
}

static void heap_up(struct fg_liveness *l, struct fg_device *device)
{
	uint32_t at = device->slot - 1;

	while (at > 0 && l->heap[(at - 1) / 4]->due_ns > device->due_ns) {
		heap_put(l, at, l->heap[(at - 1) / 4]);
		at = (at - 1) / 4;
	}
	heap_put(l, at, device);
}

static void heap_down(struct fg_liveness *l, struct fg_device *device)
{
	uint32_t at = device->slot - 1;

	for (;;) {
		uint32_t child = 4 * at + 1, best = at;
		int64_t least = device->due_ns;

		for (uint32_t c = child; c < child + 4 && c < l->count; c++) {
			if (l->heap[c]->due_ns < least) {
				best = c;
				least = l->heap[c]->due_ns;
			}
		}
		if (best == at)
			break;
		heap_put(l, at, l->heap[best]);
		at = best;
	}
	heap_put(l, at, device);
}

/* Without memory it is tried again when the device is heard again. */
static void heap_add(struct fg_liveness *l, struct fg_device *device)
{
	if (l->count == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 64;
		struct fg_device **heap = realloc(l->heap, cap * sizeof(*heap));

		if (!heap)
			return;
		l->heap = heap;
		l->cap = cap;
	}
	device->slot = ++l->count;
	heap_up(l, device);
}

static void heap_drop_first(struct fg_liveness *l)
{
	struct fg_device *last = l->heap[--l->count];

	l->heap[0]->slot = 0;
	if (l->count == 0)
		return;
	last->slot = 1;
	heap_down(l, last);
}

/* -- changes -- */

static void enqueue(struct fg_liveness *l, struct fg_device *device)
{
	device->queued = true;
	device->changed = NULL;
	if (l->tail)
		l->tail->changed = device;
	else
		l->head = device;
	l->tail = device;
	if (!l->unsaid)
		l->unsaid = device;
}

static void change(struct fg_liveness *l, struct fg_device *device, enum fg_alive state)
{
	if (device->state == state)
		return;
	l->states[device->state]--;
	l->states[state]++;
	device->state = (uint8_t)state;
	if (!device->queued && device->told != state)
		enqueue(l, device);
}

struct fg_device *fg_liveness_untold(struct fg_liveness *l)
{
	/* it may have changed back before it was its turn */
	while (l->unsaid && l->unsaid->state == l->unsaid->told) {
		l->unsaid->said = l->unsaid->state;
		l->unsaid = l->unsaid->changed;
	}
	return l->unsaid;
}

void fg_liveness_said(struct fg_liveness *l, struct fg_device *device)
{
	device->said = device->state;
	l->unsaid = device->changed;
}

void fg_liveness_kept(struct fg_liveness *l)
{
	struct fg_device *unsaid = l->unsaid, *device;

	while ((device = l->head) != unsaid) {
		l->head = device->changed;
		if (!l->head)
			l->tail = NULL;
		device->queued = false;
		device->told = device->said;
		if (device->state != device->told)
			enqueue(l, device);
	}
}

void fg_liveness_not_kept(struct fg_liveness *l)
{
	l->unsaid = l->head;
}

/* -- the interval -- */

/*
 * The upper envelope of the gaps: a longer one counts at once, a shorter one by its share of
 * MEMORY intervals. A gap that ended an "offline" was an outage and teaches nothing, unless there
 * was another not long ago: then the device is one that sends so.
 */
static void learn_gap(const struct fg_liveness *l, struct fg_device *device, uint32_t gap_ms)
{
	uint64_t now_ms = device->interval_ms;

	if (gap_ms > (double)now_ms * l->conf.offline) {
		if (device->outages)
			device->interval_ms = gap_ms;
		device->outages = MEMORY;
		return;
	}
	if (device->outages)
		device->outages--;
	if (gap_ms >= now_ms)
		device->interval_ms = gap_ms;
	else
		device->interval_ms -= (uint32_t)((now_ms - gap_ms) * gap_ms / (MEMORY * now_ms));
}

/* Payloads within the floor of each other count as one: what a device says in one breath, in
 * several topics, is no interval. */
static void learn(const struct fg_liveness *l, struct fg_device *device, int64_t boot_ns)
{
	int64_t gap_ms = (boot_ns - device->counted_ns) / MS_NS;

	if (device->counted_ns == 0 || device->counted_ns < l->since_ns) {
		device->counted_ns = boot_ns;
		return;
	}
	if (boot_ns - device->counted_ns < l->conf.floor_ns || gap_ms == 0)
		return;
	device->counted_ns = boot_ns;
	if (gap_ms > UINT32_MAX)
		gap_ms = UINT32_MAX;
	if (device->gaps >= GAPS_LEARN) {
		learn_gap(l, device, (uint32_t)gap_ms);
		return;
	}
	device->gaps++;
	if (gap_ms > device->interval_ms)
		device->interval_ms = (uint32_t)gap_ms;
}

static void declare(struct fg_device *device, int64_t declared_ns)
{
	int64_t ms = declared_ns / MS_NS;

	device->declared = true;
	device->interval_ms = ms < 1 ? 1 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

int64_t fg_device_interval(const struct fg_device *device)
{
	return device->declared || device->gaps >= GAPS_LEARN ? device->interval_ms * MS_NS : 0;
}

static int64_t after(int64_t from_ns, const struct fg_device *device, double factor)
{
	return from_ns + (int64_t)((double)fg_device_interval(device) * factor);
}

/* -- heard, or not -- */

static void interval_update(const struct fg_liveness *l, struct fg_device *device,
			    int64_t declared_ns, int64_t boot_ns)
{
	if (declared_ns > 0) {
		declare(device, declared_ns);
		return;
	}
	if (device->declared) { /* not any more: what was declared is no measure */
		device->declared = false;
		device->interval_ms = 0;
		device->gaps = device->outages = 0;
		device->counted_ns = 0;
	}
	learn(l, device, boot_ns);
}

void fg_liveness_heard(struct fg_liveness *l, struct fg_device *device, int64_t declared_ns,
		       int64_t boot_ns)
{
	int64_t due_ns;

	device->heard_ns = boot_ns;
	if (!l->conf.enabled)
		return;
	interval_update(l, device, declared_ns, boot_ns);
	change(l, device, FG_ALIVE_ONLINE);
	if (fg_device_interval(device) == 0)
		return;
	due_ns = after(boot_ns, device, l->conf.late);
	if (!device->slot) {
		device->due_ns = due_ns;
		heap_add(l, device);
	} else if (due_ns < device->due_ns) {
		device->due_ns = due_ns;
		heap_up(l, device);
	}
}

void fg_liveness_deaf(struct fg_liveness *l, int64_t boot_ns)
{
	l->since_ns = boot_ns;
}

int64_t fg_liveness_next(const struct fg_liveness *l)
{
	int64_t earliest = l->looked_ns + LOOK_EVERY;

	if (l->count == 0)
		return FG_LIVENESS_NEVER;
	return l->heap[0]->due_ns > earliest ? l->heap[0]->due_ns : earliest;
}

static void look_at_first(struct fg_liveness *l, int64_t boot_ns)
{
	struct fg_device *device = l->heap[0];
	int64_t from = device->heard_ns > l->since_ns ? device->heard_ns : l->since_ns;

	if (fg_device_interval(device) == 0 || boot_ns >= after(from, device, l->conf.offline)) {
		if (fg_device_interval(device))
			change(l, device, FG_ALIVE_OFFLINE);
		heap_drop_first(l);
		return;
	}
	device->due_ns = after(from, device, l->conf.late);
	if (boot_ns >= device->due_ns) {
		change(l, device, FG_ALIVE_LATE);
		device->due_ns = after(from, device, l->conf.offline);
	}
	heap_down(l, device);
}

bool fg_liveness_look(struct fg_liveness *l, int64_t boot_ns)
{
	int64_t planned = fg_liveness_next(l);
	unsigned budget = FG_LIVENESS_BUDGET;

	if (planned != FG_LIVENESS_NEVER && boot_ns - planned > LAG_MAX)
		l->since_ns = boot_ns;
	while (l->count && l->heap[0]->due_ns <= boot_ns && budget-- > 0)
		look_at_first(l, boot_ns);
	l->looked_ns = boot_ns;
	if (l->count == 0 || l->heap[0]->due_ns > boot_ns)
		return false;
	return true;
}

void fg_liveness_count(const struct fg_liveness *l, uint32_t *ret_late, uint32_t *ret_offline)
{
	*ret_late = l->states[FG_ALIVE_LATE];
	*ret_offline = l->states[FG_ALIVE_OFFLINE];
}

/* -- turned off and on -- */

static bool forget(void *arg, struct fg_device *device)
{
	(void)arg;
	device->state = device->told = device->said = FG_ALIVE_ONLINE;
	device->queued = device->declared = false;
	device->changed = NULL;
	device->slot = 0;
	device->gaps = device->outages = 0;
	device->interval_ms = 0;
	device->counted_ns = 0;
	return true;
}

void fg_liveness_set_conf(struct fg_liveness *l, struct fg_devices *devices,
			  const struct fg_liveness_conf *conf)
{
	if (l->conf.enabled && !conf->enabled) {
		fg_devices_change(devices, forget, NULL);
		l->head = l->tail = l->unsaid = NULL;
		l->count = 0;
		l->states[FG_ALIVE_LATE] = l->states[FG_ALIVE_OFFLINE] = 0;
	}
	l->conf = *conf;
}
