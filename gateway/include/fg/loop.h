/*
 * The event loop: one thread, one pass through six phases, in this order:
 *
 *     ┌─> timers ──> pending ──> idle, prepare ──> poll ──> check ──> close ─┐
 *     └─────────────────────────────────────────────────────────────────────┘
 *
 *   timers   callbacks whose time has come
 *   pending  results of workers, and callbacks deferred by fg_loop_defer()
 *   idle     callbacks that run every turn while they are active and keep the loop from sleeping
 *   prepare  callbacks right before the loop may sleep (which sockets want to write?)
 *   poll     descriptors: bytes in
 *   check    callbacks right after poll: what the turn brought in is kept, acknowledged, forwarded
 *   close    the only place where memory is given back
 *
 * Every phase is a FIFO queue with a budget of callbacks a turn (FG_LOOP_BUDGET); the rest waits
 * for the next turn, and the loop does not sleep before it has had it. What a callback adds to the
 * queue of its own phase waits for the next turn too. Handles belong to the caller ("embed them")
 * and must stay until their close callback ran. The loop ends when nothing is left to wait for: no
 * active handle, nothing deferred, no work, nothing to close. Nothing here is thread-safe but
 * fg_wake_send().
 *
 * All functions: 0 or a negative errno. It knows nothing of gateways and logs nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum fg_phase {
	FG_PHASE_TIMERS,
	FG_PHASE_PENDING,
	FG_PHASE_IDLE,
	FG_PHASE_PREPARE,
	FG_PHASE_POLL,
	FG_PHASE_CHECK,
	FG_PHASE_CLOSE,
	FG_PHASE__MAX
};

struct fg_loop;

struct fg_loop *fg_loop_new(void);		/* NULL: errno says why */
/* Returns NULL. Every handle must be closed; close callbacks still due are run. Work that runs is
 * waited for, work that was not begun is dropped, no `done` is called. NULL is ignored. */
struct fg_loop *fg_loop_free(struct fg_loop *);
int fg_loop_run(struct fg_loop *);		/* until stopped or nothing is left; 0 or -errno */
/* One turn. 1: there is more to wait for, 0: not. -EBUSY: in a callback; -errno of poll. */
int fg_loop_turn(struct fg_loop *, bool may_sleep);
void fg_loop_stop(struct fg_loop *);		/* fg_loop_run returns after this turn, unslept */
/* Poll does not sleep before check has run once more: for what a callback of another phase leaves
 * to the check phase's hooks (Node's setImmediate). */
void fg_loop_hurry(struct fg_loop *);

/* The monotonic clock as of this turn's poll, and the same read anew. Nanoseconds. */
uint64_t fg_loop_now(const struct fg_loop *);
uint64_t fg_loop_update_now(struct fg_loop *);

struct fg_handle;
struct fg_timer;
struct fg_io;
struct fg_hook;
struct fg_wake;
struct fg_signal;

/* What a handle calls: what its kind says, and `close` once it is closed. */
union fg_callback {
	void (*timer)(struct fg_timer *);
	void (*io)(struct fg_io *, unsigned events);
	void (*hook)(struct fg_hook *);
	void (*wake)(struct fg_wake *);
	void (*signal)(struct fg_signal *, int signo);
	void (*close)(struct fg_handle *);
};

/* -- handles: every kind begins with this part; all of it but `loop` and `active` is private -- */
struct fg_handle {
	struct fg_loop *loop;
	union fg_callback call;
	union {
		uint64_t due_ns;	/* of a timer, until it is closed */
		struct fg_handle *next;	/* in the loop's closing queue */
	};
	uint8_t type;
	bool active, closing, unref;
	uint32_t slot;			/* a timer's place in the heap */
};

/* Stops the handle at once (no callback of it runs any more) and calls cb in the close phase, where
 * its memory may be given back. cb may be NULL. A second close is ignored. What starts a handle
 * answers -ECANCELED from here on, or does nothing. */
void fg_handle_close(struct fg_handle *, void (*cb)(struct fg_handle *));
/* An unreferenced handle does not keep the loop alive. */
void fg_handle_unref(struct fg_handle *);

/* -- timers: a heap with stored positions; to add one is O(log n), to stop one or set it to a
 * later time O(1) --
 * They never fire early by the loop's clock, and equal times fire in the order they were set. */
struct fg_timer {
	struct fg_handle handle;
	uint64_t order;			/* private: equal times fire in the order they were set */
};

void fg_timer_init(struct fg_loop *, struct fg_timer *, void (*cb)(struct fg_timer *));
/* One shot, counted from fg_loop_now(); re-arms if it runs. -ENOMEM, and then it is stopped. */
int fg_timer_start(struct fg_timer *, uint64_t after_ns);
int fg_timer_start_at(struct fg_timer *, uint64_t due_ns);	/* the past counts as now */
void fg_timer_stop(struct fg_timer *);
static inline bool fg_timer_active(const struct fg_timer *t) { return t->handle.active; }

#define FG_MS(n) ((uint64_t)(n) * 1000000u)
#define FG_S(n) ((uint64_t)(n) * 1000000000u)

/* -- descriptors, level-triggered -- */
enum { FG_READ = 1, FG_WRITE = 2, FG_HANGUP = 4 /* reported only: EPOLLERR or EPOLLHUP */ };

struct fg_io {
	struct fg_handle handle;
	int fd;				/* -1: none; never closed by the loop */
	unsigned want;			/* private */
	uint32_t stamp;			/* private: tells the registration's events from older */
};

void fg_io_init(struct fg_loop *, struct fg_io *, void (*cb)(struct fg_io *, unsigned events));
/* Watch `fd` for `want` (0: only errors). Idempotent, and immune to a library that closed its
 * socket and got the same number again: call it after every call into such a library; it costs a
 * system call only when fd, want or (as told by `fresh`) the open file behind the number changed.
 * fd -1 is fg_io_stop(). A number that another handle had is taken from it. Events that were on
 * their way to the old registration are not delivered; what is still ready comes with the next
 * poll.
 * -EPERM: not a file one can wait for; -EBADF, -ENOMEM, -ENOSPC: the handle is stopped then. */
int fg_io_sync(struct fg_io *, int fd, unsigned want, bool fresh);
void fg_io_stop(struct fg_io *);	/* before the descriptor is closed, where one can choose */

/* -- callbacks of a phase: idle, prepare or check; run every turn, in the order of starting -- */
struct fg_hook {
	struct fg_handle handle;
	struct fg_hook *prev, *after;	/* private */
	uint64_t since_turn;		/* private: started in this phase of this turn */
	uint8_t phase;
};

void fg_hook_init(struct fg_loop *, struct fg_hook *, enum fg_phase, void (*cb)(struct fg_hook *));
void fg_hook_start(struct fg_hook *);
void fg_hook_stop(struct fg_hook *);

/* -- deferred work: once, in the next pending phase, FIFO -- */
struct fg_defer {
	void (*cb)(struct fg_defer *);
	struct fg_defer *next, *prev;	/* private */
	uint64_t order;			/* private */
	bool queued;			/* must be false at first; false again when cb is called */
};

void fg_loop_defer(struct fg_loop *, struct fg_defer *);	/* queued already: stays there */
void fg_loop_cancel(struct fg_loop *, struct fg_defer *);

/* -- waking the loop from another thread; several sends may become one callback -- */
struct fg_wake {
	struct fg_handle handle;
	struct fg_wake *link;		/* private */
	int pending;			/* private, atomic */
};

/* A wake is active, and keeps the loop alive, from here until it is closed. */

int fg_wake_init(struct fg_loop *, struct fg_wake *, void (*cb)(struct fg_wake *));
void fg_wake_send(struct fg_wake *);	/* any thread, async-signal-safe; not after the close */

/* -- blocking work on a worker thread; `done` runs in the pending phase -- */
struct fg_work {
	void (*work)(struct fg_work *);	/* on a worker: touches nothing of the loop's */
	void (*done)(struct fg_work *);	/* on the loop; the struct is the caller's again */
	struct fg_loop *loop;		/* private */
	struct fg_defer defer;		/* private */
};

/* Workers (at most `FG_LOOP_WORKERS`, started on demand, 256 KiB of stack, all signals blocked) are
 * the loop's own. Begun in FIFO order, `done` in the order they end. Work that was queued cannot be
 * taken back; the loop waits for it. -ENOMEM, -EAGAIN: no thread. */
int fg_loop_work(struct fg_loop *, struct fg_work *);

/* -- signals, by signalfd; the signal is blocked for the thread that calls this -- */
struct fg_signal {
	struct fg_handle handle;
	struct fg_signal *link;		/* private */
	int signo;
};

/* Active, and keeps the loop alive, until closed or unreferenced. The signal stays blocked after
 * the close, so one that is on its way does not kill. */

int fg_signal_init(struct fg_loop *, struct fg_signal *, int signo,
		   void (*cb)(struct fg_signal *, int signo));

/* -- looking on: phase trace and lag, for tests, status and the watchdog -- */
#define FG_LOOP_LAGS 96		/* four steps an octave, from 1 us to 16 s */

struct fg_loop_stats {
	uint64_t turns;
	uint64_t callbacks[FG_PHASE__MAX];
	uint64_t longest_turn_ns;	/* without the sleep in poll */
	uint64_t lags[FG_LOOP_LAGS];	/* turns by how long they were */
};

void fg_loop_stats(const struct fg_loop *, struct fg_loop_stats *ret_stats);
/* How long the turn was that of `permille` of all turns none exceeds, in ns, rounded up by a fifth
 * at most; 0: there was none yet. Whatever comes in waits as long, so this is the loop's lag. */
uint64_t fg_loop_lag_ns(const struct fg_loop_stats *, unsigned permille);
/* How long each phase took, of the turns since somebody began to ask. */
struct fg_loop_phases {
	uint64_t turns;
	uint32_t lags[FG_PHASE__MAX][FG_LOOP_LAGS];	/* as fg_loop_stats.lags */
	uint64_t longest_ns[FG_PHASE__MAX];		/* poll without its sleep */
};

/* What was measured so far, or NULL: nothing yet. Whoever asks has it measured for the next
 * FG_LOOP_ASKED; when nobody has asked for so long, it costs nothing, and the next one begins anew.
 * Borrowed, until the next turn. */
const struct fg_loop_phases *fg_loop_phases(struct fg_loop *);
/* As fg_loop_lag_ns(), of one phase; NULL gives 0. */
uint64_t fg_loop_phase_ns(const struct fg_loop_phases *, enum fg_phase, unsigned permille);
#define FG_LOOP_ASKED FG_S(10)

/* cb is called as each phase begins; NULL takes it away. */
void fg_loop_trace(struct fg_loop *, void (*cb)(void *arg, enum fg_phase), void *arg);

#define FG_LOOP_BUDGET 1024	/* callbacks of one phase in one turn */
#define FG_LOOP_WORKERS 4

/* A virtual clock and a scripted poll for simulation: see loop/loop_private.h. */
