/*
 * What changes between two fleets, gateway by gateway: the places, from what to what, and what it
 * takes. What a reload can do is asked of those who carry it out (fg_config_diff()); what this
 * build does not have, of the registry.
 */
#include "config/json.h"
#include "config/registry.h"
#include "fleet/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const TAKES[] = {
	[FG_FLEET_RELOAD] = "reload",	  [FG_FLEET_REOPEN] = "reopen",
	[FG_FLEET_RESTART] = "restart",	  [FG_FLEET_IMAGE] = "new-image",
	[FG_FLEET_INVALID] = "invalid",
};

const char *fg_fleet_takes_name(enum fg_fleet_takes takes)
{
	return TAKES[takes];
}

struct side {
	cJSON *root;
	struct fg_config *config;	/* NULL: not valid */
	struct fg_faults faults;
};

struct diff {
	const struct fg_shipped_profile *shipped;
	cJSON *list;
	bool failed;	/* no memory */
};

/* -- places -- */

static void add_change(struct diff *diff, cJSON *changes, const struct fg_place *place,
		       const cJSON *before, const cJSON *after)
{
	char pointer[FG_POINTER_MAX];
	cJSON *change = cJSON_CreateObject(), *copy;

	fg_place_write(place, pointer, sizeof(pointer));
	diff->failed |= !cJSON_AddStringToObject(change, "pointer", pointer);
	copy = before ? cJSON_Duplicate(before, true) : NULL;
	if (copy)
		cJSON_AddItemToObject(change, "old", copy);
	diff->failed |= before && !copy;
	copy = after ? cJSON_Duplicate(after, true) : NULL;
	if (copy)
		cJSON_AddItemToObject(change, "new", copy);
	diff->failed |= (after && !copy) || !cJSON_AddItemToArray(changes, change);
}

static bool is_secret(const cJSON *json)
{
	return cJSON_GetObjectItemCaseSensitive(json, "secret") != NULL;
}

/* As deep as the files. A secret's reference is one value, and its name is all there is to say. */
static void compare(struct diff *diff, cJSON *changes, const struct fg_place *place,
		    const cJSON *before, const cJSON *after)
{
	if (!cJSON_IsObject(before) || !cJSON_IsObject(after) || is_secret(before) ||
	    is_secret(after)) {
		if (!cJSON_Compare(before, after, true))
			add_change(diff, changes, place, before, after);
		return;
	}
	for (const cJSON *was = before->child; was; was = was->next) {
		struct fg_place below = { .up = place, .key = was->string };
		const cJSON *is = cJSON_GetObjectItemCaseSensitive(after, was->string);

		if (is)
			compare(diff, changes, &below, was, is);
		else
			add_change(diff, changes, &below, was, NULL);
	}
	for (const cJSON *is = after->child; is; is = is->next) {
		struct fg_place below = { .up = place, .key = is->string };

		if (!cJSON_GetObjectItemCaseSensitive(before, is->string))
			add_change(diff, changes, &below, NULL, is);
	}
}

/* -- what it takes -- */

static void add_why(struct diff *diff, cJSON *why, const char *pointer, const char *text)
{
	char line[1024];
	cJSON *item;

	snprintf(line, sizeof(line), "%s%s%s", pointer, pointer[0] ? ": " : "", text);
	item = cJSON_CreateString(line);
	diff->failed |= !item || !cJSON_AddItemToArray(why, item);
}

static void add_faults(struct diff *diff, cJSON *why, const struct fg_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++)
		add_why(diff, why, faults->items[i].pointer, faults->items[i].text);
}

/* Components by a key of each member of a section: "type" of drivers, "format" of profiles. */
static bool absent(struct diff *diff, cJSON *why, const cJSON *root, const char *section,
		   const char *key, enum fg_registry_kind kind)
{
	const cJSON *all = cJSON_GetObjectItemCaseSensitive(root, section), *member;
	bool found = false;

	cJSON_ArrayForEach(member, all) {
		const char *name =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(member, key));
		const struct fg_driver *driver;
		const struct fg_bridge *bridge;
		const struct fg_decoder *decoder;
		char pointer[FG_POINTER_MAX], text[256];
		int r = !name			   ? 0 :
			kind == FG_REGISTRY_DRIVER ? fg_registry_driver(name, &driver) :
			kind == FG_REGISTRY_BRIDGE ? fg_registry_bridge(name, &bridge) :
						     fg_registry_decoder(name, &decoder);

		if (r != -ENOSYS || !member->string)
			continue;
		snprintf(pointer, sizeof(pointer), "/%s/%s/%s", section, member->string, key);
		fg_registry_explain(kind, name, text, sizeof(text));
		add_why(diff, why, pointer, text);
		found = true;
	}
	return found;
}

static bool needs_image(struct diff *diff, cJSON *why, const cJSON *root)
{
	bool driver = absent(diff, why, root, "drivers", "type", FG_REGISTRY_DRIVER);
	bool bridge = absent(diff, why, root, "bridges", "type", FG_REGISTRY_BRIDGE);
	bool format = absent(diff, why, root, "profiles", "format", FG_REGISTRY_DECODER);

	return driver || bridge || format;
}

static void add_name(struct diff *diff, cJSON *names, const char *name)
{
	cJSON *item = cJSON_CreateString(name);

	diff->failed |= !item || !cJSON_AddItemToArray(names, item);
}

/* Whoever is closed or opened. */
static bool add_reopened(struct diff *diff, cJSON *change, const struct fg_config_diff *d)
{
	cJSON *drivers = cJSON_AddArrayToObject(change, "drivers");
	cJSON *bridges = cJSON_AddArrayToObject(change, "bridges");

	for (size_t i = 0; i < d->ndrivers; i++)
		if (d->drivers[i].change != FG_SAME)
			add_name(diff, drivers,
				 d->drivers[i].after ? d->drivers[i].after->name :
						       d->drivers[i].before->name);
	for (size_t i = 0; i < d->nbridges; i++)
		if (d->bridges[i].change != FG_SAME)
			add_name(diff, bridges,
				 d->bridges[i].after ? d->bridges[i].after->name :
						       d->bridges[i].before->name);
	return drivers && bridges && (drivers->child || bridges->child);
}

static enum fg_fleet_takes takes_of(struct diff *diff, cJSON *change, cJSON *why,
				    const struct side *before, const struct side *after)
{
	struct fg_config_diff d;
	struct fg_faults faults;
	enum fg_fleet_takes takes = FG_FLEET_RESTART;
	int r;

	if (needs_image(diff, why, after->root))
		return FG_FLEET_IMAGE;
	if (!after->config) {
		add_faults(diff, why, &after->faults);
		return FG_FLEET_INVALID;
	}
	if (!before->config) /* nobody can run it, so nobody reloads */
		return FG_FLEET_RESTART;
	fg_faults_init(&faults);
	r = fg_config_diff(before->config, after->config, &faults, &d);
	diff->failed |= r == -ENOMEM;
	add_faults(diff, why, &faults);
	if (r == 0) {
		bool reopened = add_reopened(diff, change, &d);

		if (faults.doubts == 0)
			takes = reopened ? FG_FLEET_REOPEN : FG_FLEET_RELOAD;
		fg_config_diff_fini(&d);
	}
	fg_faults_fini(&faults);
	return takes;
}

/* -- one gateway -- */

static int side_make(struct diff *diff, struct fg_fleet *fleet, const struct fg_fleet_file *gateway,
		     struct side *side)
{
	int r;

	*side = (struct side){ 0 };
	fg_faults_init(&side->faults);
	side->faults.elsewhere = true;
	if (!gateway)
		return 0;
	r = fg_fleet_effective(fleet, gateway, &side->root);
	if (r < 0)
		return r == -EINVAL ? 0 : r;
	r = fg_config_from_tree(side->root, diff->shipped, &side->faults, &side->config);
	return r == -EINVAL ? 0 : r;
}

static void side_free(struct side *side)
{
	cJSON_Delete(side->root);
	fg_config_free(side->config);
	fg_faults_fini(&side->faults);
}

static void add_gateway(struct diff *diff, const char *name, const char *what,
			const struct side *before, const struct side *after)
{
	cJSON *change = cJSON_CreateObject(), *changes, *why;
	enum fg_fleet_takes takes;

	if (!change || !cJSON_AddItemToArray(diff->list, change)) {
		cJSON_Delete(change);
		diff->failed = true;
		return;
	}
	diff->failed |= !cJSON_AddStringToObject(change, "gateway", name) ||
			!cJSON_AddStringToObject(change, "change", what);
	if (!before->root || !after->root)
		return;
	why = cJSON_CreateArray();
	takes = takes_of(diff, change, why, before, after);
	diff->failed |= !cJSON_AddStringToObject(change, "takes", TAKES[takes]);
	if (why)
		cJSON_AddItemToObject(change, "why", why);
	changes = cJSON_AddArrayToObject(change, "changes");
	diff->failed |= !why || !changes;
	compare(diff, changes, NULL, before->root, after->root);
}

static int diff_gateway(struct diff *diff, struct fg_fleet *old, struct fg_fleet *new,
			const char *name)
{
	const struct fg_fleet_file *was = fg_fleet_find(old, name), *is = fg_fleet_find(new, name);
	struct side before, after = { 0 };
	int r = side_make(diff, old, was, &before);

	if (r == 0)
		r = side_make(diff, new, is, &after);
	if (r == 0 && (!was || !is))
		add_gateway(diff, name, was ? "removed" : "added", &before, &after);
	else if (r == 0 && (!before.root || !after.root))
		add_gateway(diff, name, "broken", &before, &after);
	else if (r == 0 && !cJSON_Compare(before.root, after.root, true))
		add_gateway(diff, name, "changed", &before, &after);
	side_free(&before);
	side_free(&after);
	return r;
}

/* Both lists are sorted by name. */
int fg_fleet_diff(struct fg_fleet *old, struct fg_fleet *new,
		  const struct fg_shipped_profile *shipped, cJSON **ret_list)
{
	struct diff diff = { .shipped = shipped, .list = cJSON_CreateArray() };
	size_t i = 0, j = 0;
	int r = diff.list ? 0 : -ENOMEM;

	while (r == 0 && (i < old->ngateways || j < new->ngateways)) {
		int order = i == old->ngateways ?
				    1 :
			    j == new->ngateways ?
				    -1 :
				    strcmp(old->gateways[i]->name, new->gateways[j]->name);
		const char *name = order <= 0 ? old->gateways[i]->name : new->gateways[j]->name;

		r = diff_gateway(&diff, old, new, name);
		i += order <= 0;
		j += order >= 0;
	}
	if (r == 0 && diff.failed)
		r = -ENOMEM;
	if (r < 0)
		cJSON_Delete(diff.list);
	else
		*ret_list = diff.list;
	return r;
}
