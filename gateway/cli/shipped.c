/* The one place where the command line asks for the profiles that come with the program. */
#include "cli/cli.h"

#include <stddef.h>

const char *const *fg_cli_shipped_profiles(void)
{
	return NULL;
}
