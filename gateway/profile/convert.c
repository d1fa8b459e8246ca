/* One value into what its point is declared to be: map, then type, then scale and offset. */
#include "profile/profile_private.h"

#include "base/number.h"

#include <ctype.h>
#include <math.h>
#include <strings.h>

static struct fg_str trimmed(struct fg_str s)
{
	while (s.len && isspace((unsigned char)s.ptr[0]))
		s = fg_str(s.ptr + 1, s.len - 1);
	while (s.len && isspace((unsigned char)s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* The text a map's key is compared with. */
static struct fg_str text_of(const struct fg_value *value, char *room)
{
	switch (value->kind) {
	case FG_STRING:
		return value->s;
	case FG_BOOL:
		return value->b ? FG_STR("true") : FG_STR("false");
	case FG_DATA:
	case FG_NONE:
		return fg_str(NULL, 0);
	default:
		return fg_str(room, fg_value_write_number(value, room));
	}
}

static void apply_map(const struct fg_values *map, struct fg_value *value)
{
	char room[FG_NUMBER_MAX];
	struct fg_str text = text_of(value, room);

	for (size_t i = 0; i < map->count; i++) {
		if (fg_str_eq_c(text, map->names[i])) {
			*value = map->items[i];
			return;
		}
	}
}

static bool to_number(struct fg_value *value)
{
	struct fg_value number;

	if (fg_value_is_number(value))
		return true;
	if (value->kind == FG_BOOL) {
		*value = (struct fg_value){ .kind = FG_INT, .i = value->b };
		return true;
	}
	if (value->kind != FG_STRING || fg_value_parse_number(trimmed(value->s), &number) < 0)
		return false;
	*value = number;
	return true;
}

static bool to_boolean(struct fg_value *value)
{
	static const struct {
		const char *word;
		bool means;
	} words[] = {
		{ "true", true }, { "on", true }, { "yes", true }, { "1", true },
		{ "open", true }, { "false", false }, { "off", false }, { "no", false },
		{ "0", false }, { "closed", false },
	};
	struct fg_str text;

	if (value->kind == FG_BOOL)
		return true;
	if (fg_value_is_number(value)) {
		bool b = fg_value_double(value) != 0;

		*value = (struct fg_value){ .kind = FG_BOOL, .b = b };
		return true;
	}
	if (value->kind != FG_STRING)
		return false;
	text = trimmed(value->s);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (text.len == strlen(words[i].word) &&
		    strncasecmp(text.ptr, words[i].word, text.len) == 0) {
			*value = (struct fg_value){ .kind = FG_BOOL, .b = words[i].means };
			return true;
		}
	}
	return false;
}

static bool to_string(struct fg_value *value, struct fg_arena *arena)
{
	char room[FG_NUMBER_MAX], *copy;
	struct fg_str text;

	if (value->kind == FG_STRING)
		return true;
	text = text_of(value, room);
	if (!text.ptr || !(copy = fg_arena_dup(arena, text)))
		return false;
	*value = (struct fg_value){ .kind = FG_STRING, .s = { copy, text.len } };
	return true;
}

/* m * 10^e of an integer or a decimal. */
static bool as_decimal(const struct fg_value *v, int64_t *m, int *e)
{
	if (v->kind != FG_INT && v->kind != FG_DECIMAL)
		return false;
	*m = v->i;
	*e = v->kind == FG_DECIMAL ? v->exp10 : 0;
	return true;
}

static bool align(int64_t *m, int *e, int to)
{
	while (*e > to) {
		if (__builtin_mul_overflow(*m, (int64_t)10, m))
			return false;
		(*e)--;
	}
	return true;
}

/* value * scale + offset in decimal, so that 3 * 0.1 is 0.3; false where it does not fit. */
static bool scale_exactly(struct fg_value *value, const struct fg_value *scale,
			  const struct fg_value *offset)
{
	int64_t m, ms, mo;
	int e, es, eo, to;

	if (!as_decimal(value, &m, &e) || !as_decimal(scale, &ms, &es) ||
	    !as_decimal(offset, &mo, &eo) || __builtin_mul_overflow(m, ms, &m))
		return false;
	e += es;
	to = mo == 0 || e < eo ? e : eo;
	if (!align(&m, &e, to) || (mo && !align(&mo, &eo, to)) || __builtin_add_overflow(m, mo, &m))
		return false;
	while (m && m % 10 == 0) {
		m /= 10;
		e++;
	}
	if (m == 0)
		e = 0;
	if (e >= 0 && !align(&m, &e, 0))
		return false;
	if (e < 0 && (e < -22 || m >= 1000000000000000 || m <= -1000000000000000))
		return false;
	*value = (struct fg_value){ .kind = e ? FG_DECIMAL : FG_INT, .exp10 = (int8_t)e, .i = m };
	return true;
}

static bool apply_scale(const struct profile_point *point, struct fg_value *value)
{
	double d;

	if (!fg_value_is_number(value) || scale_exactly(value, &point->scale, &point->offset))
		return true;
	d = fg_value_double(value) * point->conf->scale + point->conf->offset;
	if (!isfinite(d))
		return false;
	*value = fg_value_of_double(d);
	return true;
}

bool profile_convert(const struct profile_point *point, struct fg_value *value,
		     struct fg_arena *arena)
{
	const struct fg_point_conf *conf = point->conf;
	bool good = true;

	if (conf->map.count)
		apply_map(&conf->map, value);
	if (conf->type == FG_POINT_NUMBER)
		good = to_number(value);
	else if (conf->type == FG_POINT_BOOLEAN)
		good = to_boolean(value);
	if (good && point->scales)
		good = apply_scale(point, value);
	if (good && conf->type == FG_POINT_STRING)
		good = to_string(value, arena);
	return good;
}

/* The map backwards: the text whose value this is. */
static bool unmap(const struct fg_values *map, struct fg_value *value)
{
	char room[FG_NUMBER_MAX], theirs[FG_NUMBER_MAX];
	struct fg_str text = text_of(value, room);

	for (size_t i = 0; i < map->count; i++) {
		if (fg_str_eq(text, text_of(&map->items[i], theirs))) {
			*value = (struct fg_value){ .kind = FG_STRING,
						    .s = fg_str_c(map->names[i]) };
			return true;
		}
	}
	return false;
}

static bool unscale(const struct fg_point_conf *conf, struct fg_value *value)
{
	double d;

	if (!fg_value_is_number(value) || conf->scale == 0)
		return false;
	d = (fg_value_double(value) - conf->offset) / conf->scale;
	if (!isfinite(d))
		return false;
	/* 21.5 at a scale of 0.1 is 215, not 214.99999999999997 */
	if (fabs(d - fg_whole(d)) < 1e-9 * (fabs(d) > 1 ? fabs(d) : 1))
		d = fg_whole(d);
	*value = fg_value_of_double(d);
	return true;
}

bool profile_unconvert(const struct profile_point *point, struct fg_value *value)
{
	if (point->scales && !unscale(point->conf, value))
		return false;
	return point->conf->map.count == 0 || unmap(&point->conf->map, value);
}
