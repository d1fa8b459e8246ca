/*
 * A configuration file is exchanged so that a power cut at any step leaves the old one or the new:
 *
 *     1. FILE.last-good   becomes a copy of FILE
 *     2. FILE.trial       says which content is not proven yet, and what must come up with it
 *     3. FILE             becomes the new content
 *     4. FILE.trial       goes, once it has come up; or FILE becomes FILE.last-good before that
 *
 * Each is written beside, synced and renamed, and the folder is synced, before the next one begins.
 * FILE.trial counts only while FILE has the content that it names: so it may be left over from any
 * step, and nothing needs to be repaired.
 *
 * A FILE that is a symbolic link is followed first. All functions block: 0 or -errno.
 */
#pragma once

#include "base/buf.h"

#define FG_TRIAL_STARTS 3	/* of a gateway; then what was never proven is given up */

/* What is asked of a configuration that is not proven yet. */
struct fg_trial {
	char sha256[65];	/* of its text */
	uint64_t version;	/* the fleet's, 0: put by hand */
	int64_t deadline_ns;
	unsigned starts;	/* of the gateway with it so far */
	bool lenient;		/* what is new need not come up */
	bool known;		/* `before` was taken of a running gateway */
	/* Drivers and bridges before it, a line each: '+' (it was up) or '-', then "drivers/NAME"
	 * or "bridges/NAME". */
	struct fg_buf before;
};

void fg_trial_init(struct fg_trial *);
void fg_trial_fini(struct fg_trial *);
/* Moves it; `from` is empty then. */
void fg_trial_move(struct fg_trial *to, struct fg_trial *from);
/* Adds one to `before`; kind is "drivers" or "bridges". */
void fg_trial_note(struct fg_trial *, const char *kind, const char *name, bool up);
enum fg_was { FG_WAS_ABSENT, FG_WAS_DOWN, FG_WAS_UP };
enum fg_was fg_trial_was(const struct fg_trial *, const char *kind, const char *name);

/* Steps 1 to 3. Owner and mode are those of the FILE that was there. `good`: what is there is worth
 * to come back to; else an older FILE.last-good stays. -EPERM: the owner cannot be kept. */
int fg_put_new(const char *path, struct fg_str text, bool good, const struct fg_trial *);
/* What FILE.trial says; ret_trial must be initialised. -ENOENT: nothing is on trial. Whether it
 * speaks of what is in FILE now is the caller's to see. -EBADMSG: it cannot be read. */
int fg_put_look(const char *path, struct fg_trial *ret_trial);
/* The same, only while FILE is what is on trial: else -ENOENT. */
int fg_put_on_trial(const char *path, struct fg_trial *ret_trial);
/* Counts a start: writes FILE.trial anew. */
int fg_put_count(const char *path, struct fg_trial *);
/* It has come up. */
int fg_put_keep(const char *path);
/* It has not: the last good one returns. A FILE that is not what was on trial (any more) is left
 * alone. -ENOENT: there is no last good one. */
int fg_put_back(const char *path, const struct fg_trial *);

/* A file beside FILE, as a whole. `suffix` begins with its dot. */
int fg_put_beside(const char *path, const char *suffix, struct fg_str text);
/* Its content, behind what is in `out` already; -EFBIG beyond out->max. */
int fg_put_read(const char *path, const char *suffix, struct fg_buf *out);
/* The path of FILE.last-good. */
int fg_put_last_good(const char *path, char *out, size_t cap);
/* Whether this process could exchange FILE: 0, or why not. */
int fg_put_allowed(const char *path);
/* One at a time: *ret_fd is closed when it is done. -EWOULDBLOCK: another is at it. */
int fg_put_lock(const char *path, int *ret_fd);
