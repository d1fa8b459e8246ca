/*
 * The southern half: sources (instances of drivers), their supervision, and the way of a payload
 * from a driver into the spool:
 *
 *     fg_source_submit ─> route (whose?) ─> profile (which points?) ─> spool append ─> last values
 *
 * In the check phase, once a turn: fg_intake_keep() writes what the turn brought and tells the
 * drivers what has been kept. Everything that all sources share is in struct fg_intake; what one
 * needs, in struct fg_inlet.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/driver.h>

#include "base/buf.h"
#include "base/clock.h"
#include "config/config.h"
#include "device/liveness.h"
#include "profile/profile.h"
#include "profile/write.h"
#include "spool/spool.h"

/* Why payloads and frames were rejected; indices of the spool's counters, so that the counts
 * survive any end. */
enum fg_reject {
	FG_REJECT_MALFORMED,
	FG_REJECT_TOO_LARGE,
	FG_REJECT_CHECKSUM,
	FG_REJECT_FRAME,
	FG_REJECT_OVERRUN,
	FG_REJECT_CONTENT_FORMAT,
	FG_REJECT_ADDRESS,
	FG_REJECT_DEVICE_LIMIT,
	FG_REJECT_NOT_KEPT,	/* the disk did not take it, and the peer cannot send it again */
	FG_REJECT_OTHER,
	FG_REJECT__MAX
};

const char *fg_reject_name(enum fg_reject);
enum fg_reject fg_reject_of(const char *name);	/* FG_REJECT_OTHER if unknown */

/* Meaning of fg_spool_counters(). */
enum { FG_COUNTER_SUPPRESSED, FG_COUNTER_REJECTED, /* + enum fg_reject */
       FG_COUNTER__MAX = FG_COUNTER_REJECTED + FG_REJECT__MAX };

struct fg_intake_conf {
	const char *gateway;
	const char *spool_dir; /* where memos are kept; NULL: nowhere */
	uint64_t payload_max;
	uint32_t depth_max, devices_max;
	bool commit_each;
	struct fg_loop *loop;
	struct fg_log *log;
	enum fg_level level;
	struct fg_spool *spool;
	struct fg_clock *clock;
	struct fg_devices *devices;
	struct fg_liveness *liveness;	/* NULL: nobody asks who is silent */
	struct fg_commands *commands;	/* for the drivers, see fg/command.h */
	/* A fault that only a new process mends (-ENOTRECOVERABLE); optional. */
	void (*beyond_repair)(void *arg);
	void *beyond_repair_arg;
};

/* What is not part of the ledger but worth knowing. */
struct fg_intake_stats {
	uint64_t payloads, records;	/* of this run */
	uint64_t nulls, nonfinite, unconverted, duplicate_keys, absurd_times;
};

/* What a listener is told, borrowed. */
struct fg_intake_reading {
	struct fg_str driver;		/* the instance's name; empty: the gateway itself */
	struct fg_str device;
	const struct fg_record *records;
	uint32_t count;
	int64_t time_ns;
	bool unsynced;
};

/* A listener for `tail`: each reading as it is taken. */
struct fg_intake_tap {
	void *arg;
	void (*reading)(void *arg, const struct fg_intake_reading *);
};

/* What commands have to know; all optional. */
struct fg_intake_events {
	void *arg;
	/* A device was heard that somebody waits for, or for the first time. */
	void (*heard)(void *arg, struct fg_str device);
	void (*up)(void *arg, struct fg_source *);
	/* Closed, whether it opens again or not: the driver has nothing of anybody's any more. */
	void (*closed)(void *arg, struct fg_source *);
};

struct fg_intake;
struct fg_inlet;

int fg_intake_new(const struct fg_intake_conf *, struct fg_intake **ret_intake);
/* All sources must be closed. */
struct fg_intake *fg_intake_free(struct fg_intake *);
/* The profiles in force; routes found so far are forgotten. The set must outlive its use. */
void fg_intake_set_profiles(struct fg_intake *, const struct fg_profiles *);
void fg_intake_set_limits(struct fg_intake *, uint64_t payload_max, uint32_t depth_max);
void fg_intake_set_tap(struct fg_intake *, const struct fg_intake_tap *);	/* NULL: none */

void fg_intake_set_events(struct fg_intake *, const struct fg_intake_events *);

/* Adds an instance and begins to open it; the conf is borrowed until `removed`. */
int fg_intake_add(struct fg_intake *, const struct fg_driver_conf *, enum fg_level,
		  struct fg_inlet **ret_inlet);
/* Closes it; `removed` is called from the close phase when conf and name are no longer used. */
void fg_intake_remove(struct fg_inlet *, void (*removed)(void *arg), void *arg);
struct fg_inlet *fg_intake_find(struct fg_intake *, const char *name);

/* Once a turn, in the check phase: writes, then acknowledges. */
void fg_intake_keep(struct fg_intake *);
/* The time that fg_liveness_next() said has come: with the next fg_intake_keep(), silent devices
 * are looked for, and what has changed becomes records. */
void fg_intake_look(struct fg_intake *);
/* From the spool's events. */
void fg_intake_committed(struct fg_intake *, uint64_t upto);
void fg_intake_room(struct fg_intake *);
/* Takes nothing any more (the gateway stops); what was taken is still acknowledged. */
void fg_intake_pause(struct fg_intake *);

/* True when every source is up or has begun to retry. */
bool fg_intake_settled(const struct fg_intake *);
/* True when every source has said fg_source_drained(). */
bool fg_intake_drained(const struct fg_intake *);
void fg_intake_stats(const struct fg_intake *, struct fg_intake_stats *ret_stats);

enum fg_link_state { FG_LINK_OPENING, FG_LINK_UP, FG_LINK_RETRYING, FG_LINK_CLOSING };
struct fg_inlet_info {
	const char *name, *driver;
	enum fg_link_state state;
	bool away;			/* up, but it has left its peer for a while */
	const char *fault;		/* the last one's text, or NULL */
	uint64_t payloads, records, rejected, faults;
	uint64_t turned_ns;		/* the loop's time when it came up, or ceased to be */
};
void fg_intake_each(const struct fg_intake *, void (*each)(void *arg, const struct fg_inlet_info *),
		    void *arg);

/* The last value of a point, or of all points of a device, as a pack (see fg_source_last). */
int fg_intake_last(struct fg_intake *, struct fg_str path, struct fg_buf *out);

/* -- the way down -- */

/* Who writes a point, and how. */
struct fg_intake_way {
	struct fg_source *source;
	struct fg_write write;
	struct fg_str device, point;	/* as in records; parts of the path that was asked for */
	uint64_t peer;
	bool up;			/* the source is */
};

/*
 * The way to DEVICE/POINT: the source that heard the device last and the profile it has there; of
 * a device that was not heard in this run, the one source and profile that could be its.
 *   0; -EACCES: no profile declares the point writable; -ENOTUNIQ: several could be meant;
 *   -EINVAL: not DEVICE/POINT; -ENODEV: the driver takes no commands
 */
int fg_intake_way(struct fg_intake *, struct fg_str path, struct fg_intake_way *ret_way);
/* `heard` will be called when the device is heard the next time. */
void fg_intake_await(struct fg_intake *, struct fg_str device);
bool fg_intake_is_up(const struct fg_source *);
