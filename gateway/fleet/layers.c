/*
 * What lies below the gateways' own files, merged once for all that have it in common: a tree of
 * layers whose root is fleet.json and whose branches are groups.
 */
#include "fleet/merge.h"
#include "fleet/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LAYERS_MAX 512	/* kept; then they are begun anew */

static void layer_free(struct fg_fleet_layer *layer)
{
	/* as deep as a gateway may have groups */
	while (layer) {
		struct fg_fleet_layer *next = layer->next;

		layer_free(layer->below);
		cJSON_Delete(layer->json);
		free(layer);
		layer = next;
	}
}

void fleet_layers_free(struct fg_fleet *fleet)
{
	layer_free(fleet->layers);
	fleet->layers = NULL;
	fleet->nlayers = 0;
}

static int layer_new(struct fg_fleet *fleet, const struct fg_fleet_file *group, const cJSON *under,
		     cJSON *patch, struct fg_fleet_layer **ret_layer)
{
	struct fg_fleet_layer *layer = calloc(1, sizeof(*layer));

	if (!layer)
		return -ENOMEM;
	layer->group = group;
	layer->json = under ? cJSON_Duplicate(under, true) : cJSON_CreateObject();
	if (!layer->json || (patch && fg_merge_patch(&layer->json, patch) < 0)) {
		layer_free(layer);
		return -ENOMEM;
	}
	fleet->nlayers++;
	*ret_layer = layer;
	return 0;
}

/* The layer with one group more. */
static int layer_with(struct fg_fleet *fleet, struct fg_fleet_layer *layer,
		      const struct fg_fleet_file *group, struct fg_fleet_layer **ret_layer)
{
	struct fg_fleet_layer *found = layer->below;
	int r;

	while (found && found->group != group)
		found = found->next;
	if (!found) {
		r = layer_new(fleet, group, layer->json, group->json, &found);
		if (r < 0)
			return r;
		found->next = layer->below;
		layer->below = found;
	}
	*ret_layer = found;
	return 0;
}

int fleet_layer_of(struct fg_fleet *fleet, const struct fg_fleet_file *gateway,
		   const cJSON **ret_json)
{
	cJSON *base = fleet->base ? fleet->base->json : NULL;
	struct fg_fleet_layer *layer;
	int r = 0;

	if (fleet->nlayers > LAYERS_MAX)
		fleet_layers_free(fleet);
	if (!fleet->layers)
		r = layer_new(fleet, NULL, NULL, base, &fleet->layers);
	layer = fleet->layers;
	for (size_t i = 0; r == 0 && i < gateway->ngroups; i++)
		r = layer_with(fleet, layer, gateway->groups[i], &layer);
	if (r == 0)
		*ret_json = layer->json;
	return r;
}

/* The id is the file's name where nothing says otherwise. */
static int put_id(cJSON *root, const char *id)
{
	cJSON *gateway = cJSON_GetObjectItemCaseSensitive(root, "gateway");

	if (!gateway)
		gateway = cJSON_AddObjectToObject(root, "gateway");
	if (!gateway)
		return -ENOMEM;
	if (!cJSON_IsObject(gateway) || cJSON_GetObjectItemCaseSensitive(gateway, "id"))
		return 0;
	return cJSON_AddStringToObject(gateway, "id", id) ? 0 : -ENOMEM;
}

int fg_fleet_effective(struct fg_fleet *fleet, const struct fg_fleet_file *gateway,
		       cJSON **ret_json)
{
	const cJSON *under;
	cJSON *json;
	int r;

	if (gateway->broken)
		return -EINVAL;
	r = fleet_layer_of(fleet, gateway, &under);
	if (r < 0)
		return r;
	json = cJSON_Duplicate(under, true);
	if (!json || fg_merge_patch(&json, gateway->json) < 0 || put_id(json, gateway->name) < 0) {
		cJSON_Delete(json);
		return -ENOMEM;
	}
	*ret_json = json;
	return 0;
}
