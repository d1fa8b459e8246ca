#include "profile/book.h"

#include "config/registry.h"

#include <errno.h>

#define ARENA_LIMIT (4u << 20)

static const struct fg_decoder *find_decoder(const char *name)
{
	const struct fg_decoder *decoder;

	return fg_registry_decoder(name, &decoder) == 0 ? decoder : NULL;
}

static bool is_replaced(const struct fg_config *config, const char *name)
{
	for (size_t i = 0; i < config->nprofiles; i++)
		if (strcmp(config->profiles[i].name, name) == 0)
			return true;
	return false;
}

/* What a payload would mean without them cannot be known: it may look like one of theirs. */
static int none_to_be_had(struct fg_faults *faults)
{
	char why[256];

	fg_registry_explain(FG_REGISTRY_CATALOG, "profiles", why, sizeof(why));
	fg_fault_at(faults, NULL, "%s", why);
	return -EINVAL;
}

static int gather(struct fg_profile_book *book, const struct fg_config *config,
		  struct fg_faults *faults, size_t *ret_count)
{
	const struct fg_shipped_profile *profiles = fg_shipped_profiles();
	size_t n = 0, shipped = 0;

	if (!profiles)
		return none_to_be_had(faults);
	while (profiles[shipped].name)
		shipped++;
	book->named =
		fg_arena_array(&book->arena, config->nprofiles + shipped + 1, sizeof(*book->named));
	if (!book->named)
		return -ENOMEM;
	for (; n < config->nprofiles; n++)
		book->named[n] = config->profiles[n];
	for (size_t i = 0; i < shipped; i++) {
		const struct fg_shipped_profile *one = &profiles[i];

		if (!one->text || is_replaced(config, one->name))
			continue;
		book->named[n++] = (struct fg_named_profile){
			.name = one->name,
			.conf = { .match = one->match, .format = one->format },
			.shipped = true,
			.text = one->text,
		};
	}
	*ret_count = n;
	return 0;
}

/* A line needs its framer before the first payload. */
static int ready_named(const struct fg_profiles *profiles, const struct fg_config *config)
{
	const struct fg_profile *profile;

	for (size_t i = 0; i < config->ndrivers; i++) {
		const char *name = config->drivers[i].profile;

		profile = name ? fg_profiles_find(profiles, name) : NULL;
		if (profile && fg_profile_ready(profile) < 0)
			return -ENOMEM;
	}
	return 0;
}

int fg_profile_book_open(struct fg_profile_book *book, const struct fg_config *config,
			 struct fg_faults *faults)
{
	size_t count;
	int r;

	*book = (struct fg_profile_book){ 0 };
	fg_arena_init(&book->arena, ARENA_LIMIT);
	r = gather(book, config, faults, &count);
	if (r == 0)
		r = fg_profiles_new(book->named, count, find_decoder, faults, &book->profiles);
	if (r < 0) {
		fg_arena_fini(&book->arena);
		return r;
	}
	r = ready_named(book->profiles, config);
	if (r < 0)
		fg_profile_book_close(book);
	return r;
}

void fg_profile_book_close(struct fg_profile_book *book)
{
	fg_profiles_free(book->profiles);
	fg_arena_fini(&book->arena);
	*book = (struct fg_profile_book){ 0 };
}
