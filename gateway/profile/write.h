/*
 * The way down: how a profile says that a point is written. A command's value is turned into what
 * the device takes (the reading's map, scale and offset undone) and put into the profile's
 * templates. Pure: no I/O.
 *
 * In a template {value} is the value as plain text, {json} as JSON, {device} the device's id and
 * {point} what the row's pattern took, or else the whole point. Any other brace stands for itself.
 */
#pragma once

#include <fg/buf.h>

#include "profile/profile.h"

struct fg_write {
	const struct fg_write_conf *conf;
	const struct fg_profile *profile;
	struct fg_str point;		/* of the request, borrowed */
	struct fg_str taken;		/* what {point} of the row took, or all of it */
};

/* The row of "write" that fits the point best; false: the profile does not declare it writable. */
bool fg_profile_writes(const struct fg_profile *, struct fg_str point, struct fg_write *ret_write);
/* Whether an address that this profile takes could match one of the patterns: "#" and "+" as in
 * MQTT. Patterns that are not valid match nothing. False for a profile without a match. */
bool fg_profile_overlaps(const struct fg_profile *, const struct fg_list *patterns);
bool fg_profile_is_shipped(const struct fg_profile *);
bool fg_profile_has_pattern(const struct fg_profile *);

/*
 * The value as the device takes it, in place, and the bytes to be sent. `device` and the point are
 * meant as they are in the field, not escaped. `text` is where *ret_to and *ret_payload are put;
 * they live as long as it is left alone.
 *   0; -EINVAL with *ret_why (constant text): this value cannot be written; -ENOMEM
 */
int fg_write_render(const struct fg_write *, struct fg_str device, struct fg_value *value,
		    struct fg_arena *text, struct fg_str *ret_to, struct fg_str *ret_payload,
		    const char **ret_why);
