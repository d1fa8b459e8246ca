/* The profiles that come with the program: profile/shipped/NAME.json, one object each as it would
 * stand below "profiles" in a configuration. Made into text by the build. */
#pragma once

struct fg_shipped_profile {
	const char *name, *text;
};

extern const struct fg_shipped_profile fg_shipped_profiles[];	/* ends in a NULL name */
extern const char *const fg_shipped_names[];			/* the names alone, ends in NULL */
