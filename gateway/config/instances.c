/* "drivers" and "bridges": what an object holds is known only when its type is. */
#include "config/load.h"

#include "config/pattern.h"
#include "config/registry.h"
#include "config/suggest.h"
#include "config/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_WHY 256
#define TYPES_SHOWN 512

static const char *const *const DRIVER_NAMES[] = {
	fg_builtin_names_drivers, fg_module_drivers, fg_absent_drivers, NULL,
};

static const char *const *const BRIDGE_NAMES[] = {
	fg_builtin_names_bridges, fg_module_bridges, fg_absent_bridges, NULL,
};

struct kind {
	const char *word;
	enum fg_registry_kind registry;
	const char *const *const *names;
};

static const struct kind DRIVER = { "driver", FG_REGISTRY_DRIVER, DRIVER_NAMES };
static const struct kind BRIDGE = { "bridge", FG_REGISTRY_BRIDGE, BRIDGE_NAMES };

/* All that can be chosen in this build. */
static void list_types(const struct kind *kind, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (int list = 0; list < 2; list++)
		for (const char *const *name = kind->names[list]; *name && len < cap; name++)
			len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? ", " : "",
						*name);
}

static void fault_type(struct fg_faults *faults, const struct kind *kind,
		       const struct fg_place *place, const char *type, int r)
{
	struct fg_suggest suggest = { .typed = type };
	char text[TYPES_SHOWN];

	if (r != -ENOENT) {
		fg_registry_explain(kind->registry, type, text, sizeof(text));
		fg_fault_at(faults, place, "%s", text);
		return;
	}
	for (int list = 0; kind->names[list]; list++)
		for (const char *const *name = kind->names[list]; *name; name++)
			fg_suggest_offer(&suggest, *name);
	list_types(kind, text, sizeof(text));
	if (suggest.best)
		fg_fault_at(faults, place, "unknown %s, did you mean \"%s\"?", kind->word,
			    suggest.best);
	else
		fg_fault_at(faults, place, "unknown %s; there are %s", kind->word, text);
}

/* A key that may have been meant for "type", or NULL. */
static const char *nearly_type(const cJSON *json)
{
	const cJSON *member;

	cJSON_ArrayForEach(member, json) {
		struct fg_suggest suggest = { .typed = member->string };

		fg_suggest_offer(&suggest, "type");
		if (suggest.best)
			return member->string;
	}
	return NULL;
}

/* The type's name, or NULL with a fault. */
static const char *type_of(struct fg_load *load, const struct kind *kind,
			   const struct fg_place *place, const cJSON *json)
{
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "type");
	struct fg_place below = { .up = place, .key = "type" };
	char text[TYPES_SHOWN], got[FG_DESCRIBE_MAX];
	const char *meant;

	if (!fg_object_expect(&load->reader, place, json))
		return NULL;
	list_types(kind, text, sizeof(text));
	meant = type ? NULL : nearly_type(json);
	if (meant)
		fg_fault_at(load->reader.faults, &(struct fg_place){ .up = place, .key = meant },
			    "unknown key, did you mean \"type\"?");
	if (!type)
		fg_fault_at(load->reader.faults, &below, "missing: one of %s", text);
	else if (!cJSON_IsString(type))
		fg_fault_at(load->reader.faults, &below, "expected one of %s, got %s", text,
			    fg_json_describe(type, got));
	else
		return type->valuestring;
	return NULL;
}

static const char *instance_name(struct fg_load *load, const struct fg_place *place)
{
	char why[NAME_MAX_WHY];
	char *copy = fg_arena_dup(load->reader.arena, fg_str_c(place->key));

	load->reader.no_memory |= !copy;
	if (fg_instance_name_check(place->key, why, sizeof(why)) < 0)
		fg_fault_at(load->reader.faults, place, "%s", why);
	return copy;
}

/* Reads the options of both tables, and lets the component look at its own if they are good. */
static void read_parts(struct fg_load *load, const struct fg_place *place, const cJSON *json,
		       const struct fg_part parts[2],
		       void (*check)(const void *conf, struct fg_faults *))
{
	struct fg_faults *faults = load->reader.faults;
	size_t before = faults->faults;
	char base[FG_POINTER_MAX];

	fg_options_read(&load->reader, place, json, parts, 2);
	if (!check || faults->faults > before || load->reader.no_memory)
		return;
	fg_place_write(place, base, sizeof(base));
	faults->base = base;
	check(parts[1].conf, faults);
	faults->base = NULL;
}

static void read_driver(struct fg_load *load, const struct fg_place *place, const cJSON *json,
			struct fg_driver_conf *ret)
{
	const char *type = type_of(load, &DRIVER, place, json);
	struct fg_place below = { .up = place, .key = "type" };
	int r = type ? fg_registry_driver(type, &ret->driver) : 0;

	ret->name = instance_name(load, place);
	if (r < 0)
		fault_type(load->reader.faults, &DRIVER, &below, type, r);
	if (!ret->driver)
		return;
	ret->conf = fg_reader_take(&load->reader, 1, ret->driver->conf_size);
	if (ret->conf) {
		struct fg_part parts[] = { { fg_options_driver, ret },
					   { ret->driver->options, ret->conf } };

		read_parts(load, place, json, parts, ret->driver->check);
	}
}

static void read_bridge(struct fg_load *load, const struct fg_place *place, const cJSON *json,
			struct fg_bridge_conf *ret)
{
	const cJSON *format = cJSON_GetObjectItemCaseSensitive(json, "format");
	const char *type = type_of(load, &BRIDGE, place, json);
	struct fg_place below = { .up = place, .key = "type" };
	int r;

	if (type)
		type = fg_bridge_for(type, cJSON_GetStringValue(format));
	r = type ? fg_registry_bridge(type, &ret->bridge) : 0;

	ret->name = instance_name(load, place);
	if (r < 0)
		fault_type(load->reader.faults, &BRIDGE, &below, type, r);
	if (!ret->bridge)
		return;
	ret->conf = fg_reader_take(&load->reader, 1, ret->bridge->conf_size);
	if (ret->conf) {
		struct fg_part parts[] = { { fg_options_bridge, ret },
					   { ret->bridge->options, ret->conf } };

		read_parts(load, place, json, parts, ret->bridge->check);
	}
}

/* Zeroed room for every member, or NULL: there is none, or it is not an object. */
static void *take_instances(struct fg_load *load, const struct fg_place *place, const cJSON *object,
			    size_t size)
{
	if (!object || !fg_object_expect(&load->reader, place, object))
		return NULL;
	return fg_reader_take(&load->reader, (size_t)cJSON_GetArraySize(object), size);
}

void fg_load_drivers(struct fg_load *load, const cJSON *object)
{
	struct fg_place place = { .key = "drivers" };
	struct fg_config *config = load->config;
	const cJSON *json;

	config->drivers = take_instances(load, &place, object, sizeof(*config->drivers));
	if (!config->drivers)
		return;
	cJSON_ArrayForEach(json, object) {
		struct fg_place below = { .up = &place, .key = json->string };

		read_driver(load, &below, json, &config->drivers[config->ndrivers++]);
	}
}

void fg_load_bridges(struct fg_load *load, const cJSON *object)
{
	struct fg_place place = { .key = "bridges" };
	struct fg_config *config = load->config;
	const cJSON *json;

	config->bridges = take_instances(load, &place, object, sizeof(*config->bridges));
	if (!config->bridges)
		return;
	cJSON_ArrayForEach(json, object) {
		struct fg_place below = { .up = &place, .key = json->string };

		read_bridge(load, &below, json, &config->bridges[config->nbridges++]);
	}
}

void fg_load_console(struct fg_load *load, bool wanted)
{
	struct fg_faults *faults = load->reader.faults;
	struct fg_place place = { .key = "console" };
	struct fg_config *config = load->config;
	char text[TYPES_SHOWN];

	if (!wanted)
		return;
	if (fg_registry_console("http", &config->console_by) < 0) {
		fg_registry_explain(FG_REGISTRY_CONSOLE, "http", text, sizeof(text));
		fg_fault_at(faults, &place, "%s", text);
		return;
	}
	faults->base = "/console";
	config->console_by->check(&config->console, faults);
	faults->base = NULL;
}

void fg_load_default_driver(struct fg_load *load, const char *type)
{
	struct fg_place place = { .key = "driver" };
	struct fg_config *config = load->config;
	struct fg_driver_conf *d;
	struct fg_part parts[2];
	int r;

	config->drivers = d = fg_reader_take(&load->reader, 1, sizeof(*d));
	if (!d)
		return;
	r = fg_registry_driver(type, &d->driver);
	if (r < 0) {
		fault_type(load->reader.faults, &DRIVER, &place, type, r);
		return;
	}
	d->name = d->type = fg_arena_dup(load->reader.arena, fg_str_c(type));
	d->conf = fg_reader_take(&load->reader, 1, d->driver->conf_size);
	load->reader.no_memory |= !d->type;
	if (!d->conf)
		return;
	parts[0] = (struct fg_part){ fg_options_driver, d };
	parts[1] = (struct fg_part){ d->driver->options, d->conf };
	fg_options_read(&load->reader, &place, NULL, parts, 2);
	config->ndrivers = 1;
}

const char *fg_option_text(const struct fg_option *options, const void *conf, const char *name)
{
	for (; options && options->name; options++)
		if (options->type == FG_OPT_STRING && strcmp(options->name, name) == 0)
			return *(const char *const *)fg_option_const_member(options, conf);
	return NULL;
}
