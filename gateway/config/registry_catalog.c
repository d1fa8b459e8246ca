/* Apart from the other kinds, as registry_cli.c is. */
#include "config/registry_private.h"

int fg_registry_catalog(const char *name, const struct fg_catalog **ret_catalog)
{
	const void *module;
	int r, i = registry_find(FG_REGISTRY_CATALOG, name, &module, &r);

	if (r == 0)
		*ret_catalog = i >= 0 ? fg_builtin_catalogs[i] : module;
	return r;
}
