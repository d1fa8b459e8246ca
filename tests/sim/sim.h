/*
 * A gateway in a world that one number makes up: its clocks, its disk's faults, its devices, its
 * upstreams, its crashes. The gateway is the real one, on a loop whose time only moves when it
 * would have slept; what it asks of the system goes through os.c (the linker's --wrap).
 *
 *   os.c        clocks, random numbers, the disk, workers
 *   world.c     time and events, what is remembered, what is said
 *   field.c     the driver, and the devices behind it
 *   upstream.c  the bridge, and what an upstream has received
 *   life.c      one process after another: start, turns, stop, crash, reload
 *   script.c    what befalls them
 *   check.c     what must be so, after each step and at the end
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <fg/bridge.h>
#include <fg/driver.h>

#include "record/audit.h"
#include "run/private.h"

enum {
	EVENTS = 512,
	PAYLOADS = 4096,
	POINTS = 32,		/* most points of a payload; its number times this fits a double */
	FIELDS = 3,
	DEVICES = 3,		/* of one field peer */
	UPSTREAMS = 3,
	WAITING = 64,		/* payloads a field peer keeps until they are acknowledged */
	IN_FLIGHT = 64,
	LOST = 4096,
	CUTS = 256,		/* of epochs */
};

struct world;
struct upstream;

struct event {
	uint64_t due_ns, order;
	void (*cb)(struct world *, void *arg);
	void *arg;
	const uint32_t *age;	/* the event is void when this is no longer `born` */
	uint32_t born;
};

struct payload {
	uint8_t peer, device, points;
	bool pad, bad, taken, again, acked;
	bool sure;		/* of that copy: synced before a power cut */
	uint32_t bytes;		/* of padding */
	uint64_t epoch, first;	/* of its latest copy in the spool: number of its first point */
	uint64_t spool_pos;
	int64_t taken_life;
};

struct field {
	struct world *world;
	unsigned index;
	bool line, exists;	/* line: cannot send again */
	struct fg_source *source;	/* while it is open */
	uint32_t age;		/* of the connection */
	bool up, paused, sending;
	uint32_t waiting[WAITING];
	uint64_t position[WAITING];	/* in this connection; 0: not sent in it */
	unsigned nwaiting, nsent;
	uint64_t every_ns;
	struct fg_command *command;
};

struct lost {
	uint64_t epoch, first, last;
};

struct parcel {			/* what waits for its answer */
	struct upstream *up;
	struct fg_batch *batch;
	int error;
};

struct upstream {
	struct world *world;
	unsigned index;
	bool exists, configured, match_some, matched, unordered, lenient, given_up;
	uint32_t from_payload;	/* those before it were not for it */
	struct fg_sink *sink;
	uint32_t age;
	bool up, hole;		/* hole: connected to nobody */
	uint64_t stalled_until, busy_until;
	struct parcel held[IN_FLIGHT];
	size_t largest;
	unsigned refuse_permille;
	struct fg_audit *audit;
	uint32_t *got;		/* by payload: its points that came */
	uint32_t newest[FIELDS][DEVICES];	/* payload that came last, for order */
	struct lost lost[LOST];
	unsigned nlost;
	uint64_t unknown[CUTS];	/* epochs whose end nobody could count */
	unsigned nunknown;
	uint64_t packs, records;
	uint64_t twice, allowed_twice;	/* without what its device sent again */
	uint64_t window, at_once, at_once_turn;	/* records: the largest window, and acknowledged
						 * while they were sent, in one turn */
	struct fg_buf overtaken;	/* a pack that is taken after the next one */
	uint64_t requests, outcomes;
};

struct disk {
	bool dead;		/* the process is: nothing reaches the disk any more */
	int64_t dies_in;	/* operations; negative: not */
	unsigned permille;	/* of calls that fail */
	int error;		/* 0: short writes */
	bool syncs;		/* also syncs fail */
	uint64_t operations, failures;
};

struct conf {			/* what the configuration is made of */
	unsigned limit_kib, segment_kib;
	const char *commit;
	bool refuse, liveness, trust;
	struct {
		unsigned records, kib, window, linger_ms, stall_s;
		bool live_first;
	} sink[UPSTREAMS];
};

/* One thing at a time that the gateway or its system does wrong, for the proof that it is seen. */
enum broken {
	BROKEN_NOTHING,
	BROKEN_SYNC,	/* what is said to be synced is not */
	BROKEN_WRITE,	/* now and then an entry is not written */
	BROKEN_CURSOR,	/* positions are not written */
	BROKEN_BOOT,	/* a new boot is taken for the one before */
	BROKEN_ANSWER,	/* now and then a pack counts as acknowledged that was not */
	BROKEN_ORDER,	/* now and then a pack is overtaken by the next */
	BROKEN__MAX
};

struct world {
	enum broken broken;
	uint64_t seed, random, product_random;
	bool verbose;
	/* time */
	uint64_t now_ns;
	int64_t wall_ns;	/* what the wall clock is ahead of now_ns */
	bool disciplined;
	uint64_t end_ns;
	/* events */
	struct event events[EVENTS];
	unsigned nevents;
	uint64_t order;
	/* the process */
	struct fg_loop *loop;
	struct fg_gateway *gateway;
	struct fg_log log;
	uint32_t life, heard_life;	/* the last one that took a payload */
	unsigned wobbles;	/* of the clock, still to come */
	bool stopped, stopping, calm, finished;
	unsigned boot;		/* of the machine */
	struct conf conf;
	struct disk disk;
	/* who there is */
	struct field field[FIELDS];
	struct upstream upstream[UPSTREAMS];
	struct payload payload[PAYLOADS];
	uint32_t npayloads, limit_payloads;
	unsigned faults;	/* mask of what may befall */
	uint64_t turns, crashes, stops, reloads, cuts;
	/* what was done */
	uint64_t hash;
	char said[96][200];
	unsigned nsaid;
};

/* -- world.c -- */
struct world *sim_world(void);
uint64_t sim_random(struct world *);
uint64_t sim_below(struct world *, uint64_t n);		/* 0 .. n-1 */
bool sim_chance(struct world *, unsigned permille);
uint64_t sim_between(struct world *, uint64_t low, uint64_t high);
void sim_at(struct world *, uint64_t after_ns, void (*cb)(struct world *, void *arg), void *arg,
	    const uint32_t *age);
uint64_t sim_next_due(const struct world *);
void sim_run_due(struct world *);
void sim_say(struct world *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void sim_fail(struct world *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_hash(struct world *, const void *bytes, size_t len);

/* -- field.c, upstream.c -- */
extern const struct fg_driver sim_driver, sim_line_driver;
extern const struct fg_bridge sim_bridge;
void field_begin(struct field *);
void field_cut(struct field *, int error);
void upstream_begin(struct upstream *);
void upstream_cut(struct upstream *, int error);
void upstream_allow(struct upstream *);	/* what was in flight may come once more */
void upstream_command(struct upstream *);

/* -- life.c -- */
void life_write_conf(struct world *);
void life_start(struct world *);
void life_turn(struct world *);
void life_stop(struct world *);		/* clean, to the end */
void life_drop(struct world *);		/* what a dead process leaves */
void life_reload(struct world *);

/* -- script.c -- */
void script_begin(struct world *);

/* -- os.c -- */
void os_power_cut(struct world *);
void os_forget(struct world *);

/* -- check.c -- */
void check_turn(struct world *);
void check_kept(struct field *, uint64_t upto);
bool check_drained(struct world *);
void check_end(struct world *);
