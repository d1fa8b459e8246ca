/* Faults and doubts of a fleet, each once. */
#include "base/hash.h"
#include "fleet/private.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS (2 * FG_FLEET_ITEMS_MAX)	/* a power of two */

_Static_assert((SLOTS & (SLOTS - 1)) == 0, "a mask");

void fleet_report_fini(struct fg_fleet_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		free((void *)(uintptr_t)report->items[i].pointer);
	free(report->items);
	free(report->slots);
	*report = (struct fg_fleet_report){ 0 };
}

/* The slot of the item, or the empty one where it belongs. Half of all are always empty. */
static uint32_t *slot_of(struct fg_fleet_report *report, const struct fg_fleet_item *item)
{
	uint64_t hash = fg_hash(item->text, strlen(item->text), (uintptr_t)item->file);

	hash = fg_hash(item->pointer, strlen(item->pointer), hash);
	for (;; hash++) {
		uint32_t *slot = &report->slots[hash & (SLOTS - 1)];
		const struct fg_fleet_item *had = *slot ? &report->items[*slot - 1] : NULL;

		if (!had || (had->file == item->file && had->doubt == item->doubt &&
			     strcmp(had->pointer, item->pointer) == 0 &&
			     strcmp(had->text, item->text) == 0))
			return slot;
	}
}

static void inherit(struct fg_fleet_item *item, const struct fg_fleet_file *gateway)
{
	if (!gateway)
		return;
	if (item->gateways < FG_FLEET_FIRST)
		item->first[item->gateways] = gateway;
	item->gateways++;
}

static bool make_room(struct fg_fleet_report *report)
{
	struct fg_fleet_item *more;
	size_t cap = report->cap ? 2 * report->cap : 64;

	if (!report->slots)
		report->slots = calloc(SLOTS, sizeof(*report->slots));
	if (!report->slots || report->count >= FG_FLEET_ITEMS_MAX)
		return false;
	if (report->count < report->cap)
		return true;
	more = reallocarray(report->items, cap, sizeof(*more));
	if (!more)
		return false;
	report->items = more;
	report->cap = cap;
	return true;
}

/* Pointer and text in one allocation. */
static bool copy_texts(struct fg_fleet_item *item)
{
	size_t place = strlen(item->pointer) + 1, len = strlen(item->text) + 1;
	char *copy = malloc(place + len);

	if (!copy)
		return false;
	memcpy(copy, item->pointer, place);
	memcpy(copy + place, item->text, len);
	item->pointer = copy;
	item->text = copy + place;
	return true;
}

void fg_fleet_note(struct fg_fleet_report *report, bool doubt, const struct fg_fleet_file *file,
		   const char *pointer, const char *text, const struct fg_fleet_file *gateway)
{
	struct fg_fleet_item item = {
		.doubt = doubt,
		.file = file,
		.pointer = pointer,
		.text = text,
	};
	/* what cannot be kept still counts, so that nothing passes by it */
	bool room = make_room(report);
	uint32_t *slot = report->slots ? slot_of(report, &item) : NULL;

	if (slot && *slot) {
		inherit(&report->items[*slot - 1], gateway);
		return;
	}
	*(doubt ? &report->doubts : &report->faults) += 1;
	if (!room || !copy_texts(&item))
		return;
	inherit(&item, gateway);
	report->items[report->count++] = item;
	*slot = (uint32_t)report->count;
}

static int by_place(const void *a, const void *b)
{
	const struct fg_fleet_item *x = a, *y = b;

	if (x->file->kind != y->file->kind)
		return x->file->kind < y->file->kind ? -1 : 1;
	if (x->file != y->file)
		return strcmp(x->file->path, y->file->path);
	if (strcmp(x->pointer, y->pointer) != 0)
		return strcmp(x->pointer, y->pointer);
	return strcmp(x->text, y->text);
}

void fg_fleet_report_sort(struct fg_fleet_report *report)
{
	if (report->count)
		qsort(report->items, report->count, sizeof(*report->items), by_place);
	free(report->slots);
	report->slots = NULL;
}
