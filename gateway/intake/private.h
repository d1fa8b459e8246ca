/* What the files of intake/ share. */
#pragma once

#include <fg/framer.h>

#include "base/backoff.h"
#include "intake/intake.h"

/* Where the input of one address goes: found once, then looked up. */
struct route {
	struct route *next;		/* of the hash bucket */
	uint64_t hash;
	struct fg_inlet *inlet;
	const struct fg_profile *profile;	/* NULL: taken as it is */
	struct fg_device *device;	/* NULL before its first good reading */
	uint32_t address_len, prefix_len, device_len;
	uint32_t known;			/* devices when a path was split, plus one; 0: none was */
	/* the address, the point part's escaped name, the device's name as it is there */
	char text[];
};

struct routes {
	struct route **buckets;
	uint32_t count, nbuckets;	/* a power of two, or none yet */
	size_t bytes;
};

struct fg_inlet {
	struct fg_source source;
	struct fg_intake *intake;
	struct fg_inlet *next;
	const struct fg_profile *profile;	/* named outright, else NULL */
	const char *profile_name;
	int64_t interval_ns;		/* declared of its devices, 0: not */
	const struct fg_framer_conf *framer;	/* framer_conf, or NULL: the profile brings none */
	struct fg_framer_conf framer_conf;
	uint64_t submitted, reported;	/* positions: of the last payload; told to kept() */
	uint32_t unkept;		/* payloads of this turn that are not written yet */
	uint32_t unkept_once;		/* those of them that nobody sends again */
	/* values suppressed in this turn: of all payloads, and of those that are not written yet */
	uint64_t suppressed, suppressed_unkept;
	enum fg_link_state state;
	bool paused, faulted, removing;
	bool away;			/* see fg_source_away() */
	bool shared;			/* other processes hear its devices too */
	bool drained;			/* see fg_source_drained() */
	bool close_called;		/* since the last open */
	bool reopen;			/* closing is complete */
	struct fg_timer retry;
	struct fg_defer act;		/* faults and closing are carried out from the loop */
	struct fg_backoff backoff;
	struct fg_log_limit reject_limit;
	char fault[128];
	int error;			/* of that fault */
	uint64_t turned_ns;		/* when it came up, or ceased to be */
	uint64_t payloads, records, rejected, faults;
	void (*removed)(void *arg);
	void *removed_arg;
	char name[];
};

struct fg_intake {
	struct fg_intake_conf conf;
	const struct fg_profiles *profiles;
	struct fg_inlet *inlets;
	struct routes routes;
	uint64_t seed;
	struct fg_doc doc;
	struct fg_reading reading;
	struct fg_buf name;		/* scratch: a device's escaped name */
	struct fg_intake_stats stats;
	struct fg_intake_tap tap;
	struct fg_intake_events events;
	struct fg_watch *watches;
	uint64_t turn;			/* of the clock's last update */
	bool stopping;
	bool look;			/* for silent devices, in this turn's check phase */
};

/* What a name in the field is called in records: escaped into the scratch buffer, with a NUL behind
 * it; ptr NULL: out of memory. */
struct fg_str intake_safe_name(struct fg_intake *, struct fg_str raw);
/* The same for a path that begins with a device, which is never called as the gateway itself is. */
struct fg_str intake_safe_path(struct fg_intake *, struct fg_str raw);
/* The route of an input; makes it on first sight. 0; -ENOSPC: device limit; -EINVAL: no device in
 * the address; -ENOMEM. */
int route_find(struct fg_inlet *, struct fg_str address, struct route **ret_route);
void routes_clear(struct fg_intake *);
/* The device of a reading that names it itself, below the route's profile. */
int route_device(struct fg_intake *, struct fg_str id, struct fg_device **ret_device);
/* The device of a good reading: `own` if the payload names it itself, else the route's.
 * -ENOSPC: the limit of devices; -ENAMETOOLONG, -ENOMEM. */
int route_reading_device(struct fg_intake *, struct route *, struct fg_str own,
			 struct fg_device **ret_device);

/* Nothing submitted in this turn is on disk. */
void intake_not_kept(struct fg_intake *, int error);

/* The clocks as of this turn: one reading serves all payloads of it. */
const struct fg_clock *intake_clock(struct fg_intake *);

/* states.c: a good payload of the device came; what has changed is appended to the turn. */
void intake_heard(struct fg_inlet *, const struct route *, struct fg_device *);
void intake_tell_states(struct fg_intake *);

/* memo.c */
void intake_load_memo(struct fg_inlet *);
void intake_bind_profile(struct fg_inlet *, const char *name);
/* registers.c: the profile that the instance names for a device, or NULL */
const struct fg_profile *intake_profile(const struct fg_inlet *, struct fg_str device);
void intake_pause_inlet(struct fg_inlet *);
void intake_resume_inlet(struct fg_inlet *);

/* way.c: how a device was heard, noted and forgotten. */
void way_note(struct fg_inlet *, const struct fg_profile *, struct fg_device *, uint64_t peer);
void way_forget_source(struct fg_inlet *);
/* The devices' profiles, by name, in the set that takes the place of this one. */
void way_rebind(struct fg_intake *, const struct fg_profiles *next);

/* watch.c: new values of a device are in the spool up to `pos`; are kept; are not. */
void watches_note(struct fg_intake *, struct fg_str device, uint64_t pos);
void watches_kept(struct fg_intake *, uint64_t upto);
void watches_not_kept(struct fg_intake *);
