/* What the files of outbox/ share. */
#pragma once

#include <pthread.h>
#include <stdio.h>

#include "base/backoff.h"
#include "base/pattern.h"
#include "outbox/outbox.h"
#include "record/pack.h"

/* A bridge that had nothing to do for so long gives back its buffers. */
#define REST_NS FG_S(1)
#define TRIM_NS FG_S(5)		/* and not more often than that is the heap trimmed */

/* What has waited that long beyond "linger" is not of now any more. */
#define FG_BACKLOG_NS (INT64_C(10) * 1000000000)

enum flight_state { FLIGHT_READY, FLIGHT_SENT, FLIGHT_DONE };
enum flight_kind {
	FLIGHT_PACK,		/* records of the range */
	FLIGHT_LOST,		/* says that the range is lost, and why */
	FLIGHT_AGAIN,		/* a dead letter once more; moves no cursor */
};

/*
 * One place in the window. Its range goes up as one pack, or in parts where the upstream finds that
 * too large; the cursor moves when the whole range is done.
 */
struct flight {
	struct fg_batch batch;		/* of the part at hand; no payload: still to be rendered */
	struct fg_buf text;
	enum flight_state state;
	enum flight_kind kind;		/* of the part at hand */
	enum fg_why why;		/* of FLIGHT_LOST */
	bool begin, unknown;
	uint32_t hung;			/* how often, one at a time, the part at hand was */
	bool denied;			/* an announcement that was refused by -EACCES once */
	bool unsynced;			/* has times that may become true ones */
	uint64_t lost;			/* of FLIGHT_LOST: records */
	uint64_t from, to;		/* positions */
	uint64_t part_from, part_to;
	uint32_t part_max;		/* records a part may have */
	uint64_t bytes_max;		/* and bytes, as it was rendered */
	struct fg_spool_mark mark;	/* where `from` is to be read */
	const struct fg_spool_epoch *epoch;
	uint64_t dead, dropped;		/* of this range, so far; dropped for `drop_why` */
	enum fg_why drop_why;
	int64_t oldest_ns;		/* boot clock when its first record was taken */
};

/* A place from which packs are being cut. */
struct lane {
	struct fg_spool_reader *reader;
	/* the entry that is being cut; count 0: none */
	struct fg_spool_view view;
	struct fg_spool_mark view_mark;
	size_t view_at;
	uint64_t unread;		/* first position that has not been looked at yet */
	/* first position that no flight's range covers yet, <= unread: what is between was not for
	 * this bridge */
	uint64_t range_from;
	uint64_t gap_to;		/* positions unread..gap_to are a gap; 0: none */
	enum fg_why gap_why;
};

enum sink_state { SINK_OPENING, SINK_UP, SINK_RETRYING, SINK_CLOSING };

struct fg_outbox {
	struct fg_sink sink;
	struct fg_forward *forward;
	struct fg_outbox *next;
	const struct fg_bridge_conf *conf;
	struct fg_cursor *cursor;

	struct lane lane;		/* in order, from the cursor on */
	struct lane live;		/* ahead of it, while there is a backlog: lane.c */
	bool live_on;			/* its island is the cursor's last */
	/* of each island, what is in flight included: not below its `to` */
	uint64_t cut_to[FG_CURSOR_ISLANDS];
	uint64_t seen_ns, seen;		/* what had been accepted when that was looked at last */
	uint64_t announced;		/* epoch whose power cut has been announced in this run */

	/* the window: flights head .. tail-1, in order; unsent: the first that is not sent */
	struct flight *flights;
	uint64_t head, tail;
	uint32_t window;
	bool acknowledges;
	struct fg_pattern *match;
	size_t nmatch;

	enum sink_state state;
	bool faulted, removing;
	bool close_called, closed;	/* since the last open */
	bool blocked;			/* the bridge, a back-off or the rate says: not now */
	bool unsent;			/* some flight may be ready and not sent */
	bool moved;			/* the cursor is to be written */
	bool denied;			/* one for -EACCES, and nothing was taken since */
	bool rested;			/* has given back its buffers since the last pack */
	uint64_t rest_tail;		/* `tail` when it began to wait for that */
	uint64_t turned_ns;		/* when it came up, or ceased to be */
	/* since when acknowledgements are missed, pauses left out; when this pause began */
	uint64_t progress_ns, paused_ns;
	uint64_t linger_upto, allowed_ns;
	/* hang.c: connections in a row that ended with packs in flight and brought nothing; how
	 * many packs still go one at a time; how many were taken before the first, which was hung
	 * up upon then, and how many in this connection; what a pack may have, since when,
	 * whether that has grown since, and how often that was in vain */
	uint32_t hangs, alone, passes, passed, settled;
	uint64_t bytes_max, limited_ns;
	bool grew;
	bool alive, answered;		/* nothing more is to come before packs; something has */
	struct fg_timer retry, linger, stall, pause, pace, rest;
	struct fg_defer act;
	struct fg_backoff backoff, resend;
	char fault[128];
	int error;			/* of that fault */
	uint64_t packs, records, bytes, faults;
	uint64_t delivered;	/* records that this process saw acknowledged, or leave for good */
	FILE *again;			/* dead letters being sent again, or NULL */
	uint32_t again_flights;
	void (*removed)(void *arg);
	void *removed_arg;
	char name[];
};

/* A bridge that the configuration no longer names. */
struct ghost {
	struct fg_cursor *cursor;
	struct ghost *next;
	bool holds;			/* the spool */
	int64_t counted_ns;		/* boot clock: its absence is counted up to here */
	char name[];
};

struct fg_forward {
	struct fg_forward_conf conf;
	struct fg_outbox *outboxes;
	struct ghost *ghosts;
	/* Held while the list changes and while a worker syncs what hangs on it. */
	pthread_mutex_t list_lock;
	struct fg_buf status, will;
	void (*on_up)(void *arg);
	void *on_up_arg;
	uint64_t released, trimmed_ns;
	bool stopping;
};

/* Nothing is in flight and nothing waits. */
static inline bool outbox_is_idle(const struct fg_outbox *box)
{
	return box->head == box->tail && !box->live_on &&
	       box->lane.unread > fg_spool_accepted(box->forward->conf.spool);
}

static inline struct flight *flight_at(struct fg_outbox *box, uint64_t n)
{
	return &box->flights[n % box->window];
}

/* cut.c: makes the next flight of what the spool holds. False: nothing is due. */
bool outbox_cut(struct fg_outbox *, struct lane *);
/* A flight that says of what was not for this bridge, up to `to`, that nothing of it is lost. */
void outbox_cut_cover(struct fg_outbox *, struct lane *, uint64_t to);
/* Renders the part at hand of a flight anew: records, as far as they fit into a part, or a lost
 * range; what cannot be read any more becomes one. On failure it is to be tried again. */
int outbox_render(struct fg_outbox *, struct flight *);
/* Enough records, or waited long enough. */
bool outbox_due(struct fg_outbox *, const struct lane *);

/* lane.c: "order": "live-first" */
/* What the last run had sent ahead. */
void lane_open(struct fg_outbox *);
/* The last position that is the lane's to cut. */
uint64_t lane_limit(const struct fg_outbox *, const struct lane *);
/* What has waited for long becomes the backlog, and what comes from here on goes first. */
void lane_go_live(struct fg_outbox *);
/* The lane has come to what was sent ahead of it, and goes on behind that. True if a flight was
 * made on the way. */
bool lane_pass(struct fg_outbox *);
/* A range is done that was sent ahead of the cursor. Returns how many records it holds. */
uint64_t lane_advance(struct fg_outbox *, const struct flight *);
/* Takes the islands that the cursor has come to into it. */
void lane_absorb(struct fg_outbox *);

/* dead.c: letters are lines of JSON, the pack last:
 * {"time":...,"why":...,"records":n,"pack":[...]} */
int dead_write(struct fg_outbox *, const struct flight *, const char *why);
void dead_open(struct fg_outbox *);	/* letters that were on their way again come back */
bool dead_next(struct fg_outbox *);	/* the next letter that goes again, as a flight */
void dead_again_done(struct fg_outbox *, const struct flight *);

/* hang.c */
/* The connection is at its end, and nothing is forgotten yet. */
void outbox_hung(struct fg_outbox *);
/* The upstream has acknowledged the part at hand. */
void outbox_heard(struct fg_outbox *, struct flight *);
/* One at a time: the one that is on its way is waited for, and before it a sign of life. */
bool outbox_must_wait(struct fg_outbox *);
/* It was too large, or may have been: those to come have about half of its records. */
void outbox_limit(struct fg_outbox *, const struct flight *);
/* What a pack may have. */
uint64_t outbox_bytes(const struct fg_outbox *);
/* It was rendered before packs had to be smaller. */
bool outbox_must_cut(const struct fg_outbox *, const struct flight *);

/* The next one to be sent, or NULL. *ret_new: if it can be had, a new one comes before that. */
struct flight *outbox_next_ready(struct fg_outbox *, bool *ret_new);

/* window.c */
/* By records, not by numbers: a bridge may carry few of those that a range covers. */
void outbox_halve(struct fg_outbox *, struct flight *, const char *why);
/* The rest of a range that goes up in parts, or the end of it. */
void outbox_part_done(struct fg_outbox *, struct flight *);
/* Moves the cursor over what is done at the window's head. */
void outbox_advance(struct fg_outbox *);
void outbox_pump(struct fg_outbox *);
void outbox_forget_sends(struct fg_outbox *);
void outbox_date_again(struct fg_outbox *);
/* When an entry was taken, by the boot clock. */
int64_t outbox_taken(const struct fg_forward *, const struct fg_spool_view *);

/* sink.c */
void sink_open(struct fg_outbox *);
void sink_act(struct fg_outbox *);

/* forward.c: the cursor of a sink that is leaving goes on holding the spool, until a sink of that
 * name takes it over (NULL: there is none). */
void forward_keep_cursor(struct fg_forward *, const struct fg_outbox *, struct fg_cursor *);
struct fg_cursor *forward_take_cursor(struct fg_forward *, const char *name);

/* ledger.c */
void outbox_account(const struct fg_outbox *, struct fg_account *ret_account);
