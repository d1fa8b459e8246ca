/* Which file a value comes from: the last that says it, looked for from a gateway's own file
 * down. */
#include "fleet/fleet.h"

#include <string.h>

/* What one file says of a place. */
enum said {
	SAID_NOTHING,
	SAID_OBJECT,	/* an object, which is laid over that of the files below */
	SAID_VALUE,
	SAID_ANOTHER,	/* what ends the place: a null, or a value above it */
};

/* Whether a step of a pointer (RFC 6901: ~0, ~1) is this key. */
static bool step_is(const char *step, size_t len, const char *key)
{
	size_t i = 0;

	for (; i < len && *key; i++, key++) {
		char c = step[i];

		if (c == '~' && i + 1 < len)
			c = step[++i] == '0' ? '~' : '/';
		if (c != *key)
			return false;
	}
	return i == len && !*key;
}

static enum said said_at_end(const cJSON *json)
{
	if (cJSON_IsNull(json))
		return SAID_ANOTHER;
	return cJSON_IsObject(json) ? SAID_OBJECT : SAID_VALUE;
}

/* `len` bytes of a pointer. */
static enum said look(const cJSON *json, const char *pointer, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *step = pointer + at + 1, *slash;
		size_t left = len - at - 1, n;
		const cJSON *child = json->child;

		if (cJSON_IsArray(json))
			return SAID_VALUE;	/* a list is a value as a whole */
		if (!cJSON_IsObject(json))
			return SAID_ANOTHER;
		slash = memchr(step, '/', left);
		n = slash ? (size_t)(slash - step) : left;
		while (child && !step_is(step, n, child->string))
			child = child->next;
		if (!child)
			return SAID_NOTHING;
		json = child;
		at += n + 1;
	}
	return said_at_end(json);
}

size_t fg_fleet_files(const struct fg_fleet *fleet, const struct fg_fleet_file *gateway,
		      const struct fg_fleet_file **out)
{
	size_t n = 0;

	if (fleet->base)
		out[n++] = fleet->base;
	for (size_t i = 0; i < gateway->ngroups; i++)
		out[n++] = gateway->groups[i];
	out[n++] = gateway;
	return n;
}

static const struct fg_fleet_file *find(const struct fg_fleet_file *const *files, size_t count,
					const char *pointer, size_t len)
{
	const struct fg_fleet_file *found = NULL;

	while (count-- > 0) {
		const struct fg_fleet_file *file = files[count];
		enum said said = file->json ? look(file->json, pointer, len) : SAID_NOTHING;

		if (said == SAID_VALUE)
			return found ? found : file;
		if (said == SAID_ANOTHER)
			return found;
		if (said == SAID_OBJECT)
			found = file;
	}
	return found;
}

const struct fg_fleet_file *fg_fleet_origin(const struct fg_fleet *fleet,
					    const struct fg_fleet_file *gateway,
					    const char *pointer)
{
	const struct fg_fleet_file *files[FG_FLEET_GROUPS_OF_ONE + 2], *found;
	size_t count = fg_fleet_files(fleet, gateway, files), len = strlen(pointer);

	for (;;) {
		found = find(files, count, pointer, len);
		if (found)
			return found;
		/* the id that the file's name stands for */
		if (len == 0 || fg_str_eq(fg_str(pointer, len), FG_STR("/gateway")) ||
		    fg_str_eq(fg_str(pointer, len), FG_STR("/gateway/id")))
			return gateway;
		while (len > 0 && pointer[--len] != '/')
			;
	}
}
