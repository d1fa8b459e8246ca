/* Profiles: the configuration's own and the text of those that are shipped. */
#include "config/load.h"

#include "config/json.h"
#include "config/registry.h"
#include "config/senml_units.h"
#include "config/suggest.h"
#include "config/tables.h"

#include <errno.h>
#include <string.h>

static void check_point(struct fg_faults *faults, const struct fg_place *place,
			const struct fg_point_conf *point)
{
	struct fg_place unit = { .up = place, .key = "unit" };
	struct fg_place report = { .up = place, .key = "report" };

	if (point->unit && !fg_senml_unit_known(point->unit))
		fg_doubt_at(faults, &unit, "\"%s\" is not a SenML unit (RFC 8428, RFC 8798)",
			    point->unit);
	if (point->report.max_interval_ns &&
	    point->report.min_interval_ns > point->report.max_interval_ns)
		fg_fault_at(faults, &report, "min_interval is longer than max_interval");
	if (strcmp(place->key, "*") == 0 && point->from)
		fg_fault_at(faults, place, "\"*\" is every other value: it has no \"from\"");
}

/* Formats of fields have nothing that "from" could name; all others have no place for a field. */
static void check_field(struct fg_faults *faults, const struct fg_place *place,
			const struct fg_point_conf *point, const char *format)
{
	bool registers = format && strcmp(format, "registers") == 0;
	struct fg_place field = { .up = place, .key = "field" };
	struct fg_place below = { .up = &field };
	struct fg_field unused;
	char why[128];

	if (!registers && (!format || strcmp(format, "binary") != 0)) {
		if (point->field.at)
			fg_fault_at(faults, &field, "is for the formats binary and registers");
		return;
	}
	if (strcmp(place->key, "*") == 0) {
		fg_fault_at(faults, place, "this format has no value but its fields");
		return;
	}
	if (point->from)
		fg_fault_at(faults, place, "has a \"from\", which has no use with a field");
	if (fg_field_compile(&point->field, registers, &unused, &below.key, why, sizeof(why)) < 0)
		fg_fault_at(faults, *below.key ? &below : &field, "%s", why);
}

static void check_format(struct fg_faults *faults, const struct fg_place *place, const char *name)
{
	struct fg_place below = { .up = place, .key = "format" };
	struct fg_suggest suggest = { .typed = name };
	const struct fg_decoder *decoder;
	char text[256];
	int r = fg_registry_decoder(name, &decoder);

	if (r == 0)
		return;
	for (const char *const *n = fg_builtin_names_decoders; r == -ENOENT && *n; n++)
		fg_suggest_offer(&suggest, *n);
	for (const char *const *n = fg_module_decoders; r == -ENOENT && *n; n++)
		fg_suggest_offer(&suggest, *n);
	fg_registry_explain(FG_REGISTRY_DECODER, name, text, sizeof(text));
	if (suggest.best)
		fg_fault_at(faults, &below, "unknown format, did you mean \"%s\"?", suggest.best);
	else
		fg_fault_at(faults, &below, "%s", text);
}

void fg_profile_check(struct fg_faults *faults, const struct fg_place *place,
		      const struct fg_profile_conf *profile)
{
	struct fg_place points = { .up = place, .key = "points" };
	const struct fg_point_conf *items = profile->points.items;

	for (size_t i = 0; i < profile->points.count; i++) {
		struct fg_place below = { .up = &points, .key = profile->points.names[i] };

		check_point(faults, &below, &items[i]);
		check_field(faults, &below, &items[i], profile->format);
	}
}

void fg_load_profiles(struct fg_load *load, const struct fg_map *profiles)
{
	struct fg_config *config = load->config;
	const struct fg_profile_conf *items = profiles->items;
	struct fg_place top = { .key = "profiles" };

	config->profiles =
		fg_reader_take(&load->reader, profiles->count, sizeof(*config->profiles));
	if (!config->profiles)
		return;
	for (size_t i = 0; i < profiles->count; i++) {
		struct fg_place place = { .up = &top, .key = profiles->names[i] };

		/* only a name that could not be copied is none, and then there is no result */
		if (!place.key)
			return;
		if (items[i].format)
			check_format(load->reader.faults, &place, items[i].format);
		fg_profile_check(load->reader.faults, &place, &items[i]);
		config->profiles[config->nprofiles++] = (struct fg_named_profile){
			.name = profiles->names[i],
			.conf = items[i],
		};
	}
}

int fg_profile_parse(const char *name, struct fg_str text, struct fg_arena *arena,
		     struct fg_faults *faults, struct fg_profile_conf *ret_conf)
{
	struct fg_place top = { .key = "profiles" }, place = { .up = &top, .key = name };
	struct fg_reader reader = { .arena = arena, .faults = faults };
	struct fg_profile_conf conf = { 0 };
	struct fg_part part = { fg_options_profile, &conf };
	size_t before = faults->faults;
	cJSON *json;
	int r = fg_json_read(text, faults, &json);

	if (r < 0)
		return r;
	fg_options_read(&reader, &place, json, &part, 1);
	cJSON_Delete(json);
	if (reader.no_memory)
		return -ENOMEM;
	fg_profile_check(faults, &place, &conf);
	if (faults->faults > before)
		return -EINVAL;
	*ret_conf = conf;
	return 0;
}
