/*
 * The registry: the devices that have been heard, and the last value of each of their points.
 * Bounded: at most `limit` devices; a device remembers at most FG_DEVICE_POINTS points, all devices
 * together at most 16 a device on average. What is beyond is not remembered, but its records pass.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/record.h>

#define FG_DEVICE_POINTS 256

struct fg_point {
	const char *name;		/* interned: equal names are one pointer */
	const char *unit;		/* interned, NULL: none */
	struct fg_value value;		/* a string's bytes are its own; FG_NONE: not kept */
	int64_t time_ns;
	uint32_t reported;		/* private: what its report policy compares with; 0: none */
	bool unsynced;			/* time_ns, by a clock that was not known to be right */
};

struct fg_device {
	struct fg_device *next;		/* of its hash bucket */
	struct fg_point *points;
	uint64_t hash;
	/* liveness.h; times are of the boot clock, 0: never */
	struct fg_device *changed;	/* next of those whose state is to be told */
	int64_t heard_ns;		/* its last good payload */
	int64_t counted_ns;		/* the last one that its interval was learned from */
	int64_t due_ns;			/* when its silence is looked at */
	uint32_t slot;			/* in the heap by due_ns, from 1 on; 0: not in it */
	uint32_t interval_ms;		/* declared or learned */
	uint8_t gaps, outages;		/* seen while learning; how fresh the last outage is */
	uint8_t state, said, told;	/* enum fg_alive: is, in this turn's records, kept */
	bool declared, queued;
	/* How it was heard last, which is how a command finds it. */
	struct fg_device_way {
		void *source;		/* intake's; NULL: not in this run */
		const void *profile;	/* struct fg_profile, or NULL: taken as it is */
		uint64_t peer;		/* fg_input's */
	} way;
	bool awaited;			/* somebody waits until it is heard */
	uint16_t count, cap, hint;	/* hint: the point that is likely to come next */
	uint16_t id_len;
	char id[];			/* SenML-safe */
};

struct fg_devices;

/* -ENOMEM. */
int fg_devices_new(uint32_t limit, struct fg_devices **ret_devices);
struct fg_devices *fg_devices_free(struct fg_devices *);
void fg_devices_set_limit(struct fg_devices *, uint32_t limit);

struct fg_device *fg_devices_find(const struct fg_devices *, struct fg_str id);
/* Finds it or makes it. -ENOSPC: the limit is reached; -ENAMETOOLONG (over 1 KiB), -ENOMEM. */
int fg_devices_get(struct fg_devices *, struct fg_str id, struct fg_device **ret_device);
uint32_t fg_devices_count(const struct fg_devices *);
void fg_devices_each(const struct fg_devices *, bool (*each)(void *arg, const struct fg_device *),
		     void *arg);
/* The same for those who change what is theirs in it. */
void fg_devices_change(struct fg_devices *, bool (*each)(void *arg, struct fg_device *), void *arg);

/* A place in a walk over all devices that may take several calls, while devices appear: each that
 * was there at the beginning comes once. Zero: the beginning. */
struct fg_devices_place {
	uint32_t bucket, of;
};

/* Goes on with the walk. When `each` says that it is enough, those of the same bucket still come,
 * then it returns true; false: that was all. */
bool fg_devices_page(const struct fg_devices *, struct fg_devices_place *,
		     bool (*each)(void *arg, const struct fg_device *), void *arg);

/* Of a path DEVICE/POINT, how many bytes are the device: the longest known device that ends at a
 * '/' or at the end, else the first level. */
size_t fg_devices_split(const struct fg_devices *, struct fg_str path);

/* Remembers a record as its point's last value; `unsynced`: time_ns is by a clock that is not known
 * to be right. Never fails: what does not fit is not remembered. */
void fg_device_remember(struct fg_devices *, struct fg_device *, const struct fg_record *,
			int64_t time_ns, bool unsynced);
/* Whether the record is worth one by its report policy, `boot_ns` being now. Nothing is changed. */
bool fg_device_is_due(const struct fg_devices *, const struct fg_device *, const struct fg_record *,
		      int64_t boot_ns);
/* The record has been taken: what comes next is compared with it. */
void fg_device_reported(struct fg_devices *, struct fg_device *, const struct fg_record *,
			int64_t boot_ns);
/* What was taken last may not have been kept: everything is due again. */
void fg_devices_forget_reports(struct fg_devices *);
const struct fg_point *fg_device_point(const struct fg_device *, struct fg_str name);

static inline struct fg_str fg_device_id(const struct fg_device *d)
{
	return fg_str(d->id, d->id_len);
}
