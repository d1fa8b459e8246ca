/*
 * Liveness: which devices are heard as often as they should be. A device is late after some of its
 * intervals of silence, offline after some more, and online again with its first payload. The
 * interval is declared, or learned from the device itself.
 *
 * All times are of the boot clock, so the time of day may jump as it likes. Pure: no I/O and no
 * timer; who uses it asks when to look next, looks, and tells the world what has changed:
 *
 *     heard() ───┐                         ┌─> next_untold() ─> said() ─> kept() or not_kept()
 *     look()  ───┴─> state changes, queued ┘
 *
 * A look-up costs nothing: what is heard only notes the time. The devices whose silence could end a
 * state lie in a heap by the time they were to be looked at when they were put there; one that has
 * been heard since is put back when its old time comes.
 */
#pragma once

#include "config/config.h"
#include "device/devices.h"

enum fg_alive { FG_ALIVE_ONLINE, FG_ALIVE_LATE, FG_ALIVE_OFFLINE, FG_ALIVE__MAX };

#define FG_LIVENESS_NEVER INT64_MAX
/* Most devices that are looked at, and most changes that are told, in one turn. */
#define FG_LIVENESS_BUDGET 256

struct fg_liveness;

/* The devices outlive it, or are never used by it again. -ENOMEM. */
int fg_liveness_new(const struct fg_liveness_conf *, struct fg_liveness **ret_liveness);
struct fg_liveness *fg_liveness_free(struct fg_liveness *);
/* Turned off, it forgets what it has not told, and every device counts as online. */
void fg_liveness_set_conf(struct fg_liveness *, struct fg_devices *,
			  const struct fg_liveness_conf *);

/* A good payload of the device. `declared_ns`: its interval as the configuration says, 0: learn
 * it. */
void fg_liveness_heard(struct fg_liveness *, struct fg_device *, int64_t declared_ns,
		       int64_t boot_ns);
/* Nothing could be heard up to now (no room, suspended): silence counts from here. */
void fg_liveness_deaf(struct fg_liveness *, int64_t boot_ns);
/* When to look next, FG_LIVENESS_NEVER: there is nothing to look at. Never before a second after
 * the last look. */
int64_t fg_liveness_next(const struct fg_liveness *);
/* Looks at those whose time has come. True: that were FG_LIVENESS_BUDGET and there are more. If it
 * is called much later than fg_liveness_next() said, nobody has listened meanwhile. */
bool fg_liveness_look(struct fg_liveness *, int64_t boot_ns);

/* -- telling: each change is queued until a record of it is kept -- */
/* The next device whose state is to be told, or NULL. */
struct fg_device *fg_liveness_untold(struct fg_liveness *);
void fg_liveness_said(struct fg_liveness *, struct fg_device *);	/* in this turn */
void fg_liveness_kept(struct fg_liveness *);		/* what was said is on the disk */
void fg_liveness_not_kept(struct fg_liveness *);	/* it is to be said again */

/* How many devices are late, and how many offline; the others are online. */
void fg_liveness_count(const struct fg_liveness *, uint32_t *ret_late, uint32_t *ret_offline);
/* The interval in force in ns, 0: not known yet. */
int64_t fg_device_interval(const struct fg_device *);
const char *fg_alive_name(enum fg_alive);
