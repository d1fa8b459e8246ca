/*
 * One look-up for three kinds. The tables keep names beside the components, so nothing here needs
 * to see into a driver; a module's component is the symbol fg_KIND_NAME in fg_KIND_NAME.so.
 */
#include "config/registry.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
};

/* Index of `name` in a list that ends in NULL, or -1. */
static int list_find(const char *const *list, const char *name)
{
	for (int i = 0; list[i]; i++)
		if (strcmp(list[i], name) == 0)
			return i;
	return -1;
}

static const char *module_folder(void)
{
#ifdef CONFIG_TEST_HOOKS
	const char *folder = getenv("FIELDGATE_MODULES");

	if (folder)
		return folder;
#endif
	return FG_MODULE_DIR;
}

/* `name` is one of the table's own, so it holds no '/'. NULL: dlerror() says why. */
static const void *module_open(const struct kind *kind, const char *name)
{
	char path[PATH_MAX], symbol[128];
	void *handle;

	snprintf(path, sizeof(path), "%s/fg_%s_%s.so", module_folder(), kind->word, name);
	snprintf(symbol, sizeof(symbol), "fg_%s_%s", kind->word, name);
	/* now, not lazily: a module that lacks something must fail here and not at a record */
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return NULL;
	return dlsym(handle, symbol);
}

/* -1 with *ret_module or an errno; else the index of a built-in one. */
static int find(enum fg_registry_kind which, const char *name, const void **ret_module,
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
	int r, i = find(FG_REGISTRY_DRIVER, name, &module, &r);

	if (r == 0)
		*ret_driver = i >= 0 ? fg_builtin_drivers[i] : module;
	return r;
}

int fg_registry_bridge(const char *name, const struct fg_bridge **ret_bridge)
{
	const void *module;
	int r, i = find(FG_REGISTRY_BRIDGE, name, &module, &r);

	if (r == 0)
		*ret_bridge = i >= 0 ? fg_builtin_bridges[i] : module;
	return r;
}

int fg_registry_decoder(const char *name, const struct fg_decoder **ret_decoder)
{
	const void *module;
	int r, i = find(FG_REGISTRY_DECODER, name, &module, &r);

	if (r == 0)
		*ret_decoder = i >= 0 ? fg_builtin_decoders[i] : module;
	return r;
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
	find(kind, name, &module, &r);
	if (r == -ENOENT) {
		snprintf(out, size, "unknown %s '%s'", word, name);
	} else if (r == -ENOSYS) {
		snprintf(out, size, "%s '%s' is not in this build", word, name);
	} else if (r == -ELIBACC) {
		why = dlerror();
		snprintf(out, size, "%s '%s' could not be loaded: %s", word, name,
			 why ? why : "its symbol is missing");
	}
}
