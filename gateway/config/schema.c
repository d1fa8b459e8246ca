/*
 * The JSON Schema. It never refuses what the reader takes; what a schema cannot say (ranges of
 * durations and sizes, what components check themselves) the reader alone knows.
 */
#include "config/schema.h"

#include <fg/bridge.h>
#include <fg/driver.h>
#include <fg/value.h>

#include "config/pattern.h"
#include "config/registry.h"
#include "config/tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define NAME_PATTERN "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
#define SECRET_PATTERN "^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$"
#define DURATION_PATTERN "^[0-9]+(ns|us|ms|s|m|min|h|d)$"
#define SIZE_PATTERN "^[0-9]+(B|KiB|MiB|GiB|TiB)$"

/* What the checks of text options let pass, where a pattern can say it. */
static const struct {
	int (*check)(const char *text, char *why, size_t cap);
	const char *pattern;
} PATTERNS[] = {
	{ fg_instance_name_check, NAME_PATTERN },
	{ fg_gateway_id_check, "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" },
	{ fg_pointer_check, "^(/([^~]|~[01])*)?$" },
};

static cJSON *schema_of_table(const struct fg_option *const *tables, size_t ntables);
static cJSON *schema_of(const struct fg_option *option);

static cJSON *typed(const char *type)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "type", type);
	return json;
}

static cJSON *ref(const char *name)
{
	cJSON *json = cJSON_CreateObject();
	char text[128];

	snprintf(text, sizeof(text), "#/$defs/%s", name);
	cJSON_AddStringToObject(json, "$ref", text);
	return json;
}

static void add_pattern(cJSON *json, const struct fg_option *option)
{
	for (size_t i = 0; option->check && i < sizeof(PATTERNS) / sizeof(PATTERNS[0]); i++)
		if (PATTERNS[i].check == option->check)
			cJSON_AddStringToObject(json, "pattern", PATTERNS[i].pattern);
}

/* max below min says that there is none. */
static void add_bounds(cJSON *json, const struct fg_option *option, const char *min,
		       const char *max)
{
	if (!option->min && !option->max)
		return;
	cJSON_AddNumberToObject(json, min, (double)option->min);
	if (option->max >= option->min)
		cJSON_AddNumberToObject(json, max, (double)option->max);
}

static cJSON *number_of(const char *text)
{
	struct fg_value value;

	if (fg_value_parse_number(fg_str_c(text), &value) < 0)
		return NULL;
	return cJSON_CreateNumber(fg_value_double(&value));
}

static cJSON *schema_of_choices(const struct fg_choice *choices)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(json, "enum");

	for (; choices && choices->name; choices++) {
		cJSON_AddItemToArray(list, cJSON_CreateString(choices->name));
		/* the reader takes 5 for "5" as well */
		cJSON_AddItemToArray(list, number_of(choices->name));
	}
	return json;
}

static cJSON *schema_of_scalar(void)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *types = cJSON_AddArrayToObject(json, "type");

	cJSON_AddItemToArray(types, cJSON_CreateString("string"));
	cJSON_AddItemToArray(types, cJSON_CreateString("number"));
	cJSON_AddItemToArray(types, cJSON_CreateString("boolean"));
	return json;
}

static cJSON *schema_of_string(const struct fg_option *option)
{
	static const char *const types[] = { "string", "number" };
	cJSON *json = cJSON_CreateObject();

	if (option->flags & FG_OPT_OR_NUMBER)
		cJSON_AddItemToObject(json, "type", cJSON_CreateStringArray(types, 2));
	else
		cJSON_AddStringToObject(json, "type", "string");
	/* the reader counts bytes, of which a character has one to four */
	if (option->min == 1)
		cJSON_AddNumberToObject(json, "minLength", 1);
	if (option->max > 0)
		cJSON_AddNumberToObject(json, "maxLength", (double)option->max);
	add_pattern(json, option);
	return json;
}

static cJSON *schema_of_text(const char *pattern)
{
	cJSON *json = typed("string");

	cJSON_AddStringToObject(json, "pattern", pattern);
	return json;
}

static cJSON *schema_of_list(const struct fg_option *option)
{
	cJSON *json = typed("array"), *items = typed("string");

	add_pattern(items, option);
	cJSON_AddItemToObject(json, "items", items);
	if (option->min > 0)
		cJSON_AddNumberToObject(json, "minItems", (double)option->min);
	if (option->max > 0)
		cJSON_AddNumberToObject(json, "maxItems", (double)option->max);
	return json;
}

/* An object whose keys are the user's. */
static cJSON *schema_of_names(const struct fg_option *option, cJSON *item)
{
	cJSON *json = typed("object"), *names = cJSON_CreateObject();

	add_pattern(names, option);
	if (names && names->child)
		cJSON_AddItemToObject(json, "propertyNames", names);
	else
		cJSON_Delete(names);
	cJSON_AddItemToObject(json, "additionalProperties", item);
	return json;
}

static cJSON *schema_of_forms(const struct fg_option *option)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(json, "anyOf");

	for (const struct fg_option *form = option->group; form->name; form++)
		cJSON_AddItemToArray(list, schema_of(form));
	return json;
}

static cJSON *schema_of_number(const struct fg_option *option, const char *type)
{
	cJSON *json = typed(type);

	add_bounds(json, option, "minimum", "maximum");
	return json;
}

static cJSON *schema_of_type(const struct fg_option *option)
{
	switch (option->type) {
	case FG_OPT_BOOL:
		return typed("boolean");
	case FG_OPT_INT:
		return schema_of_number(option, "integer");
	case FG_OPT_NUMBER:
		return schema_of_number(option, "number");
	case FG_OPT_DURATION:
		return schema_of_text(DURATION_PATTERN);
	case FG_OPT_SIZE:
		return schema_of_text(SIZE_PATTERN);
	case FG_OPT_STRING:
		return schema_of_string(option);
	case FG_OPT_ENUM:
		return schema_of_choices(option->choices);
	case FG_OPT_SECRET:
		return ref("secret");
	case FG_OPT_LIST:
		return schema_of_list(option);
	case FG_OPT_SECRETS:
		return schema_of_names(option, ref("secret"));
	case FG_OPT_GROUP:
		return schema_of_table(&option->group, 1);
	case FG_OPT_MAP:
		return schema_of_names(option, schema_of_table(&option->group, 1));
	case FG_OPT_VALUE:
		return schema_of_scalar();
	case FG_OPT_VALUES:
		return schema_of_names(option, option->choices ?
						       schema_of_choices(option->choices) :
						       schema_of_scalar());
	case FG_OPT_ONE_OF:
		return schema_of_forms(option);
	}
	return NULL;
}

static cJSON *default_of(const struct fg_option *option)
{
	bool number = option->type == FG_OPT_INT || option->type == FG_OPT_NUMBER;

	if (option->type == FG_OPT_BOOL)
		return cJSON_CreateBool(strcmp(option->def, "true") == 0);
	return number ? number_of(option->def) : cJSON_CreateString(option->def);
}

static cJSON *schema_of(const struct fg_option *option)
{
	cJSON *json = schema_of_type(option);

	if (option->help)
		cJSON_AddStringToObject(json, "description", option->help);
	if (option->def && option->type != FG_OPT_LIST)
		cJSON_AddItemToObject(json, "default", default_of(option));
	return json;
}

static cJSON *schema_of_table(const struct fg_option *const *tables, size_t ntables)
{
	cJSON *json = typed("object");
	cJSON *properties = cJSON_AddObjectToObject(json, "properties");
	cJSON *required = cJSON_CreateArray();

	for (size_t i = 0; i < ntables; i++)
		for (const struct fg_option *o = tables[i]; o && o->name; o++) {
			cJSON_AddItemToObject(properties, o->name, schema_of(o));
			if (o->flags & FG_OPT_REQUIRED)
				cJSON_AddItemToArray(required, cJSON_CreateString(o->name));
		}
	if (required && required->child)
		cJSON_AddItemToObject(json, "required", required);
	else
		cJSON_Delete(required);
	cJSON_AddFalseToObject(json, "additionalProperties");
	return json;
}

/* -- drivers and bridges -- */

static int compare_components(const void *a, const void *b)
{
	return strcmp(((const struct fg_component *)a)->name,
		      ((const struct fg_component *)b)->name);
}

static bool find_component(enum fg_component_kind kind, const char *name, struct fg_component *out)
{
	const struct fg_driver *driver;
	const struct fg_bridge *bridge;

	if (kind == FG_COMPONENT_DRIVER && fg_registry_driver(name, &driver) == 0)
		*out = (struct fg_component){ driver->name, driver->summary, driver->options };
	else if (kind == FG_COMPONENT_BRIDGE && fg_registry_bridge(name, &bridge) == 0)
		*out = (struct fg_component){ bridge->name, bridge->summary, bridge->options };
	else
		return false;
	return true;
}

size_t fg_components_list(enum fg_component_kind kind, struct fg_component *out)
{
	const char *const *const lists[] = {
		kind == FG_COMPONENT_DRIVER ? fg_builtin_names_drivers : fg_builtin_names_bridges,
		kind == FG_COMPONENT_DRIVER ? fg_module_drivers : fg_module_bridges,
	};
	size_t n = 0;

	for (size_t i = 0; i < 2; i++)
		for (const char *const *name = lists[i]; *name && n < FG_COMPONENTS_MAX; name++)
			n += find_component(kind, *name, &out[n]);
	qsort(out, n, sizeof(*out), compare_components);
	return n;
}

/* "if" the type is that one, and the format that one or (`other`) not that one. */
static void add_case(cJSON *cases, const char *def, const char *type, const char *format,
		     bool other)
{
	cJSON *branch = cJSON_CreateObject(), *condition = cJSON_CreateObject();
	cJSON *properties = cJSON_AddObjectToObject(condition, "properties");
	cJSON *required = cJSON_AddArrayToObject(condition, "required"), *json;

	json = cJSON_AddObjectToObject(properties, "type");
	cJSON_AddStringToObject(json, "const", type);
	cJSON_AddItemToArray(required, cJSON_CreateString("type"));
	if (format) {
		json = cJSON_AddObjectToObject(properties, "format");
		if (other)
			json = cJSON_AddObjectToObject(json, "not");
		else
			cJSON_AddItemToArray(required, cJSON_CreateString("format"));
		cJSON_AddStringToObject(json, "const", format);
	}
	cJSON_AddItemToObject(branch, "if", condition);
	cJSON_AddItemToObject(branch, "then", ref(def));
	cJSON_AddItemToArray(cases, branch);
}

/* One type's own options, in force when "type" names it. */
static void add_type(cJSON *defs, cJSON *cases, const char *word, const struct fg_component *c,
		     const struct fg_option *common)
{
	const struct fg_option *const tables[] = { common, c->options };
	cJSON *schema = schema_of_table(tables, 2);
	const char *type, *format;
	char name[96];

	snprintf(name, sizeof(name), "%s-%s", word, c->name);
	if (c->summary)
		cJSON_AddStringToObject(schema, "description", c->summary);
	cJSON_AddItemToObject(defs, name, schema);
	if (common == fg_options_bridge && fg_bridge_alias(c->name, &type, &format))
		add_case(cases, name, type, format, false);
	/* what another component speaks under this type's name is that one's */
	format = NULL;
	if (common == fg_options_bridge && fg_bridge_of(c->name, &format))
		add_case(cases, name, c->name, format, true);
	else
		add_case(cases, name, c->name, NULL, false);
}

static cJSON *schema_of_kind(cJSON *defs, enum fg_component_kind kind, const char *word)
{
	const struct fg_option *common = kind == FG_COMPONENT_DRIVER ? fg_options_driver :
								       fg_options_bridge;
	struct fg_component components[FG_COMPONENTS_MAX];
	size_t n = fg_components_list(kind, components);
	cJSON *one = typed("object"), *many = typed("object"), *names, *cases, *type, *list;

	list = cJSON_AddArrayToObject(one, "required");
	cJSON_AddItemToArray(list, cJSON_CreateString("type"));
	type = cJSON_AddObjectToObject(cJSON_AddObjectToObject(one, "properties"), "type");
	list = cJSON_AddArrayToObject(type, "enum");
	cases = cJSON_AddArrayToObject(one, "allOf");
	for (size_t i = 0; i < n; i++) {
		cJSON_AddItemToArray(list, cJSON_CreateString(components[i].name));
		add_type(defs, cases, word, &components[i], common);
	}
	cJSON_AddItemToObject(defs, word, one);
	names = cJSON_AddObjectToObject(many, "propertyNames");
	cJSON_AddStringToObject(names, "pattern", NAME_PATTERN);
	cJSON_AddItemToObject(many, "additionalProperties", ref(word));
	return many;
}

static cJSON *schema_of_secret(void)
{
	cJSON *json = typed("object"), *name, *list;

	name = cJSON_AddObjectToObject(cJSON_AddObjectToObject(json, "properties"), "secret");
	cJSON_AddStringToObject(name, "type", "string");
	cJSON_AddStringToObject(name, "pattern", SECRET_PATTERN);
	list = cJSON_AddArrayToObject(json, "required");
	cJSON_AddItemToArray(list, cJSON_CreateString("secret"));
	cJSON_AddFalseToObject(json, "additionalProperties");
	return json;
}

static cJSON *schema_of_all(void)
{
	const struct fg_option *top = fg_options_top;
	cJSON *json = schema_of_table(&top, 1), *defs = cJSON_CreateObject();
	cJSON *properties = cJSON_GetObjectItemCaseSensitive(json, "properties");

	cJSON_AddStringToObject(json, "$schema", "https://json-schema.org/draft/2020-12/schema");
	cJSON_AddStringToObject(json, "title", "Fieldgate configuration");
	cJSON_AddItemToObject(properties, "$schema", cJSON_CreateObject());
	cJSON_AddItemToObject(properties, "drivers",
			      schema_of_kind(defs, FG_COMPONENT_DRIVER, "driver"));
	cJSON_AddItemToObject(properties, "bridges",
			      schema_of_kind(defs, FG_COMPONENT_BRIDGE, "bridge"));
	cJSON_AddItemToObject(defs, "secret", schema_of_secret());
	cJSON_AddItemToObject(json, "$defs", defs);
	return json;
}

int fg_config_schema(struct fg_buf *out)
{
	cJSON *json = schema_of_all();
	char *text = json ? cJSON_Print(json) : NULL;
	int r = text ? 0 : -ENOMEM;

	if (text) {
		fg_buf_text(out, text);
		fg_buf_char(out, '\n');
		if (out->failed)
			r = -ENOMEM;
	}
	cJSON_free(text);
	cJSON_Delete(json);
	return r;
}
