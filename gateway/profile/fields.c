/*
 * The fields of a profile whose format is "binary" or "registers": made ready for the decoder, and
 * for a driver that has to read them.
 */
#include "decode/field.h"
#include "profile/profile_private.h"

#include <errno.h>
#include <stdlib.h>

static int span_compare(const struct fg_register_span *a, const struct fg_register_span *b)
{
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	/* the longer first: what is within another comes behind it */
	return a->count == b->count ? 0 : a->count > b->count ? -1 : 1;
}

static int field_compare(const void *a, const void *b)
{
	struct fg_register_span x = fg_field_span(&((const struct fg_named_field *)a)->field);
	struct fg_register_span y = fg_field_span(&((const struct fg_named_field *)b)->field);

	return span_compare(&x, &y);
}

static bool within(const struct fg_register_span *inner, const struct fg_register_span *outer)
{
	return inner->table == outer->table && inner->at >= outer->at &&
	       inner->at + inner->count <= outer->at + outer->count;
}

static int compile_spans(struct fg_profile *profile, struct fg_arena *arena)
{
	const struct fg_registers_options *options = &profile->source->conf.registers;
	struct fg_fields *fields = &profile->fields;
	struct fg_register_span *spans = fg_arena_array(arena, fields->count + 1, sizeof(*spans));
	size_t n = 0;

	if (!spans)
		return -ENOMEM;
	for (size_t i = 0; i < fields->count; i++) {
		spans[n] = fg_field_span(&fields->items[i].field);
		n += n == 0 || !within(&spans[n], &spans[n - 1]);
	}
	fields->registers = (struct fg_registers){
		.spans = spans,
		.count = n,
		.max_read = (uint16_t)options->max_read,
		.max_gap = (uint16_t)options->max_gap,
	};
	return 0;
}

int profile_compile_fields(struct fg_profile *profile, struct fg_arena *arena)
{
	const struct fg_map *map = &profile->source->conf.points;
	const struct fg_point_conf *confs = map->items;
	const char *format = profile->source->conf.format, *unused;
	bool registers = format && strcmp(format, "registers") == 0;
	struct fg_named_field *items;
	char why[128];

	if (!registers && (!format || strcmp(format, "binary") != 0))
		return 0;
	items = fg_arena_array(arena, map->count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < map->count; i++) {
		struct fg_named_field *item = &items[profile->fields.count];

		/* what is wrong was said when the configuration was checked */
		if (fg_field_compile(&confs[i].field, registers, &item->field, &unused, why,
				     sizeof(why)) < 0)
			continue;
		item->name = fg_str_c(map->names[i]);
		profile->fields.count++;
	}
	profile->fields.items = items;
	profile->decode_conf = &profile->fields;
	if (!registers)
		return 0;
	qsort(items, profile->fields.count, sizeof(*items), field_compare);
	return compile_spans(profile, arena);
}

static bool is_registers(const struct fg_profile *profile)
{
	return profile->decoder && strcmp(profile->decoder->name, "registers") == 0;
}

int fg_profile_registers(const struct fg_profile *profile, struct fg_registers *ret_registers)
{
	if (!is_registers(profile))
		return -EINVAL;
	if (fg_profile_ready(profile) < 0)
		return -ENOMEM;
	*ret_registers = profile->fields.registers;
	return 0;
}

/* A point's name in records is its name in the profile, escaped. */
static const struct fg_field *field_of(const struct fg_profile *profile, struct fg_str point)
{
	for (uint32_t i = 0; i < profile->count; i++) {
		const struct profile_point *p = &profile->points[i];

		for (size_t j = 0; fg_str_eq(p->name, point) && j < profile->fields.count; j++) {
			const struct fg_named_field *named = &profile->fields.items[j];
			const struct fg_map *map = &profile->source->conf.points;
			size_t at = (size_t)(p->conf - (const struct fg_point_conf *)map->items);

			if (fg_str_eq_c(named->name, map->names[at]))
				return &named->field;
		}
	}
	return NULL;
}

int fg_profile_encode(const struct fg_profile *profile, struct fg_str point,
		      const struct fg_value *value, struct fg_register_write *ret_write)
{
	struct fg_register_write write = { 0 };
	const struct fg_field *field;
	int r;

	if (fg_profile_ready(profile) < 0)
		return -ENOMEM;
	field = is_registers(profile) ? field_of(profile, point) : NULL;
	if (!field)
		return -ENOENT;
	if ((field->table != FG_REGISTER_COIL && field->table != FG_REGISTER_HOLDING) ||
	    field->size > sizeof(write.bytes))
		return -EROFS;
	r = fg_field_write(field, value, write.bytes);
	if (r < 0)
		return r;
	write.span = fg_field_span(field);
	*ret_write = write;
	return 0;
}
