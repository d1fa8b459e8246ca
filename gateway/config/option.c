/* Objects: which rows of which table a key belongs to, what is absent, what is unknown. */
#include "config/option.h"

#include "config/suggest.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 96	/* options that one object can have */

void *fg_reader_take(struct fg_reader *reader, size_t count, size_t size)
{
	/* an empty list is not out of memory */
	void *p = fg_arena_array(reader->arena, count ? count : 1, size);

	if (!p)
		reader->no_memory = true;
	return p;
}

static void read_group(const struct fg_item *item)
{
	struct fg_part part = { item->option->group, fg_option_member(item->option, item->conf) };

	fg_options_read(item->reader, item->place, item->json, &part, 1);
}

static void read_one_of(const struct fg_item *item)
{
	const struct fg_option *form = item->option->group;
	struct fg_item inner = *item;

	while (form->name && !fg_item_fits(form, item->json))
		form++;
	if (!form->name && item->option->expects) {
		fg_item_expected(item, NULL);
		return;
	}
	/* the last form's own fault is the best word for what none of them takes */
	inner.option = form->name ? form : form - 1;
	fg_item_read(&inner);
}

static void (*const READERS[])(const struct fg_item *) = {
	[FG_OPT_BOOL] = fg_item_read_bool,
	[FG_OPT_INT] = fg_item_read_int,
	[FG_OPT_NUMBER] = fg_item_read_number,
	[FG_OPT_DURATION] = fg_item_read_duration,
	[FG_OPT_SIZE] = fg_item_read_size,
	[FG_OPT_STRING] = fg_item_read_string,
	[FG_OPT_ENUM] = fg_item_read_enum,
	[FG_OPT_SECRET] = fg_item_read_secret,
	[FG_OPT_LIST] = fg_item_read_list,
	[FG_OPT_SECRETS] = fg_item_read_secrets,
	[FG_OPT_GROUP] = read_group,
	[FG_OPT_MAP] = fg_item_read_map,
	[FG_OPT_VALUE] = fg_item_read_value,
	[FG_OPT_VALUES] = fg_item_read_values,
	[FG_OPT_ONE_OF] = read_one_of,
};

void fg_item_read(const struct fg_item *item)
{
	READERS[item->option->type](item);
}

bool fg_item_fits(const struct fg_option *option, const cJSON *json)
{
	char text[FG_DESCRIBE_MAX];

	switch (option->type) {
	case FG_OPT_BOOL:
		return cJSON_IsBool(json);
	case FG_OPT_INT:
	case FG_OPT_NUMBER:
		return cJSON_IsNumber(json);
	case FG_OPT_DURATION:
	case FG_OPT_SIZE:
	case FG_OPT_STRING:
		return cJSON_IsString(json);
	case FG_OPT_ENUM:
		return fg_choice_find(option->choices, fg_choice_text(json, text));
	case FG_OPT_LIST:
		return cJSON_IsArray(json);
	case FG_OPT_VALUE:
		return cJSON_IsBool(json) || cJSON_IsNumber(json) || cJSON_IsString(json);
	case FG_OPT_ONE_OF:
		return false;
	default:
		return cJSON_IsObject(json);
	}
}

void fg_item_expected(const struct fg_item *item, const char *what)
{
	const char *expects = item->option->expects ? item->option->expects : what;
	char text[FG_DESCRIBE_MAX];

	fg_fault_at(item->reader->faults, item->place, "expected %s, got %s", expects,
		    fg_json_describe(item->json, text));
}

void fg_options_fill(struct fg_reader *reader, const struct fg_place *place, const cJSON *object,
		     const struct fg_part *part)
{
	for (const struct fg_option *option = part->options; option && option->name; option++) {
		struct fg_place below = { .up = place, .key = option->name };
		struct fg_item item = {
			.reader = reader,
			.place = &below,
			.option = option,
			.json = cJSON_GetObjectItemCaseSensitive(object, option->name),
			.conf = part->conf,
		};

		if (item.json)
			fg_item_read(&item);
		else if (object && (option->flags & FG_OPT_REQUIRED))
			fg_fault_at(reader->faults, &below, "missing%s%s", option->help ? ": " : "",
				    option->help ? option->help : "");
		else
			fg_item_default(&item);
	}
}

/* The names that may stand in an object of these parts; returns how many there are. */
static size_t list_names(const struct fg_part *parts, size_t nparts, const char *const *also,
			 unsigned but_flags, const char **out)
{
	size_t n = 0;

	for (size_t i = 0; i < nparts; i++)
		for (const struct fg_option *o = parts[i].options; o && o->name; o++)
			if (!(o->flags & but_flags) && n < NAMES_MAX)
				out[n++] = o->name;
	for (; also && *also && n < NAMES_MAX; also++)
		out[n++] = *also;
	return n;
}

static bool is_known(const char *const *names, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], key) == 0)
			return true;
	return false;
}

void fg_fault_unknown_key(struct fg_faults *faults, const struct fg_place *place,
			  const char *const *names, size_t count)
{
	struct fg_suggest suggest = { .typed = place->key };
	char list[512];
	size_t len = 0;

	for (size_t i = 0; i < count; i++)
		fg_suggest_offer(&suggest, names[i]);
	if (suggest.best) {
		fg_fault_at(faults, place, "unknown key, did you mean \"%s\"?", suggest.best);
		return;
	}
	list[0] = '\0';
	for (size_t i = 0; i < count && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					names[i]);
	if (count)
		fg_fault_at(faults, place, "unknown key; known here: %s", list);
	else
		fg_fault_at(faults, place, "unknown key");
}

void fg_options_unknown(struct fg_reader *reader, const struct fg_place *place, const cJSON *object,
			const struct fg_part *parts, size_t nparts, const char *const *also)
{
	const char *all[NAMES_MAX], *shown[NAMES_MAX];
	size_t nall = list_names(parts, nparts, also, 0, all);
	size_t nshown = list_names(parts, nparts, also, FG_OPT_HIDDEN, shown);
	const cJSON *member;

	cJSON_ArrayForEach(member, object) {
		struct fg_place below = { .up = place, .key = member->string };

		if (!is_known(all, nall, member->string))
			fg_fault_unknown_key(reader->faults, &below, shown, nshown);
	}
}

bool fg_object_expect(struct fg_reader *reader, const struct fg_place *place, const cJSON *json)
{
	char text[FG_DESCRIBE_MAX];

	if (cJSON_IsObject(json))
		return true;
	fg_fault_at(reader->faults, place, "expected an object, got %s",
		    fg_json_describe(json, text));
	return false;
}

void fg_options_read(struct fg_reader *reader, const struct fg_place *place, const cJSON *object,
		     const struct fg_part *parts, size_t nparts)
{
	if (object && !fg_object_expect(reader, place, object))
		return;
	for (size_t i = 0; i < nparts; i++)
		fg_options_fill(reader, place, object, &parts[i]);
	if (object)
		fg_options_unknown(reader, place, object, parts, nparts, NULL);
}
