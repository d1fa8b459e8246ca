/* The one place where the command line asks for the profiles that come with the program. */
#include "profile/shipped.h"

#include "cli/cli.h"

const struct fg_shipped_profile *fg_cli_shipped_profiles(void)
{
	return fg_shipped_profiles;
}
