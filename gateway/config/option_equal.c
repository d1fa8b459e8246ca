/* Two structs of one table side by side, and the secrets in one. */
#include <fg/value.h>

#include "config/option.h"

#include <string.h>

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool names_equal(const char *const *a, const char *const *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!text_equal(a[i], b[i]))
			return false;
	return true;
}

static bool list_equal(const struct fg_list *a, const struct fg_list *b)
{
	return a->count == b->count && names_equal(a->items, b->items, a->count);
}

static bool value_equal(const struct fg_value *a, const struct fg_value *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case FG_NONE:
		return true;
	case FG_BOOL:
		return a->b == b->b;
	case FG_STRING:
	case FG_DATA:
		return fg_str_eq(a->s, b->s);
	case FG_DOUBLE:
		return memcmp(&a->d, &b->d, sizeof(a->d)) == 0;
	default:
		return a->i == b->i && a->exp10 == b->exp10;
	}
}

static bool values_equal(const struct fg_values *a, const struct fg_values *b)
{
	if (a->count != b->count || !names_equal(a->names, b->names, a->count))
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!value_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}

/* A new secret behind an old name is a change where both were read; where they were not (nobody who
 * only compares files needs them) the names decide. */
static bool secret_equal(const struct fg_secret *a, const struct fg_secret *b)
{
	if (!text_equal(a->name, b->name))
		return false;
	return !a->value || !b->value ||
	       (a->len == b->len && memcmp(a->value, b->value, a->len) == 0);
}

static bool secrets_equal(const struct fg_secrets *a, const struct fg_secrets *b)
{
	if (a->count != b->count || !names_equal(a->names, b->names, a->count))
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!secret_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}

static bool map_equal(const struct fg_option *option, const struct fg_map *a,
		      const struct fg_map *b)
{
	if (a->count != b->count || !names_equal(a->names, b->names, a->count))
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!fg_options_equal(option->group, (const char *)a->items + i * a->item_size,
				      (const char *)b->items + i * b->item_size))
			return false;
	return true;
}

static bool member_equal(const struct fg_option *option, const void *conf_a, const void *conf_b)
{
	const void *a = fg_option_const_member(option, conf_a);
	const void *b = fg_option_const_member(option, conf_b);

	switch (option->type) {
	case FG_OPT_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case FG_OPT_INT:
	case FG_OPT_DURATION:
	case FG_OPT_SIZE:
	case FG_OPT_NUMBER:
		return memcmp(a, b, sizeof(int64_t)) == 0;
	case FG_OPT_ENUM:
		return *(const int *)a == *(const int *)b;
	case FG_OPT_STRING:
		return text_equal(*(const char *const *)a, *(const char *const *)b);
	case FG_OPT_SECRET:
		return secret_equal(a, b);
	case FG_OPT_SECRETS:
		return secrets_equal(a, b);
	case FG_OPT_LIST:
		return list_equal(a, b);
	case FG_OPT_GROUP:
		return fg_options_equal(option->group, a, b);
	case FG_OPT_MAP:
		return map_equal(option, a, b);
	case FG_OPT_VALUE:
		return value_equal(a, b);
	case FG_OPT_VALUES:
		return values_equal(a, b);
	case FG_OPT_ONE_OF:
		return fg_options_equal(option->group, conf_a, conf_b);
	}
	return false;
}

bool fg_options_equal(const struct fg_option *options, const void *a, const void *b)
{
	for (; options && options->name; options++)
		if (!member_equal(options, a, b))
			return false;
	return true;
}

/* What a walk over the secrets carries down. */
struct walk {
	void (*each)(void *arg, const struct fg_place *place, struct fg_secret *secret);
	void *arg;
};

static void walk_table(const struct walk *walk, const struct fg_option *options,
		       const struct fg_place *place, void *conf);

static void walk_secrets(const struct walk *walk, const struct fg_place *place,
			 struct fg_secrets *secrets)
{
	for (size_t i = 0; i < secrets->count; i++) {
		struct fg_place below = { .up = place, .key = secrets->names[i] };

		/* the list is const for its users; its owner fills in the values */
		if (secrets->items[i].name)
			walk->each(walk->arg, &below,
				   (struct fg_secret *)(uintptr_t)&secrets->items[i]);
	}
}

static void walk_map(const struct walk *walk, const struct fg_option *option,
		     const struct fg_place *place, struct fg_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		struct fg_place below = { .up = place, .key = map->names[i] };

		walk_table(walk, option->group, &below, (char *)map->items + i * map->item_size);
	}
}

/* The depth is that of the tables, which are constant. */
static void walk_table(const struct walk *walk, const struct fg_option *options,
		       const struct fg_place *place, void *conf)
{
	for (; options && options->name; options++) {
		struct fg_place below = { .up = place, .key = options->name };
		void *member = fg_option_member(options, conf);

		if (options->type == FG_OPT_GROUP)
			walk_table(walk, options->group, &below, member);
		else if (options->type == FG_OPT_ONE_OF)
			walk_table(walk, options->group, place, conf);
		else if (options->type == FG_OPT_MAP)
			walk_map(walk, options, &below, member);
		else if (options->type == FG_OPT_SECRETS)
			walk_secrets(walk, &below, member);
		else if (options->type == FG_OPT_SECRET && ((struct fg_secret *)member)->name)
			walk->each(walk->arg, &below, member);
	}
}

void fg_options_secrets(const struct fg_option *options, const struct fg_place *place, void *conf,
			void (*each)(void *arg, const struct fg_place *place,
				     struct fg_secret *secret),
			void *arg)
{
	struct walk walk = { each, arg };

	walk_table(&walk, options, place, conf);
}
