/* Lists, objects whose keys are the user's, secrets by reference, and defaults from their text. */
#include <fg/value.h>

#include "config/option.h"
#include "config/secret.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WHY_MAX 256

static size_t count_of(const cJSON *json)
{
	size_t n = 0;
	const cJSON *child;

	cJSON_ArrayForEach(child, json)
		n++;
	return n;
}

static bool count_ok(const struct fg_item *item, size_t count)
{
	const struct fg_option *option = item->option;

	if ((int64_t)count < option->min) {
		fg_fault_at(item->reader->faults, item->place, "needs at least %lld",
			    (long long)option->min);
		return false;
	}
	if (option->max > 0 && option->max >= option->min && (int64_t)count > option->max) {
		fg_fault_at(item->reader->faults, item->place, "%zu are too many: at most %lld",
			    count, (long long)option->max);
		return false;
	}
	return true;
}

static const char *copy_name(struct fg_reader *reader, const char *text)
{
	char *copy = fg_arena_dup(reader->arena, fg_str_c(text));

	if (!copy)
		reader->no_memory = true;
	return copy;
}

void fg_item_read_list(const struct fg_item *item)
{
	static const struct fg_option plain = { .name = "", .type = FG_OPT_STRING };
	struct fg_list *list = fg_option_member(item->option, item->conf);
	struct fg_option option = plain;
	const char **items;
	const cJSON *child;
	size_t n = 0;

	if (!cJSON_IsArray(item->json)) {
		fg_item_expected(item, "a list of strings");
		return;
	}
	if (!count_ok(item, count_of(item->json)))
		return;
	items = fg_reader_take(item->reader, count_of(item->json), sizeof(*items));
	if (!items)
		return;
	option.check = item->option->check;
	cJSON_ArrayForEach(child, item->json) {
		struct fg_place place = { .up = item->place, .index = n };
		struct fg_item inner = { item->reader, &place, &option, child, &items[n] };

		fg_item_read_string(&inner);
		n++;
	}
	*list = (struct fg_list){ items, n };
}

/* The fault never shows what stands there: it may be the secret. */
static const char *secret_name(const struct fg_item *item, const cJSON *json,
			       const struct fg_place *place)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "secret");

	if (!cJSON_IsObject(json) || !cJSON_IsString(name) || name->next || name->prev != name) {
		fg_fault_at(item->reader->faults, place,
			    "expected {\"secret\": \"NAME\"}: a secret is read from "
			    "$CREDENTIALS_DIRECTORY/NAME or " FG_SECRETS_DIR "/NAME, "
			    "never from the configuration");
		return NULL;
	}
	if (!fg_secret_name_ok(name->valuestring)) {
		fg_fault_at(
			item->reader->faults, place,
			"a secret's name is made of A-Z a-z 0-9 . _ - and begins with none of . -");
		return NULL;
	}
	return copy_name(item->reader, name->valuestring);
}

void fg_item_read_secret(const struct fg_item *item)
{
	struct fg_secret *secret = fg_option_member(item->option, item->conf);

	secret->name = secret_name(item, item->json, item->place);
}

void fg_item_read_secrets(const struct fg_item *item)
{
	struct fg_secrets *secrets = fg_option_member(item->option, item->conf);
	size_t count = count_of(item->json), n = 0;
	struct fg_secret *items;
	const char **names;
	const cJSON *child;

	if (!cJSON_IsObject(item->json)) {
		/* as above: not what stands there */
		fg_fault_at(item->reader->faults, item->place,
			    "expected an object of name: {\"secret\": \"NAME\"}");
		return;
	}
	names = fg_reader_take(item->reader, count, sizeof(*names));
	items = fg_reader_take(item->reader, count, sizeof(*items));
	if (!names || !items)
		return;
	cJSON_ArrayForEach(child, item->json) {
		struct fg_place place = { .up = item->place, .key = child->string };

		names[n] = copy_name(item->reader, child->string);
		items[n++].name = secret_name(item, child, &place);
	}
	*secrets = (struct fg_secrets){ names, items, n };
}

static void check_name(const struct fg_item *item, const struct fg_place *place)
{
	char why[WHY_MAX] = "not a name";

	if (item->option->check && item->option->check(place->key, why, sizeof(why)) < 0)
		fg_fault_at(item->reader->faults, place, "%s", why);
}

void fg_item_read_map(const struct fg_item *item)
{
	struct fg_map *map = fg_option_member(item->option, item->conf);
	size_t size = item->option->item_size, count = count_of(item->json), n = 0;
	const char **names;
	const cJSON *child;
	char *items;

	if (!cJSON_IsObject(item->json)) {
		fg_item_expected(item, "an object");
		return;
	}
	if (!count_ok(item, count))
		return;
	names = fg_reader_take(item->reader, count, sizeof(*names));
	items = fg_reader_take(item->reader, count, size);
	if (!names || !items)
		return;
	cJSON_ArrayForEach(child, item->json) {
		struct fg_place place = { .up = item->place, .key = child->string };
		struct fg_part part = { item->option->group, items + n * size };

		check_name(item, &place);
		names[n++] = copy_name(item->reader, child->string);
		fg_options_read(item->reader, &place, child, &part, 1);
	}
	*map = (struct fg_map){ names, items, n, size };
}

/* With choices a value is one of their names, else any scalar. */
static void read_value(const struct fg_item *item, const struct fg_place *place, const cJSON *json,
		       struct fg_value *value)
{
	struct fg_option option = *item->option;
	struct fg_item inner = { item->reader, place, &option, json, value };
	int chosen;

	option.offset = 0;
	if (option.choices) {
		size_t before = item->reader->faults->faults;

		inner.conf = &chosen;
		fg_item_read_enum(&inner);
		if (item->reader->faults->faults > before)
			return;
		inner.conf = value;
	}
	fg_item_read_value(&inner);
}

void fg_item_read_values(const struct fg_item *item)
{
	struct fg_values *values = fg_option_member(item->option, item->conf);
	size_t count = count_of(item->json), n = 0;
	struct fg_value *items;
	const char **names;
	const cJSON *child;

	if (!cJSON_IsObject(item->json)) {
		fg_item_expected(item, "an object of name: value");
		return;
	}
	names = fg_reader_take(item->reader, count, sizeof(*names));
	items = fg_reader_take(item->reader, count, sizeof(*items));
	if (!names || !items)
		return;
	cJSON_ArrayForEach(child, item->json) {
		struct fg_place place = { .up = item->place, .key = child->string };

		check_name(item, &place);
		names[n] = copy_name(item->reader, child->string);
		read_value(item, &place, child, &items[n++]);
	}
	*values = (struct fg_values){ names, items, n };
}

/* The text of a default as the JSON value that a user would have written. */
static cJSON json_of_default(struct fg_reader *reader, const struct fg_option *option)
{
	const struct fg_option *form = option->type == FG_OPT_ONE_OF ? option->group : option;
	struct fg_str text = fg_str_c(option->def);
	struct fg_value value;
	cJSON json = { .type = cJSON_String };
	bool bare = form->type == FG_OPT_BOOL || form->type == FG_OPT_INT ||
		    form->type == FG_OPT_NUMBER || form->type == FG_OPT_VALUE;

	if (bare && (fg_str_eq_c(text, "true") || fg_str_eq_c(text, "false"))) {
		json.type = text.ptr[0] == 't' ? cJSON_True : cJSON_False;
	} else if (bare && fg_value_parse_number(text, &value) == 0) {
		json.type = cJSON_Number;
		json.valuedouble = fg_value_double(&value);
	} else {
		json.valuestring = fg_arena_dup(reader->arena, text);
		reader->no_memory |= !json.valuestring;
	}
	return json;
}

static void list_default(struct fg_item *item)
{
	struct fg_list *list = fg_option_member(item->option, item->conf);
	const char **one = fg_reader_take(item->reader, 1, sizeof(*one));

	if (!one)
		return;
	one[0] = item->option->def;
	*list = (struct fg_list){ one, 1 };
}

void fg_item_default(struct fg_item *item)
{
	cJSON json;

	if (item->option->type == FG_OPT_GROUP) {
		fg_item_read(item);
		return;
	}
	if (!item->option->def)
		return;
	if (item->option->type == FG_OPT_LIST) {
		list_default(item);
		return;
	}
	json = json_of_default(item->reader, item->option);
	if (item->reader->no_memory)
		return;
	item->json = &json;
	fg_item_read(item);
	item->json = NULL;
}
