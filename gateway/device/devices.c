
#include "base/hash.h"
#include "device/private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAX_ID 1024
#define MAX_TEXT 1024 /* a longer last value is not remembered, nor the one before it */
#define POINTS_A_DEVICE 16

int fg_devices_new(uint32_t limit, struct fg_devices **ret_devices)
{
	struct fg_devices *devices = calloc(1, sizeof(*devices));

	if (!devices)
		return -ENOMEM;
	devices->nbuckets = 64;
	devices->buckets = calloc(devices->nbuckets, sizeof(*devices->buckets));
	if (!devices->buckets) {
		free(devices);
		return -ENOMEM;
	}
	/* Without entropy the table still works; only a chosen set of names could slow it. */
	if (getrandom(&devices->seed, sizeof(devices->seed), GRND_NONBLOCK) < 0)
		devices->seed = (uintptr_t)devices;
	devices->names.seed = devices->seed;
	devices->limit = limit;
	*ret_devices = devices;
	return 0;
}

/* Where a point's text is kept. Its size stands in front of it: most points are numbers, and need
 * no member for that. */
struct room {
	uint32_t cap;
	char bytes[];
};

static struct room *room_of(const struct fg_point *point)
{
	uintptr_t bytes = (uintptr_t)point->value.s.ptr;

	if (point->value.kind != FG_STRING && point->value.kind != FG_DATA)
		return NULL;
	return (struct room *)(bytes - offsetof(struct room, bytes));
}

static void device_free(struct fg_device *device)
{
	for (unsigned i = 0; i < device->count; i++)
		free(room_of(&device->points[i]));
	free(device->points);
	free(device);
}

struct fg_devices *fg_devices_free(struct fg_devices *devices)
{
	if (!devices)
		return NULL;
	for (uint32_t i = 0; i < devices->nbuckets; i++) {
		struct fg_device *next;

		for (struct fg_device *d = devices->buckets[i]; d; d = next) {
			next = d->next;
			device_free(d);
		}
	}
	fg_intern_fini(&devices->names);
	free(devices->reported);
	free(devices->buckets);
	free(devices);
	return NULL;
}

void fg_devices_set_limit(struct fg_devices *devices, uint32_t limit)
{
	devices->limit = limit;
}

struct fg_device *fg_devices_find(const struct fg_devices *devices, struct fg_str id)
{
	uint64_t hash = fg_hash_str(id, devices->seed);
	struct fg_device *d = devices->buckets[hash & (devices->nbuckets - 1)];

	while (d && !(d->hash == hash && fg_str_eq(fg_device_id(d), id)))
		d = d->next;
	return d;
}

/* Failing to grow only makes the chains longer. */
static void grow(struct fg_devices *devices)
{
	uint32_t n = devices->nbuckets * 2;
	struct fg_device **buckets = calloc(n, sizeof(*buckets));

	if (!buckets)
		return;
	for (uint32_t i = 0; i < devices->nbuckets; i++) {
		struct fg_device *next;

		for (struct fg_device *d = devices->buckets[i]; d; d = next) {
			next = d->next;
			d->next = buckets[d->hash & (n - 1)];
			buckets[d->hash & (n - 1)] = d;
		}
	}
	free(devices->buckets);
	devices->buckets = buckets;
	devices->nbuckets = n;
}

int fg_devices_get(struct fg_devices *devices, struct fg_str id, struct fg_device **ret_device)
{
	struct fg_device *device = fg_devices_find(devices, id);

	if (device) {
		*ret_device = device;
		return 0;
	}
	if (id.len > MAX_ID)
		return -ENAMETOOLONG;
	if (devices->count >= devices->limit)
		return -ENOSPC;
	if (devices->count >= devices->nbuckets)
		grow(devices);
	device = calloc(1, sizeof(*device) + id.len);
	if (!device)
		return -ENOMEM;
	memcpy(device->id, id.ptr, id.len);
	device->id_len = (uint16_t)id.len;
	device->hash = fg_hash_str(id, devices->seed);
	device->next = devices->buckets[device->hash & (devices->nbuckets - 1)];
	devices->buckets[device->hash & (devices->nbuckets - 1)] = device;
	devices->count++;
	*ret_device = device;
	return 0;
}

uint32_t fg_devices_count(const struct fg_devices *devices)
{
	return devices->count;
}

void fg_devices_each(const struct fg_devices *devices,
		     bool (*each)(void *arg, const struct fg_device *), void *arg)
{
	for (uint32_t i = 0; i < devices->nbuckets; i++)
		for (struct fg_device *d = devices->buckets[i]; d; d = d->next)
			if (!each(arg, d))
				return;
}

void fg_devices_change(struct fg_devices *devices, bool (*each)(void *arg, struct fg_device *),
		       void *arg)
{
	for (uint32_t i = 0; i < devices->nbuckets; i++)
		for (struct fg_device *d = devices->buckets[i]; d; d = d->next)
			if (!each(arg, d))
				return;
}

/* When the table has grown, what was one bucket is several, a fixed distance apart. */
bool fg_devices_page(const struct fg_devices *devices, struct fg_devices_place *place,
		     bool (*each)(void *arg, const struct fg_device *), void *arg)
{
	bool more = true;

	if (place->of == 0 || place->of > devices->nbuckets || (place->of & (place->of - 1)))
		*place = (struct fg_devices_place){ .of = devices->nbuckets };
	while (more && place->bucket < place->of) {
		for (uint32_t i = place->bucket; i < devices->nbuckets; i += place->of)
			for (struct fg_device *d = devices->buckets[i]; d; d = d->next)
				more &= each(arg, d);
		place->bucket++;
	}
	return place->bucket < place->of;
}

size_t fg_devices_split(const struct fg_devices *devices, struct fg_str path)
{
	const char *slash = memchr(path.ptr, '/', path.len);
	size_t first = slash ? (size_t)(slash - path.ptr) : path.len;

	for (size_t len = path.len; len > first; len--)
		if ((len == path.len || path.ptr[len] == '/') &&
		    fg_devices_find(devices, fg_str(path.ptr, len)))
			return len;
	return first;
}

static bool name_is(const char *name, struct fg_str other)
{
	return strncmp(name, other.ptr, other.len) == 0 && name[other.len] == '\0';
}

/* Devices repeat themselves: the point behind the last one is tried first. */
struct fg_point *device_find_point(struct fg_device *device, struct fg_str name)
{
	unsigned i = device->hint;

	for (unsigned n = 0; n < device->count; n++, i++) {
		if (i >= device->count)
			i = 0;
		if (name_is(device->points[i].name, name)) {
			device->hint = (uint16_t)(i + 1);
			return &device->points[i];
		}
	}
	return NULL;
}

const struct fg_point *fg_device_point(const struct fg_device *device, struct fg_str name)
{
	for (unsigned i = 0; i < device->count; i++)
		if (name_is(device->points[i].name, name))
			return &device->points[i];
	return NULL;
}

static struct fg_point *add_point(struct fg_devices *devices, struct fg_device *device,
				  struct fg_str name)
{
	const char *interned;

	if (device->count >= FG_DEVICE_POINTS ||
	    devices->points >= (uint64_t)devices->limit * POINTS_A_DEVICE)
		return NULL;
	interned = fg_intern(&devices->names, name);
	if (!interned)
		return NULL;
	if (device->count == device->cap) {
		unsigned cap = device->cap < 4 ? device->cap + 1u : device->cap * 2u;
		struct fg_point *points = realloc(device->points, cap * sizeof(*points));

		if (!points)
			return NULL;
		device->points = points;
		device->cap = (uint16_t)cap;
	}
	devices->points++;
	device->points[device->count] = (struct fg_point){ .name = interned };
	return &device->points[device->count++];
}

/* Text is copied into the point's own room, which only ever grows. False: it has no place. */
static bool remember_text(struct fg_point *point, const struct fg_value *value)
{
	struct room *room = room_of(point);

	if (value->s.len > MAX_TEXT)
		return false;
	if (!room || value->s.len > room->cap) {
		uint32_t cap = value->s.len < 16 ? 16 : (uint32_t)value->s.len;
		struct room *grown = realloc(room, sizeof(*grown) + cap);

		if (!grown)
			return false;
		room = grown;
		room->cap = cap;
	}
	if (value->s.len)
		memcpy(room->bytes, value->s.ptr, value->s.len);
	point->value = *value;
	point->value.s.ptr = room->bytes;
	return true;
}

/* An older value is not the last one: rather none than that. */
static void remember_value(struct fg_point *point, const struct fg_value *value)
{
	static const struct fg_value none = { .kind = FG_NONE };

	if (value->kind == FG_STRING || value->kind == FG_DATA) {
		if (remember_text(point, value))
			return;
		value = &none;
	}
	free(room_of(point));
	point->value = *value;
}

void fg_device_remember(struct fg_devices *devices, struct fg_device *device,
			const struct fg_record *record, int64_t time_ns, bool unsynced)
{
	struct fg_point *point = device_find_point(device, record->point);

	if (!point && !(point = add_point(devices, device, record->point)))
		return;
	remember_value(point, &record->value);
	if (record->unit.len == 0)
		point->unit = NULL;
	else if (!point->unit || !name_is(point->unit, record->unit))
		point->unit = fg_intern(&devices->names, record->unit);
	point->time_ns = record->time_ns != FG_TIME_NONE ? record->time_ns : time_ns;
	point->unsynced = unsynced && record->time_ns == FG_TIME_NONE;
}
