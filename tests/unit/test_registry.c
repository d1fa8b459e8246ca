/*
 * The registry's three answers, and every module of this build really loads: what a module needs of
 * the program is exported.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/registry.h"
#include "profile/book.h"

static int look_up(enum fg_registry_kind kind, const char *name, const void **ret)
{
	switch (kind) {
	case FG_REGISTRY_DRIVER:
		return fg_registry_driver(name, (const struct fg_driver **)ret);
	case FG_REGISTRY_BRIDGE:
		return fg_registry_bridge(name, (const struct fg_bridge **)ret);
	case FG_REGISTRY_DECODER:
		return fg_registry_decoder(name, (const struct fg_decoder **)ret);
	case FG_REGISTRY_CLI:
		return fg_registry_cli(name, (const struct fg_cli **)ret);
	case FG_REGISTRY_CONSOLE:
		return fg_registry_console(name, (const struct fg_console **)ret);
	case FG_REGISTRY_CATALOG:
		return fg_registry_catalog(name, (const struct fg_catalog **)ret);
	case FG_REGISTRY_RUN:
		return fg_registry_run(name, (const struct fg_run **)ret);
	}
	return -EINVAL;
}

static const struct {
	enum fg_registry_kind kind;
	const char *const *builtin, *const *module, *const *absent;
} kinds[] = {
	{ FG_REGISTRY_DRIVER, fg_builtin_names_drivers, fg_module_drivers, fg_absent_drivers },
	{ FG_REGISTRY_BRIDGE, fg_builtin_names_bridges, fg_module_bridges, fg_absent_bridges },
	{ FG_REGISTRY_DECODER, fg_builtin_names_decoders, fg_module_decoders, fg_absent_decoders },
	{ FG_REGISTRY_CLI, fg_builtin_names_clis, fg_module_clis, fg_absent_clis },
	{ FG_REGISTRY_CONSOLE, fg_builtin_names_consoles, fg_module_consoles, fg_absent_consoles },
	{ FG_REGISTRY_CATALOG, fg_builtin_names_catalogs, fg_module_catalogs, fg_absent_catalogs },
	{ FG_REGISTRY_RUN, fg_builtin_names_runs, fg_module_runs, fg_absent_runs },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void unknown_is_not_found(void **state)
{
	const void *found = state;
	char why[128];

	for (size_t k = 0; k < KINDS; k++) {
		assert_int_equal(look_up(kinds[k].kind, "no-such", &found), -ENOENT);
		assert_int_equal(look_up(kinds[k].kind, "", &found), -ENOENT);
		assert_int_equal(look_up(kinds[k].kind, "../mqtt", &found), -ENOENT);
	}
	assert_ptr_equal(found, state);
	fg_registry_explain(FG_REGISTRY_BRIDGE, "no-such", why, sizeof(why));
	assert_string_equal(why, "unknown bridge 'no-such'");
}

static void builtin_is_found(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		for (int i = 0; kinds[k].builtin[i]; i++) {
			const void *found = NULL;
			char why[128] = "x";

			assert_int_equal(look_up(kinds[k].kind, kinds[k].builtin[i], &found), 0);
			assert_non_null(found);
			/* every component begins with its name */
			assert_string_equal(*(const char *const *)found, kinds[k].builtin[i]);
			fg_registry_explain(kinds[k].kind, kinds[k].builtin[i], why, sizeof(why));
			assert_string_equal(why, "");
		}
	}
}

static void absent_is_known(void **state)
{
	const void *found = state;
	char why[128];

	for (size_t k = 0; k < KINDS; k++) {
		for (int i = 0; kinds[k].absent[i]; i++) {
			assert_int_equal(look_up(kinds[k].kind, kinds[k].absent[i], &found),
					 -ENOSYS);
			fg_registry_explain(kinds[k].kind, kinds[k].absent[i], why, sizeof(why));
			assert_non_null(strstr(why, "this firmware has no "));
		}
	}
	assert_ptr_equal(found, state);
}

static void module_loads(void **state)
{
#ifdef CONFIG_TEST_HOOKS
	int modules = 0;

	for (size_t k = 0; k < KINDS; k++) {
		for (int i = 0; kinds[k].module[i]; i++, modules++) {
			const void *found = NULL;
			char why[512] = "";

			fg_registry_explain(kinds[k].kind, kinds[k].module[i], why, sizeof(why));
			assert_string_equal(why, "");
			assert_int_equal(look_up(kinds[k].kind, kinds[k].module[i], &found), 0);
			assert_string_equal(*(const char *const *)found, kinds[k].module[i]);
		}
	}
	if (modules > 0)
		return;
#endif
	(void)state;
	skip();
}

static void missing_module_says_why(void **state)
{
#ifdef CONFIG_TEST_HOOKS
	const void *found = state;
	char why[512];

	if (fg_module_bridges[0]) {
		assert_int_equal(setenv("FIELDGATE_MODULES", "/nowhere", 1), 0);
		assert_int_equal(look_up(FG_REGISTRY_BRIDGE, fg_module_bridges[0], &found),
				 -ELIBACC);
		assert_ptr_equal(found, state);
		fg_registry_explain(FG_REGISTRY_BRIDGE, fg_module_bridges[0], why, sizeof(why));
		assert_non_null(strstr(why, "could not be loaded: /nowhere/fg_bridge_"));
		return;
	}
#endif
	(void)state;
	skip();
}

/* What a payload means could not be known: nothing begins then. */
static void no_catalog_is_a_fault(void **state)
{
#ifdef CONFIG_TEST_HOOKS
	const struct fg_config config = { 0 };
	struct fg_profile_book book;
	struct fg_faults faults;

	if (fg_module_catalogs[0]) {
		assert_int_equal(setenv("FIELDGATE_MODULES", "/nowhere", 1), 0);
		fg_faults_init(&faults);
		assert_int_equal(fg_profile_book_open(&book, &config, &faults), -EINVAL);
		assert_int_equal(faults.faults, 1);
		fg_faults_fini(&faults);
		return;
	}
#endif
	(void)state;
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_is_not_found),	   cmocka_unit_test(builtin_is_found),
		cmocka_unit_test(absent_is_known),	   cmocka_unit_test(module_loads),
		cmocka_unit_test(missing_module_says_why), cmocka_unit_test(no_catalog_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
