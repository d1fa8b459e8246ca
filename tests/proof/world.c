/* The gateway that is put to the proof. See world.h. */
#include "world.h"

#include "bridges/file/file.h"
#include "loop/loop_private.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct fg_bridge fg_bridge_file;

static struct world **world_now(void)
{
	static struct world *world;

	return &world;
}

void world_fault(struct world *w, const char *format, ...)
{
	va_list rest;

	if (w->fault[0])
		return;
	va_start(rest, format);
	vsnprintf(w->fault, sizeof(w->fault), format, rest);
	va_end(rest);
}

static uint32_t instant(const struct world *w)
{
	return disk_get()->mode == DISK_RECORD ? disk_get()->nops : w->instant;
}

/* -- the loop: virtual time, no threads -- */

int __wrap_fg_loop_work(struct fg_loop *loop, struct fg_work *work);

static uint64_t virtual_now(void *arg)
{
	return ((struct world *)arg)->now_ns;
}

static int virtual_wait(void *arg, int epoll_fd, struct epoll_event *events, int max,
			uint64_t timeout_ns)
{
	int n = epoll_wait(epoll_fd, events, max, 0);

	(void)arg;
	(void)timeout_ns;
	return n < 0 ? -errno : n;
}

static void work_done(struct fg_defer *defer)
{
	struct fg_work *work = (struct fg_work *)((char *)defer - offsetof(struct fg_work, defer));

	work->done(work);
}

int __wrap_fg_loop_work(struct fg_loop *loop, struct fg_work *work)
{
	struct world *w = *world_now();

	assert(w->nworks < WORKS);
	if (w->nworks == 0)
		w->latest_ns = w->now_ns;
	work->loop = loop;
	w->works[w->nworks++] = work;
	return 0;
}

void world_work(struct world *w, unsigned n)
{
	struct fg_work *work = w->works[n];

	memmove(w->works + n, w->works + n + 1, (--w->nworks - n) * sizeof(work));
	w->latest_ns = w->now_ns;
	w->in_work = true;
	work->work(work);
	w->in_work = false;
	work->defer = (struct fg_defer){ .cb = work_done };
	fg_loop_defer(w->loop, &work->defer);
}

/* While a worker waits for the disk the loop goes on. */
static void during_sync(void *arg)
{
	struct world *w = arg;

	if (!w->in_work || w->recovering || random_chance(w->random, 60))
		return;
	if (random_chance(w->random, 60))
		world_append(w);
	world_flush(w);
	if (w->nheld && random_chance(w->random, 50))
		world_settle(w, random_below(w->random, w->nheld), 0);
	fg_forward_pump(w->forward);
}

/* -- what an upstream sees -- */

static struct range *range_new(struct seen *s)
{
	if (s->nranges == s->ranges_cap) {
		s->ranges_cap = s->ranges_cap ? 2 * s->ranges_cap : 64;
		s->ranges = realloc(s->ranges, s->ranges_cap * sizeof(*s->ranges));
		assert(s->ranges);
	}
	s->ranges[s->nranges] = (struct range){ 0 };
	return &s->ranges[s->nranges];
}

static void got_add(struct seen *s, const struct range *range, uint64_t number, uint64_t serial)
{
	if (s->ngot == s->got_cap) {
		s->got_cap = s->got_cap ? 2 * s->got_cap : 256;
		s->got = realloc(s->got, s->got_cap * sizeof(*s->got));
		assert(s->got);
	}
	s->got[s->ngot++] = (struct got){ range->epoch, number, serial, range->at };
}

static const char *text_find(const char *text, const char *end, const char *what)
{
	const char *p = memmem(text, (size_t)(end - text), what, strlen(what));

	return p ? p + strlen(what) : NULL;
}

static uint64_t head_number(const char *text, const char *end, const char *key)
{
	const char *p = text_find(text, end, key);

	return p ? strtoull(p, NULL, 10) : 0;
}

static bool range_read(const char *text, const char *end, struct range *range)
{
	const char *p = text_find(text, end, "\"epoch\":\""), *why, *quote;

	if (!p)
		return false;
	range->epoch = strtoull(p, NULL, 16);
	range->first = head_number(text, end, "\"first\":");
	range->last = head_number(text, end, "\"last\":");
	range->begin = text_find(text, end, "\"begin\":true") != NULL;
	p = text_find(text, end, "\"prev\":\"");
	if (p) {
		range->prev = strtoull(p, NULL, 16);
		range->prev_last = strtoull(strchr(p, ':') + 1, NULL, 10);
	}
	why = text_find(text, end, "\"why\":\"");
	quote = why ? strchr(why, '"') : NULL;
	if (quote)
		snprintf(range->why, sizeof(range->why), "%.*s", (int)(quote - why), why);
	range->lost = why != NULL;
	range->unknown = text_find(text, end, "\"vs\":\"unknown\"") != NULL;
	return range->epoch != 0;
}

static bool pack_seen(struct seen *s, const char *text, size_t len, uint32_t at)
{
	const char *end = text + len, *p = text;
	struct range *range = range_new(s);
	uint64_t number;

	range->at = at;
	if (len < 4 || text[0] != '[' || end[-1] != ']' || !range_read(text, end, range))
		return false;
	s->nranges++;
	if (range->lost)
		return true;
	for (number = range->first; (p = text_find(p, end, "\"v")); number++) {
		if (*p == 's')
			p++;
		if (p[0] != '"' || p[1] != ':')
			return false;
		p += p[2] == '"' ? 3 : 2;
		got_add(s, range, number, strtoull(p, NULL, 10));
	}
	return number == range->last + 1;
}

/* The values are integers, or texts that begin with the serial. */
bool seen_pack(struct seen *s, const char *text, size_t len, uint32_t at)
{
	char *copy = calloc(1, len + 1);	/* a pack ends where its length says, in no NUL */
	bool good;

	if (copy)
		memcpy(copy, text, len);
	good = copy && !memchr(text, 0, len) && pack_seen(s, copy, len, at);
	free(copy);
	return good;
}

void seen_free(struct seen *s)
{
	free(s->got);
	free(s->ranges);
	*s = (struct seen){ 0 };
}

/* -- history -- */

void history_free(struct history *h)
{
	free(h->told);
	seen_free(&h->up);
	*h = (struct history){ 0 };
}

static enum past past_of(const struct told *t, uint32_t at)
{
	if (t->past != PAST_NONE)
		return t->past;
	if (t->committed && t->committed <= at)
		return PAST_MUST;
	return t->accepted && t->accepted <= at ? PAST_ACCEPTED : PAST_MAYBE;
}

void history_cut(struct history *h, uint32_t at)
{
	uint32_t kept = 0;

	while (h->count && h->told[h->count - 1].past == PAST_NONE &&
	       h->told[h->count - 1].appended > at)
		h->count--;
	for (uint32_t i = 0; i < h->count; i++) {
		h->told[i].past = past_of(&h->told[i], at);
		h->told[i].appended = h->told[i].accepted = h->told[i].committed = 0;
	}
	for (uint32_t i = 0; i < h->up.ngot; i++)
		if (h->up.got[i].at <= at) {
			h->up.got[kept] = h->up.got[i];
			h->up.got[kept++].at = 0;
		}
	h->up.ngot = kept;
	kept = 0;
	for (uint32_t i = 0; i < h->up.nranges; i++)
		if (h->up.ranges[i].at <= at) {
			h->up.ranges[kept] = h->up.ranges[i];
			h->up.ranges[kept++].at = 0;
		}
	h->up.nranges = kept;
	h->ncleans = h->nstarts = h->ngiven = 0;
}

static struct told *told_new(struct history *h)
{
	if (h->count == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 256;
		h->told = realloc(h->told, h->cap * sizeof(*h->told));
		assert(h->told);
	}
	h->told[h->count] = (struct told){ 0 };
	return &h->told[h->count++];
}

/* -- the upstream -- */

static void pack_take(struct world *w, const struct fg_batch *batch, struct seen *seen)
{
	if (!seen_pack(seen, batch->payload.ptr, batch->payload.len, instant(w)))
		world_fault(w, "no pack: %.*s", (int)batch->payload.len, batch->payload.ptr);
}

static int up_open(struct fg_sink *sink)
{
	struct world *w = (struct world *)(uintptr_t)sink->conf;

	w->sink = sink;
	w->nheld = 0;
	fg_sink_up(sink);
	return 0;
}

static void up_close(struct fg_sink *sink)
{
	((struct world *)(uintptr_t)sink->conf)->nheld = 0;
	fg_sink_closed(sink);
}

static int up_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct world *w = (struct world *)(uintptr_t)sink->conf;

	if (w->takes) {
		pack_take(w, batch, w->takes);
		fg_sink_done(sink, batch, 0, NULL);
		return 0;
	}
	assert(w->nheld < HELD);
	w->held[w->nheld++] = batch;
	return 0;
}

void world_settle(struct world *w, uint32_t n, int error)
{
	struct fg_batch *batch = w->held[n];

	memmove(w->held + n, w->held + n + 1, (--w->nheld - n) * sizeof(batch));
	if (error == 0)
		pack_take(w, batch, &w->history->up);
	fg_sink_done(w->sink, batch, error, "because");
}

/* -- beginning and end -- */

static void on_committed(void *arg, uint64_t upto)
{
	struct world *w = arg;
	struct history *h = w->history;

	for (uint32_t i = h->count; i-- > h->fence;) {
		struct told *t = &h->told[i];

		if (t->past != PAST_NONE || t->committed)
			break;
		if (t->accepted && t->position <= upto)
			t->committed = instant(w);
	}
}

static int on_sync_cursors(void *arg)
{
	struct world *w = arg;

	return w->forward ? fg_forward_sync_cursors(w->forward) : 0;
}

static void bridges_init(struct world *w)
{
	const struct fg_batch_conf batch = { .records = 5,
					     .bytes = 4096,
					     .linger_ns = (int64_t)FG_MS(50) };

	w->up = (struct fg_bridge){
		.name = "up",
		.acknowledges = true,
		.ops = { .open = up_open, .close = up_close, .send = up_send },
	};
	w->up_conf = (struct fg_bridge_conf){
		.name = "up",
		.bridge = &w->up,
		.conf = w,
		.type = "up",
		.batch = batch,
		.window = 4,
		.stall_ns = (int64_t)FG_S(3000),
		.required = true,
		.dead_limit = 1 << 20,
	};
	w->file_conf = w->up_conf;
	w->file_conf.name = w->file_conf.type = "file";
	w->file_conf.bridge = &fg_bridge_file;
	w->file = w->file_conf.conf = calloc(1, sizeof(*w->file));
	assert(w->file);
	w->file->path = w->path;
	w->file->rotate = (struct file_rotate){ .size = 6000, .keep = 119 };
}

static bool forward_up(struct world *w)
{
	struct fg_forward_conf conf = {
		.gateway = "gw",
		.spool_dir = w->dir,
		.loop = w->loop,
		.spool = w->spool,
		.clock = &w->clock,
	};
	int r = fg_forward_new(&conf, &w->forward);

	if (r == 0)
		r = fg_forward_add(w->forward, &w->up_conf, FG_ERROR, &w->up_box);
	if (r == 0)
		r = fg_forward_add(w->forward, &w->file_conf, FG_ERROR, &w->file_box);
	if (r < 0)
		world_fault(w, "a bridge does not start: %s", strerror(-r));
	return r == 0;
}

static void start_note(struct world *w)
{
	struct history *h = w->history;

	if (disk_get()->mode == DISK_RECORD && h->nstarts < STARTS)
		h->starts[h->nstarts++] = (struct start){ disk_get()->nops, w->now_ns };
}

bool world_up(struct world *w, const char *dir)
{
	const struct fg_spool_events events = {
		.arg = w,
		.committed = on_committed,
		.sync_cursors = on_sync_cursors,
	};
	int r;

	*world_now() = w;
	snprintf(w->dir, sizeof(w->dir), "%s/var/spool", dir);
	snprintf(w->path, sizeof(w->path), "%s/out/records.jsonl", dir);
	w->conf.dir = w->dir;
	w->fault[0] = '\0';
	w->now_ns += FG_MS(5);
	start_note(w);
	w->loop = fg_loop_new();
	assert(w->loop);
	fg_loop_set_os(w->loop, &(struct fg_loop_os){ virtual_now, virtual_wait, w });
	fg_clock_init(&w->clock, true);
	bridges_init(w);
	disk_get()->during_sync = during_sync;
	disk_get()->arg = w;
	r = fg_spool_open(w->loop, NULL, &w->conf, &events, &w->spool);
	if (r < 0)
		world_fault(w, "the spool does not open: %s", strerror(-r));
	if (r < 0)
		return false;
	w->floor = w->spool->floor;
	w->base = UINT64_MAX;
	return forward_up(w);
}

static void on_removed(void *arg)
{
	((struct world *)arg)->removed++;
}

static void works_all(struct world *w)
{
	while (w->nworks)
		world_work(w, 0);
}

static void forward_down(struct world *w)
{
	unsigned want = w->removed + 2;

	fg_forward_remove(w->up_box, on_removed, w);
	fg_forward_remove(w->file_box, on_removed, w);
	for (int i = 0; i < 1000 && w->removed != want; i++) {
		works_all(w);
		fg_loop_turn(w->loop, false);
	}
	assert(w->removed == want);
}

static void loop_down(struct world *w)
{
	w->forward = fg_forward_free(w->forward);
	works_all(w); /* orphans, which know it */
	for (int i = 0; i < 10; i++)
		fg_loop_turn(w->loop, false);
	w->loop = fg_loop_free(w->loop);
	free(w->file);
	w->file = NULL;
	w->spool = NULL;
	w->up_box = w->file_box = NULL;
}

void world_kill(struct world *w)
{
	enum disk_mode mode = disk_get()->mode;

	disk_get()->mode = DISK_DEAD;
	w->recovering = true;
	if (w->forward && w->up_box && w->file_box)
		forward_down(w);
	w->recovering = false;
	if (w->spool)
		fg_spool_close(w->spool, NULL, NULL);
	loop_down(w);
	disk_get()->mode = mode;
}

void world_stop(struct world *w)
{
	struct history *h = w->history;
	uint64_t epoch = fg_spool_epoch(w->spool)->id;
	struct clean *clean = &h->cleans[h->ncleans];
	/* an end that is missing is reason enough for a new epoch */
	bool whole = h->count && h->told[h->count - 1].past == PAST_NONE &&
		     h->told[h->count - 1].position == fg_spool_accepted(w->spool);
	bool failing;

	w->recovering = true;
	fg_forward_stop(w->forward);
	forward_down(w);
	fg_spool_flush(w->spool);
	failing = w->spool->sync_failing || (w->history->faulty && disk_get()->eio_in);
	fg_spool_close(w->spool, NULL, NULL);
	loop_down(w);
	w->recovering = false;
	if (disk_get()->mode == DISK_RECORD && !failing && whole && h->ncleans < CLEANS) {
		clean->from = clean->to = instant(w);
		clean->epoch = epoch;
		h->ncleans++;
	}
}

/* -- steps -- */

static void account_judge(void *arg, const struct fg_account *a)
{
	struct world *w = arg;
	uint64_t sum = a->acknowledged + a->sent + a->waiting + a->dead;

	for (int i = 0; i < FG_WHY__MAX; i++)
		sum += a->dropped[i];
	if (a->waiting > a->due || sum != a->due)
		world_fault(w, "ledger of %s: %llu of %llu", a->name, (unsigned long long)sum,
			    (unsigned long long)a->due);
}

static void given_note(struct world *w)
{
	struct history *h = w->history;
	uint64_t base = w->spool->first ? w->spool->first->base : UINT64_MAX;

	if (disk_get()->mode == DISK_RECORD && base != UINT64_MAX && base > w->base &&
	    h->ngiven < GIVEN)
		h->given[h->ngiven++] = (struct given){ instant(w), base };
	w->base = base;
}

void world_turn(struct world *w, uint64_t ns)
{
	w->now_ns += ns;
	fg_loop_update_now(w->loop);
	fg_loop_turn(w->loop, false);
	fg_forward_pump(w->forward);
	fg_forward_accounts(w->forward, account_judge, w);
	given_note(w);
}

void world_wait(struct world *w, uint64_t ns)
{
	for (uint64_t step = FG_MS(20); ns > 0; ns -= step) {
		if (step > ns)
			step = ns;
		if (w->nworks && w->now_ns - w->latest_ns > FG_MS(100))
			world_work(w, 0);
		world_turn(w, step);
	}
}

static uint32_t text_fill(uint64_t *random, uint64_t serial, char *text, size_t size)
{
	uint32_t n = (uint32_t)snprintf(text, size, "%llu ", (unsigned long long)serial);
	uint32_t more = random_below(random, (uint32_t)size - n);

	memset(text + n, 'x', more);
	return n + more;
}

void world_append(struct world *w)
{
	uint32_t count = 1 + random_below(w->random, 3), first = w->history->count;
	struct fg_record records[3];
	const struct fg_entry entry = {
		.device = fg_str_c(random_chance(w->random, 50) ? "boiler" : "hall/lamp"),
		.wall_ns = 1763788800000000000,
		.boot_ns = (int64_t)w->now_ns,
		.records = records,
		.count = count,
	};
	char text[3][1500];
	uint64_t last;

	for (uint32_t i = 0; i < count; i++) {
		struct told *t = told_new(w->history);

		records[i] = (struct fg_record){
			.point = FG_STR("p"),
			.value = { .kind = FG_INT, .i = (int64_t)w->history->count },
			.time_ns = FG_TIME_NONE,
		};
		if (random_chance(w->random, 20))
			records[i].value = (struct fg_value){
				.kind = FG_STRING,
				.s = { text[i], text_fill(w->random, w->history->count, text[i],
							  sizeof(text[i])) },
			};
		t->time_ns = w->now_ns;
		t->appended = instant(w);
	}
	if (fg_spool_append(w->spool, &entry, &last) < 0) {
		w->history->count = first;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct told *t = &w->history->told[first + i];

		t->position = last - count + 1 + i;
		t->epoch = fg_spool_epoch(w->spool)->id;
		t->number = t->position - fg_spool_epoch(w->spool)->base;
	}
}

void world_flush(struct world *w)
{
	struct history *h = w->history;

	(void)fg_spool_flush(w->spool);
	for (uint32_t i = h->count; i-- > h->fence;) {
		struct told *t = &h->told[i];

		if (t->past != PAST_NONE || t->accepted)
			break;
		if (t->position <= fg_spool_accepted(w->spool))
			t->accepted = instant(w);
	}
}

static bool box_drained(const struct world *w, const struct fg_outbox *box)
{
	return box->head == box->tail &&
	       fg_cursor_state(box->cursor)->position == fg_spool_accepted(w->spool);
}

bool world_drain(struct world *w)
{
	for (int i = 0; i < 2000; i++) {
		works_all(w);
		world_turn(w, FG_MS(20));
		if (box_drained(w, w->up_box) && box_drained(w, w->file_box))
			return true;
	}
	world_fault(w, "does not drain: up %llu, file %llu of %llu",
		    (unsigned long long)fg_cursor_state(w->up_box->cursor)->position,
		    (unsigned long long)fg_cursor_state(w->file_box->cursor)->position,
		    (unsigned long long)fg_spool_accepted(w->spool));
	return false;
}
