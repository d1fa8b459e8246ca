/* JSON Merge Patch (RFC 7396) on cJSON trees. */
#pragma once

#include <stdbool.h>

#include <cjson/cJSON.h>

/*
 * Lays the patch over *target, which is the caller's and may be exchanged. Members keep their
 * order, new ones come behind them. The patch stays as it is, but for this: a null in it that has
 * taken something away is marked, and fg_merge_removed() tells. 0, or -ENOMEM: the target is then
 * of no use, but still to be deleted.
 */
int fg_merge_patch(cJSON **target, cJSON *patch);
/* Whether this null of a patch has ever taken something away. */
bool fg_merge_removed(const cJSON *null);
