/*
 * The northern half: sinks (instances of bridges), their supervision, and the way of records from
 * the spool to an upstream:
 *
 *     reader ─> cut a pack ─> bridge sends ─> acknowledged, in order ─> cursor ─> segments freed
 *
 * Every bridge has its own reader, window and cursor: one that is down delays no other. The spool
 * is the only queue; what is in memory is at most the window of packs in flight. Everything that
 * all sinks share is in struct fg_forward; what one needs, in struct fg_outbox.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/bridge.h>

#include "base/buf.h"
#include "base/clock.h"
#include "config/config.h"
#include "spool/cursor.h"
#include "spool/spool.h"

struct fg_forward_conf {
	const char *gateway, *spool_dir;
	struct fg_loop *loop;
	struct fg_log *log;
	struct fg_spool *spool;
	struct fg_clock *clock;
	struct fg_commands *commands;	/* for the bridges that may command */
	struct fg_remote *remote;	/* for the bridge by which configurations come */
	/* A fault that only a new process mends (-ENOTRECOVERABLE); optional. */
	void (*beyond_repair)(void *arg);
	void *beyond_repair_arg;
};

struct fg_forward;
struct fg_outbox;

int fg_forward_new(const struct fg_forward_conf *, struct fg_forward **ret_forward);
struct fg_forward *fg_forward_free(struct fg_forward *);	/* all sinks must be removed */

/* Adds an instance and begins to open it; the conf is borrowed until `removed`. */
int fg_forward_add(struct fg_forward *, const struct fg_bridge_conf *, enum fg_level,
		   struct fg_outbox **ret_outbox);
void fg_forward_remove(struct fg_outbox *, void (*removed)(void *arg), void *arg);
struct fg_outbox *fg_forward_find(struct fg_forward *, const char *name);
/* Cursors of bridges that the configuration no longer names: kept, and holding the spool, for a
 * day of running; then given up, what they had not had counted as dropped, and their accounts shown
 * for a month. Called after the sinks were added, and once an hour. */
void fg_forward_sweep(struct fg_forward *);

/* Once a turn, in the check phase behind fg_intake_keep: cuts, sends, moves cursors. */
void fg_forward_pump(struct fg_forward *);
/* The clock has become right: packs that are cut and not on their way get their true times. */
void fg_forward_date_again(struct fg_forward *);
/* From the spool's events. sync_cursors runs on a worker. */
int fg_forward_sync_cursors(struct fg_forward *);
/* Sends what lingers, then no new packs; waits for nothing. Used when the gateway stops. */
void fg_forward_stop(struct fg_forward *);
/* True if nothing that could be sent is waiting on an upstream that is up. */
bool fg_forward_drained(const struct fg_forward *);
bool fg_forward_settled(const struct fg_forward *);

/* What the status topic says now, to every bridge that has one; and what it must say when this
 * gateway dies. Copied. */
void fg_forward_status(struct fg_forward *, struct fg_str json);
void fg_forward_set_will(struct fg_forward *, struct fg_str json);
/* Called when a bridge has come up and wants to be told the status. */
void fg_forward_on_up(struct fg_forward *, void (*cb)(void *arg), void *arg);

/* -- the ledger -- */
struct fg_account {
	const char *name;
	uint64_t due, acknowledged, sent, waiting, dead;
	uint64_t dropped[FG_WHY__MAX];
	double oldest_s;		/* age of the oldest record that waits */
	uint64_t position;		/* of its cursor: acknowledged up to here, in order */
};
void fg_forward_accounts(struct fg_forward *, void (*each)(void *arg, const struct fg_account *),
			 void *arg);
/* Whose cursor keeps the spool from giving back its oldest segment: the one that is farthest behind
 * of those that hold it (required bridges, and removed ones for a day). NULL: nobody's, or it has
 * had everything. */
const char *fg_forward_holder(const struct fg_forward *);
/* The same sums from a cursor's counts alone, for the files of a stopped gateway. */
void fg_account_of(const struct fg_cursor_state *, uint64_t accepted, uint64_t oldest,
		   struct fg_account *ret_account);

struct fg_outbox_info {
	const char *name, *bridge, *fault;
	bool up, acknowledges;
	uint64_t packs, records, bytes, faults;
	uint64_t delivered;		/* of the records: done, since the process began */
	uint32_t in_flight;
	uint64_t position;
	uint64_t turned_ns;		/* the loop's time when it came up, or ceased to be */
};
void fg_forward_each(const struct fg_forward *,
		     void (*each)(void *arg, const struct fg_outbox_info *), void *arg);

/* -- dead letters -- */
/* Sends a bridge's dead letters once more, or gives them up. *ret_count: how many records.
 * -ENOENT: no such bridge; -EAGAIN: it is still at it. */
int fg_forward_requeue(struct fg_forward *, const char *bridge, uint64_t *ret_count);
int fg_forward_discard(struct fg_forward *, const char *bridge, uint64_t *ret_count);
