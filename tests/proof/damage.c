/*
 * Spoilt spools. A gateway works for a while; then copies of its files are spoilt in every way that
 * disks and people have, and a gateway is started on each. What is missing in the end must lie in
 * what was spoilt and be announced as lost; nothing else may come than what there was.
 *
 *   proof_damage --spools N --seed S   N spools; a group of up to 20 has the seeds S, S+1, ...
 *   proof_damage ... --keep FOLDER     starts nothing, and leaves each spool in a folder of its own
 *                                      with what must hold of it, for states.py
 */
#include "world.h"

#include "base/crc32c.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPIES = 20, KEPT_COPIES = 3, PLACES = 4096, HURTS = 64, SEGMENTS = 64 };

struct place { /* of an entry */
	uint64_t segment, from, to, first, last;
};

struct hurt {
	uint64_t segment, from, to;
};

struct proof {
	char root[40], live[64], copy[64], other[64];
	struct history history;
	struct fg_spool_conf conf;
	uint64_t random, boots, seed;
	struct place places[PLACES];
	uint32_t nplaces;
	struct hurt hurts[HURTS];
	uint32_t nhurts;
	uint64_t segments[SEGMENTS];
	uint32_t nsegments;
	bool no_lock, have_other;
	const char *keep; /* NULL: each spool is judged here */
	char what[256];
	uint64_t spools, records, lost; /* figures */
};

/* -- a life -- */

static void live(struct proof *p)
{
	struct world w = { .history = &p->history, .random = &p->random };
	char out[96];

	p->conf = (struct fg_spool_conf){ .limit = 4 << 20,
					  .segment = 4096,
					  .commit_ns = 1000000000 };
	w.conf = p->conf;
	folder_empty(p->live);
	snprintf(out, sizeof(out), "%s/out", p->live);
	assert(mkdir(out, 0750) == 0);
	assert(world_up(&w, p->live));
	for (uint32_t n = 20 + random_below(&p->random, 60); n > 0; n--) {
		w.instant++;
		world_append(&w);
		world_flush(&w);
		world_wait(&w, FG_MS(random_below(&p->random, 60)));
		while (w.nheld && random_chance(&p->random, 45))
			world_settle(&w, 0, 0);
		if (random_chance(&p->random, 5)) {
			if (random_chance(&p->random, 50))
				world_stop(&w);
			else
				world_kill(&w);
			assert(world_up(&w, p->live));
		}
	}
	if (random_chance(&p->random, 50))
		world_stop(&w);
	else
		world_kill(&w);
	assert(!w.fault[0]);
}

static void segment_note(void *arg, const struct fg_spool_segment_info *info)
{
	struct proof *p = arg;

	if (p->nsegments < SEGMENTS)
		p->segments[p->nsegments++] = strtoull(info->file, NULL, 16);
}

/* Where each entry stands. */
static void places_note(struct proof *p)
{
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	struct fg_spool_mark mark;
	struct fg_spool *spool;
	char dir[96];

	p->nplaces = p->nsegments = 0;
	snprintf(dir, sizeof(dir), "%s/var/spool", p->live);
	assert(fg_spool_open_readonly(dir, &spool) == 0);
	fg_spool_each_segment(spool, segment_note, p);
	assert(fg_spool_reader_new(spool, fg_spool_oldest(spool), &reader) == 0);
	while (fg_spool_read(reader, &view) == 1 && p->nplaces < PLACES) {
		struct place *place = &p->places[p->nplaces++];

		fg_spool_reader_mark(reader, &mark);
		if (place > p->places && place[-1].segment == mark.segment)
			place[-1].to = mark.offset;
		*place = (struct place){ mark.segment, mark.offset, UINT64_MAX, view.first,
					 view.last };
	}
	fg_spool_reader_free(reader);
	fg_spool_close(spool, NULL, NULL);
}

/* -- damage -- */

static void hurt(struct proof *p, uint64_t segment, uint64_t from, uint64_t to)
{
	if (from < FG_SEGMENT_HEAD) {
		from = 0;
		to = UINT64_MAX;
	}
	assert(p->nhurts < HURTS);
	p->hurts[p->nhurts++] = (struct hurt){ segment, from, to };
}

static void what_add(struct proof *p, const char *what)
{
	size_t len = strlen(p->what);

	snprintf(p->what + len, sizeof(p->what) - len, " %s", what);
}

static void segment_path(const char *root, uint64_t number, char path[160])
{
	snprintf(path, 160, "%s/var/spool/%016" PRIx64 ".seg", root, number);
}

/* Bytes of a file spoilt in one of the ways that need no second file. */
static void bytes_spoil(struct proof *p, uint64_t *random, const char *path, uint64_t segment)
{
	uint32_t how = random_below(random, 5), at, n;
	size_t len;
	char *bytes = file_load(path, &len), *grown;

	if (!bytes || !len) {
		free(bytes);
		return;
	}
	at = random_below(random, (uint32_t)len);
	n = how == 1 ? 512 : how == 2 ? 4096 : 1;
	if (n > 1)
		at -= at % n;
	n = n > len - at ? (uint32_t)(len - at) : n;
	if (how == 0)
		bytes[at] ^= (char)(1u << random_below(random, 8));
	else if (how < 3)
		memset(bytes + at, 0, n);
	else
		n = (uint32_t)(len - at);
	grown = how == 4 ? calloc(1, len + 10000) : NULL;
	if (grown)
		memcpy(grown, bytes, at);
	file_store(path, grown ? grown : bytes, how == 4 ? len + 10000 : how == 3 ? at : len);
	if (segment)
		hurt(p, segment, at, at + n);
	snprintf(p->what + strlen(p->what), sizeof(p->what) - strlen(p->what), " %s%u@%u+%u",
		 segment ? "seg" : strrchr(path, '/') + 1, how, at, n);
	free(grown);
	free(bytes);
}

static void future_version(struct proof *p, const char *path, uint64_t segment)
{
	size_t len;
	char *bytes = file_load(path, &len);

	if (bytes && len >= FG_SEGMENT_HEAD) {
		fg_put16(bytes + 8, FG_SEGMENT_VERSION + 1);
		fg_put32(bytes + FG_SEGMENT_CRC, fg_crc32c(0, bytes, FG_SEGMENT_CRC));
		file_store(path, bytes, len);
		hurt(p, segment, 0, UINT64_MAX);
		what_add(p, "future");
	}
	free(bytes);
}

static void segments_swap(struct proof *p, uint64_t a, uint64_t b)
{
	char one[160], two[160], third[170];

	segment_path(p->copy, a, one);
	segment_path(p->copy, b, two);
	snprintf(third, sizeof(third), "%s.x", one);
	if (a == b || access(one, F_OK) < 0 || access(two, F_OK) < 0)
		return;
	assert(rename(one, third) == 0 && rename(two, one) == 0 && rename(third, two) == 0);
	hurt(p, a, 0, UINT64_MAX);
	hurt(p, b, 0, UINT64_MAX);
	what_add(p, "swap");
}

/* A segment of ours under another number, or of another gateway, also in the place of ours. */
static void segment_plant(struct proof *p, uint64_t *random, bool foreign)
{
	const char *from = foreign ? p->other : p->copy;
	uint64_t number = foreign ? 1 + random_below(random, 30) :
				    p->segments[random_below(random, p->nsegments)];
	uint64_t last = p->segments[p->nsegments - 1];
	char source[160], target[160];
	size_t len;
	char *bytes;

	segment_path(from, number, source);
	bytes = file_load(source, &len);
	if (!bytes)
		return;
	/* its own number is what makes it look sound */
	number = foreign ? number : last + 1 + random_below(random, 3);
	segment_path(p->copy, number, target);
	file_store(target, bytes, len);
	for (uint32_t i = 0; i < p->nsegments; i++)
		if (p->segments[i] == number)
			hurt(p, number, 0, UINT64_MAX);
	free(bytes);
	what_add(p, foreign ? "foreign" : "twice");
}

static void spoil(struct proof *p, uint64_t *random)
{
	uint64_t number = p->nsegments ? p->segments[random_below(random, p->nsegments)] : 0;
	uint32_t how = random_below(random, 12);
	char path[160];

	segment_path(p->copy, number, path);
	if (how == 0 || !number) {
		snprintf(path, sizeof(path), "%s/var/spool/cursors/up", p->copy);
		bytes_spoil(p, random, path, 0);
	} else if (how == 1) {
		p->no_lock = true;
		snprintf(path, sizeof(path), "%s/var/spool/lock", p->copy);
		if (random_chance(random, 30))
			unlink(path);
		else
			bytes_spoil(p, random, path, 0);
	} else if (how == 2) {
		future_version(p, path, number);
	} else if (how == 3) {
		segments_swap(p, number, p->segments[random_below(random, p->nsegments)]);
	} else if (how < 6) {
		segment_plant(p, random, how == 4 && p->have_other);
	} else {
		bytes_spoil(p, random, path, number);
	}
}

/* -- and after it -- */

static bool place_hurt(const struct proof *p, uint64_t position)
{
	for (uint32_t i = 0; i < p->nplaces; i++) {
		const struct place *place = &p->places[i];

		if (position < place->first || position > place->last)
			continue;
		for (uint32_t n = 0; n < p->nhurts; n++)
			if (p->hurts[n].segment == place->segment && p->hurts[n].from < place->to &&
			    place->from < p->hurts[n].to)
				return true;
		return false;
	}
	return false;
}

static bool announced(const struct seen *s, const struct told *t)
{
	for (uint32_t i = 0; i < s->nranges; i++)
		if (s->ranges[i].lost && s->ranges[i].epoch == t->epoch &&
		    s->ranges[i].first <= t->number &&
		    (s->ranges[i].unknown || t->number <= s->ranges[i].last))
			return true;
	return false;
}

static void got_mark(struct world *w, const struct seen *s, bool *has)
{
	const struct history *h = w->history;

	for (uint32_t i = 0; i < s->ngot; i++) {
		const struct got *g = &s->got[i];
		const struct told *t =
			g->serial && g->serial <= h->count ? &h->told[g->serial - 1] : NULL;

		if (!t || t->epoch != g->epoch || t->number != g->number)
			world_fault(w,
				    "record %" PRIu64 " at %016" PRIx64 ":%" PRIu64
				    " is not one of ours",
				    g->serial, g->epoch, g->number);
		else
			has[g->serial - 1] = true;
	}
}

static void spoilt_judge(struct proof *p, struct world *w, const struct seen *after)
{
	const struct history *h = w->history;
	bool *has = calloc(h->count + 1, sizeof(*has));

	assert(has);
	got_mark(w, &h->up, has);
	got_mark(w, after, has);
	for (uint32_t i = 0; i < h->count; i++) {
		const struct told *t = &h->told[i];

		if (has[i] || !t->accepted)
			continue;
		p->lost++;
		if (i >= h->fence || !place_hurt(p, t->position))
			world_fault(w, "%016" PRIx64 ":%" PRIu64 " was not in what was spoilt",
				    t->epoch, t->number);
		/* what stood at the end without a lock that tells of it is in no range */
		else if (!announced(after, t) && !announced(&h->up, t) && !p->no_lock)
			world_fault(w, "%016" PRIx64 ":%" PRIu64 " is lost, and nobody says so",
				    t->epoch, t->number);
	}
	for (uint32_t n = h->fence; n < h->count; n++)
		for (uint32_t i = 0; i < h->fence; i++)
			if (h->told[i].epoch == h->told[n].epoch &&
			    h->told[i].number == h->told[n].number)
				world_fault(w, "a number is used twice");
	free(has);
}

static bool spoilt_start(struct proof *p, uint64_t *random, char fault[256])
{
	struct history *h = &p->history;
	uint32_t count = h->count;
	struct seen after = { 0 };
	struct world w = {
		.history = h, .random = random, .conf = p->conf, .takes = &after, .instant = 1000000
	};

	h->fence = count;
	if (random_chance(random, 50))
		disk_boot(++p->boots);
	if (world_up(&w, p->copy) && world_drain(&w)) {
		world_append(&w);
		world_flush(&w);
		if (world_drain(&w))
			spoilt_judge(p, &w, &after);
	}
	p->records += after.ngot;
	snprintf(fault, 256, "%s", w.fault);
	world_kill(&w);
	seen_free(&after);
	h->count = count;
	h->fence = 0;
	return !fault[0];
}

static bool hurt_ask(const void *proof, uint64_t position)
{
	return place_hurt(proof, position);
}

static void spoilt_keep(const struct proof *p)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%.200s/%" PRIu64, p->keep, p->spools);
	assert(mkdir(path, 0750) == 0);
	folder_copy(p->copy, path);
	facts_write(&p->history, &p->conf, UINT32_MAX, hurt_ask, p, path);
	snprintf(path, sizeof(path), "%.200s/%" PRIu64 "/facts", p->keep, p->spools);
	file = fopen(path, "a");
	assert(file);
	fprintf(file, "spoilt %s%s\n", p->no_lock ? "lock" : "-", p->what);
	assert(fclose(file) == 0);
}

static bool group_run(struct proof *p, uint64_t seed, uint64_t want)
{
	bool good = true;
	char fault[256];

	p->seed = seed;
	p->random = random_seed(seed);
	/* this gateway's life, and before it another's */
	for (int i = 0; i < 2; i++) {
		p->have_other = i == 1;
		if (i == 1)
			folder_copy(p->live, p->other);
		history_free(&p->history);
		disk_get()->random = random_seed(seed + 77 * (uint64_t)i);
		disk_boot(++p->boots);
		live(p);
	}
	places_note(p);
	for (unsigned i = 0; i < (p->keep ? KEPT_COPIES : COPIES) && p->spools < want;
	     i++, p->spools++) {
		uint64_t random = random_seed(seed * 1000 + i);

		folder_copy(p->live, p->copy);
		p->nhurts = 0;
		p->no_lock = false;
		p->what[0] = '\0';
		for (uint32_t n = 1 + random_below(&random, 3); n > 0; n--)
			spoil(p, &random);
		if (p->keep)
			spoilt_keep(p);
		else if (!spoilt_start(p, &random, fault)) {
			fprintf(stderr, "seed %" PRIu64 ", spool %u (%s): %s\n", seed, i, p->what,
				fault);
			good = false;
		}
	}
	return good;
}

static void folders_make(struct proof *p)
{
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(p->root, sizeof(p->root), "%s/fg-proof-XXXXXX", where);
	assert(mkdtemp(p->root));
	snprintf(p->live, sizeof(p->live), "%s/live", p->root);
	snprintf(p->copy, sizeof(p->copy), "%s/copy", p->root);
	snprintf(p->other, sizeof(p->other), "%s/other", p->root);
	assert(mkdir(p->live, 0750) == 0 && mkdir(p->copy, 0750) == 0 &&
	       mkdir(p->other, 0750) == 0);
	snprintf(disk_get()->boot, sizeof(disk_get()->boot), "%s/boot", p->root);
}

int main(int argc, char **argv)
{
	struct proof *p = calloc(1, sizeof(*p));
	uint64_t seed = 1, spools = 1000, bad = 0;

	assert(p);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--spools") == 0)
			spools = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--keep") == 0)
			p->keep = argv[i + 1];
		else
			return 2;
	}
	folders_make(p);
	while (p->spools < spools && bad < 10)
		bad += !group_run(p, seed++, spools);
	printf("%" PRIu64 " spoilt spools, %" PRIu64 " records came, %" PRIu64
	       " were lost and announced: %" PRIu64 " faults\n",
	       p->spools, p->records, p->lost, bad);
	history_free(&p->history);
	folder_empty(p->root);
	rmdir(p->root);
	free(p);
	return bad ? 1 : 0;
}
