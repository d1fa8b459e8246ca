/* Apart from the other kinds, as registry_cli.c is. */
#include "config/registry_private.h"

int fg_registry_console(const char *name, const struct fg_console **ret_console)
{
	const void *module;
	int r, i = registry_find(FG_REGISTRY_CONSOLE, name, &module, &r);

	if (r == 0)
		*ret_console = i >= 0 ? fg_builtin_consoles[i] : module;
	return r;
}
