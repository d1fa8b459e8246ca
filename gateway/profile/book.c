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

/* Of what comes with the program nothing is wrong, so nobody hears of faults. */
static int add_shipped(struct fg_profile_book *book, const struct fg_shipped_profile *shipped,
		       struct fg_named_profile *named)
{
	struct fg_faults faults;
	int r;

	named->name = shipped->name;
	named->shipped = true;
	fg_faults_init(&faults);
	r = fg_profile_parse(shipped->name, fg_str_c(shipped->text), &book->arena, &faults,
			     &named->conf);
	fg_faults_fini(&faults);
	return r;
}

static int gather(struct fg_profile_book *book, const struct fg_config *config, size_t *ret_count)
{
	size_t n = 0, shipped = 0;

	while (fg_shipped_profiles[shipped].name)
		shipped++;
	book->named =
		fg_arena_array(&book->arena, config->nprofiles + shipped + 1, sizeof(*book->named));
	if (!book->named)
		return -ENOMEM;
	for (; n < config->nprofiles; n++)
		book->named[n] = config->profiles[n];
	for (size_t i = 0; i < shipped; i++) {
		int r;

		if (!fg_shipped_profiles[i].text ||
		    is_replaced(config, fg_shipped_profiles[i].name))
			continue;
		r = add_shipped(book, &fg_shipped_profiles[i], &book->named[n]);
		if (r == -ENOMEM)
			return r;
		n += r == 0;
	}
	*ret_count = n;
	return 0;
}

int fg_profile_book_open(struct fg_profile_book *book, const struct fg_config *config,
			 struct fg_faults *faults)
{
	size_t count;
	int r;

	*book = (struct fg_profile_book){ 0 };
	fg_arena_init(&book->arena, ARENA_LIMIT);
	r = gather(book, config, &count);
	if (r == 0)
		r = fg_profiles_new(book->named, count, find_decoder, faults, &book->profiles);
	if (r < 0)
		fg_arena_fini(&book->arena);
	return r;
}

void fg_profile_book_close(struct fg_profile_book *book)
{
	fg_profiles_free(book->profiles);
	fg_arena_fini(&book->arena);
	*book = (struct fg_profile_book){ 0 };
}
