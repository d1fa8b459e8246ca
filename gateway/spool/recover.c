/*
 * Opening what an earlier run left: the segments that gather.c found, the entries of the last. A
 * torn tail is cut; then it is settled how far the records reach and whose epoch it is.
 */
#include "spool/private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- the last segment -- */

static uint64_t torn_bytes(int fd, uint64_t at, uint64_t end)
{
	unsigned char chunk[4096];
	uint64_t last = at, begin = at;

	while (at < end) {
		ssize_t n = pread(fd, chunk, sizeof(chunk), (off_t)at);

		if (n <= 0)
			break;
		for (ssize_t i = n; i-- > 0;) {
			if (chunk[i]) {
				last = at + (uint64_t)i + 1;
				break;
			}
		}
		/* a write was torn within its pages; behind two of zeros there is none of it */
		if (at > last + 2 * sizeof(chunk))
			break;
		at += (uint64_t)n;
	}
	return last - begin;
}

static void tail_cut(struct fg_spool *spool, struct fg_found *found, struct fg_segment *segment,
		     struct fg_walk *walk)
{
	uint64_t torn = torn_bytes(walk->fd, walk->at, segment->size);

	if (torn) {
		found->damaged = true;
		fg_log(&spool->logger, FG_WARN, "torn tail cut",
		       "segment=%016" PRIx64 " offset=%" PRIu64 " bytes=%" PRIu64, segment->number,
		       walk->at, torn);
	}
	segment->end = walk->at;
	if (spool->readonly || segment->size == segment->end ||
	    ftruncate(walk->fd, (off_t)segment->end) < 0)
		return;
	spool->bytes -= fg_segment_allocated(segment->size);
	segment->size = segment->end;
	spool->bytes += fg_segment_allocated(segment->size);
}

static int last_open(const struct fg_spool *spool)
{
	int fd = fg_segment_open(spool, spool->last, spool->readonly ? O_RDONLY : O_RDWR);

	return fd < 0 && !spool->readonly ? fg_segment_open(spool, spool->last, O_RDONLY) : fd;
}

/* -ENOMEM: it is not known how far the entries reach. */
static int last_scan(struct fg_spool *spool, struct fg_found *found)
{
	struct fg_segment *segment = spool->last;
	int fd = last_open(spool);
	struct fg_walked walked;
	struct fg_walk walk;
	int r;

	/* numbers only grow: what was set aside before this one cannot be what followed an end */
	found->damaged = found->aside > segment->number;
	if (fd < 0) {
		found->damaged = true;
		return fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ? fd : 0;
	}
	fg_walk_init(&walk);
	fg_walk_start(&walk, fd, segment->seed, FG_SEGMENT_HEAD, segment->base + 1);
	walk.end = segment->size;
	walk.upper = segment->base + segment->size / FG_RECORD_MIN;
	while (fg_walk_next(&walk, &walked) != FG_WALK_END)
		;
	segment->last = walk.next - 1;
	if (!walk.error)
		tail_cut(spool, found, segment, &walk);
	else
		found->damaged = true;
	r = walk.error == -ENOMEM ? -ENOMEM : 0;
	fg_walk_fini(&walk);
	close(fd);
	return r;
}

/* A segment without an entry would pile up with every start. */
static void last_drop_empty(struct fg_spool *spool)
{
	if (!spool->readonly && spool->last->end == FG_SEGMENT_HEAD)
		fg_segment_remove(spool, spool->last, true);
}

/* -- whose it is -- */

static int random_id(uint64_t *ret_id)
{
	uint64_t id = 0;

	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return errno ? -errno : -EIO;
	*ret_id = id;
	return 0;
}

static int identity_settle(struct fg_spool *spool, const struct fg_found *found)
{
	const struct fg_run_state *run = found->run;

	spool->identity = run->identity ? run->identity : fg_gather_identity(spool, found);
	memcpy(spool->gateway, run->gateway, sizeof(spool->gateway));
	if (spool->conf.gateway)
		snprintf(spool->gateway, sizeof(spool->gateway), "%s", spool->conf.gateway);
	return spool->identity || spool->readonly ? 0 : random_id(&spool->identity);
}

/* -- positions and the epoch -- */

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool same_boot(const struct fg_spool *spool, const struct fg_run_state *run)
{
	return run->found && memcmp(run->boot, spool->boot, 16) == 0;
}

/* Dropping unlinks at once: a power cut may keep that and forget what the tally said of it, or the
 * tally could not be written. What is missing in front, behind an unclean end and with nothing set
 * aside there, was dropped. */
static uint64_t dropped_upto(const struct fg_spool *spool, const struct fg_run_state *run,
			     const struct fg_found *found)
{
	const struct fg_segment *first = spool->first;

	if (spool->conf.when_full != FG_FULL_DROP_OLDEST || !first)
		return 0;
	if ((run->found && run->clean) ||
	    (found->aside_first && found->aside_first < first->number))
		return 0;
	return first->base;
}

/* What is known to have been there is counted, though it may be damaged; nothing of it is used
 * again. Under another boot that is no more than was synced. */
static void positions_settle(struct fg_spool *spool, const struct fg_run_state *run,
			     const struct fg_found *found, uint64_t seen)
{
	uint64_t last = max_u64(seen, spool->tally.committed);
	bool clean = run->found && run->clean;

	if (same_boot(spool, run))
		last = max_u64(last, spool->tally.accepted);
	if (clean)
		last = max_u64(last, run->last);
	if (spool->epochs.count)
		last = max_u64(last, spool->epochs.all[spool->epochs.count - 1]->base);
	spool->accepted = spool->pending = last;
	spool->committed = clean ? last : spool->tally.committed;
	spool->floor = max_u64(spool->tally.floor, dropped_upto(spool, run, found));
	spool->released = spool->floor;
	/* the run before may have been killed between a segment's birth and the sync of its name */
	spool->dir_dirty = !spool->readonly;
	if (spool->last)
		spool->last->last = last;
	for (struct fg_segment *s = spool->first; s; s = s->next) {
		s->dirty = s->last > spool->committed && !spool->readonly;
		/* its run ended before it could write anew what the kernel may have forgotten:
		 * a sync that works now says nothing */
		s->uncertain = s->dirty && run->failing && same_boot(spool, run);
	}
}

static int epoch_random(struct fg_spool_epoch *epoch, const struct fg_epochs *known)
{
	int r;

	do
		r = random_id(&epoch->id);
	while (r == 0 && fg_epochs_find(known, epoch->id));
	return r;
}

static bool epoch_used(const struct fg_spool *spool, const struct fg_spool_epoch *epoch)
{
	for (const struct fg_segment *s = spool->first; s; s = s->next)
		if (s->epoch == epoch)
			return true;
	return false;
}

static int epoch_begin(struct fg_spool *spool, bool power_cut)
{
	struct fg_epochs *epochs = &spool->epochs;
	const struct fg_spool_epoch *prev = epochs->count ? epochs->all[epochs->count - 1] : NULL;
	struct fg_spool_epoch epoch = { .base = spool->accepted, .power_cut = power_cut };
	int r = epoch_random(&epoch, epochs);

	if (r < 0)
		return r;
	if (prev) {
		epoch.prev_id = prev->id;
		epoch.prev_last = spool->accepted - prev->base;
	}
	/* an epoch that never numbered a record is nobody's business: nobody has heard of it */
	if (prev && !power_cut && epoch.prev_last == 0 && !epoch_used(spool, prev)) {
		epoch.prev_id = prev->prev_id;
		epoch.prev_last = prev->prev_last;
		epoch.power_cut = prev->power_cut;
		fg_epochs_pop(epochs);
	}
	spool->epoch = fg_epochs_add(epochs, &epoch);
	return spool->epoch ? 0 : -ENOMEM;
}

static int epoch_settle(struct fg_spool *spool, const struct fg_run_state *run,
			const struct fg_found *found, uint64_t seen)
{
	struct fg_epochs *epochs = &spool->epochs;
	bool each = run->found ? run->each : found->each, boot_differs, power_cut;
	bool clean = run->found && run->clean;

	/* a "clean" may be an older one if the lock was spoilt together with what came after it */
	if (spool->readonly || (clean && epochs->count && seen == run->last && !found->damaged)) {
		spool->epoch = epochs->count ? epochs->all[epochs->count - 1] : NULL;
		return 0;
	}
	boot_differs = run->found ? !same_boot(spool, run) :
				    memcmp(found->boot, spool->boot, 16) != 0;
	power_cut = !clean && epochs->count && boot_differs && !each;
	return epoch_begin(spool, power_cut);
}

static int epochs_load(struct fg_spool *spool, const struct fg_run_state *run)
{
	for (uint32_t i = 0; run->found && i < run->epochs; i++)
		if (!fg_epochs_add(&spool->epochs, &run->epoch[i]))
			return -ENOMEM;
	return 0;
}

/* The oldest epoch's header tells of the one before: enough to name what was dropped of it. */
static int epochs_extend(struct fg_spool *spool)
{
	const struct fg_spool_epoch *oldest = spool->epochs.count ? spool->epochs.all[0] : NULL;
	struct fg_spool_epoch before = { 0 };

	if (!oldest || !oldest->prev_id)
		return 0;
	before.id = oldest->prev_id;
	before.base = oldest->base - oldest->prev_last;
	return fg_epochs_add(&spool->epochs, &before) ? 0 : -ENOMEM;
}

/* The spool's own. Those in it are synced with the first cursor and with each commit. */
static int name_sync(struct fg_spool *spool)
{
	int up = openat(spool->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (up < 0) /* not ours to read, so not ours to make */
		return 0;
	if (fsync(up) < 0 && errno != EINVAL)
		r = -errno;
	close(up);
	return r;
}

static int run_begin(struct fg_spool *spool, const struct fg_run_state *run)
{
	int r = 0;

	spool->run_sequence = run->sequence;
	/* a spool that has a sound slot has a name that is on the disk */
	if (!run->found)
		r = name_sync(spool);
	if (r < 0)
		return r;
	/* must be on the disk before the first record: after a power cut a "clean" that is not
	 * true any more would let numbers be used twice */
	spool->sync_failing = run->failing && same_boot(spool, run);
	r = fg_state_write_run(spool, false);
	if (r == 0 && (!run->named || run->identity != spool->identity ||
		       strcmp(run->gateway, spool->gateway) != 0))
		r = fg_state_write_name(spool);
	if (r == 0 && spool->io->fdatasync(spool->lock_fd) < 0)
		r = -errno;
	return r;
}

static int recover_into(struct fg_spool *spool, struct fg_run_state *run, struct fg_found *found)
{
	uint64_t seen;
	int r;

	fg_state_read(spool->lock_fd, run, &spool->tally);
	fg_boots_read(spool);
	memcpy(spool->counters, spool->tally.counters, sizeof(spool->counters));
	r = epochs_load(spool, run);
	if (r == 0)
		r = fg_gather_names(spool, found);
	if (r == 0)
		r = identity_settle(spool, found);
	if (r == 0)
		r = fg_gather_segments(spool, found);
	if (r < 0)
		return r;
	fg_gather_prune(spool, found);
	seen = spool->tally.floor;
	found->damaged = found->aside > 0;
	if (spool->last) {
		r = last_scan(spool, found);
		if (r < 0)
			return r;
		seen = max_u64(seen, spool->last->last);
		last_drop_empty(spool);
	}
	positions_settle(spool, run, found, seen);
	r = epoch_settle(spool, run, found, seen);
	if (r == 0)
		r = epochs_extend(spool);
	return r == 0 && !spool->readonly ? run_begin(spool, run) : r;
}

int fg_spool_recover(struct fg_spool *spool)
{
	struct fg_run_state *run = calloc(1, sizeof(*run));
	struct fg_found found = { .run = run };
	int r;

	spool->next_number = 1;
	r = run ? recover_into(spool, run, &found) : -ENOMEM;
	free(found.segments.number);
	free(found.bad.number);
	free(run);
	return r;
}
