/*
 * The inside of the loop, shared by the files of this folder, and the one door for a simulation:
 * fg_loop_set_os() replaces the clock and the sleep. Nobody else includes this.
 */
#pragma once

#include <fg/loop.h>

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>

#define LOOP_FOREVER UINT64_MAX
#define LOOP_BATCH_MIN 64u
#define LOOP_BATCH_MAX 1024u
#define LOOP_STACK_SIZE (256u * 1024u)

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * What the loop asks of the operating system while it turns. `now` is a monotonic clock; `wait` is
 * epoll_wait() with a timeout in nanoseconds (0: do not sleep, LOOP_FOREVER: no limit) that returns
 * a count or a negative errno. A virtual clock answers `wait` by polling without sleep and, when
 * nothing is ready, moving its time forward by the timeout.
 */
struct fg_loop_os {
	uint64_t (*now)(void *arg);
	int (*wait)(void *arg, int epoll_fd, struct epoll_event *events, int max,
		    uint64_t timeout_ns);
	void *arg;
};

/* To be called before anything is started. */
void fg_loop_set_os(struct fg_loop *, const struct fg_loop_os *);

enum fg_handle_type {
	FG_HANDLE_TIMER,
	FG_HANDLE_IO,
	FG_HANDLE_HOOK,
	FG_HANDLE_WAKE,
	FG_HANDLE_SIGNAL,
	FG_HANDLE__MAX
};

/* Beside FG_READ and FG_WRITE in fg_io.want: edge-triggered, for the loop's own eventfd. */
enum { FG_IO_EDGE = 0x80 };

/* The key stands in the array, so that sifting touches no timer but to tell it where it went. */
struct timer_slot {
	uint64_t due_ns, order;
	struct fg_timer *timer;	/* NULL: it was stopped */
};

struct timer_heap {
	struct timer_slot *slots;
	uint32_t len, size;
	uint32_t empty;		/* of len */
	uint64_t order; /* of the timer that was set last */
};

struct hook_list {
	struct fg_hook *first, *last;
	struct fg_hook *next; /* to be run next; NULL: the phase is through */
};

struct defer_queue {
	struct fg_defer *first, *last;
	uint64_t order; /* of the next one to be queued */
};

struct close_queue {
	struct fg_handle *first, *last;
	uint32_t len;
};

struct io_set {
	int epoll_fd;
	uint32_t stamp; /* of the latest change to any registration */
	struct fg_io **owners; /* by descriptor number */
	uint32_t size;
	struct epoll_event *events;
	uint32_t batch;
	bool no_pwait2;
};

struct wake_set {
	struct fg_wake *first, *next; /* next: to be looked at next while they are called */
	struct fg_io io;
};

struct signal_set {
	struct fg_signal *first, *next;
	struct fg_io io;
	sigset_t mask;
};

struct work_queue {
	struct fg_work *first, *last;
	uint32_t len; /* of the fresh ones only */
};

/* Whether to look for something a while before a sleep. */
struct spin {
	uint16_t fails, skip; /* more than it was found; sleeps without, before the next look */
};

struct work_pool {
	pthread_mutex_t lock; /* for all up to `quit` */
	pthread_cond_t more;
	struct work_queue todo, done;
	unsigned idle, calls; /* sleeping and not called; called (atomic) and not yet up */
	bool soon; /* the loop looks for the result of what it has handed over */
	bool looking; /* one of the idle ones does so for the next piece */
	struct spin look; /* of workers */
	bool quit;
	bool ready; /* the rest is the loop thread's */
	struct work_queue fresh; /* queued in this turn, not handed over yet */
	unsigned out; /* queued, and its result not taken */
	unsigned threads;
	pthread_t thread[FG_LOOP_WORKERS];
	struct fg_wake wake;
};

struct fg_loop {
	uint64_t now_ns;
	uint64_t busy_since_ns; /* when poll last returned */
	uint32_t refs; /* all that keeps the loop alive */
	uint8_t phase;
	bool turning, stopping, may_sleep;
	bool hurry; /* poll does not sleep before check has run */
	int error; /* of poll, in this turn */

	struct timer_heap timers;
	struct defer_queue pending;
	struct hook_list hooks[FG_PHASE__MAX]; /* idle, prepare and check are used */
	struct io_set io;
	struct close_queue closing;

	struct wake_set wakes;
	struct spin look; /* for wakes, before poll sleeps */
	bool woken; /* the last turn called a wake */
	struct signal_set signals;
	struct work_pool work;

	struct fg_loop_stats stats;
	struct fg_loop_os os;
	/* Atomic: poll sleeps, and nobody has written to the eventfd yet. Other threads read it, so
	 * it stands where a loop that is awake writes nothing. */
	int asleep;
	struct fg_loop_phases *phases; /* NULL: nobody has asked yet */
	uint64_t phases_until_ns; /* measured until then */
	void (*trace)(void *arg, enum fg_phase);
	void *trace_arg;
};

/* What happens in a phase: each runs at most FG_LOOP_BUDGET callbacks and returns how many. */
unsigned fg_loop_run_timers(struct fg_loop *);
unsigned fg_loop_run_pending(struct fg_loop *);
unsigned fg_loop_run_idle(struct fg_loop *);
unsigned fg_loop_run_prepare(struct fg_loop *);
unsigned fg_loop_run_poll(struct fg_loop *);
unsigned fg_loop_run_check(struct fg_loop *);
unsigned fg_loop_run_close(struct fg_loop *);

/* How long poll may sleep. Reads the clock if it is more than not at all. */
uint64_t fg_loop_sleep_ns(struct fg_loop *);
/* Poll is about to sleep, or has come back without: what ran since then was this turn. */
void fg_loop_note_busy(struct fg_loop *);

void fg_handle_init(struct fg_loop *, struct fg_handle *, enum fg_handle_type);

static inline void fg_handle_activate(struct fg_handle *handle)
{
	if (handle->active)
		return;
	handle->active = true;
	handle->loop->refs += !handle->unref;
}

static inline void fg_handle_deactivate(struct fg_handle *handle)
{
	if (!handle->active)
		return;
	handle->active = false;
	handle->loop->refs -= !handle->unref;
}

uint64_t fg_timer_first_ns(struct fg_loop *); /* when the first is due; LOOP_FOREVER: none */

int fg_io_set_init(struct fg_loop *);
void fg_io_set_fini(struct fg_loop *);
int fg_io_set_wait(void *loop, int epoll_fd, struct epoll_event *events, int max,
		   uint64_t timeout_ns);

/* Whether poll may sleep: no wake was sent. From here to fg_wakes_awake() a send ends the sleep. */
bool fg_wakes_sleep(struct fg_loop *);
void fg_wakes_awake(struct fg_loop *);
/* Whether another thread may be back before a sleep would have begun: poll looks without sleep, and
 * then waits for it a while. */
bool fg_wakes_soon(struct fg_loop *);
void fg_wakes_wait(struct fg_loop *);
unsigned fg_wakes_call(struct fg_loop *); /* those that were sent; how many */
int fg_wake_set_init(struct fg_loop *);
void fg_wake_set_fini(struct fg_loop *);
void fg_wake_stop(struct fg_wake *);

/* Is it time to look? If so, the note says whether it was found. */
bool fg_spin_due(struct spin *);
void fg_spin_note(struct spin *, bool found);
bool fg_spin_until(bool (*found)(void *arg), void *arg); /* for 50 us at most */
void fg_spin_flood(void); /* 2 us, without a look at what the others write to */

void fg_signal_set_fini(struct fg_loop *);
void fg_signal_stop(struct fg_signal *);

/* Hands over what was queued. `soon`: poll looks for its results before it sleeps. */
void fg_work_pool_flush(struct fg_loop *, bool soon);
void fg_work_pool_fini(struct fg_loop *);
