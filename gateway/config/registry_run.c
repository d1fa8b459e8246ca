/* Apart from the other kinds, as registry_cli.c is. */
#include "config/registry_private.h"

int fg_registry_run(const char *name, const struct fg_run **ret_run)
{
	const void *module;
	int r, i = registry_find(FG_REGISTRY_RUN, name, &module, &r);

	if (r == 0)
		*ret_run = i >= 0 ? fg_builtin_runs[i] : module;
	return r;
}
