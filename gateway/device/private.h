/* What the files of device/ share. */
#pragma once

#include "device/devices.h"
#include "device/intern.h"

struct fg_devices {
	struct fg_device **buckets;
	uint32_t nbuckets; /* a power of two */
	uint32_t count, limit;
	uint64_t points;
	uint64_t seed;
	uint32_t reports; /* generation of what is known to have been reported */
	/* report.c: of points with a report policy, from 1 on */
	struct fg_reported *reported;
	uint32_t reported_count, reported_cap;
	struct fg_intern names;
};

struct fg_point *device_find_point(struct fg_device *, struct fg_str name);
