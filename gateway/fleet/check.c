/*
 * Every gateway of a fleet by the checker of one. What is found at a place is put down to the file
 * that the place comes from, so that a thousand gateways that inherit a fault have one line.
 */
#include "config/json.h"
#include "fleet/merge.h"
#include "fleet/private.h"
#include "profile/book.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOKS 16	/* different sets of profiles that are remembered */

/* A set of profiles, and what its compilation says: gateways mostly have the same. */
struct book {
	cJSON *profiles;	/* NULL: none were configured, or the place is free */
	bool taken;
	struct fg_faults faults;
};

struct check {
	struct fg_fleet *fleet;
	const struct fg_shipped_profile *shipped;
	struct book books[BOOKS];
	unsigned next;
	struct id {
		char *text;
		const struct fg_fleet_file *gateway;
	} * ids;
	size_t nids;
};

static void note(struct check *check, const struct fg_fleet_file *gateway,
		 const struct fg_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++) {
		const struct fg_fault_item *item = &faults->items[i];

		fg_fleet_note(&check->fleet->report, item->doubt,
			      fg_fleet_origin(check->fleet, gateway, item->pointer), item->pointer,
			      item->text, gateway);
	}
}

static bool book_is(const struct book *book, const cJSON *profiles)
{
	if (!book->taken || !book->profiles || !profiles)
		return book->taken && !book->profiles && !profiles;
	return cJSON_Compare(book->profiles, profiles, true);
}

static void book_free(struct book *book)
{
	if (book->taken)
		fg_faults_fini(&book->faults);
	cJSON_Delete(book->profiles);
	*book = (struct book){ 0 };
}

static int book_make(struct book *book, const struct fg_config *config, const cJSON *profiles)
{
	struct fg_profile_book made;
	int r;

	book_free(book);
	book->profiles = profiles ? cJSON_Duplicate(profiles, true) : NULL;
	if (profiles && !book->profiles)
		return -ENOMEM;
	fg_faults_init(&book->faults);
	book->taken = true;
	r = fg_profile_book_open(&made, config, &book->faults);
	if (r == 0)
		fg_profile_book_close(&made);
	return r == -EINVAL ? 0 : r;
}

/* Patterns that cannot be told apart are found when the profiles are compiled. */
static int check_profiles(struct check *check, const struct fg_fleet_file *gateway,
			  const struct fg_config *config, const cJSON *root)
{
	const cJSON *profiles = cJSON_GetObjectItemCaseSensitive(root, "profiles");
	struct book *book = NULL;
	int r = 0;

	for (size_t i = 0; !book && i < BOOKS; i++)
		if (book_is(&check->books[i], profiles))
			book = &check->books[i];
	if (!book) {
		book = &check->books[check->next++ % BOOKS];
		r = book_make(book, config, profiles);
	}
	if (r == 0)
		note(check, gateway, &book->faults);
	return r;
}

static int remember_id(struct check *check, const struct fg_fleet_file *gateway, const char *id)
{
	struct id *slot = &check->ids[check->nids];

	slot->text = strdup(id);
	slot->gateway = gateway;
	check->nids += slot->text != NULL;
	return slot->text ? 0 : -ENOMEM;
}

static int check_tree(struct check *check, const struct fg_fleet_file *gateway, const cJSON *root)
{
	struct fg_config *config = NULL;
	struct fg_faults faults;
	int r;

	fg_faults_init(&faults);
	faults.elsewhere = true;
	r = fg_config_from_tree(root, check->shipped, &faults, &config);
	note(check, gateway, &faults);
	if (r == 0) {
		r = check_profiles(check, gateway, config, root);
		if (r == 0)
			r = remember_id(check, gateway, config->gateway.id);
	} else if (r == -EINVAL) {
		r = faults.count ? 0 : -ENOMEM;
	}
	fg_config_free(config);
	fg_faults_fini(&faults);
	return r;
}

static int check_gateway(struct check *check, const struct fg_fleet_file *gateway)
{
	cJSON *root;
	int r = fg_fleet_effective(check->fleet, gateway, &root);

	if (r == -EINVAL)
		return 0;	/* its files have been reported */
	if (r < 0)
		return r;
	r = check_tree(check, gateway, root);
	cJSON_Delete(root);
	return r;
}

/* -- the fleet as such -- */

static int by_id(const void *a, const void *b)
{
	const struct id *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order ? order : strcmp(x->gateway->name, y->gateway->name);
}

/* Two with one id would take each other's topics, and their numbers could not be told apart. */
static void check_ids(struct check *check)
{
	char text[512];

	if (check->nids)
		qsort(check->ids, check->nids, sizeof(*check->ids), by_id);
	for (size_t i = 1; i < check->nids; i++) {
		const struct id *had = &check->ids[i - 1], *id = &check->ids[i];

		if (strcmp(had->text, id->text) != 0)
			continue;
		snprintf(text, sizeof(text), "the id \"%s\" is also that of %s", id->text,
			 had->gateway->path);
		fg_fleet_note(&check->fleet->report, false,
			      fg_fleet_origin(check->fleet, id->gateway, "/gateway/id"),
			      "/gateway/id", text, id->gateway);
	}
}

/* As deep as the file. */
static void check_nulls(struct fg_fleet *fleet, const struct fg_fleet_file *file, const cJSON *json,
			const struct fg_place *place)
{
	for (const cJSON *child = json->child; child; child = child->next) {
		struct fg_place below = { .up = place, .key = child->string };
		char pointer[FG_POINTER_MAX];

		if (cJSON_IsObject(child))
			check_nulls(fleet, file, child, &below);
		if (!cJSON_IsNull(child) || fg_merge_removed(child))
			continue;
		fg_place_write(&below, pointer, sizeof(pointer));
		fg_fleet_note(&fleet->report, true, file, pointer,
			      "null removes nothing: no file before this one says it", NULL);
	}
}

static void check_files(struct fg_fleet *fleet)
{
	if (fleet->base && fleet->base->json)
		check_nulls(fleet, fleet->base, fleet->base->json, NULL);
	for (size_t i = 0; i < fleet->ngroups; i++) {
		const struct fg_fleet_file *group = fleet->groups[i];

		if (!group->used)
			fg_fleet_note(&fleet->report, true, group, "",
				      "no gateway is in this group", NULL);
		else if (group->json)
			check_nulls(fleet, group, group->json, NULL);
	}
	for (size_t i = 0; i < fleet->ngateways; i++)
		if (!fleet->gateways[i]->broken)
			check_nulls(fleet, fleet->gateways[i], fleet->gateways[i]->json, NULL);
	if (fleet->ngateways == 0 && fleet->base)
		fg_fleet_note(&fleet->report, true, fleet->base, "",
			      "no gateway: there is no file in gateways/", NULL);
}

int fg_fleet_check(struct fg_fleet *fleet, const struct fg_shipped_profile *shipped)
{
	struct check check = { .fleet = fleet, .shipped = shipped };
	int r = 0;

	check.ids = calloc(fleet->ngateways + 1, sizeof(*check.ids));
	if (!check.ids)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < fleet->ngateways; i++)
		r = check_gateway(&check, fleet->gateways[i]);
	if (r == 0) {
		check_ids(&check);
		check_files(fleet);
	}
	for (size_t i = 0; i < check.nids; i++)
		free(check.ids[i].text);
	free(check.ids);
	for (size_t i = 0; i < BOOKS; i++)
		book_free(&check.books[i]);
	fg_fleet_report_sort(&fleet->report);
	return r;
}
