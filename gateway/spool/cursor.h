/*
 * A bridge's cursor: how far its upstream has acknowledged, and that bridge's counts. One small
 * file, SPOOLDIR/cursors/BRIDGE, two slots written in turn in place, so that a torn write leaves
 * the other: cheap enough for every turn, which keeps what comes twice after a crash below the
 * window.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum fg_why {	/* why a range was lost */
	FG_WHY_SPOOL_FULL, FG_WHY_DAMAGED, FG_WHY_REFUSED, FG_WHY_POWER_CUT, FG_WHY_BRIDGE_REMOVED,
	FG_WHY__MAX
};

const char *fg_why_name(enum fg_why);	/* "spool-full", ... */

#define FG_CURSOR_ISLANDS 8

struct fg_cursor_state {
	uint64_t begin;			/* position before the first record it was due */
	uint64_t position;		/* acknowledged up to here, in order */
	uint64_t tiled;			/* <= position: the ranges of its packs reach to here;
					   behind it are only records that it does not carry */
	uint64_t acknowledged, sent, dead;
	uint64_t dropped[FG_WHY__MAX];
	uint64_t announced_epoch;	/* the last epoch whose "prev" has been acknowledged */
	uint64_t removed_at_s;		/* Unix time since when the configuration lacks it, or 0;
					   for people, the clock may have been wrong */
	uint64_t target_hash;
	/* What was acknowledged beyond `position` by a bridge that sends live records first: in
	 * order, apart from each other; from == to + 1: empty, it has only begun. */
	struct fg_cursor_island {
		uint64_t from, to;
	} islands[FG_CURSOR_ISLANDS];
	uint32_t nislands;
	uint64_t spool;			/* whose it is: fg_spool_identity(); 0: not known */
	uint64_t id;			/* its own, since it began; 0: made by an earlier format */
	uint64_t absent_s;		/* how long gateways ran without it, by the boot clock */
	uint64_t again;			/* dead letters that were sent once more, of those that are
					   on their way */
	bool begin_announced;		/* its "begin" pack has been acknowledged */
	bool optional;			/* it never holds the spool, not even removed */
	bool given_up;			/* after a day of that: it ends at its position */
	bool torn;			/* its upstream has a part of a line (fg_sink_torn()) */
};

struct fg_cursor;

/* Opens or makes it. *ret_found: it was there and sound. A cursor beyond `accepted` is clamped (a
 * power cut took what it had acknowledged) and its counts with it. */
int fg_cursor_open(const char *spool_dir, const char *bridge, uint64_t accepted,
		   struct fg_cursor **ret_cursor, bool *ret_found);
struct fg_cursor_state *fg_cursor_state(struct fg_cursor *);
/* It was there and not sound: nobody knows how far it was. */
bool fg_cursor_damaged(const struct fg_cursor *);
/* It begins anew behind the position, whatever it was. */
void fg_cursor_begin(struct fg_cursor *, uint64_t spool, uint64_t begin);
int fg_cursor_write(struct fg_cursor *);	/* one pwrite, no sync; nothing if unchanged */
int fg_cursor_sync(struct fg_cursor *);		/* if written since the last; any thread */
struct fg_cursor *fg_cursor_free(struct fg_cursor *);
int fg_cursor_remove(const char *spool_dir, const char *bridge);
/* How many records the islands hold. */
uint64_t fg_cursor_ahead(const struct fg_cursor_state *);
/* What opening does to a state beyond `accepted`. */
void fg_cursor_clamp(struct fg_cursor_state *state, uint64_t accepted);
/* Reads one without opening it, for tools. */
int fg_cursor_read(const char *spool_dir, const char *bridge, struct fg_cursor_state *ret_state);
/* Calls each for every cursor file. */
int fg_cursor_each(const char *spool_dir, int (*each)(void *arg, const char *bridge), void *arg);
