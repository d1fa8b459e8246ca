/*
 * A gateway from the spool northwards, in one thread and in virtual time: the real spool, the real
 * outbox, the real bridge to a file, and an upstream that acknowledges when the test says so.
 * Workers' work is done when the test says so too, and others go on while it waits for a sync.
 *
 * Each record's value is its serial number, so that it is known again wherever it turns up.
 */
#pragma once

#include "disk.h"

#include <fg/bridge.h>
#include <fg/loop.h>

#include "base/clock.h"
#include "outbox/private.h"
#include "spool/private.h"

struct file_conf;

enum past { /* of a record, as an earlier record of the disk left it */
	PAST_NONE,     /* it was made in this one */
	PAST_MAYBE,    /* it was on its way when the power went */
	PAST_ACCEPTED, /* may have been lost, may have been kept */
	PAST_MUST,     /* was committed */
};

/* Instants are counts of the disk's record; 0: it did not come to that. */
struct told {
	uint64_t epoch, number, position, time_ns;
	uint32_t appended, accepted, committed;
	enum past past;
};

struct got {
	uint64_t epoch, number, serial;
	uint32_t at;
};

struct range { /* what a pack's first record says */
	uint64_t epoch, first, last, prev, prev_last;
	uint32_t at;
	bool lost, unknown, begin;
	char why[16];
};

struct seen { /* by an upstream */
	struct got *got;
	struct range *ranges;
	uint32_t ngot, got_cap, nranges, ranges_cap;
};

struct clean {
	uint32_t from, to; /* instants between which the gateway stood, cleanly stopped */
	uint64_t epoch;
};

struct start {
	uint32_t at;
	uint64_t now_ns;
};

struct given {
	uint32_t at;
	uint64_t upto;
};

enum { CLEANS = 32, STARTS = 64, GIVEN = 256 };

/* What is known of all that ever happened, over power cuts. */
struct history {
	struct told *told; /* by serial - 1 */
	uint32_t count, cap;
	uint32_t fence; /* what is before is not touched any more */
	struct seen up; /* acknowledged by the upstream */
	struct clean cleans[CLEANS];
	uint32_t ncleans;
	struct start starts[STARTS];
	uint32_t nstarts;
	struct given given[GIVEN]; /* segments were removed up to a position */
	uint32_t ngiven;
	bool each, never;
	bool dropping; /* the spool is small: the oldest may go */
	bool faulty;   /* syncs failed */
};

enum { HELD = 64, WORKS = 8 };

struct world {
	struct history *history;
	char dir[96], path[96];
	uint64_t *random;
	struct fg_spool_conf conf;
	struct fg_spool *spool;
	struct fg_loop *loop;
	uint64_t now_ns, latest_ns; /* latest: when the oldest work was queued */
	struct fg_clock clock;
	struct fg_forward *forward;
	struct fg_bridge up;
	struct fg_bridge_conf up_conf, file_conf;
	struct file_conf *file;
	struct fg_outbox *up_box, *file_box;
	struct fg_sink *sink;
	struct fg_batch *held[HELD];
	unsigned nheld;
	struct fg_work *works[WORKS];
	unsigned nworks;
	struct seen *takes; /* not NULL: the upstream takes all at once, into this */
	unsigned removed;
	bool in_work, recovering;
	uint64_t floor; /* as found when it was opened */
	uint64_t base;	/* before the oldest record, when last looked at */
	uint32_t instant; /* of what happens now, where nothing is recorded */
	char fault[256];
};

void world_fault(struct world *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Opens everything in dir/spool and dir/out. False: a fault. */
bool world_up(struct world *, const char *dir);
/* As kill -9 leaves it: nothing that is under way reaches a file. */
void world_kill(struct world *);
void world_stop(struct world *); /* cleanly */
void world_turn(struct world *, uint64_t ns);
void world_wait(struct world *, uint64_t ns);
void world_append(struct world *); /* one payload, unflushed */
void world_flush(struct world *);
void world_settle(struct world *, uint32_t n, int error); /* the n-th that is held */
void world_work(struct world *, unsigned n);
bool world_drain(struct world *); /* until all is upstream; with `takes` */

/* One pack; false: it is not one. */
bool seen_pack(struct seen *, const char *text, size_t len, uint32_t at);
void seen_free(struct seen *);
void history_free(struct history *);
/* The power has gone at this instant: what comes after has never been. */
void history_cut(struct history *, uint32_t at);

/* -- judge.c -- */

/* Is what the recovered, drained world and its files say right, the power having gone at `at` of
 * the record? The world's fault says what is not. */
bool judge(struct world *, uint32_t at, uint64_t cut_ns, const struct seen *after);

/* What must hold of the program itself, started on a state that is kept in this folder: written
 * into its file `facts`, for tests/proof/states.py. `hurt`: whether a position may be lost; NULL:
 * what was not committed at `at` may. */
void facts_write(const struct history *, const struct fg_spool_conf *, uint32_t at,
		 bool (*hurt)(const void *arg, uint64_t position), const void *arg,
		 const char *folder);
