/* Whether anything is missing that should be there, after the power came back. See world.h. */
#include "world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a power cut may take under a duration: so much, and the syncs that were under way. */
#define BOUND_NS (FG_S(1) + 3 * FG_MS(150))

/* Cursors are synced so often, with the next commit. */
#define CURSOR_NS (FG_S(10) + BOUND_NS)

enum { ROTATED = 120 };

struct view { /* of one upstream: what it had before the cut, and what it has now */
	const char *name;
	const struct seen *parts[2];
	uint32_t upto[2]; /* what of the part counts: what was seen until then */
	bool *has;	  /* by serial - 1 */
};

static bool told_known(const struct told *t, uint32_t at)
{
	return t->past != PAST_NONE || t->appended <= at;
}

static bool told_accepted(const struct told *t, uint32_t at)
{
	return t->past >= PAST_ACCEPTED || (t->accepted && t->accepted <= at);
}

static bool told_must(const struct told *t, uint32_t at)
{
	return t->past == PAST_MUST || (t->committed && t->committed <= at);
}

/* -- ranges -- */

static const struct range *range_next(const struct view *v, uint32_t *i)
{
	while (*i < v->parts[0]->nranges + v->parts[1]->nranges) {
		uint32_t part = *i >= v->parts[0]->nranges;
		const struct range *r =
			&v->parts[part]->ranges[*i - (part ? v->parts[0]->nranges : 0)];

		(*i)++;
		if (r->at <= v->upto[part])
			return r;
	}
	return NULL;
}

static const struct range *lost_find(const struct view *v, const struct told *t)
{
	const struct range *r, *unknown = NULL;

	for (uint32_t i = 0; (r = range_next(v, &i));) {
		if (!r->lost || r->epoch != t->epoch || t->number < r->first)
			continue;
		if (r->unknown)
			unknown = r;
		else if (t->number <= r->last)
			return r;
	}
	return unknown;
}

static int range_compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Do the ranges cover the epoch's numbers up to `last`? */
static void tiles(struct world *w, const struct view *v, uint64_t epoch, uint64_t last)
{
	uint32_t n = 0, i = 0;
	struct range *all = calloc(v->parts[0]->nranges + v->parts[1]->nranges + 1, sizeof(*all));
	const struct range *r;
	uint64_t reached = 0;

	assert(all);
	while ((r = range_next(v, &i)))
		if (r->epoch == epoch && !r->unknown)
			all[n++] = *r;
	qsort(all, n, sizeof(*all), range_compare);
	for (i = 0; i < n && all[i].first <= reached + 1; i++)
		if (all[i].last > reached)
			reached = all[i].last;
	free(all);
	if (reached < last)
		world_fault(w, "%s: epoch %016" PRIx64 ": %" PRIu64 " of %" PRIu64 " numbers",
			    v->name, epoch, reached, last);
}

static void ranges_judge(struct world *w, const struct view *v)
{
	const struct fg_spool_epoch *now = fg_spool_epoch(w->spool);
	const struct range *r;

	for (uint32_t i = 0; (r = range_next(v, &i));) {
		if (r->begin)
			world_fault(w, "%s: a cursor was lost", v->name);
		if (r->prev)
			tiles(w, v, r->prev, r->prev_last);
	}
	tiles(w, v, now->id, fg_spool_accepted(w->spool) - now->base);
}

/* -- records -- */

static void got_judge(struct world *w, const struct view *v, const struct got *got, uint32_t at)
{
	const struct history *h = w->history;
	const struct told *t = got->serial && got->serial <= h->count ? &h->told[got->serial - 1] :
									NULL;

	if (!t || !told_known(t, at)) {
		world_fault(w, "%s: a record that never was: %" PRIu64, v->name, got->serial);
		return;
	}
	if (t->epoch != got->epoch || t->number != got->number)
		world_fault(w,
			    "%s: record %" PRIu64 " was %016" PRIx64 ":%" PRIu64
			    " and is %016" PRIx64 ":%" PRIu64,
			    v->name, got->serial, t->epoch, t->number, got->epoch, got->number);
	v->has[got->serial - 1] = true;
}

/* What a process left unsynced, the next one has as long to sync. */
static uint64_t unsynced_since(const struct history *h, const struct told *t, uint32_t at)
{
	uint64_t since = t->time_ns;

	for (uint32_t i = 0; i < h->nstarts && h->starts[i].at <= at; i++)
		if (h->starts[i].now_ns > since)
			since = h->starts[i].now_ns;
	return since;
}

static void missing_judge(struct world *w, const struct view *v, const struct told *t, uint32_t at,
			  uint64_t cut_ns)
{
	const struct history *h = w->history;
	const struct range *r = lost_find(v, t);
	bool must = told_must(t, at), refused = r && strcmp(r->why, "refused") == 0;

	if (refused || (must && r && h->dropping && strcmp(r->why, "spool-full") == 0))
		return;
	if (must)
		world_fault(w, "%s: lost: committed %016" PRIx64 ":%" PRIu64 ", announced as %s",
			    v->name, t->epoch, t->number, r ? r->why : "nothing");
	else if (!r && !h->each)
		world_fault(w, "%s: lost, not announced: %016" PRIx64 ":%" PRIu64, v->name,
			    t->epoch, t->number);
	else if (!h->each && !h->never && !h->faulty && !h->dropping && t->past == PAST_NONE &&
		 cut_ns > unsynced_since(h, t, at) + BOUND_NS)
		world_fault(w, "%s: lost after %" PRIu64 " ms: %016" PRIx64 ":%" PRIu64, v->name,
			    (cut_ns - t->time_ns) / 1000000, t->epoch, t->number);
}

/* What was never in danger must not be announced as lost. */
static void alarm_judge(struct world *w, const struct view *v, const struct told *t, uint32_t at)
{
	const struct range *r = told_must(t, at) ? lost_find(v, t) : NULL;

	if (r && !r->unknown && !w->history->dropping && strcmp(r->why, "refused") != 0)
		world_fault(w, "%s: %016" PRIx64 ":%" PRIu64 " has come and is announced as %s",
			    v->name, t->epoch, t->number, r->why);
}

static void view_judge(struct world *w, struct view *v, uint32_t at, uint64_t cut_ns)
{
	const struct history *h = w->history;

	v->has = calloc(h->count + 1, sizeof(bool));
	assert(v->has);
	for (unsigned part = 0; part < 2; part++)
		for (uint32_t i = 0; i < v->parts[part]->ngot; i++)
			if (v->parts[part]->got[i].at <= v->upto[part])
				got_judge(w, v, &v->parts[part]->got[i], at);
	ranges_judge(w, v);
	for (uint32_t i = 0; i < h->count; i++) {
		const struct told *t = &h->told[i];

		if (!told_accepted(t, at))
			continue;
		if (v->has[i])
			alarm_judge(w, v, t, at);
		else
			missing_judge(w, v, t, at, cut_ns);
	}
	free(v->has);
}

/* What was acknowledged before the cursors were last due to be synced does not come again. Where
 * syncs fail, or only the kernel decides, nothing is due. */
static void again_judge(struct world *w, uint32_t at, uint64_t cut_ns, const struct seen *after)
{
	const struct history *h = w->history;

	for (uint32_t i = 0; i < h->up.ngot && !h->never && !h->faulty; i++) {
		const struct got *old = &h->up.got[i];
		uint64_t then = old->at && old->at <= at ? disk_get()->ops[old->at - 1].now_ns :
							   cut_ns;

		if (then + CURSOR_NS >= cut_ns)
			continue;
		for (uint32_t n = 0; n < after->ngot; n++)
			if (after->got[n].serial == old->serial)
				world_fault(w,
					    "%016" PRIx64 ":%" PRIu64
					    " comes again, acknowledged %" PRIu64 " ms before",
					    old->epoch, old->number, (cut_ns - then) / 1000000);
	}
}

/* -- files -- */

static void lines_judge(struct world *w, const char *path, struct seen *seen)
{
	size_t len;
	char *text = file_load(path, &len), *line = text, *end;

	while (text && (end = memchr(line, '\n', (size_t)(text + len - line)))) {
		if (!seen_pack(seen, line, (size_t)(end - line), 0))
			world_fault(w, "no pack in %s at %zu of %zu", path, (size_t)(line - text),
				    len);
		line = end + 1;
	}
	if (text && line != text + len)
		world_fault(w, "a torn line in %s", path);
	free(text);
}

static void file_judge(struct world *w, uint32_t at, uint64_t cut_ns)
{
	struct seen seen = { 0 }, none = { 0 };
	struct view view = { "file", { &seen, &none }, { at, at }, NULL };
	char path[256];

	lines_judge(w, w->path, &seen);
	/* there may be holes: one of a rotation's renames can be undone */
	for (int i = 1; i < ROTATED; i++) {
		snprintf(path, sizeof(path), "%s.%d", w->path, i);
		lines_judge(w, path, &seen);
	}
	view_judge(w, &view, at, cut_ns);
	seen_free(&seen);
}

/* Every dead letter that the ledger counts is there and can be read. */
static void dead_judge(struct world *w)
{
	uint64_t want = fg_cursor_state(w->up_box->cursor)->dead, records = 0;
	char path[256], *text, *line, *end;
	size_t len;

	snprintf(path, sizeof(path), "%s/dead/up.jsonl", w->dir);
	text = file_load(path, &len);
	for (line = text; text && (end = memchr(line, '\n', (size_t)(text + len - line)));
	     line = end + 1) {
		const char *count = memmem(line, (size_t)(end - line), "\"records\":", 10);

		if (!count || strncmp(line, "{\"time\":", 8) != 0 ||
		    memchr(line, 0, (size_t)(end - line)) ||
		    memmem(line + 1, (size_t)(end - line - 1), "{\"time\":", 8) || end[-1] != '}')
			world_fault(w, "a dead letter that cannot be read");
		else
			records += strtoull(count + 10, NULL, 10);
	}
	free(text);
	if (records < want)
		world_fault(w, "%" PRIu64 " of %" PRIu64 " dead letters", records, want);
}

/* -- the spool -- */

static void spool_judge(struct world *w, uint32_t at)
{
	const struct history *h = w->history;
	uint64_t accepted = fg_spool_accepted(w->spool);

	for (uint32_t i = 0; i < h->count; i++)
		if (told_must(&h->told[i], at) && h->told[i].position > accepted)
			world_fault(w,
				    "position %" PRIu64
				    " was committed, the spool ends at %" PRIu64,
				    h->told[i].position, accepted);
	/* what was removed is known to have been: it is no damage to whoever begins there */
	for (uint32_t i = 0; i < h->ngiven && !h->dropping; i++)
		if (h->given[i].at <= at && h->given[i].upto > w->floor)
			world_fault(w, "removed up to %" PRIu64 ", the floor is %" PRIu64,
				    h->given[i].upto, w->floor);
	for (uint32_t i = 0; i < h->ncleans; i++)
		if (!h->dropping && h->cleans[i].from <= at && at <= h->cleans[i].to &&
		    fg_spool_epoch(w->spool)->id != h->cleans[i].epoch)
			world_fault(w, "a clean end was forgotten");
}

/* A number that somebody may have seen is not used again. */
static void numbers_judge(struct world *w, uint32_t from, uint32_t at)
{
	const struct history *h = w->history;

	for (uint32_t n = from; n < h->count; n++)
		for (uint32_t i = 0; i < from; i++)
			if (h->told[i].epoch == h->told[n].epoch &&
			    h->told[i].number == h->told[n].number && told_known(&h->told[i], at))
				world_fault(w, "%016" PRIx64 ":%" PRIu64 " is used twice",
					    h->told[n].epoch, h->told[n].number);
}

bool judge(struct world *w, uint32_t at, uint64_t cut_ns, const struct seen *after)
{
	struct view up = { "up", { &w->history->up, after }, { at, UINT32_MAX }, NULL };

	spool_judge(w, at);
	numbers_judge(w, w->history->fence, at);
	view_judge(w, &up, at, cut_ns);
	again_judge(w, at, cut_ns, after);
	file_judge(w, at, cut_ns);
	dead_judge(w);
	return !w->fault[0];
}

/* -- for the program itself -- */

static const char *told_word(const struct told *t, uint32_t at,
			     bool (*hurt)(const void *arg, uint64_t position), const void *arg)
{
	if (!told_accepted(t, at))
		return "known";
	if (hurt)
		return hurt(arg, t->position) ? "accepted" : "must";
	return told_must(t, at) ? "must" : "accepted";
}

void facts_write(const struct history *h, const struct fg_spool_conf *conf, uint32_t at,
		 bool (*hurt)(const void *arg, uint64_t position), const void *arg,
		 const char *folder)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/facts", folder);
	file = fopen(path, "w");
	assert(file);
	fprintf(file, "conf %" PRIu64 " %s %s%s\n", conf->limit,
		conf->when_full == FG_FULL_REFUSE ? "refuse" : "drop-oldest",
		h->each	 ? "each" :
		h->never ? "never" :
			   "1s",
		h->dropping ? " dropping" : "");
	for (uint32_t i = 0; i < h->count; i++)
		if (told_known(&h->told[i], at))
			fprintf(file, "told %016" PRIx64 " %" PRIu64 " %" PRIu32 " %s\n",
				h->told[i].epoch, h->told[i].number, i + 1,
				told_word(&h->told[i], at, hurt, arg));
	for (uint32_t i = 0; i < h->up.ngot; i++)
		if (h->up.got[i].at <= at)
			fprintf(file, "got %016" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
				h->up.got[i].epoch, h->up.got[i].number, h->up.got[i].serial);
	for (uint32_t i = 0; i < h->up.nranges; i++) {
		const struct range *r = &h->up.ranges[i];

		if (r->at <= at)
			fprintf(file,
				"range %016" PRIx64 " %" PRIu64 " %" PRIu64 " %016" PRIx64
				" %" PRIu64 " %s %s\n",
				r->epoch, r->first, r->last, r->prev, r->prev_last,
				r->lost ? r->why : "-", r->unknown ? "unknown" : "-");
	}
	assert(fclose(file) == 0);
}
