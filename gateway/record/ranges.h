/*
 * A set of numbers as disjoint ranges, sorted, with how many records each stands for. What comes in
 * order is appended; what does not is collected and merged in from time to time, so that any order
 * costs O(log n) a range, and memory grows with the disjoint ranges, not with what was added.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fg_range {
	uint64_t first, last; /* 1 <= first <= last < UINT64_MAX */
	uint64_t records; /* at most last - first + 1 */
};

struct fg_ranges {
	struct fg_range *items; /* after fg_ranges_settle(): sorted, neither overlap nor touch */
	size_t len, cap;
	struct fg_range *late;
	size_t nlate, late_cap;
	struct fg_ranges *twice; /* takes what was added more than once; NULL: nobody asks */
};

/* 0 or -ENOMEM; the set is as it was then. */
int fg_ranges_add(struct fg_ranges *set, const struct fg_range *range);
/* Merges what came out of order; items are complete then. 0 or -ENOMEM. */
int fg_ranges_settle(struct fg_ranges *set);
/* How many of first..last (may be empty) are in the settled set. *at is where the search begins in
 * items, and is moved on: for calls with rising `first`. */
uint64_t fg_ranges_count(const struct fg_ranges *set, uint64_t first, uint64_t last, size_t *at);
/* All records of a settled set. */
uint64_t fg_ranges_records(const struct fg_ranges *set);
void fg_ranges_fini(struct fg_ranges *set);
