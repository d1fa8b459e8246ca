/*
 * Topic and path patterns: literal levels, '+' (one level), '#' (the rest, at the end), {device}
 * (one level), {device...} (one or more levels), {device:name} (the level `name`, taken as the
 * device), {point} likewise: the levels that name a payload of one value, {other} a capture of one
 * level. Levels of the device stand side by side and are one device, those of the point likewise.
 * A pattern has at most one part of several levels.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/str.h>

#define FG_PATTERN_LEVELS 32
#define FG_PATTERN_MAX 65535		/* bytes; a topic is no longer */

struct fg_pattern {
	const char *text;		/* borrowed */
	struct fg_pattern_level {
		uint16_t at, len;	/* of a literal in text; at FG_PATTERN_MAX: any */
	} levels[FG_PATTERN_LEVELS];
	uint8_t count;
	int8_t many;			/* index of the part of several levels, or -1 */
	bool many_may_be_none;		/* '#': also nothing */
	struct fg_pattern_part {
		int8_t first, last;	/* levels, or -1 */
	} device, point;
	uint8_t literals;
};

/* 0, or -EINVAL with *ret_why (constant text). */
int fg_pattern_parse(const char *text, struct fg_pattern *ret_pattern, const char **ret_why);
/* What the named parts took (into the address), or empty strings. */
struct fg_pattern_taken {
	struct fg_str device, point;
};
/* ret_taken may be NULL. */
bool fg_pattern_match(const struct fg_pattern *, struct fg_str address,
		      struct fg_pattern_taken *ret_taken);
/* > 0 if a is more specific than b: more literal levels, then more levels. 0: a tie. */
int fg_pattern_compare(const struct fg_pattern *a, const struct fg_pattern *b);
/* True if some address matches both. */
bool fg_pattern_overlap(const struct fg_pattern *a, const struct fg_pattern *b);
