#include "profile/write.h"

#include "base/name.h"
#include "profile/profile_private.h"

#include <errno.h>
#include <stdio.h>

#define PAYLOAD_MAX (64u << 10)

int profile_compile_writes(struct fg_profile *profile, struct fg_arena *arena,
			   struct fg_faults *faults)
{
	const struct fg_map *map = &profile->source->conf.write;
	const struct fg_write_conf *confs = map->items;
	const char *why;
	char pointer[256];

	profile->writes = fg_arena_array(arena, map->count + 1, sizeof(*profile->writes));
	if (!profile->writes)
		return -ENOMEM;
	for (size_t i = 0; i < map->count; i++) {
		struct profile_write *row = &profile->writes[profile->nwrites];

		if (fg_pattern_parse(map->names[i], &row->pattern, &why) < 0) {
			snprintf(pointer, sizeof(pointer), "/profiles/%s/write",
				 profile->source->name);
			fg_fault(faults, pointer, "'%s': %s", map->names[i], why);
			return -EINVAL;
		}
		row->conf = &confs[i];
		profile->nwrites++;
	}
	return 0;
}

void profile_link_write(struct fg_profile *profile)
{
	const char *name = profile->source->conf.write_like;

	profile->write_like = name ? fg_profiles_find(profile->set, name) : NULL;
}

int profile_link_writes(struct fg_profiles *set, struct fg_faults *faults)
{
	int r = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct fg_profile *profile = &set->items[i];
		const char *name = profile->source->conf.write_like;
		char pointer[256];

		profile_link_write(profile);
		if (!name || profile->write_like || profile->source->shipped)
			continue;
		snprintf(pointer, sizeof(pointer), "/profiles/%s/write_like",
			 profile->source->name);
		fg_fault(faults, pointer, "there is no profile '%s'", name);
		r = -EINVAL;
	}
	return r;
}

static bool writes_itself(const struct fg_profile *profile, struct fg_str point,
			  struct fg_write *ret_write)
{
	const struct profile_write *best = NULL;
	struct fg_pattern_taken taken, best_taken = { { NULL, 0 }, { NULL, 0 } };

	for (uint32_t i = 0; i < profile->nwrites; i++) {
		const struct profile_write *row = &profile->writes[i];

		if (!fg_pattern_match(&row->pattern, point, &taken) ||
		    (best && fg_pattern_compare(&row->pattern, &best->pattern) <= 0))
			continue;
		best = row;
		best_taken = taken;
	}
	if (!best)
		return false;
	*ret_write = (struct fg_write){
		.conf = best->conf,
		.profile = profile,
		.point = point,
		.taken = best_taken.point.len ? best_taken.point : point,
	};
	return true;
}

bool fg_profile_writes(const struct fg_profile *profile, struct fg_str point,
		       struct fg_write *ret_write)
{
	if (fg_profile_ready(profile) < 0)
		return false;
	if (writes_itself(profile, point, ret_write))
		return true;
	/* One step only: two profiles may name each other. */
	return profile->write_like && fg_profile_ready(profile->write_like) == 0 &&
	       writes_itself(profile->write_like, point, ret_write);
}

bool fg_profile_overlaps(const struct fg_profile *profile, const struct fg_list *patterns)
{
	struct fg_pattern pattern;
	const char *why;

	for (size_t i = 0; profile->has_pattern && i < patterns->count; i++)
		if (fg_pattern_parse(patterns->items[i], &pattern, &why) == 0 &&
		    fg_pattern_overlap(&pattern, &profile->pattern))
			return true;
	return false;
}

bool fg_profile_has_pattern(const struct fg_profile *profile)
{
	return profile->has_pattern;
}

bool fg_profile_is_shipped(const struct fg_profile *profile)
{
	return profile->source->shipped;
}

/* -- templates -- */

struct filling {
	struct fg_str device, point;
	const struct fg_value *value;
};

static void put_value(struct fg_buf *out, const struct fg_value *value, bool json)
{
	char room[FG_NUMBER_MAX];

	switch (value->kind) {
	case FG_STRING:
		if (json)
			fg_buf_json(out, value->s);
		else
			fg_buf_str(out, value->s);
		break;
	case FG_BOOL:
		fg_buf_text(out, value->b ? "true" : "false");
		break;
	default:
		fg_buf_add(out, room, fg_value_write_number(value, room));
		break;
	}
}

/* What stands at the front of the template is a placeholder: it is put out, its length returned. */
static size_t put_placeholder(struct fg_buf *out, struct fg_str rest, const struct filling *with)
{
	static const struct fg_str names[] = {
		{ "{value}", 7 }, { "{json}", 6 }, { "{device}", 8 }, { "{point}", 7 }
	};
	size_t i = 0;

	while (i < 4 &&
	       (rest.len < names[i].len || memcmp(rest.ptr, names[i].ptr, names[i].len) != 0))
		i++;
	if (i == 4)
		return 0;
	if (i < 2)
		put_value(out, with->value, i == 1);
	else
		fg_buf_str(out, i == 2 ? with->device : with->point);
	return names[i].len;
}

static void fill(struct fg_buf *out, const char *template, const struct filling *with)
{
	struct fg_str rest = fg_str_c(template);

	while (rest.len) {
		size_t n = *rest.ptr == '{' ? put_placeholder(out, rest, with) : 0;

		if (n == 0) {
			fg_buf_char(out, *rest.ptr);
			n = 1;
		}
		rest = fg_str(rest.ptr + n, rest.len - n);
	}
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits into bytes, in place; blanks between bytes are for people. False: not hexadecimal. */
static bool unhex(struct fg_buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len;) {
		int high, low;

		if (text->data[i] == ' ') {
			i++;
			continue;
		}
		high = nibble(text->data[i]);
		low = i + 1 < text->len ? nibble(text->data[i + 1]) : -1;
		if (high < 0 || low < 0)
			return false;
		text->data[n++] = (char)(high << 4 | low);
		i += 2;
	}
	text->len = n;
	return true;
}

/* -- the value -- */

static const struct profile_point *point_named(const struct fg_profile *profile, struct fg_str name)
{
	for (uint32_t i = 0; i < profile->count; i++)
		if (fg_str_eq(profile->points[i].name, name))
			return &profile->points[i];
	return NULL;
}

static bool map_value(const struct fg_values *map, struct fg_value *value)
{
	char room[FG_NUMBER_MAX];
	struct fg_str text;

	if (value->kind == FG_STRING)
		text = value->s;
	else if (value->kind == FG_BOOL)
		text = value->b ? FG_STR("true") : FG_STR("false");
	else
		text = fg_str(room, fg_value_write_number(value, room));
	for (size_t i = 0; i < map->count; i++) {
		if (fg_str_eq_c(text, map->names[i])) {
			*value = map->items[i];
			return true;
		}
	}
	return false;
}

/* A control character in a text could end the line or the frame it is put into, and begin another
 * command that nobody has allowed. JSON escapes them. */
static bool text_is_plain(const struct fg_value *value)
{
	if (value->kind != FG_STRING)
		return true;
	for (size_t i = 0; i < value->s.len; i++)
		if ((unsigned char)value->s.ptr[i] < 0x20 || value->s.ptr[i] == 0x7f)
			return false;
	return true;
}

/* Where it would end a string or a line of the template, a name could say something else. */
static bool name_is_plain(struct fg_str name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < 0x20 || strchr("\"\\\x7f", name.ptr[i]))
			return false;
	return true;
}

static const char *why_not(const struct fg_write *write, struct fg_value *value)
{
	const struct profile_point *point = point_named(write->profile, write->point);
	const struct fg_write_conf *conf = write->conf;

	if (fg_value_is_number(value)) {
		double d = fg_value_double(value);

		if (d < conf->min)
			return "less than the point's least value";
		if (d > conf->max)
			return "more than the point's greatest value";
	} else if (conf->min > -1e308 || conf->max < 1e308) {
		return "the point takes numbers only";
	}
	if (!text_is_plain(value))
		return "a text with control characters";
	if (conf->map.count)
		return map_value(&conf->map, value) ? NULL : "not one of the values it takes";
	if (point && !profile_unconvert(point, value))
		return "not a value that the point can have";
	return NULL;
}

static int keep(struct fg_arena *arena, const struct fg_buf *buf, struct fg_str *ret)
{
	const char *copy = buf->failed ? NULL : fg_arena_dup(arena, fg_buf_view(buf));

	if (!copy)
		return -ENOMEM;
	*ret = fg_str(copy, buf->len);
	return 0;
}

int fg_write_render(const struct fg_write *write, struct fg_str device, struct fg_value *value,
		    struct fg_arena *text, struct fg_str *ret_to, struct fg_str *ret_payload,
		    const char **ret_why)
{
	struct filling with = { .device = device, .value = value };
	char *point = fg_arena_alloc(text, write->taken.len + 1);
	struct fg_str to = { "", 0 }, payload;
	struct fg_buf out;
	int r = 0;

	if (!point)
		return -ENOMEM;
	with.point = fg_str(point, fg_name_unescape(write->taken, point));
	if (!name_is_plain(device) || !name_is_plain(with.point))
		*ret_why = "a name that cannot be put into a template";
	else
		*ret_why = why_not(write, value);
	if (*ret_why)
		return -EINVAL;
	fg_buf_init(&out, PAYLOAD_MAX);
	if (write->conf->to) {
		fill(&out, write->conf->to, &with);
		r = keep(text, &out, &to);
		fg_buf_reset(&out);
	}
	fill(&out, write->conf->payload, &with);
	if (r == 0 && !out.failed && write->conf->hex && !unhex(&out)) {
		*ret_why = "not hexadecimal digits";
		r = -EINVAL;
	}
	if (r == 0)
		r = keep(text, &out, &payload);
	fg_buf_fini(&out);
	if (r == 0) {
		*ret_to = to;
		*ret_payload = payload;
	}
	return r;
}
