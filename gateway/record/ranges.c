#include "record/ranges.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define LATE_MIN 1024

static int grow(struct fg_range **items, size_t *cap)
{
	size_t wanted = *cap ? *cap * 2 : 16;
	struct fg_range *more = realloc(*items, wanted * sizeof(*more));

	if (!more)
		return -ENOMEM;
	*items = more;
	*cap = wanted;
	return 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The last item of `set` or a new one gets the range, which begins at or behind its first. */
static int join(struct fg_ranges *set, const struct fg_range *range)
{
	struct fg_range *last = set->len ? &set->items[set->len - 1] : NULL;
	uint64_t overlap = 0, fresh;

	if (!last || range->first > last->last + 1) {
		if (set->len == set->cap && grow(&set->items, &set->cap) < 0)
			return -ENOMEM;
		set->items[set->len++] = *range;
		return 0;
	}
	if (range->first <= last->last)
		overlap = min(range->last, last->last) - range->first + 1;
	/* where a range has fewer records than numbers, those that are new are believed first */
	fresh = min(range->records, range->last - range->first + 1 - overlap);
	if (overlap && set->twice) {
		struct fg_range again = { range->first, range->first + overlap - 1,
					  range->records - fresh };

		if (fg_ranges_add(set->twice, &again) < 0)
			return -ENOMEM;
	}
	last->records += fresh;
	if (range->last > last->last)
		last->last = range->last;
	return 0;
}

int fg_ranges_add(struct fg_ranges *set, const struct fg_range *range)
{
	size_t limit = set->len / 2 > LATE_MIN ? set->len / 2 : LATE_MIN;
	int r = 0;

	if (set->nlate == 0 && (set->len == 0 || range->first > set->items[set->len - 1].last))
		return join(set, range);
	if (set->nlate >= limit)
		r = fg_ranges_settle(set);
	if (r == 0 && set->nlate == set->late_cap)
		r = grow(&set->late, &set->late_cap);
	if (r == 0)
		set->late[set->nlate++] = *range;
	return r;
}

/* By first; of equal ones the longest, so that the shorter lie within it. */
static int compare(const void *one, const void *other)
{
	const struct fg_range *a = one, *b = other;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->last != b->last)
		return a->last > b->last ? -1 : 1;
	return 0;
}

int fg_ranges_settle(struct fg_ranges *set)
{
	struct fg_ranges merged = { .twice = set->twice };
	size_t i = 0, j = 0;
	int r = 0;

	if (set->nlate == 0)
		return 0;
	qsort(set->late, set->nlate, sizeof(*set->late), compare);
	while (r == 0 && (i < set->len || j < set->nlate)) {
		bool old = j == set->nlate ||
			   (i < set->len && compare(&set->items[i], &set->late[j]) <= 0);

		r = join(&merged, old ? &set->items[i++] : &set->late[j++]);
	}
	if (r < 0) {
		free(merged.items);
		return r;
	}
	free(set->items);
	set->items = merged.items;
	set->len = merged.len;
	set->cap = merged.cap;
	set->nlate = 0;
	return 0;
}

uint64_t fg_ranges_count(const struct fg_ranges *set, uint64_t first, uint64_t last, size_t *at)
{
	uint64_t count = 0;

	while (*at < set->len && set->items[*at].last < first)
		++*at;
	for (size_t i = *at; i < set->len && set->items[i].first <= last; i++) {
		const struct fg_range *item = &set->items[i];
		uint64_t from = item->first > first ? item->first : first;

		count += min(item->last, last) - from + 1;
	}
	return count;
}

uint64_t fg_ranges_records(const struct fg_ranges *set)
{
	uint64_t records = 0;

	for (size_t i = 0; i < set->len; i++)
		records += set->items[i].records;
	return records;
}

void fg_ranges_fini(struct fg_ranges *set)
{
	free(set->items);
	free(set->late);
	*set = (struct fg_ranges){ .twice = set->twice };
}
