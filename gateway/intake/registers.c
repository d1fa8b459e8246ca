/* What a driver that asks its devices has to know of their profiles. */
#include <fg/registers.h>

#include "intake/private.h"

#include <errno.h>

static const struct fg_profile *profile_named(const struct fg_inlet *inlet, const char *name)
{
	return name ? fg_profiles_find(inlet->intake->profiles, name) : NULL;
}

const struct fg_profile *intake_profile(const struct fg_inlet *inlet, struct fg_str device)
{
	const struct fg_driver *driver = inlet->source.driver;

	if (!driver->profile_of)
		return NULL;
	return profile_named(inlet, driver->profile_of(inlet->source.conf, device));
}

int fg_source_registers(struct fg_source *source, const char *name,
			struct fg_registers *ret_registers)
{
	const struct fg_profile *profile = profile_named((struct fg_inlet *)source, name);

	return profile ? fg_profile_registers(profile, ret_registers) : -ENOENT;
}

int fg_source_encode(struct fg_source *source, const char *name, struct fg_str point,
		     const struct fg_value *value, struct fg_register_write *ret_write)
{
	const struct fg_profile *profile = profile_named((struct fg_inlet *)source, name);

	return profile ? fg_profile_encode(profile, point, value, ret_write) : -ENOENT;
}
