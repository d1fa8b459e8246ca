/*
 * Routes: whose an address is. Matching patterns against a topic is done once for each address;
 * after that one hash look-up leads to the profile, the device and the point part. The table is
 * bounded and simply begun anew when it is full.
 */
#include "base/hash.h"
#include "base/name.h"
#include "intake/private.h"

#include <errno.h>
#include <stdlib.h>

#define DEVICE_MAX 1024
#define BYTES_MAX (16u << 20)

static uint64_t route_hash(const struct fg_inlet *inlet, struct fg_str address)
{
	return fg_hash_str(address, inlet->intake->seed ^ (uintptr_t)inlet);
}

void routes_clear(struct fg_intake *intake)
{
	struct routes *routes = &intake->routes;

	for (uint32_t i = 0; i < routes->nbuckets; i++) {
		struct route *next;

		for (struct route *r = routes->buckets[i]; r; r = next) {
			next = r->next;
			free(r);
		}
	}
	free(routes->buckets);
	*routes = (struct routes){ 0 };
}

static int routes_grow(struct routes *routes)
{
	uint32_t n = routes->nbuckets ? routes->nbuckets * 2 : 64;
	struct route **buckets = calloc(n, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	for (uint32_t i = 0; i < routes->nbuckets; i++) {
		struct route *next;

		for (struct route *r = routes->buckets[i]; r; r = next) {
			next = r->next;
			r->next = buckets[r->hash & (n - 1)];
			buckets[r->hash & (n - 1)] = r;
		}
	}
	free(routes->buckets);
	routes->buckets = buckets;
	routes->nbuckets = n;
	return 0;
}

static char *name_room(struct fg_intake *intake, struct fg_str raw)
{
	fg_buf_reset(&intake->name);
	return fg_buf_reserve(&intake->name, raw.len * 5 + 1);
}

struct fg_str intake_safe_name(struct fg_intake *intake, struct fg_str raw)
{
	struct fg_str name = { NULL, 0 };
	char *room = name_room(intake, raw);

	if (!room)
		return name;
	name = fg_str(room, fg_name_escape(raw, false, room));
	room[name.len] = '\0';
	return name;
}

struct fg_str intake_safe_path(struct fg_intake *intake, struct fg_str raw)
{
	struct fg_str own = FG_STR("fieldgate"), name = intake_safe_name(intake, raw);
	char *room = intake->name.data;

	/* one of the field that is known by a longer name is meant by that */
	if (!name.ptr || !fg_str_starts(name, own) ||
	    fg_devices_split(intake->conf.devices, name) != own.len)
		return name;
	name.len = fg_name_escape_device(own, room);
	name.len += fg_name_escape(fg_str(raw.ptr + own.len, raw.len - own.len), false,
				   room + name.len);
	room[name.len] = '\0';
	return name;
}

int route_device(struct fg_intake *intake, struct fg_str id, struct fg_device **ret_device)
{
	char *room = name_room(intake, id);

	if (!room)
		return -ENOMEM;
	return fg_devices_get(intake->conf.devices, fg_str(room, fg_name_escape_device(id, room)),
			      ret_device);
}

/* A device begins to exist with its first good reading: what is only ever rejected must not use up
 * the limit of devices. */
int route_reading_device(struct fg_intake *intake, struct route *route, struct fg_str own,
			 struct fg_device **ret_device)
{
	const char *id = route->text + route->address_len + route->prefix_len;
	int r = 0;

	if (own.len)
		return route_device(intake, own, ret_device);
	if (!route->device)
		r = route_device(intake, fg_str(id, route->device_len), &route->device);
	if (r == 0)
		*ret_device = route->device;
	return r;
}

/* Where the device stands in the address, and what is left for the point. */
struct split {
	const struct fg_profile *profile;
	struct fg_str device, rest;
	bool path; /* at the longest device that is known by now */
};

static void split_path(struct fg_inlet *inlet, struct fg_str address, struct split *split)
{
	struct fg_str name = intake_safe_path(inlet->intake, address);
	size_t n = name.ptr ? fg_devices_split(inlet->intake->conf.devices, name) : 0;
	size_t levels = 0, at = 0;

	/* The split was found in the escaped name: carry it over by counting its levels. */
	for (size_t i = 0; i < n; i++)
		levels += name.ptr[i] == '/';
	for (; at < address.len && (address.ptr[at] != '/' || levels > 0); at++)
		levels -= address.ptr[at] == '/';
	split->device = fg_str(address.ptr, at);
	if (at < address.len)
		split->rest = fg_str(address.ptr + at + 1, address.len - at - 1);
}

static void split_address(struct fg_inlet *inlet, struct fg_str address, struct split *split)
{
	struct fg_pattern_taken taken = { { NULL, 0 }, { NULL, 0 } };

	*split = (struct split){ .profile = inlet->profile };
	if (inlet->source.driver->address == FG_ADDRESS_DEVICE) {
		split->profile = intake_profile(inlet, address);
		split->device = address;
		return;
	}
	if (inlet->profile)
		(void)fg_profile_takes(inlet->profile, address, &taken);
	else if (inlet->source.driver->address != FG_ADDRESS_LINK)
		split->profile = fg_profiles_match(inlet->intake->profiles, address, &taken);
	split->device = taken.device;
	split->rest = taken.point;
	if (taken.device.len > 0)
		return;
	switch (inlet->source.driver->address) {
	case FG_ADDRESS_TOPIC:
		split->device = address;
		break;
	case FG_ADDRESS_PATH:
		split->path = true;
		split_path(inlet, address, split);
		break;
	case FG_ADDRESS_DEVICE:
	case FG_ADDRESS_LINK:
		split->device = fg_str_c(inlet->source.name);
		break;
	}
}

static int route_new(struct fg_inlet *inlet, struct fg_str address, struct route **ret_route)
{
	struct fg_intake *intake = inlet->intake;
	struct split split;
	struct route *route;
	struct fg_str rest;

	split_address(inlet, address, &split);
	if (split.device.len == 0)
		return -EINVAL;
	if (split.device.len > DEVICE_MAX)
		return -ENAMETOOLONG;
	rest = intake_safe_name(intake, split.rest);
	if (!rest.ptr)
		return -ENOMEM;
	route = malloc(sizeof(*route) + address.len + rest.len + split.device.len);
	if (!route)
		return -ENOMEM;
	*route = (struct route){
		.inlet = inlet,
		.profile = split.profile,
		.address_len = (uint32_t)address.len,
		.prefix_len = (uint32_t)rest.len,
		.device_len = (uint32_t)split.device.len,
		.known = split.path ? fg_devices_count(intake->conf.devices) + 1 : 0,
		.hash = route_hash(inlet, address),
	};
	memcpy(route->text, address.ptr, address.len);
	memcpy(route->text + address.len, rest.ptr, rest.len);
	memcpy(route->text + address.len + rest.len, split.device.ptr, split.device.len);
	*ret_route = route;
	return 0;
}

static size_t route_bytes(const struct route *route)
{
	return sizeof(*route) + route->address_len + route->prefix_len + route->device_len;
}

static void route_insert(struct fg_intake *intake, struct route *route)
{
	struct routes *routes = &intake->routes;
	struct route **bucket = &routes->buckets[route->hash & (routes->nbuckets - 1)];

	route->next = *bucket;
	*bucket = route;
	routes->count++;
	routes->bytes += route_bytes(route);
}

/* NULL: not known yet, or it is not that of a path any more. A device that has become known since
 * may be a longer one than it was split at. */
static struct route *route_look_up(struct fg_inlet *inlet, struct fg_str address)
{
	struct routes *routes = &inlet->intake->routes;
	uint64_t hash = route_hash(inlet, address);
	struct route **at, *route;

	if (!routes->nbuckets)
		return NULL;
	for (at = &routes->buckets[hash & (routes->nbuckets - 1)]; (route = *at); at = &route->next)
		if (route->hash == hash && route->inlet == inlet &&
		    fg_str_eq(fg_str(route->text, route->address_len), address))
			break;
	if (!route || !route->known ||
	    route->known == fg_devices_count(inlet->intake->conf.devices) + 1)
		return route;
	*at = route->next;
	routes->count--;
	routes->bytes -= route_bytes(route);
	free(route);
	return NULL;
}

int route_find(struct fg_inlet *inlet, struct fg_str address, struct route **ret_route)
{
	struct fg_intake *intake = inlet->intake;
	struct routes *routes = &intake->routes;
	struct route *route;
	int r;

	if (!address.ptr) /* a link has none */
		address = FG_STR("");
	*ret_route = route_look_up(inlet, address);
	if (*ret_route)
		return 0;
	if (routes->count >= 2 * intake->conf.devices_max || routes->bytes > BYTES_MAX)
		routes_clear(intake);
	if (routes->count >= routes->nbuckets && routes_grow(routes) < 0)
		return -ENOMEM;
	r = route_new(inlet, address, &route);
	if (r < 0)
		return r;
	route_insert(intake, route);
	*ret_route = route;
	return 0;
}
