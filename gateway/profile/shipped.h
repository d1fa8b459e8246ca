/* The profiles that come with the program: profile/shipped/NAME.json, one object each as it would
 * stand below "profiles" in a configuration. Made into text by the build. */
#pragma once

#include "config/profile_conf.h"

extern const struct fg_shipped_profile fg_shipped_profiles[]; /* ends in a NULL name */
