/* A configuration's text into a cJSON tree, without what cJSON would let pass. */
#pragma once

#include <fg/str.h>

#include "config/fault.h"

#include <cjson/cJSON.h>

/* Strict JSON (RFC 8259): valid UTF-8, nothing behind it, no deeper than FG_CONFIG_DEPTH, no key
 * twice in one object, no NUL in a string. Faults are named by line and column, or by place.
 * 0: *ret_json is the caller's (cJSON_Delete), -EINVAL with faults, -ENOMEM. */
int fg_json_read(struct fg_str text, struct fg_faults *faults, cJSON **ret_json);

struct fg_config;
struct fg_shipped_profile;

/* fg_config_parse() of a tree, which stays the caller's and has no key twice. Its sha256 is that of
 * no text. */
int fg_config_from_tree(const cJSON *root, const struct fg_shipped_profile *shipped,
			struct fg_faults *faults, struct fg_config **ret_config);
