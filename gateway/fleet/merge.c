/*
 * Merging by RFC 7396 section 2. A tree has no index, so where a patch has many members those of
 * the target are sorted first: a list of ten thousand keys is laid over another in no time.
 */
#include "fleet/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FEW 16	/* members of a patch that are looked for one by one */

/* The members that an object had before the patch. */
struct index {
	const cJSON *object;
	cJSON **sorted;		/* NULL: to be looked for one by one */
	size_t count;
};

static int merge_object(cJSON *target, cJSON *patch);

static int compare(const void *a, const void *b)
{
	return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

static int index_make(struct index *index, cJSON *target, const cJSON *patch)
{
	cJSON *child;

	*index = (struct index){ .object = target };
	if (cJSON_GetArraySize(patch) <= FEW)
		return 0;
	index->sorted = calloc((size_t)cJSON_GetArraySize(target) + 1, sizeof(*index->sorted));
	if (!index->sorted)
		return -ENOMEM;
	cJSON_ArrayForEach(child, target)
		index->sorted[index->count++] = child;
	qsort(index->sorted, index->count, sizeof(*index->sorted), compare);
	return 0;
}

static cJSON *index_find(const struct index *index, cJSON *like)
{
	cJSON **found;

	if (!index->sorted)
		return cJSON_GetObjectItemCaseSensitive(index->object, like->string);
	found = bsearch(&like, index->sorted, index->count, sizeof(*index->sorted), compare);
	return found ? *found : NULL;
}

/* An object in the place of what is there, if anything is. */
static cJSON *put_object(cJSON *target, const cJSON *old, const char *key)
{
	cJSON *object = cJSON_CreateObject();

	if (object && (old ? cJSON_ReplaceItemInObjectCaseSensitive(target, key, object) :
			     cJSON_AddItemToObject(target, key, object)))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static int put_value(cJSON *target, cJSON *old, const cJSON *value)
{
	cJSON *copy = cJSON_Duplicate(value, true);	/* its key too */

	if (!copy)
		return -ENOMEM;
	if (old)
		cJSON_ReplaceItemViaPointer(target, old, copy);
	else
		cJSON_AddItemToArray(target, copy);
	return 0;
}

static int merge_member(cJSON *target, cJSON *old, cJSON *patch)
{
	if (cJSON_IsNull(patch)) {
		if (old) {
			/* a null has no use for its number */
			patch->valueint = 1;
			cJSON_Delete(cJSON_DetachItemViaPointer(target, old));
		}
		return 0;
	}
	if (!cJSON_IsObject(patch))
		return put_value(target, old, patch);
	if (!cJSON_IsObject(old))
		old = put_object(target, old, patch->string);
	return old ? merge_object(old, patch) : -ENOMEM;
}

/* As deep as the patch, which its reader has bounded. */
static int merge_object(cJSON *target, cJSON *patch)
{
	struct index index;
	int r = index_make(&index, target, patch);

	for (cJSON *member = patch->child; r == 0 && member; member = member->next)
		r = merge_member(target, index_find(&index, member), member);
	free(index.sorted);
	return r;
}

int fg_merge_patch(cJSON **target, cJSON *patch)
{
	if (cJSON_IsObject(patch) && cJSON_IsObject(*target))
		return merge_object(*target, patch);
	cJSON_Delete(*target);
	*target = cJSON_IsObject(patch) ? cJSON_CreateObject() : cJSON_Duplicate(patch, true);
	if (!*target)
		return -ENOMEM;
	return cJSON_IsObject(patch) ? merge_object(*target, patch) : 0;
}

bool fg_merge_removed(const cJSON *null)
{
	return null->valueint != 0;
}
