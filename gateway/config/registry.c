/*
 * One look-up for all kinds. The tables keep names beside the components, so nothing here needs
 * to see into a driver; a module's component is the symbol fg_KIND_NAME in fg_KIND_NAME.so.
 */
#include "config/registry_private.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kind {
	const char *word;
	const char *const *builtin, *const *module, *const *absent;
};

static const struct kind KINDS[] = {
	[FG_REGISTRY_DRIVER] = { "driver", fg_builtin_names_drivers, fg_module_drivers,
				 fg_absent_drivers },
	[FG_REGISTRY_BRIDGE] = { "bridge", fg_builtin_names_bridges, fg_module_bridges,
				 fg_absent_bridges },
	[FG_REGISTRY_DECODER] = { "decoder", fg_builtin_names_decoders, fg_module_decoders,
				  fg_absent_decoders },
	[FG_REGISTRY_CLI] = { "cli", fg_builtin_names_clis, fg_module_clis, fg_absent_clis },
	[FG_REGISTRY_CONSOLE] = { "console", fg_builtin_names_consoles, fg_module_consoles,
				  fg_absent_consoles },
	[FG_REGISTRY_CATALOG] = { "catalog", fg_builtin_names_catalogs, fg_module_catalogs,
				  fg_absent_catalogs },
	[FG_REGISTRY_RUN] = { "run", fg_builtin_names_runs, fg_module_runs, fg_absent_runs },
};

/* Index of `name` in a list that ends in NULL, or -1. */
static int list_find(const char *const *list, const char *name)
{
	for (int i = 0; list[i]; i++)
		if (strcmp(list[i], name) == 0)
			return i;
	return -1;
}

/* The folder of the program itself, so that one that was not installed finds its own modules. */
static bool program_folder(char *folder, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", folder, size - 1);
	char *slash;

	if (n <= 0)
		return false;
	folder[n] = '\0';
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	return slash != NULL;
}

/* Where the module is: beside the program in a build folder, in the library folder that belongs to
 * the program's, or else where it was to be installed. */
static void module_path(const char *file, char *path, size_t size)
{
	static const char *const below[] = { "modules", FG_MODULE_FROM_PROGRAM };
	char folder[PATH_MAX / 2];
	bool known = program_folder(folder, sizeof(folder));

#ifdef CONFIG_TEST_HOOKS
	const char *hook = getenv("FIELDGATE_MODULES");

	if (hook) {
		snprintf(path, size, "%s/%s", hook, file);
		return;
	}
#endif
	for (size_t i = 0; known && i < sizeof(below) / sizeof(below[0]); i++) {
		snprintf(path, size, "%s/%s/%s", folder, below[i], file);
		if (access(path, F_OK) == 0)
			return;
	}
	snprintf(path, size, "%s/%s", FG_MODULE_DIR, file);
}

/* A module may be loaded long after the program was, and a newer one may have been installed in
 * between: they share structs, so only the same version will do. */
static bool module_fits(void *handle)
{
	const char *version = dlsym(handle, "fg_module_version");

	return version && strcmp(version, FG_VERSION) == 0;
}

/* `name` is one of the table's own, so it holds no '/'. NULL: dlerror() says why, or it is of
 * another version. */
static const void *module_open(const struct kind *kind, const char *name)
{
	char path[PATH_MAX], symbol[128];
	void *handle;

	snprintf(symbol, sizeof(symbol), "fg_%s_%s.so", kind->word, name);
	module_path(symbol, path, sizeof(path));
	symbol[strlen(symbol) - strlen(".so")] = '\0';
	/* now, not lazily: a module that lacks something must fail here and not at a record */
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle || !module_fits(handle))
		return NULL;
	return dlsym(handle, symbol);
}

int registry_find(enum fg_registry_kind which, const char *name, const void **ret_module,
		  int *ret_err)
{
	const struct kind *kind = &KINDS[which];
	int i = list_find(kind->builtin, name);

	if (i >= 0) {
		*ret_err = 0;
		return i;
	}
	*ret_err = -ENOENT;
	if (list_find(kind->module, name) >= 0) {
		const void *module = module_open(kind, name);

		*ret_err = module ? 0 : -ELIBACC;
		if (module)
			*ret_module = module;
	} else if (list_find(kind->absent, name) >= 0) {
		*ret_err = -ENOSYS;
	}
	return -1;
}

int fg_registry_driver(const char *name, const struct fg_driver **ret_driver)
{
	const void *module;
	int r, i = registry_find(FG_REGISTRY_DRIVER, name, &module, &r);

	if (r == 0)
		*ret_driver = i >= 0 ? fg_builtin_drivers[i] : module;
	return r;
}

int fg_registry_bridge(const char *name, const struct fg_bridge **ret_bridge)
{
	const void *module;
	int r, i = registry_find(FG_REGISTRY_BRIDGE, name, &module, &r);

	if (r == 0)
		*ret_bridge = i >= 0 ? fg_builtin_bridges[i] : module;
	return r;
}

int fg_registry_decoder(const char *name, const struct fg_decoder **ret_decoder)
{
	const void *module;
	int r, i = registry_find(FG_REGISTRY_DECODER, name, &module, &r);

	if (r == 0)
		*ret_decoder = i >= 0 ? fg_builtin_decoders[i] : module;
	return r;
}

static void explain_absent(const char *word, const char *name, char *out, size_t size)
{
	int n = snprintf(out, size, "this firmware has no '%s' %s: CONFIG_", name, word);

	if (n < 0 || (size_t)n >= size)
		return;
	snprintf(out + n, size - (size_t)n, "%s_%s", word, name);
	for (char *p = out + n; *p; p++)
		*p = (char)toupper((unsigned char)*p);
}

void fg_registry_explain(enum fg_registry_kind kind, const char *name, char *out, size_t size)
{
	const char *word = KINDS[kind].word, *why;
	const void *module;
	int r;

	if (size == 0)
		return;
	out[0] = '\0';
	dlerror();
	registry_find(kind, name, &module, &r);
	if (r == -ENOENT) {
		snprintf(out, size, "unknown %s '%s'", word, name);
	} else if (r == -ENOSYS) {
		explain_absent(word, name, out, size);
	} else if (r == -ELIBACC) {
		why = dlerror();
		snprintf(out, size, "%s '%s' could not be loaded: %s", word, name,
			 why ? why : "it is of another version");
	}
}
