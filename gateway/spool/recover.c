/*
 * Opening what an earlier run left: the headers of all segments, the entries of the last. What is
 * not a segment of ours is set aside as *.bad and becomes a gap; a torn tail is cut.
 */
#include "spool/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define BAD_KEPT 4

struct names {
	uint64_t *number;
	size_t count, cap;
};

struct found { /* what the directory told */
	const struct fg_run_state *run;
	struct names segments, bad;
	bool each; /* the last segment was written under commit "each" */
	uint8_t boot[16]; /* and under this boot */
	bool damaged; /* its end is not as it was written */
};

static int names_add(struct names *names, uint64_t number)
{
	if (names->count == names->cap) {
		size_t cap = names->cap ? 2 * names->cap : 64;
		uint64_t *grown = realloc(names->number, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		names->number = grown;
		names->cap = cap;
	}
	names->number[names->count++] = number;
	return 0;
}

static int number_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool name_parse(const char *name, uint64_t *ret_number, const char **ret_rest)
{
	if (strspn(name, "0123456789abcdef") != 16 || sscanf(name, "%16" SCNx64, ret_number) != 1)
		return false;
	*ret_rest = name + 16;
	return *ret_number > 0 && *ret_number < FG_POSITION_MAX;
}

static int name_take(struct fg_spool *spool, struct found *found, const char *name)
{
	const char *rest;
	uint64_t number;

	if (!name_parse(name, &number, &rest))
		return 0;
	if (strcmp(rest, ".new") == 0 && !spool->readonly)
		(void)unlinkat(spool->dir_fd, name, 0);
	if (strcmp(rest, ".seg") != 0 && strcmp(rest, ".seg.bad") != 0)
		return 0;
	if (spool->next_number <= number)
		spool->next_number = number + 1;
	return names_add(rest[4] ? &found->bad : &found->segments, number);
}

static int names_read(struct fg_spool *spool, struct found *found)
{
	int fd = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		r = name_take(spool, found, entry->d_name);
	closedir(dir);
	if (found->segments.count)
		qsort(found->segments.number, found->segments.count, sizeof(uint64_t),
		      number_compare);
	return r;
}

/* -- setting aside -- */

static void bad_name(uint64_t number, char out[FG_SEGMENT_NAME + 4])
{
	fg_segment_name(number, out);
	memcpy(out + strlen(out), ".bad", 5);
}

static void set_aside(struct fg_spool *spool, struct found *found, uint64_t number, int error)
{
	char name[FG_SEGMENT_NAME], bad[FG_SEGMENT_NAME + 4];

	found->damaged = true;
	fg_segment_name(number, name);
	fg_log(&spool->logger, FG_WARN, "segment set aside", "file=%s error=\"%s\"", name,
	       strerror(-error));
	if (spool->readonly)
		return;
	bad_name(number, bad);
	if (renameat(spool->dir_fd, name, spool->dir_fd, bad) == 0)
		(void)names_add(&found->bad, number);
}

/* The newest few are kept for whoever wants to look into them, within an eighth of the limit. */
static void bad_prune(struct fg_spool *spool, struct found *found)
{
	size_t kept = 0;

	if (!found->bad.count || spool->readonly)
		return;
	qsort(found->bad.number, found->bad.count, sizeof(uint64_t), number_compare);
	for (size_t i = found->bad.count; i-- > 0;) {
		char name[FG_SEGMENT_NAME + 4];
		uint64_t bytes;
		struct stat st;

		bad_name(found->bad.number[i], name);
		if (fstatat(spool->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		bytes = fg_segment_allocated((uint64_t)st.st_size);
		if (S_ISREG(st.st_mode) &&
		    (kept >= BAD_KEPT || spool->bad_bytes + bytes > spool->conf.limit / 8)) {
			(void)unlinkat(spool->dir_fd, name, 0);
			continue;
		}
		spool->bad_bytes += bytes;
		kept++;
	}
	spool->bytes += spool->bad_bytes;
}

/* -- headers -- */

/* Is it an epoch of this spool? The latest ones are all known, but for the last if its slot is
 * damaged; that one names the one before. A sound segment of another spool is none of ours. */
static bool epoch_ours(const struct fg_spool *spool, const struct fg_run_state *run,
		       const struct fg_spool_epoch *epoch)
{
	return !run->found || fg_epochs_find(&spool->epochs, epoch->id) ||
	       (epoch->prev_id && fg_epochs_find(&spool->epochs, epoch->prev_id)) ||
	       (run->epochs == FG_RUN_EPOCHS && epoch->base < run->epoch[0].base);
}

static int segment_load(struct fg_spool *spool, struct found *found, uint64_t number,
			struct fg_segment **ret_segment)
{
	struct fg_segment head = { .number = number }, *segment;
	struct fg_spool_epoch epoch;
	int fd = fg_segment_open(spool, &head, O_RDONLY | O_NONBLOCK), r;
	uint8_t boot[16];
	bool each;

	if (fd < 0)
		return fd;
	r = fg_segment_read_head(fd, number, &head, &epoch, boot, &each);
	close(fd);
	if (r < 0)
		return r;
	if (!epoch_ours(spool, found->run, &epoch))
		return -EBADMSG;
	head.epoch = fg_epochs_add(&spool->epochs, &epoch);
	segment = head.epoch ? malloc(sizeof(*segment)) : NULL;
	if (!segment)
		return -ENOMEM;
	head.this_boot = memcmp(boot, spool->boot, 16) == 0;
	head.boot = fg_boots_find(spool, boot);
	memcpy(found->boot, boot, 16);
	found->each = each;
	*segment = head;
	*ret_segment = segment;
	return 0;
}

/* Marks in `keep` a longest chain of segments whose bases do not fall: one file from elsewhere must
 * not cost those behind it. */
static int chain_find(struct fg_segment *const *all, size_t count, bool *keep)
{
	size_t *tail = calloc(count, 2 * sizeof(size_t)), *prev = tail + count, len = 0;

	if (!tail)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		size_t lo = 0, hi = len;

		while (lo < hi) {
			size_t mid = (lo + hi) / 2;

			if (all[tail[mid]]->base <= all[i]->base)
				lo = mid + 1;
			else
				hi = mid;
		}
		prev[i] = lo ? tail[lo - 1] : SIZE_MAX;
		tail[lo] = i;
		if (lo == len)
			len++;
	}
	for (size_t i = len ? tail[len - 1] : SIZE_MAX; i != SIZE_MAX; i = prev[i])
		keep[i] = true;
	free(tail);
	return 0;
}

static int chain_link(struct fg_spool *spool, struct found *found, struct fg_segment **all,
		      size_t count)
{
	bool *keep = calloc(count, sizeof(bool));
	int r = keep ? chain_find(all, count, keep) : -ENOMEM;

	for (size_t i = 0; i < count; i++) {
		if (r == 0 && keep[i]) {
			if (spool->last)
				spool->last->last = all[i]->base;
			fg_segment_append(spool, all[i]);
			continue;
		}
		if (r == 0)
			set_aside(spool, found, all[i]->number, -EBADMSG);
		free(all[i]);
	}
	free(keep);
	return r;
}

static int segments_load(struct fg_spool *spool, struct found *found)
{
	size_t total = found->segments.count, count = 0;
	struct fg_segment **all;
	int r = 0;

	if (!total)
		return 0;
	all = calloc(total, sizeof(struct fg_segment *));
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < total; i++) {
		r = segment_load(spool, found, found->segments.number[i], &all[count]);
		if (r == 0)
			count++;
		else if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
			break;
		else if (r != -ENOENT) /* a live spool may have given it back just now */
			set_aside(spool, found, found->segments.number[i], r);
		r = 0;
	}
	if (r == 0 && count)
		r = chain_link(spool, found, all, count);
	else
		for (size_t i = 0; i < count; i++)
			free(all[i]);
	free(all);
	return r;
}

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

static void tail_cut(struct fg_spool *spool, struct found *found, struct fg_segment *segment,
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
static int last_scan(struct fg_spool *spool, struct found *found)
{
	struct fg_segment *segment = spool->last;
	int fd = last_open(spool);
	struct fg_walked walked;
	struct fg_walk walk;
	int r;

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

/* -- positions and the epoch -- */

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool same_boot(const struct fg_spool *spool, const struct fg_run_state *run)
{
	return run->found && memcmp(run->boot, spool->boot, 16) == 0;
}

/* What is known to have been there is counted, though it may be damaged; nothing of it is used
 * again. Under another boot that is no more than was synced. */
static void positions_settle(struct fg_spool *spool, const struct fg_run_state *run, uint64_t seen)
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
	spool->floor = spool->released = spool->tally.floor;
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
	do {
		if (getrandom(&epoch->id, sizeof(epoch->id), 0) != sizeof(epoch->id))
			return errno ? -errno : -EIO;
	} while (epoch->id == 0 || fg_epochs_find(known, epoch->id));
	return 0;
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
			const struct found *found, uint64_t seen)
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
	if (r == 0 && spool->io->fdatasync(spool->lock_fd) < 0)
		r = -errno;
	return r;
}

static int recover_into(struct fg_spool *spool, struct fg_run_state *run, struct found *found)
{
	uint64_t seen;
	int r;

	fg_state_read(spool->lock_fd, run, &spool->tally);
	fg_boots_read(spool);
	memcpy(spool->counters, spool->tally.counters, sizeof(spool->counters));
	r = epochs_load(spool, run);
	if (r == 0)
		r = names_read(spool, found);
	if (r == 0)
		r = segments_load(spool, found);
	if (r < 0)
		return r;
	bad_prune(spool, found);
	seen = spool->tally.floor;
	if (spool->last) {
		r = last_scan(spool, found);
		if (r < 0)
			return r;
		seen = max_u64(seen, spool->last->last);
		last_drop_empty(spool);
	}
	positions_settle(spool, run, seen);
	r = epoch_settle(spool, run, found, seen);
	if (r == 0)
		r = epochs_extend(spool);
	return r == 0 && !spool->readonly ? run_begin(spool, run) : r;
}

int fg_spool_recover(struct fg_spool *spool)
{
	struct fg_run_state *run = calloc(1, sizeof(*run));
	struct found found = { .run = run };
	int r;

	spool->next_number = 1;
	r = run ? recover_into(spool, run, &found) : -ENOMEM;
	free(found.segments.number);
	free(found.bad.number);
	free(run);
	return r;
}
