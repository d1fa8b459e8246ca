/* Commands, apart from the other kinds: they lead to everything, and who looks for a decoder must
 * not be linked with the whole program. */
#include "config/registry_private.h"

int fg_registry_cli(const char *name, const struct fg_cli **ret_cli)
{
	const void *module;
	int r, i = registry_find(FG_REGISTRY_CLI, name, &module, &r);

	if (r == 0)
		*ret_cli = i >= 0 ? fg_builtin_clis[i] : module;
	return r;
}
