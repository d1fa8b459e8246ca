/*
 * What stands in a spool's folder: which files are segments of ours, in which order. What is not is
 * set aside as *.bad and becomes a gap.
 */
#include "spool/private.h"

#include "spool/cursor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BAD_KEPT 4
#define VOTED 16 /* identities that are looked at, where nothing tells which is ours */

static int names_add(struct fg_numbers *names, uint64_t number)
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

static int name_take(struct fg_spool *spool, struct fg_found *found, const char *name)
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

int fg_gather_names(struct fg_spool *spool, struct fg_found *found)
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

static void set_aside(struct fg_spool *spool, struct fg_found *found, uint64_t number, int error)
{
	char name[FG_SEGMENT_NAME], bad[FG_SEGMENT_NAME + 4];

	if (found->aside < number)
		found->aside = number;
	if (!found->aside_first || number < found->aside_first)
		found->aside_first = number;
	fg_segment_name(number, name);
	fg_log(&spool->logger, FG_WARN, "segment set aside", "file=%s error=\"%s\"", name,
	       strerror(-error));
	if (spool->readonly)
		return;
	bad_name(number, bad);
	if (renameat(spool->dir_fd, name, spool->dir_fd, bad) == 0)
		(void)names_add(&found->bad, number);
}

void fg_gather_prune(struct fg_spool *spool, struct fg_found *found)
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

static int head_read(const struct fg_spool *spool, uint64_t number, struct fg_segment *ret_segment,
		     struct fg_segment_head *ret_head)
{
	int fd, r;

	*ret_segment = (struct fg_segment){ .number = number };
	fd = fg_segment_open(spool, ret_segment, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	r = fg_segment_read_head(fd, number, ret_segment, ret_head);
	close(fd);
	return r;
}

/* Who says which identity is ours, where the state does not. */
struct vote {
	const struct fg_spool *spool;
	uint64_t identity[VOTED];
	size_t votes[VOTED];
};

static void vote_add(struct vote *vote, uint64_t identity)
{
	unsigned n = 0;

	while (n < VOTED && vote->votes[n] && vote->identity[n] != identity)
		n++;
	if (n == VOTED || !identity)
		return;
	vote->identity[n] = identity;
	vote->votes[n]++;
}

static int vote_cursor(void *arg, const char *bridge)
{
	struct vote *vote = arg;
	struct fg_cursor_state state;

	if (fg_cursor_read(vote->spool->conf.dir, bridge, &state) == 0)
		vote_add(vote, state.spool);
	return 0;
}

uint64_t fg_gather_identity(const struct fg_spool *spool, const struct fg_found *found)
{
	struct vote vote = { .spool = spool };
	unsigned best = 0;

	for (size_t i = 0; i < found->segments.count; i++) {
		struct fg_segment_head head;
		struct fg_segment segment;

		if (head_read(spool, found->segments.number[i], &segment, &head) == 0)
			vote_add(&vote, head.identity);
	}
	(void)fg_cursor_each(spool->conf.dir, vote_cursor, &vote);
	for (unsigned n = 1; n < VOTED; n++)
		if (vote.votes[n] > vote.votes[best])
			best = n;
	return vote.identity[best];
}

/* Is it an epoch of this spool? The latest ones are all known, but for the last if its slot is
 * damaged; that one names the one before. */
static bool epoch_ours(const struct fg_spool *spool, const struct fg_run_state *run,
		       const struct fg_spool_epoch *epoch)
{
	return !run->found || fg_epochs_find(&spool->epochs, epoch->id) ||
	       (epoch->prev_id && fg_epochs_find(&spool->epochs, epoch->prev_id)) ||
	       (run->epochs == FG_RUN_EPOCHS && epoch->base < run->epoch[0].base);
}

/* A sound segment of another spool is none of ours; one of a copy of this one has its identity. */
static bool segment_ours(const struct fg_spool *spool, const struct fg_run_state *run,
			 const struct fg_segment_head *head)
{
	return (head->identity == 0 || head->identity == spool->identity) &&
	       epoch_ours(spool, run, &head->epoch);
}

static int segment_load(struct fg_spool *spool, struct fg_found *found, uint64_t number,
			struct fg_segment **ret_segment)
{
	struct fg_segment_head head;
	struct fg_segment read, *segment;
	int r = head_read(spool, number, &read, &head);

	if (r < 0)
		return r;
	if (!segment_ours(spool, found->run, &head))
		return -EBADMSG;
	read.epoch = fg_epochs_add(&spool->epochs, &head.epoch);
	segment = read.epoch ? malloc(sizeof(*segment)) : NULL;
	if (!segment)
		return -ENOMEM;
	read.this_boot = memcmp(head.boot, spool->boot, 16) == 0;
	read.boot = fg_boots_find(spool, head.boot);
	memcpy(found->boot, head.boot, 16);
	found->each = head.each;
	*segment = read;
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

static int chain_link(struct fg_spool *spool, struct fg_found *found, struct fg_segment **all,
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

int fg_gather_segments(struct fg_spool *spool, struct fg_found *found)
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
