/* Who looks at last values. With nobody looking, a payload costs one test of a pointer. */
#include "intake/private.h"

#include <stdlib.h>
#include <string.h>

void fg_source_watch(struct fg_source *source, struct fg_watch *watch)
{
	struct fg_intake *intake = ((struct fg_inlet *)source)->intake;
	struct fg_str name = intake_safe_path(intake, watch->path);

	watch->first = watch->last = 0;
	/* without memory for it nothing is told, but what its client gives the time for */
	watch->name = name.ptr && !fg_str_eq(name, watch->path) ? strdup(name.ptr) : NULL;
	watch->next = intake->watches;
	intake->watches = watch;
}

void fg_source_unwatch(struct fg_source *source, struct fg_watch *watch)
{
	struct fg_watch **at = &((struct fg_inlet *)source)->intake->watches;

	while (*at && *at != watch)
		at = &(*at)->next;
	if (*at)
		*at = watch->next;
	free(watch->name);
	watch->name = NULL;
}

/* Whether the path names the device, or one of the points that came. */
static bool path_matches(struct fg_str path, struct fg_str device, const struct fg_reading *reading)
{
	struct fg_str point;

	if (!fg_str_starts(path, device))
		return false;
	if (path.len == device.len)
		return true;
	if (path.ptr[device.len] != '/')
		return false;
	point = fg_str(path.ptr + device.len + 1, path.len - device.len - 1);
	for (uint32_t i = 0; i < reading->count; i++)
		if (fg_str_eq(reading->records[i].point, point))
			return true;
	return false;
}

/* Read it is by either, see fg_source_last(). */
static bool watch_matches(const struct fg_watch *w, struct fg_str device,
			  const struct fg_reading *reading)
{
	return path_matches(w->path, device, reading) ||
	       (w->name && path_matches(fg_str_c(w->name), device, reading));
}

void watches_note(struct fg_intake *intake, struct fg_str device, uint64_t pos)
{
	for (struct fg_watch *w = intake->watches; w; w = w->next) {
		if (!watch_matches(w, device, &intake->reading))
			continue;
		w->first = w->first ? w->first : pos;
		w->last = pos;
	}
}

void watches_kept(struct fg_intake *intake, uint64_t upto)
{
	for (struct fg_watch *w = intake->watches; w; w = w->next) {
		if (!w->first || w->first > upto)
			continue;
		w->first = w->last > upto ? w->last : 0;
		w->changed(w);
	}
}

void watches_not_kept(struct fg_intake *intake)
{
	for (struct fg_watch *w = intake->watches; w; w = w->next)
		w->first = w->last = 0;
}
