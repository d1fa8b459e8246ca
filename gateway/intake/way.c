/*
 * The way down to a device: it is the way it was heard last. A device that has not been heard in
 * this run has none; then the configuration alone has to say whose it is, and says nothing if it
 * could be two's.
 */
#include "intake/private.h"

#include <errno.h>

/* -- how it was heard -- */

void way_note(struct fg_inlet *inlet, const struct fg_profile *profile, struct fg_device *device,
	      uint64_t peer)
{
	struct fg_intake *intake = inlet->intake;
	bool first = !device->way.source;

	device->way.source = &inlet->source;
	device->way.profile = profile;
	device->way.peer = peer;
	if (!device->awaited && !first)
		return;
	device->awaited = false;
	if (intake->events.heard)
		intake->events.heard(intake->events.arg, fg_device_id(device));
}

static bool forget_one(void *arg, struct fg_device *device)
{
	if (device->way.source == arg)
		device->way = (struct fg_device_way){ 0 };
	return true;
}

void way_forget_source(struct fg_inlet *inlet)
{
	fg_devices_change(inlet->intake->conf.devices, forget_one, &inlet->source);
}

struct rebinding {
	const struct fg_profiles *next;
};

static bool rebind_one(void *arg, struct fg_device *device)
{
	const struct rebinding *rebinding = arg;
	const struct fg_profile *before = device->way.profile;

	if (before)
		device->way.profile = fg_profiles_find(rebinding->next, fg_profile_name(before));
	return true;
}

void way_rebind(struct fg_intake *intake, const struct fg_profiles *next)
{
	struct rebinding rebinding = { next };

	fg_devices_change(intake->conf.devices, rebind_one, &rebinding);
}

void fg_intake_await(struct fg_intake *intake, struct fg_str device)
{
	struct fg_device *known = fg_devices_find(intake->conf.devices, device);

	if (known)
		known->awaited = true;
}

bool fg_intake_is_up(const struct fg_source *source)
{
	const struct fg_inlet *inlet = (const struct fg_inlet *)source;

	return inlet->state == FG_LINK_UP && !inlet->away;
}

/* -- whose it could be -- */

struct candidate {
	struct fg_inlet *inlet;
	struct fg_write write;
	bool shipped;
	unsigned count;		/* as good as this one */
};

static void consider(struct candidate *best, struct fg_inlet *inlet,
		     const struct fg_profile *profile, struct fg_str point)
{
	struct fg_write write;
	bool shipped = fg_profile_is_shipped(profile);

	if (!fg_profile_writes(profile, point, &write))
		return;
	/* The configuration's own word comes first. */
	if (best->count && shipped && !best->shipped)
		return;
	if (best->count && !shipped && best->shipped)
		best->count = 0;
	/* Profiles of one family are one way. */
	if (best->count && best->inlet == inlet && best->write.conf == write.conf)
		return;
	if (best->count++ == 0) {
		best->inlet = inlet;
		best->write = write;
		best->shipped = shipped;
	}
}

static void consider_inlet(struct candidate *best, struct fg_inlet *inlet, struct fg_str point)
{
	const struct fg_driver *driver = inlet->source.driver;
	const struct fg_profiles *profiles = inlet->intake->profiles;
	const struct fg_list *patterns;

	if (!driver->ops.command || inlet->removing)
		return;
	if (inlet->profile) {
		consider(best, inlet, inlet->profile, point);
		return;
	}
	patterns = driver->listens ? driver->listens(inlet->source.conf) : NULL;
	for (size_t i = 0; i < fg_profiles_count(profiles); i++) {
		const struct fg_profile *profile = fg_profiles_at(profiles, i);

		/* One that matches no address is only whose it is named for. */
		if (patterns ? fg_profile_overlaps(profile, patterns) :
			       fg_profile_has_pattern(profile) && !fg_profile_is_shipped(profile))
			consider(best, inlet, profile, point);
	}
}

/* A driver that is told its devices by name knows the profile of each. */
static void consider_named(struct candidate *best, struct fg_inlet *inlet,
			   const struct fg_intake_way *way)
{
	const struct fg_driver *driver = inlet->source.driver;
	const char *name = driver->profile_of(inlet->source.conf, way->device);
	const struct fg_profile *profile = name ? fg_profiles_find(inlet->intake->profiles, name) :
						  NULL;

	if (profile && driver->ops.command && !inlet->removing)
		consider(best, inlet, profile, way->point);
}

static int way_unheard(struct fg_intake *intake, struct fg_intake_way *way)
{
	struct candidate best = { 0 };

	for (struct fg_inlet *i = intake->inlets; i; i = i->next) {
		/* A line is one device, by its own name. */
		if (i->source.driver->address == FG_ADDRESS_LINK &&
		    !fg_str_eq_c(way->device, i->source.name))
			continue;
		if (i->source.driver->profile_of)
			consider_named(&best, i, way);
		else
			consider_inlet(&best, i, way->point);
	}
	if (best.count != 1)
		return best.count ? -ENOTUNIQ : -EACCES;
	way->source = &best.inlet->source;
	way->write = best.write;
	return 0;
}

static int way_heard(const struct fg_device *device, struct fg_intake_way *way)
{
	struct fg_source *source = device->way.source;

	if (!source->driver->ops.command)
		return -ENODEV;
	if (!device->way.profile ||
	    !fg_profile_writes(device->way.profile, way->point, &way->write))
		return -EACCES;
	way->source = source;
	way->peer = device->way.peer;
	return 0;
}

int fg_intake_way(struct fg_intake *intake, struct fg_str path, struct fg_intake_way *ret_way)
{
	size_t n = fg_devices_split(intake->conf.devices, path);
	struct fg_intake_way way = { .device = fg_str(path.ptr, n) };
	const struct fg_device *device;
	int r;

	if (n == 0 || n + 1 >= path.len)
		return -EINVAL;
	way.point = fg_str(path.ptr + n + 1, path.len - n - 1);
	device = fg_devices_find(intake->conf.devices, way.device);
	if (device && device->way.source)
		r = way_heard(device, &way);
	else
		r = way_unheard(intake, &way);
	if (r < 0)
		return r;
	way.up = fg_intake_is_up(way.source);
	*ret_way = way;
	return 0;
}
