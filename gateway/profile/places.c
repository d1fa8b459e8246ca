/* Where a payload itself says whose it is and of when: the pointers of "device", "device_parts" and
 * "time", followed in the decoded document. */
#include "profile/profile_private.h"

#include <errno.h>

#define DEVICE_PARTS_MAX 1024

bool profile_pointer_steps(struct fg_arena *arena, const char *pointer,
			   struct profile_path *ret_path)
{
	size_t n = 0, count = 0;
	struct fg_str *steps;
	char *text = fg_arena_dup(arena, fg_str_c(pointer)), *out = text;

	for (const char *p = pointer; *p; p++)
		count += *p == '/';
	steps = fg_arena_array(arena, count + 1, sizeof(*steps));
	if (!text || !steps)
		return false;
	for (const char *p = pointer; *p; p++) {
		if (*p == '/') {
			steps[n++] = fg_str(out, 0);
			continue;
		}
		if (*p == '~')
			*out++ = *++p == '0' ? '~' : '/';
		else
			*out++ = *p;
		steps[n - 1].len++;
	}
	*ret_path = (struct profile_path){ steps, n };
	return true;
}

/* `first` (may be NULL) and then the list. */
static int compile_paths(struct fg_arena *arena, const char *first, const struct fg_list *list,
			 struct profile_paths *ret_paths)
{
	struct profile_path *paths = fg_arena_array(arena, list->count + 1, sizeof(*paths));
	size_t n = 0;

	if (!paths || (first && !profile_pointer_steps(arena, first, &paths[n++])))
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++)
		if (!profile_pointer_steps(arena, list->items[i], &paths[n++]))
			return -ENOMEM;
	*ret_paths = (struct profile_paths){ paths, n };
	return 0;
}

int profile_compile_places(struct fg_profile *profile, struct fg_arena *arena)
{
	const struct fg_profile_conf *conf = &profile->source->conf;
	int r = compile_paths(arena, conf->time.from, &conf->time.also, &profile->time);

	return r < 0 ? r :
		       compile_paths(arena, conf->device, &conf->device_parts, &profile->device);
}

static const struct fg_node *scalar_at(const struct fg_doc *doc, const struct profile_path *path)
{
	const struct fg_node *node = fg_doc_find(doc, path->steps, path->count);

	return node && node->type == FG_NODE_SCALAR ? node : NULL;
}

static void note_time(const struct fg_profile *profile, const struct fg_doc *doc,
		      struct fg_reading *reading)
{
	for (size_t i = 0; i < profile->time.count; i++) {
		const struct fg_node *node = scalar_at(doc, &profile->time.items[i]);

		if (node)
			reading->time_ns =
				fg_profile_time(&profile->source->conf.time, &node->value);
		if (reading->time_ns != FG_TIME_NONE)
			return;
	}
}

static size_t part_write(const struct fg_value *value, char room[FG_NUMBER_MAX],
			 struct fg_str *ret_part)
{
	*ret_part = fg_str(NULL, 0);
	if (value->kind == FG_STRING)
		*ret_part = value->s;
	else if (fg_value_is_number(value))
		*ret_part = fg_str(room, fg_value_write_number(value, room));
	return ret_part->len;
}

static void note_device(const struct fg_profile *profile, const struct fg_doc *doc,
			struct fg_reading *reading)
{
	char number[FG_NUMBER_MAX], *id;
	struct fg_str part;
	size_t len = 0;

	if (profile->device.count == 0)
		return;
	id = fg_arena_alloc(&reading->names, DEVICE_PARTS_MAX);
	for (size_t i = 0; id && i < profile->device.count; i++) {
		const struct fg_node *node = scalar_at(doc, &profile->device.items[i]);

		if (!node || !part_write(&node->value, number, &part) ||
		    part.len + 1 > DEVICE_PARTS_MAX - len)
			continue;
		if (len)
			id[len++] = '/';
		memcpy(id + len, part.ptr, part.len);
		len += part.len;
	}
	if (len)
		reading->device = fg_str(id, len);
}

void profile_note_places(const struct fg_profile *profile, const struct fg_doc *doc,
			 struct fg_reading *reading)
{
	note_time(profile, doc, reading);
	note_device(profile, doc, reading);
}
