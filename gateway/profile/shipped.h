/*
 * The profiles that come with the program: profile/shipped/NAME.json, one object each as it would
 * stand below "profiles" in a configuration. Made into text by the build, as a catalog of the
 * registry (CONFIG_CATALOG_PROFILES): where that is a module, it is opened when a configuration is
 * read for the first time.
 */
#pragma once

#include "config/profile_conf.h"

struct fg_catalog {
	const char *name;
	const struct fg_shipped_profile *profiles;	/* end in a NULL name */
};

/* They end in a NULL name, and live as long as the program. None where this firmware comes without;
 * NULL: their module could not be loaded. Any thread. */
const struct fg_shipped_profile *fg_shipped_profiles(void);
