#include "profile/profile.h"

#include "base/hash.h"
#include "base/name.h"
#include "config/config.h"
#include "decode/decode.h"
#include "profile/profile_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define ARENA_LIMIT (8u << 20)

/* A JSON Pointer as the generic name of the leaf it leads to: steps unescaped (RFC 6901), each
 * escaped as a name, joined by '/'. "" is the whole payload, whose generic name is empty too. */
static struct fg_str generic_of_pointer(struct fg_arena *arena, const char *pointer)
{
	size_t len = strlen(pointer), n = 0, at = 0;
	char *step = fg_arena_alloc(arena, len + 1), *out = fg_arena_alloc(arena, 6 * len + 1);

	if (!step || !out)
		return fg_str(NULL, 0);
	for (const char *p = pointer + (*pointer == '/'); *pointer; p++) {
		if (*p == '/' || *p == '\0') {
			n += fg_name_escape(fg_str(step, at), true, out + n);
			at = 0;
			if (*p == '\0')
				break;
			out[n++] = '/';
		} else if (*p == '~' && (p[1] == '0' || p[1] == '1')) {
			step[at++] = *++p == '0' ? '~' : '/';
		} else {
			step[at++] = *p;
		}
	}
	return fg_str(out, n);
}

static struct fg_str escaped(struct fg_arena *arena, const char *name)
{
	struct fg_str in = fg_str_c(name);
	char *out = fg_arena_alloc(arena, 5 * in.len + 1);

	return out ? fg_str(out, fg_name_escape(in, false, out)) : fg_str(NULL, 0);
}

/* As the walk names a leaf of that key. */
static struct fg_str escaped_key(struct fg_arena *arena, const char *name)
{
	struct fg_str in = fg_str_c(name);
	char *out = fg_arena_alloc(arena, 5 * in.len + 1);

	return out ? fg_str(out, fg_name_escape(in, true, out)) : fg_str(NULL, 0);
}

static struct fg_value as_value(double d)
{
	char text[FG_NUMBER_MAX];
	struct fg_value value = fg_value_of_double(d), decimal;

	/* Read back from its shortest text, 0.1 is a decimal and scales exactly. */
	if (fg_value_parse_number(fg_str(text, fg_value_write_number(&value, text)), &decimal) == 0)
		return decimal;
	return value;
}

/* "0.5" or "2%"; the text has been checked. */
static void report_compile(struct profile_point *point, const struct fg_report_conf *conf)
{
	struct fg_str text = fg_str_c(conf->deadband);
	struct fg_value number;

	point->report = (struct fg_report){
		.deadband = -1,
		.min_interval_ns = conf->min_interval_ns,
		.max_interval_ns = conf->max_interval_ns,
	};
	point->reports = conf->deadband || conf->min_interval_ns || conf->max_interval_ns;
	if (text.len && text.ptr[text.len - 1] == '%') {
		point->report.percent = true;
		text.len--;
	}
	if (text.len && fg_value_parse_number(text, &number) == 0)
		point->report.deadband = fg_value_double(&number);
}

static bool point_compile(struct profile_point *point, const char *name,
			  const struct fg_point_conf *conf, struct fg_profiles *set)
{
	point->conf = conf;
	point->name = escaped(&set->arena, name);
	point->from = conf->from ? generic_of_pointer(&set->arena, conf->from) : point->name;
	if (conf->field.at)
		point->from = escaped_key(&set->arena, name);
	point->unit = fg_str_c(conf->unit);
	point->scales = conf->scale != 1 || conf->offset != 0;
	point->scale = as_value(conf->scale);
	point->offset = as_value(conf->offset);
	point->converts = conf->map.count || conf->type != FG_POINT_AS_IS || point->scales;
	point->hash = fg_hash_str(point->from, set->seed);
	report_compile(point, &conf->report);
	if (conf->when && !profile_pointer_steps(&set->arena, conf->when, &point->when))
		return false;
	return point->name.ptr && point->from.ptr;
}

static void table_insert(struct fg_profile *profile, struct profile_point *point)
{
	uint32_t i = (uint32_t)point->hash & (profile->cap - 1);

	for (; profile->table[i]; i = (i + 1) & (profile->cap - 1)) {
		if (fg_str_eq(profile->table[i]->from, point->from)) {
			point->also = profile->table[i]->also;
			profile->table[i]->also = point;
			return;
		}
	}
	profile->table[i] = point;
}

static int compile_points(struct fg_profile *profile, struct fg_profiles *set)
{
	const struct fg_map *map = &profile->source->conf.points;
	const struct fg_point_conf *confs = map->items;

	profile->cap = 8;
	while (profile->cap < map->count * 2)
		profile->cap *= 2;
	profile->points = fg_arena_array(&set->arena, map->count + 1, sizeof(*profile->points));
	profile->table = fg_arena_array(&set->arena, profile->cap, sizeof(*profile->table));
	if (!profile->points || !profile->table)
		return -ENOMEM;
	profile->star = map->count == 0;
	for (size_t i = 0; i < map->count; i++) {
		if (strcmp(map->names[i], "*") == 0) {
			profile->star = true;
			continue;
		}
		if (!point_compile(&profile->points[profile->count], map->names[i], &confs[i], set))
			return -ENOMEM;
		table_insert(profile, &profile->points[profile->count++]);
	}
	return 0;
}

/* What the decoder has to be told beside the payload. */
static int compile_format(struct fg_profile *profile, struct fg_profiles *set)
{
	const struct fg_csv_options *csv = &profile->source->conf.csv;
	struct fg_str *columns;

	if (!profile->decoder || strcmp(profile->decoder->name, "csv") != 0)
		return profile_compile_fields(profile, &set->arena);
	columns = fg_arena_array(&set->arena, csv->columns.count + 1, sizeof(*columns));
	if (!columns)
		return -ENOMEM;
	for (size_t i = 0; i < csv->columns.count; i++)
		columns[i] = fg_str_c(csv->columns.items[i]);
	profile->csv = (struct fg_csv_conf){
		.columns = columns,
		.ncolumns = csv->columns.count,
		.delimiter = csv->delimiter ? csv->delimiter[0] : '\0',
		.header = csv->header,
	};
	profile->decode_conf = &profile->csv;
	return 0;
}

static struct profile_decoder *decoder_new(struct fg_profiles *set, const char *name,
					   const struct fg_decoder *(*find)(const char *))
{
	struct profile_decoder *decoder = fg_arena_array(&set->arena, 1, sizeof(*decoder));

	if (decoder)
		*decoder = (struct profile_decoder){ .name = name, .find = find };
	return decoder;
}

/* The configuration's own formats are looked for now, so that a fault is told before anything
 * runs. Those of shipped profiles wait: most gateways have no such device. */
static int compile_decoder(struct fg_profile *profile, struct fg_profiles *set,
			   const struct fg_decoder *(*find)(const char *), struct fg_faults *faults)
{
	const struct fg_named_profile *source = profile->source;
	char pointer[128];

	if (!source->conf.format)
		return 0;
	profile->decoder = decoder_new(set, source->conf.format, find);
	if (!profile->decoder)
		return -ENOMEM;
	if (source->shipped || profile_decoder(profile->decoder))
		return 0;
	snprintf(pointer, sizeof(pointer), "/profiles/%s/format", source->name);
	fg_fault(faults, pointer, "this firmware has no '%s' decoder", source->conf.format);
	return -EINVAL;
}

/* By what it is found, and how it is decoded. */
static int compile_head(struct fg_profile *profile, struct fg_profiles *set,
			const struct fg_decoder *(*find)(const char *), struct fg_faults *faults)
{
	const struct fg_named_profile *source = profile->source;
	const char *why;
	char pointer[128];
	int r = compile_decoder(profile, set, find, faults);

	if (r < 0)
		return r;
	if (source->conf.match) {
		if (fg_pattern_parse(source->conf.match, &profile->pattern, &why) < 0) {
			snprintf(pointer, sizeof(pointer), "/profiles/%s/match", source->name);
			fg_fault(faults, pointer, "'%s': %s", source->conf.match, why);
			return -EINVAL;
		}
		profile->has_pattern = true;
	}
	return 0;
}

static int compile_body(struct fg_profile *profile, struct fg_profiles *set,
			struct fg_faults *faults)
{
	int r = compile_points(profile, set);

	if (r == 0)
		r = compile_format(profile, set);
	if (r == 0)
		r = profile_compile_writes(profile, &set->arena, faults);
	if (r == 0)
		r = profile_compile_leaves(profile, &set->arena, set->seed);
	if (r == 0)
		r = profile_compile_places(profile, &set->arena);
	profile->whole = r == 0;
	return r;
}

/* Its text becomes its configuration. */
static int read_text(struct fg_profile *profile, struct fg_profiles *set, struct fg_faults *faults)
{
	struct fg_named_profile *source = fg_arena_array(&set->arena, 1, sizeof(*source));

	if (!source)
		return -ENOMEM;
	*source = *profile->source;
	profile->source = source;
	return fg_profile_parse(source->name, fg_str_c(source->text), &set->arena, faults,
				&source->conf);
}

int fg_profile_ready(const struct fg_profile *profile)
{
	struct fg_profiles *set = profile->set;
	struct fg_profile *own = &set->items[profile - set->items], head = *own;
	struct fg_faults faults;
	int r;

	if (own->whole)
		return 0;
	fg_faults_init(&faults);
	r = read_text(own, set, &faults);
	if (r == 0)
		r = compile_body(own, set, &faults);
	fg_faults_fini(&faults);
	if (r == 0) {
		profile_link_write(own);
		return 0;
	}
	/* of what comes with the program nothing is wrong: it was memory */
	*own = head;
	return -ENOMEM;
}

/* Two of equal weight that one address could match: which one it is would be chance. A shipped
 * profile gives way to the configuration's own. */
static int check_ties(const struct fg_profiles *set, struct fg_faults *faults)
{
	int r = 0;

	for (size_t i = 0; i < set->count; i++) {
		const struct fg_profile *a = &set->items[i];

		for (size_t j = i + 1; j < set->count && a->has_pattern; j++) {
			const struct fg_profile *b = &set->items[j];
			char pointer[128];

			if (!b->has_pattern || a->source->shipped != b->source->shipped ||
			    fg_pattern_compare(&a->pattern, &b->pattern) != 0 ||
			    !fg_pattern_overlap(&a->pattern, &b->pattern))
				continue;
			snprintf(pointer, sizeof(pointer), "/profiles/%s/match", b->source->name);
			fg_fault(faults, pointer,
				 "'%s' is no more specific than '%s' of profile '%s', and one "
				 "address can match both",
				 b->pattern.text, a->pattern.text, a->source->name);
			r = -EINVAL;
		}
	}
	return r;
}

static int compile_all(struct fg_profiles *set, const struct fg_named_profile *confs, size_t count,
		       const struct fg_decoder *(*find)(const char *), struct fg_faults *faults)
{
	int result = 0;

	for (size_t i = 0; i < count; i++) {
		struct fg_profile *profile = &set->items[set->count++];
		int r;

		*profile = (struct fg_profile){ .set = set, .source = &confs[i] };
		r = compile_head(profile, set, find, faults);
		if (r == 0 && !confs[i].text)
			r = compile_body(profile, set, faults);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = -EINVAL;
	}
	if (profile_link_writes(set, faults) < 0)
		result = -EINVAL;
	return result < 0 ? result : check_ties(set, faults);
}

int fg_profiles_new(const struct fg_named_profile *confs, size_t count,
		    const struct fg_decoder *(*find)(const char *name), struct fg_faults *faults,
		    struct fg_profiles **ret_profiles)
{
	struct fg_profiles *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return -ENOMEM;
	fg_arena_init(&set->arena, ARENA_LIMIT);
	set->items = calloc(count + 1, sizeof(*set->items));
	if (getrandom(&set->seed, sizeof(set->seed), GRND_NONBLOCK) < 0)
		set->seed = (uintptr_t)set;
	set->json = decoder_new(set, "json", find);
	set->cbor = decoder_new(set, "cbor", find);
	set->senml = decoder_new(set, "senml", find);
	set->lwm2m = decoder_new(set, "lwm2m", find);
	r = -ENOMEM;
	if (set->items && set->json && set->cbor && set->senml && set->lwm2m)
		r = compile_all(set, confs, count, find, faults);
	if (r < 0) {
		fg_profiles_free(set);
		return r;
	}
	*ret_profiles = set;
	return 0;
}

struct fg_profiles *fg_profiles_free(struct fg_profiles *set)
{
	if (set) {
		fg_arena_fini(&set->arena);
		free(set->items);
		free(set);
	}
	return NULL;
}

size_t fg_profiles_count(const struct fg_profiles *set)
{
	return set->count;
}

const struct fg_profile *fg_profiles_at(const struct fg_profiles *set, size_t index)
{
	return &set->items[index];
}

const struct fg_profile *fg_profiles_find(const struct fg_profiles *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->items[i].source->name, name) == 0)
			return &set->items[i];
	return NULL;
}

static bool beats(const struct fg_profile *a, const struct fg_profile *b)
{
	int r = fg_pattern_compare(&a->pattern, &b->pattern);

	return r > 0 || (r == 0 && !a->source->shipped);
}

bool fg_profile_takes(const struct fg_profile *profile, struct fg_str address,
		      struct fg_pattern_taken *ret_taken)
{
	/* no wildcard stands for $SYS and the like (MQTT 3.1.1 and 5, section 4.7.2) */
	bool special = address.len && address.ptr[0] == '$';

	return profile->has_pattern &&
	       (!special || profile->pattern.levels[0].at != FG_PATTERN_MAX) &&
	       fg_pattern_match(&profile->pattern, address, ret_taken);
}

const struct fg_profile *fg_profiles_match(const struct fg_profiles *set, struct fg_str address,
					   struct fg_pattern_taken *ret_taken)
{
	const struct fg_profile *best = NULL;
	struct fg_pattern_taken taken;

	for (size_t i = 0; i < set->count; i++) {
		const struct fg_profile *profile = &set->items[i];

		if (!fg_profile_takes(profile, address, &taken))
			continue;
		if (!best || beats(profile, best)) {
			best = profile;
			*ret_taken = taken;
		}
	}
	return best;
}

const char *fg_profile_name(const struct fg_profile *profile)
{
	return profile->source->name;
}

const struct fg_profile_conf *fg_profile_conf(const struct fg_profile *profile)
{
	return &profile->source->conf;
}

const struct profile_point *profile_find_point(const struct fg_profile *profile,
					       struct fg_str generic, uint64_t seed)
{
	uint64_t hash = fg_hash_str(generic, seed);
	uint32_t i = (uint32_t)hash & (profile->cap - 1);

	for (; profile->table[i]; i = (i + 1) & (profile->cap - 1))
		if (profile->table[i]->hash == hash && fg_str_eq(profile->table[i]->from, generic))
			return profile->table[i];
	return NULL;
}
