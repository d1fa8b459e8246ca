#include "base/pattern.h"

#include <errno.h>

#define NO_PART { -1, -1 }

static int bad(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

static bool ends_with(struct fg_str s, struct fg_str end)
{
	return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

static bool good_name(struct fg_str name)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

	for (size_t i = 0; i < name.len; i++)
		if (!memchr(letters, name.ptr[i], sizeof(letters) - 1))
			return false;
	return name.len > 0 && name.len <= 64;
}

static struct fg_pattern_level literal_in(const char *text, struct fg_str literal)
{
	return (struct fg_pattern_level){ (uint16_t)(literal.ptr - text), (uint16_t)literal.len };
}

/* ptr NULL: any. */
static struct fg_str level_of(const struct fg_pattern *pattern, int i)
{
	const struct fg_pattern_level *level = &pattern->levels[i];

	return level->at == FG_PATTERN_MAX ? fg_str(NULL, 0) :
					     fg_str(pattern->text + level->at, level->len);
}

/* True if an earlier {name} of the pattern is the same. */
static bool name_is_taken(const char *text, const char *upto, struct fg_str name)
{
	for (const char *p = text; p + name.len + 1 < upto; p++)
		if (*p == '{' && memcmp(p + 1, name.ptr, name.len) == 0 &&
		    strchr("}.:", p[1 + name.len]))
			return true;
	return false;
}

/* One more level of the device or the point; they have to stand side by side. */
static bool part_grow(struct fg_pattern_part *part, int level)
{
	if (part->first < 0)
		part->first = (int8_t)level;
	else if (part->last != level - 1)
		return false;
	part->last = (int8_t)level;
	return true;
}

static struct fg_pattern_part *part_named(struct fg_pattern *pattern, struct fg_str name)
{
	if (fg_str_eq_c(name, "device"))
		return &pattern->device;
	return fg_str_eq_c(name, "point") ? &pattern->point : NULL;
}

/* {name}, {device...} or {device:literal}; the braces are there. */
static int parse_capture(struct fg_pattern *pattern, struct fg_str part, const char **ret_why)
{
	struct fg_str name = fg_str(part.ptr + 1, part.len - 2), literal = { NULL, 0 };
	bool many = ends_with(name, FG_STR("..."));
	const char *colon = memchr(name.ptr, ':', name.len);
	struct fg_pattern_part *taken;

	if (many)
		name.len -= 3;
	if (colon) {
		literal = fg_str(colon + 1, (size_t)(name.ptr + name.len - colon - 1));
		name.len = (size_t)(colon - name.ptr);
	}
	taken = part_named(pattern, name);
	if (!good_name(name))
		return bad(ret_why, "a name between '{' and '}' is made of A-Z a-z 0-9 _ -");
	if ((many || colon) && !taken)
		return bad(ret_why, "only {device...} and {point...} take several levels");
	if (!taken && name_is_taken(pattern->text, part.ptr, name))
		return bad(ret_why, "a name stands there twice");
	if (taken && !part_grow(taken, pattern->count))
		return bad(ret_why, "a name stands there twice, not side by side");
	if (many && pattern->many >= 0)
		return bad(ret_why, "only one of '#', {device...} and {point...} can be there");
	if (many)
		pattern->many = (int8_t)pattern->count;
	if (colon) {
		pattern->levels[pattern->count] = literal_in(pattern->text, literal);
		pattern->literals++;
	}
	return 0;
}

static int parse_rest(struct fg_pattern *pattern, bool last, const char **ret_why)
{
	if (!last)
		return bad(ret_why, "'#' must be the last level");
	if (pattern->many >= 0)
		return bad(ret_why, "only one of '#', {device...} and {point...} can be there");
	pattern->many = (int8_t)pattern->count;
	pattern->many_may_be_none = true;
	return 0;
}

static int parse_literal(struct fg_pattern *pattern, struct fg_str part, const char **ret_why)
{
	if (part.len && (memchr(part.ptr, '+', part.len) || memchr(part.ptr, '#', part.len)))
		return bad(ret_why, "'+' and '#' take a whole level");
	if (part.len && (memchr(part.ptr, '{', part.len) || memchr(part.ptr, '}', part.len)))
		return bad(ret_why, "a name between '{' and '}' takes a whole level");
	pattern->levels[pattern->count] = literal_in(pattern->text, part);
	pattern->literals++;
	return 0;
}

static int parse_level(struct fg_pattern *pattern, struct fg_str part, bool last,
		       const char **ret_why)
{
	int r = 0;

	if (pattern->count == FG_PATTERN_LEVELS)
		return bad(ret_why, "more than 32 levels");
	pattern->levels[pattern->count].at = FG_PATTERN_MAX;
	if (part.len >= 2 && part.ptr[0] == '{' && part.ptr[part.len - 1] == '}')
		r = parse_capture(pattern, part, ret_why);
	else if (fg_str_eq_c(part, "#"))
		r = parse_rest(pattern, last, ret_why);
	else if (!fg_str_eq_c(part, "+"))
		r = parse_literal(pattern, part, ret_why);
	if (r == 0)
		pattern->count++;
	return r;
}

int fg_pattern_parse(const char *text, struct fg_pattern *ret_pattern, const char **ret_why)
{
	struct fg_pattern pattern = {
		.text = text, .many = -1, .device = NO_PART, .point = NO_PART
	};
	const char *at = text;

	if (*text == '\0')
		return bad(ret_why, "it is empty");
	if (strlen(text) >= FG_PATTERN_MAX)
		return bad(ret_why, "it is longer than a topic can be");
	for (;;) {
		const char *slash = strchr(at, '/');
		size_t len = slash ? (size_t)(slash - at) : strlen(at);
		int r = parse_level(&pattern, fg_str(at, len), !slash, ret_why);

		if (r < 0)
			return r;
		if (!slash)
			break;
		at = slash + 1;
	}
	*ret_pattern = pattern;
	return 0;
}

/* Takes one level off the front. */
static bool take_front(struct fg_str *rest, bool *done, struct fg_str *ret_level)
{
	const char *slash;

	if (*done)
		return false;
	slash = memchr(rest->ptr, '/', rest->len);
	*ret_level = fg_str(rest->ptr, slash ? (size_t)(slash - rest->ptr) : rest->len);
	*done = !slash;
	if (slash)
		*rest = fg_str(slash + 1, rest->len - ret_level->len - 1);
	return true;
}

static bool take_back(struct fg_str *rest, bool *done, struct fg_str *ret_level)
{
	const char *slash;

	if (*done)
		return false;
	slash = memrchr(rest->ptr, '/', rest->len);
	if (slash) {
		*ret_level = fg_str(slash + 1, (size_t)(rest->ptr + rest->len - slash - 1));
		rest->len = (size_t)(slash - rest->ptr);
	} else {
		*ret_level = *rest;
		*done = true;
	}
	return true;
}

static void part_take(const struct fg_pattern_part *part, int i, struct fg_str level,
		      struct fg_str *taken)
{
	const char *start = level.ptr, *end = level.ptr + level.len;

	if (i < part->first || i > part->last)
		return;
	if (taken->ptr) {
		start = start < taken->ptr ? start : taken->ptr;
		end = end > taken->ptr + taken->len ? end : taken->ptr + taken->len;
	}
	*taken = fg_str(start, (size_t)(end - start));
}

static bool level_fits(const struct fg_pattern *pattern, int i, struct fg_str level,
		       struct fg_pattern_taken *taken)
{
	part_take(&pattern->device, i, level, &taken->device);
	part_take(&pattern->point, i, level, &taken->point);
	return pattern->levels[i].at == FG_PATTERN_MAX || fg_str_eq(level_of(pattern, i), level);
}

bool fg_pattern_match(const struct fg_pattern *pattern, struct fg_str address,
		      struct fg_pattern_taken *ret_taken)
{
	struct fg_pattern_taken taken = { { NULL, 0 }, { NULL, 0 } };
	int head = pattern->many >= 0 ? pattern->many : pattern->count;
	struct fg_str rest = address, level;
	bool done = false;

	for (int i = 0; i < head; i++)
		if (!take_front(&rest, &done, &level) || !level_fits(pattern, i, level, &taken))
			return false;
	for (int i = pattern->count - 1; i > pattern->many && pattern->many >= 0; i--)
		if (!take_back(&rest, &done, &level) || !level_fits(pattern, i, level, &taken))
			return false;
	if (pattern->many < 0 ? !done : done && !pattern->many_may_be_none)
		return false;
	if (pattern->many >= 0)
		(void)level_fits(pattern, pattern->many, rest, &taken);
	if (ret_taken)
		*ret_taken = taken;
	return true;
}

int fg_pattern_compare(const struct fg_pattern *a, const struct fg_pattern *b)
{
	if (a->literals != b->literals)
		return a->literals - b->literals;
	if (a->count != b->count)
		return a->count - b->count;
	/* One level exactly says more than any number of them. */
	return (b->many >= 0) - (a->many >= 0);
}

static bool levels_agree(struct fg_str a, struct fg_str b)
{
	return !a.ptr || !b.ptr || fg_str_eq(a, b);
}

static int min_levels(const struct fg_pattern *p)
{
	return p->count - (p->many_may_be_none ? 1 : 0);
}

bool fg_pattern_overlap(const struct fg_pattern *a, const struct fg_pattern *b)
{
	int head_a = a->many >= 0 ? a->many : a->count, head_b = b->many >= 0 ? b->many : b->count;
	int tail_a = a->many >= 0 ? a->count - 1 - a->many : 0;
	int tail_b = b->many >= 0 ? b->count - 1 - b->many : 0;

	if (a->many < 0 && b->many < 0 && a->count != b->count)
		return false;
	if ((a->many < 0 && a->count < min_levels(b)) || (b->many < 0 && b->count < min_levels(a)))
		return false;
	for (int i = 0; i < head_a && i < head_b; i++)
		if (!levels_agree(level_of(a, i), level_of(b, i)))
			return false;
	if (a->many < 0)
		tail_a = a->count;
	if (b->many < 0)
		tail_b = b->count;
	for (int i = 1; i <= tail_a && i <= tail_b; i++)
		if (!levels_agree(level_of(a, a->count - i), level_of(b, b->count - i)))
			return false;
	return true;
}
