/*
 * The configuration, parsed: everything a gateway is told, in plain structs with every default
 * filled in. One arena owns it all; it never changes after it was made, except that secrets are
 * read into it (fg_config_secrets) and wiped when it is freed.
 */
#pragma once

#include <fg/bridge.h>
#include <fg/console.h>
#include <fg/driver.h>
#include <fg/log.h>

#include "base/arena.h"
#include "config/fault.h"
#include "config/profile_conf.h"
#include "spool/spool.h"

#define FG_CONFIG_PATH "/etc/fieldgate/gateway.json"
#define FG_CONFIG_MAX (4u << 20)	/* bytes of its text */
#define FG_CONFIG_DEPTH 32

struct fg_gateway_conf {
	const char *id;			/* [A-Za-z0-9][A-Za-z0-9._:-]{0,63} */
};

struct fg_run_conf {
	const char *socket;
	const char *user;		/* whom root becomes; NULL: nobody else */
	int log_level;			/* enum fg_level */
	struct fg_values log_levels;	/* component -> name of a level; "*" is in log_level */
	int64_t processes;
	const char *watchdog;		/* path of the hardware's, or NULL */
	const char *led;		/* below /sys/class/leds, or a folder's path, or NULL */
};

/* Which process of how many this configuration was made for by fg_config_share(); {0, 0}: it was
 * not, there is but one. An index beyond the count is one that is left over. */
struct fg_process_conf {
	uint32_t index, count;
	const char *parent;		/* the control socket of them all */
};

/* What a process beyond the first adds to spool.dir, and what each adds to run.socket. */
#define FG_PROCESS_FOLDER "process-"
#define FG_PROCESS_SOCKET "%s.%u"
#define FG_PROCESS_SOCKET_MAX 102	/* of run.socket itself: a Unix address has 107 bytes */
#define FG_PROCESSES_MAX 64

enum fg_clock_trust { FG_TRUST_KERNEL, FG_TRUST_ALWAYS };

struct fg_clock_conf {
	int trust;			/* enum fg_clock_trust */
};

struct fg_limits_conf {
	int64_t devices;
	uint64_t payload;		/* bytes */
	int64_t depth;
};

/* What is taken from afar (config/envelope.h). */
struct fg_fleet_conf {
	bool remote;
	struct fg_list keys;		/* paths of public keys */
	const char *bridge;		/* by which it comes; NULL: the only one that can */
	int64_t deadline_ns;		/* for a configuration to come up */
};

/* Which devices are heard as often as they should be (device/liveness.h). */
struct fg_liveness_conf {
	bool enabled;
	double late, offline;		/* intervals of silence, 1 <= late <= offline */
	int64_t floor_ns;		/* least interval that is learned */
};

/* An instance of a driver. */
struct fg_driver_conf {
	const char *name;		/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
	const struct fg_driver *driver;
	void *conf;			/* driver->conf_size bytes by driver->options */
	const char *type;
	const char *profile;		/* NULL: by match */
	bool enabled;
	int64_t interval_ns;		/* of its devices, 0: by profile or learned */
	bool shared;			/* other processes run it too, and hear its devices */
};

enum fg_format {	/* as enum fg_pack_format */
	FG_FORMAT_SENML_JSON, FG_FORMAT_SENML_CBOR, FG_FORMAT_JSON, FG_FORMAT_INFLUX_LINE,
	FG_FORMAT_THINGSBOARD, FG_FORMAT_SPARKPLUG_B,
};
enum fg_order { FG_ORDER_OLDEST_FIRST, FG_ORDER_LIVE_FIRST };
enum fg_start { FG_START_NOW, FG_START_OLDEST };

struct fg_batch_conf {
	int64_t records;
	uint64_t bytes;
	int64_t linger_ns;
};

/* An instance of a bridge. */
struct fg_bridge_conf {
	const char *name;		/* as a driver's */
	const struct fg_bridge *bridge;
	void *conf;			/* bridge->conf_size bytes by bridge->options */
	const char *type;
	int format;			/* enum fg_format */
	struct fg_batch_conf batch;
	int64_t window;			/* packs in flight */
	int64_t stall_ns;
	struct fg_list match;		/* DEVICE/POINT patterns with + and #; none: all */
	int order;			/* enum fg_order */
	int start;			/* enum fg_start */
	bool required;
	double rate;			/* records per second while draining, 0: unlimited */
	uint64_t dead_limit;
	bool commands;
	bool remote;			/* configurations come by it: fleet.bridge */
};

struct fg_config {
	struct fg_gateway_conf gateway;
	struct fg_run_conf run;
	struct fg_spool_conf spool;
	struct fg_clock_conf clock;
	struct fg_limits_conf limits;
	struct fg_liveness_conf liveness;
	struct fg_fleet_conf fleet;
	struct fg_console_conf console;
	const struct fg_console *console_by;	/* who opens it; NULL: nobody is to */
	struct fg_process_conf process;
	struct fg_driver_conf *drivers;	/* in file order, also those that are not enabled */
	size_t ndrivers;
	struct fg_bridge_conf *bridges;
	size_t nbridges;
	struct fg_named_profile *profiles;	/* the configuration's own */
	size_t nprofiles;
	char sha256[65];		/* of the text, in hex */
	uint64_t generation;		/* counts loads; the owner sets it */
	struct fg_arena arena;		/* private */
};

/*
 * Makes a configuration of its text. Every fault and doubt is added to `faults`.
 * `shipped` are the profiles that come with the program (ends in a NULL name); with NULL a driver's
 * "profile" is not checked.
 *   0        *ret_config is the caller's: fg_config_free()
 *   -EINVAL  there are faults
 *   -ENOMEM
 */
int fg_config_parse(struct fg_str text, const struct fg_shipped_profile *shipped,
		    struct fg_faults *faults, struct fg_config **ret_config);
/* The same from a file; also what open and read say, and -EFBIG. */
int fg_config_load(const char *path, const struct fg_shipped_profile *shipped,
		   struct fg_faults *faults, struct fg_config **ret_config);
/* Takes NULL; wipes its secrets; returns NULL. */
struct fg_config *fg_config_free(struct fg_config *config);

/*
 * Makes it that of one process of `count` (run.processes): spool, socket and share of the limit,
 * names of its own where all of them run an instance, and of the drivers that only one can run,
 * those that are dealt to it. An index beyond the count is one that is left over from a run with
 * more: it takes nothing in but what its sessions still hold. Before its secrets are read.
 * 0, -ENOMEM.
 */
int fg_config_share(struct fg_config *config, uint32_t index, uint32_t count);

/* Everything at its default, without a file: what `normalise` without -c works with. Its one driver
 * (unless `driver` is NULL) is of that type, has that name, and its options are not checked. */
int fg_config_default(const char *driver, struct fg_faults *faults, struct fg_config **ret_config);

/* Reads every secret of what is enabled. One that cannot be read is a fault if `needed` (run), else
 * a doubt (check); one that everybody may read is a doubt, a console's token that is shorter than
 * FG_CONSOLE_TOKEN_MIN a fault. 0, or -EINVAL with faults. */
int fg_config_secrets(struct fg_config *config, bool needed, struct fg_faults *faults);

/* The text of one profile (an object as below "profiles"), for those that are shipped: its format
 * is not looked for. 0, -EINVAL with faults whose pointers begin with "/profiles/NAME", -ENOMEM. */
int fg_profile_parse(const char *name, struct fg_str text, struct fg_arena *arena,
		     struct fg_faults *faults, struct fg_profile_conf *ret_conf);

/* The level of a component. */
enum fg_level fg_config_level(const struct fg_config *config, const char *component);

/* -- reload -- */
enum fg_change { FG_SAME, FG_CHANGED, FG_ADDED, FG_REMOVED };

/* One instance. Pointers are into the two configurations; NULL where it is not in that one. A
 * driver that is not enabled counts as not there. */
struct fg_driver_change {
	enum fg_change change;
	const struct fg_driver_conf *before, *after;
};

struct fg_bridge_change {
	enum fg_change change;
	bool target;			/* it sends to another place (keeps its cursor) */
	const struct fg_bridge_conf *before, *after;
};

struct fg_config_diff {
	struct fg_driver_change *drivers;	/* those of `after`, then the removed */
	size_t ndrivers;
	struct fg_bridge_change *bridges;
	size_t nbridges;
	bool profiles, spool, limits, clock, liveness, run, console;	/* these parts differ */
};

/* What a reload has to do. What needs a restart (gateway.id, spool.dir, run.processes) is added to
 * `faults`, what only counts after one (run.socket, run.user) as a doubt.
 * 0, -EINVAL with faults (no diff is made), -ENOMEM. */
int fg_config_diff(const struct fg_config *before, const struct fg_config *after,
		   struct fg_faults *faults, struct fg_config_diff *ret_diff);
void fg_config_diff_fini(struct fg_config_diff *diff);
