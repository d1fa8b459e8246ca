/* The files of a fleet, one after the other between NULs, as fleet.json, a group, gateways:
 * whatever they are, what is merged is an object, each key of it has a file, and a fault has a
 * place. */
#include "fleet/fleet.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct {
	enum fg_fleet_kind kind;
	const char *name;
} FILES[] = {
	{ FG_FLEET_BASE, "" },
	{ FG_FLEET_GROUP, "g" },
	{ FG_FLEET_GROUP, "h" },
	{ FG_FLEET_GATEWAY, "a" },
	{ FG_FLEET_GATEWAY, "b" },
};

#define NFILES (sizeof(FILES) / sizeof(FILES[0]))

static void walk(const struct fg_fleet *fleet, const struct fg_fleet_file *gateway,
		 const cJSON *json, const struct fg_place *place)
{
	for (const cJSON *child = json->child; child; child = child->next) {
		struct fg_place below = { .up = place, .key = child->string };
		char pointer[FG_POINTER_MAX];

		fg_place_write(&below, pointer, sizeof(pointer));
		if (!fg_fleet_origin(fleet, gateway, pointer))
			abort();
		if (cJSON_IsObject(child))
			walk(fleet, gateway, child, &below);
	}
}

static void look(struct fg_fleet *fleet, const struct fg_fleet_file *gateway)
{
	cJSON *json;

	if (fg_fleet_effective(fleet, gateway, &json) < 0)
		return;
	if (!cJSON_IsObject(json))
		abort();
	walk(fleet, gateway, json, NULL);
	cJSON_Delete(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fg_shipped_profile shipped[] = { { .name = "json" }, { 0 } };
	const char *p = (const char *)data, *end = p + len;
	struct fg_fleet fleet;
	cJSON *list;

	fg_fleet_init(&fleet);
	for (size_t i = 0; i < NFILES && p < end; i++) {
		const char *stop = memchr(p, 0, (size_t)(end - p));

		stop = stop ? stop : end;
		if (fg_fleet_add(&fleet, FILES[i].kind, FILES[i].name,
				 fg_str(p, (size_t)(stop - p))) < 0)
			abort();
		p = stop + (stop < end);
	}
	if (fg_fleet_link(&fleet) < 0 || fg_fleet_check(&fleet, shipped) < 0)
		abort();
	for (size_t i = 0; i < fleet.ngateways; i++)
		look(&fleet, fleet.gateways[i]);
	for (size_t i = 0; i < fleet.report.count; i++)
		if (!fleet.report.items[i].file || !fleet.report.items[i].text[0])
			abort();
	if (fg_fleet_diff(&fleet, &fleet, shipped, &list) < 0)
		abort();
	cJSON_Delete(list);
	fg_fleet_fini(&fleet);
	return 0;
}
