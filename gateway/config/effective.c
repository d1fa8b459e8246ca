#include "config/effective.h"

#include "config/config.h"
#include "config/json.h"
#include "config/registry.h"
#include "config/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct walk {
	cJSON *origin;
};

static cJSON *object_of(const struct walk *, const struct fg_place *, const cJSON *json,
			const struct fg_option *const *tables);

static void note(const struct walk *walk, const struct fg_place *place, const char *origin)
{
	char pointer[FG_POINTER_MAX];

	fg_place_write(place, pointer, sizeof(pointer));
	cJSON_AddStringToObject(walk->origin, pointer, origin);
}

static cJSON *default_of(const struct fg_option *option)
{
	switch (option->type) {
	case FG_OPT_BOOL:
		return cJSON_CreateBool(strcmp(option->def, "true") == 0);
	case FG_OPT_INT:
	case FG_OPT_NUMBER:
		return cJSON_Parse(option->def);
	case FG_OPT_LIST:
		return NULL;
	default:
		return cJSON_CreateString(option->def);
	}
}

/* Named things of a sub-table. */
static cJSON *map_of(const struct walk *walk, const struct fg_place *place, const cJSON *json,
		     const struct fg_option *table)
{
	const struct fg_option *const tables[] = { table, NULL };
	cJSON *map = cJSON_CreateObject();
	const cJSON *item;

	cJSON_ArrayForEach(item, json) {
		struct fg_place below = { .up = place, .key = item->string };

		cJSON_AddItemToObject(map, item->string, object_of(walk, &below, item, tables));
	}
	return map;
}

/* One option, or NULL: it is not there and has no default. */
static cJSON *option_of(const struct walk *walk, const struct fg_place *place, const cJSON *json,
			const struct fg_option *option)
{
	const struct fg_option *const tables[] = { option->group, NULL };
	bool secret = option->type == FG_OPT_SECRET || option->type == FG_OPT_SECRETS;
	cJSON *value = NULL;

	if (option->type == FG_OPT_GROUP && (!json || cJSON_IsObject(json)))
		return object_of(walk, place, json, tables);
	if (option->type == FG_OPT_MAP && cJSON_IsObject(json))
		return map_of(walk, place, json, option->group);
	if (json)
		value = cJSON_Duplicate(json, true);
	else if (option->def)
		value = default_of(option);
	if (value)
		note(walk, place, !json ? "default" : secret ? "secret" : "file");
	return value;
}

/* `tables` ends in NULL; json may be NULL. NULL: there is nothing in it. */
static cJSON *object_of(const struct walk *walk, const struct fg_place *place, const cJSON *json,
			const struct fg_option *const *tables)
{
	cJSON *object = cJSON_CreateObject();

	for (; *tables; tables++)
		for (const struct fg_option *o = *tables; o->name; o++) {
			const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, o->name);
			struct fg_place below = { .up = place, .key = o->name };
			cJSON *value;

			/* it is off unless it is there; tests' own options are nobody's business */
			if (!member && (o->group == fg_options_console || o->flags & FG_OPT_HIDDEN))
				continue;
			value = option_of(walk, &below, member, o);
			if (value)
				cJSON_AddItemToObject(object, o->name, value);
		}
	if (json || (object && object->child))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static cJSON *instances_of(const struct walk *walk, const char *key, const cJSON *json,
			   bool bridges)
{
	struct fg_place place = { .key = key };
	cJSON *all = cJSON_CreateObject();
	const cJSON *item;

	cJSON_ArrayForEach(item, json) {
		struct fg_place below = { .up = &place, .key = item->string };
		const struct fg_option *tables[] = { bridges ? fg_options_bridge :
							       fg_options_driver,
						     NULL, NULL };
		const char *type =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "type"));
		const struct fg_driver *driver;
		const struct fg_bridge *bridge;

		if (type && !bridges && fg_registry_driver(type, &driver) == 0)
			tables[1] = driver->options;
		if (type && bridges && fg_registry_bridge(type, &bridge) == 0)
			tables[1] = bridge->options;
		cJSON_AddItemToObject(all, item->string, object_of(walk, &below, item, tables));
	}
	return all;
}

static bool print(const cJSON *json, struct fg_buf *out)
{
	char *text = cJSON_PrintUnformatted(json);

	if (text)
		fg_buf_text(out, text);
	cJSON_free(text);
	return text && !out->failed;
}

int fg_config_effective(struct fg_str text, struct fg_buf *effective, struct fg_buf *origin)
{
	const struct fg_option *const top[] = { fg_options_top, NULL };
	struct walk walk = { .origin = cJSON_CreateObject() };
	struct fg_faults faults;
	cJSON *root = NULL, *all;
	int r;

	fg_faults_init(&faults);
	r = fg_json_read(text, &faults, &root);
	fg_faults_fini(&faults);
	if (r == 0) {
		all = object_of(&walk, NULL, root, top);
		cJSON_AddItemToObject(
			all, "drivers",
			instances_of(&walk, "drivers",
				     cJSON_GetObjectItemCaseSensitive(root, "drivers"), false));
		cJSON_AddItemToObject(
			all, "bridges",
			instances_of(&walk, "bridges",
				     cJSON_GetObjectItemCaseSensitive(root, "bridges"), true));
		if (!print(all, effective) || !print(walk.origin, origin))
			r = -ENOMEM;
		cJSON_Delete(all);
	}
	cJSON_Delete(root);
	cJSON_Delete(walk.origin);
	return r;
}
