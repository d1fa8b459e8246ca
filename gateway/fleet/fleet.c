/* The files of a fleet: read as JSON, by name, each gateway with its groups. */
#include "fleet/fleet.h"

#include "config/json.h"
#include "config/pattern.h"
#include "config/suggest.h"
#include "fleet/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 256
#define TEXT_MAX 512

void fg_fleet_init(struct fg_fleet *fleet)
{
	*fleet = (struct fg_fleet){ 0 };
}

static void file_free(struct fg_fleet_file *file)
{
	if (!file)
		return;
	cJSON_Delete(file->json);
	cJSON_Delete(file->names);
	free(file->groups);
	free(file);
}

void fg_fleet_fini(struct fg_fleet *fleet)
{
	for (size_t i = 0; i < fleet->ngroups; i++)
		file_free(fleet->groups[i]);
	for (size_t i = 0; i < fleet->ngateways; i++)
		file_free(fleet->gateways[i]);
	file_free(fleet->base);
	free(fleet->groups);
	free(fleet->gateways);
	fleet_layers_free(fleet);
	fleet_report_fini(&fleet->report);
	*fleet = (struct fg_fleet){ 0 };
}

/* One allocation for the file, its path and its name. */
static struct fg_fleet_file *file_new(enum fg_fleet_kind kind, const char *name)
{
	static const char *const folders[] = { "fleet", "groups/", "gateways/" };
	size_t size = sizeof("gateways/.json") + strlen(name);
	struct fg_fleet_file *file = calloc(1, sizeof(*file) + size + strlen(name) + 1);
	char *path = file ? (char *)(file + 1) : NULL;

	if (!file)
		return NULL;
	snprintf(path, size, "%s%s.json", folders[kind], name);
	memcpy(path + size, name, strlen(name) + 1);
	*file = (struct fg_fleet_file){ .kind = kind, .path = path, .name = path + size };
	return file;
}

static int grow(struct fg_fleet_file ***list, size_t *cap, size_t count, size_t most)
{
	struct fg_fleet_file **more;

	if (count < *cap)
		return 0;
	if (count >= most)
		return -E2BIG;
	more = reallocarray(*list, *cap ? 2 * *cap : 64, sizeof(*more));
	if (!more)
		return -ENOMEM;
	*list = more;
	*cap = *cap ? 2 * *cap : 64;
	return 0;
}

static int keep_file(struct fg_fleet *fleet, struct fg_fleet_file *file)
{
	int r;

	if (file->kind == FG_FLEET_BASE) {
		file_free(fleet->base);
		fleet->base = file;
		return 0;
	}
	if (file->kind == FG_FLEET_GROUP) {
		r = grow(&fleet->groups, &fleet->groups_cap, fleet->ngroups, FG_FLEET_GROUPS_MAX);
		if (r == 0)
			fleet->groups[fleet->ngroups++] = file;
		return r;
	}
	r = grow(&fleet->gateways, &fleet->gateways_cap, fleet->ngateways, FG_FLEET_GATEWAYS_MAX);
	if (r == 0)
		fleet->gateways[fleet->ngateways++] = file;
	return r;
}

static void note_faults(struct fg_fleet *fleet, const struct fg_fleet_file *file,
			const struct fg_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++)
		fg_fleet_note(&fleet->report, faults->items[i].doubt, file,
			      faults->items[i].pointer, faults->items[i].text, NULL);
}

static void fault(struct fg_fleet *fleet, const struct fg_fleet_file *file, const char *pointer,
		  const char *text)
{
	fg_fleet_note(&fleet->report, false, file, pointer, text, NULL);
}

static int parse_file(struct fg_fleet *fleet, struct fg_fleet_file *file, struct fg_str text)
{
	struct fg_faults faults;
	int r;

	fg_faults_init(&faults);
	r = fg_json_read(text, &faults, &file->json);
	note_faults(fleet, file, &faults);
	if (r == -EINVAL && faults.count == 0)
		r = -ENOMEM;	/* to say why */
	fg_faults_fini(&faults);
	if (r < 0)
		return r;
	if (!cJSON_IsObject(file->json)) {
		fault(fleet, file, "", "expected an object");
		cJSON_Delete(file->json);
		file->json = NULL;
		return -EINVAL;
	}
	file->names = cJSON_DetachItemFromObjectCaseSensitive(file->json, "groups");
	if (file->names && file->kind != FG_FLEET_GATEWAY)
		fault(fleet, file, "/groups", "only a gateway's own file names its groups");
	return 0;
}

int fg_fleet_add(struct fg_fleet *fleet, enum fg_fleet_kind kind, const char *name,
		 struct fg_str text)
{
	struct fg_fleet_file *file = file_new(kind, name);
	char why[WHY_MAX];
	int r = file ? keep_file(fleet, file) : -ENOMEM;

	if (r < 0) {
		file_free(file);
		return r;
	}
	if (kind == FG_FLEET_GATEWAY && fg_gateway_id_check(name, why, sizeof(why)) < 0)
		fault(fleet, file, "", why);
	r = parse_file(fleet, file, text);
	return r == -EINVAL ? 0 : r;
}

/* -- who is in which group -- */

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct fg_fleet_file *const *)a)->name,
		      (*(struct fg_fleet_file *const *)b)->name);
}

static struct fg_fleet_file *find(struct fg_fleet_file *const *list, size_t count, const char *name)
{
	struct fg_fleet_file key = { .name = name }, *like = &key;
	struct fg_fleet_file *const *found =
		count ? bsearch(&like, list, count, sizeof(*list), by_name) : NULL;

	return found ? *found : NULL;
}

struct fg_fleet_file *fg_fleet_find(const struct fg_fleet *fleet, const char *name)
{
	return find(fleet->gateways, fleet->ngateways, name);
}

static void fault_group(struct fg_fleet *fleet, const struct fg_fleet_file *file, size_t index,
			const char *name)
{
	struct fg_suggest suggest = { .typed = name };
	char text[TEXT_MAX], pointer[32];

	for (size_t i = 0; i < fleet->ngroups; i++)
		fg_suggest_offer(&suggest, fleet->groups[i]->name);
	if (suggest.best)
		snprintf(text, sizeof(text), "unknown group, did you mean \"%s\"?", suggest.best);
	else
		snprintf(text, sizeof(text), "unknown group: there is no groups/%s.json", name);
	snprintf(pointer, sizeof(pointer), "/groups/%zu", index);
	fault(fleet, file, pointer, text);
}

static bool has_group(const struct fg_fleet_file *file, const struct fg_fleet_file *group)
{
	for (size_t i = 0; i < file->ngroups; i++)
		if (file->groups[i] == group)
			return true;
	return false;
}

static void link_group(struct fg_fleet *fleet, struct fg_fleet_file *file, const cJSON *json,
		       size_t index)
{
	const char *name = cJSON_GetStringValue(json);
	struct fg_fleet_file *group = name ? find(fleet->groups, fleet->ngroups, name) : NULL;
	char pointer[32];

	snprintf(pointer, sizeof(pointer), "/groups/%zu", index);
	if (!name)
		fault(fleet, file, pointer, "expected the name of a group");
	else if (!group)
		fault_group(fleet, file, index, name);
	else if (has_group(file, group))
		fault(fleet, file, pointer, "this group is named twice");
	else
		file->groups[file->ngroups++] = group;
	if (group)
		group->used = true;
}

/* How many there are to be found; 0 with a fault if it is no list that could be. */
static size_t count_names(struct fg_fleet *fleet, struct fg_fleet_file *file)
{
	size_t count = (size_t)cJSON_GetArraySize(file->names);
	char text[64];

	if (!file->names)
		return 0;
	if (cJSON_IsArray(file->names) && count <= FG_FLEET_GROUPS_OF_ONE)
		return count;
	snprintf(text, sizeof(text), "expected a list of at most %d names", FG_FLEET_GROUPS_OF_ONE);
	fault(fleet, file, "/groups", text);
	file->broken = true;
	return 0;
}

static int link_gateway(struct fg_fleet *fleet, struct fg_fleet_file *file)
{
	size_t count, index = 0;
	const cJSON *json;

	file->broken = !file->json || (fleet->base && !fleet->base->json);
	count = count_names(fleet, file);
	free(file->groups);
	file->ngroups = 0;
	file->groups = calloc(count + 1, sizeof(*file->groups));
	if (!file->groups)
		return -ENOMEM;
	for (json = count ? file->names->child : NULL; json; json = json->next)
		link_group(fleet, file, json, index++);
	file->broken |= file->ngroups != count;
	for (size_t i = 0; i < file->ngroups; i++)
		file->broken |= !file->groups[i]->json;
	return 0;
}

int fg_fleet_link(struct fg_fleet *fleet)
{
	int r = 0;

	if (fleet->ngroups)
		qsort(fleet->groups, fleet->ngroups, sizeof(*fleet->groups), by_name);
	if (fleet->ngateways)
		qsort(fleet->gateways, fleet->ngateways, sizeof(*fleet->gateways), by_name);
	for (size_t i = 0; r == 0 && i < fleet->ngateways; i++)
		r = link_gateway(fleet, fleet->gateways[i]);
	return r;
}
