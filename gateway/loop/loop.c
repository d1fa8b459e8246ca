/*
 * The turn: seven entries of a table, run from top to bottom, for ever.
 *
 *     ┌─> timers ──> pending ──> idle, prepare ──> poll ──> check ──> close ─┐
 *     └─────────────────────────────────────────────────────────────────────┘
 *
 * The clock is read where it can have moved: when poll returns, and before poll sleeps.
 */
#include <fg/loop.h>

#include "loop/loop_private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* clang-format off */
static unsigned (*const phases[FG_PHASE__MAX])(struct fg_loop *) = {
	[FG_PHASE_TIMERS]  = fg_loop_run_timers,	/* whose time has come */
	[FG_PHASE_PENDING] = fg_loop_run_pending,	/* results of workers, deferred calls */
	[FG_PHASE_IDLE]    = fg_loop_run_idle,		/* every turn, and no sleep */
	[FG_PHASE_PREPARE] = fg_loop_run_prepare,	/* last words before the sleep */
	[FG_PHASE_POLL]    = fg_loop_run_poll,		/* sleep; bytes in */
	[FG_PHASE_CHECK]   = fg_loop_run_check,		/* what to do with what came in */
	[FG_PHASE_CLOSE]   = fg_loop_run_close,		/* memory back */
};
/* clang-format on */

/* The octave above 1 us, and the two bits behind the first. */
static unsigned lag_step(uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned octave, step;

	if (us < 4)
		return (unsigned)us;
	octave = 63 - (unsigned)__builtin_clzll(us);
	step = octave * 4 + (unsigned)(us >> (octave - 2) & 3);
	return step < FG_LOOP_LAGS ? step : FG_LOOP_LAGS - 1;
}

/* Poll read the clock when it woke: what it slept is not its work. The loop's own time stays as it
 * is: who looks on changes nothing. */
static uint64_t phase_measured(struct fg_loop *loop, unsigned phase, uint64_t began_ns)
{
	uint64_t now_ns = loop->os.now(loop->os.arg);
	uint64_t took_ns = now_ns - (phase == FG_PHASE_POLL ? loop->busy_since_ns : began_ns);

	loop->phases->lags[phase][lag_step(took_ns)]++;
	if (took_ns > loop->phases->longest_ns[phase])
		loop->phases->longest_ns[phase] = took_ns;
	return now_ns;
}

static int turn_run(struct fg_loop *loop)
{
	bool measured = loop->now_ns < loop->phases_until_ns;
	uint64_t began_ns = measured ? loop->os.now(loop->os.arg) : 0;

	if (measured)
		loop->phases->turns++;
	loop->turning = true;
	loop->error = 0;
	loop->stats.turns++;
	for (unsigned phase = 0; phase < FG_PHASE__MAX; phase++) {
		loop->phase = (uint8_t)phase;
		if (loop->trace)
			loop->trace(loop->trace_arg, (enum fg_phase)phase);
		loop->stats.callbacks[phase] += phases[phase](loop);
		if (measured)
			began_ns = phase_measured(loop, phase, began_ns);
	}
	loop->turning = false;
	return loop->error ? loop->error : loop->refs > 0;
}

int fg_loop_run(struct fg_loop *loop)
{
	int more = loop->refs > 0;

	if (loop->turning)
		return -EBUSY;
	loop->busy_since_ns = fg_loop_update_now(loop);
	loop->may_sleep = true;
	while (more > 0 && !loop->stopping)
		more = turn_run(loop);
	loop->stopping = false;
	return more < 0 ? more : 0;
}

int fg_loop_turn(struct fg_loop *loop, bool may_sleep)
{
	if (loop->turning)
		return -EBUSY;
	loop->busy_since_ns = fg_loop_update_now(loop);
	loop->may_sleep = may_sleep;
	return turn_run(loop);
}

void fg_loop_stop(struct fg_loop *loop)
{
	loop->stopping = true;
}

void fg_loop_hurry(struct fg_loop *loop)
{
	loop->hurry = true;
}

/* A phase that stopped for its budget, or whose queue grew since, must be seen to first. */
static bool turn_is_due(const struct fg_loop *loop)
{
	return loop->refs == 0 || loop->stopping || loop->hurry || loop->pending.first ||
	       loop->closing.first || loop->hooks[FG_PHASE_IDLE].first ||
	       loop->hooks[FG_PHASE_PREPARE].next || loop->hooks[FG_PHASE_CHECK].next;
}

uint64_t fg_loop_sleep_ns(struct fg_loop *loop)
{
	uint64_t due_ns;

	if (!loop->may_sleep || turn_is_due(loop))
		return 0;
	fg_loop_update_now(loop);
	due_ns = fg_timer_first_ns(loop);
	if (due_ns <= loop->now_ns)
		return 0;
	fg_loop_note_busy(loop);	/* where poll does not sleep, it notes that itself */
	return due_ns == LOOP_FOREVER ? LOOP_FOREVER : due_ns - loop->now_ns;
}

/* The end of a step: all in it are shorter. */
static uint64_t lag_below_ns(unsigned step)
{
	if (step < 4)
		return (step + 1) * 1000u;
	return (uint64_t)(5 + step % 4) * 1000 << (step / 4 - 2);
}

void fg_loop_note_busy(struct fg_loop *loop)
{
	uint64_t busy_ns = loop->now_ns - loop->busy_since_ns;

	loop->stats.lags[lag_step(busy_ns)]++;
	if (busy_ns > loop->stats.longest_turn_ns)
		loop->stats.longest_turn_ns = busy_ns;
}

uint64_t fg_loop_lag_ns(const struct fg_loop_stats *stats, unsigned permille)
{
	uint64_t all = 0, below = 0, ns = 0;

	for (unsigned i = 0; i < FG_LOOP_LAGS; i++)
		all += stats->lags[i];
	for (unsigned i = 0; i < FG_LOOP_LAGS && all > 0; i++) {
		below += stats->lags[i];
		if (below * 1000 >= all * permille) {
			ns = lag_below_ns(i);
			break;
		}
	}
	return ns < stats->longest_turn_ns ? ns : stats->longest_turn_ns;
}

const struct fg_loop_phases *fg_loop_phases(struct fg_loop *loop)
{
	if (!loop->phases)
		loop->phases = calloc(1, sizeof(*loop->phases));
	if (!loop->phases)
		return NULL;
	fg_loop_update_now(loop);
	if (loop->now_ns >= loop->phases_until_ns)
		*loop->phases = (struct fg_loop_phases){ 0 };
	loop->phases_until_ns = loop->now_ns + FG_LOOP_ASKED;
	return loop->phases->turns ? loop->phases : NULL;
}

uint64_t fg_loop_phase_ns(const struct fg_loop_phases *measured, enum fg_phase phase,
			  unsigned permille)
{
	struct fg_loop_stats stats = { 0 };

	if (!measured)
		return 0;
	for (unsigned i = 0; i < FG_LOOP_LAGS; i++)
		stats.lags[i] = measured->lags[phase][i];
	stats.longest_turn_ns = measured->longest_ns[phase];
	return fg_loop_lag_ns(&stats, permille);
}

uint64_t fg_loop_now(const struct fg_loop *loop)
{
	return loop->now_ns;
}

uint64_t fg_loop_update_now(struct fg_loop *loop)
{
	loop->now_ns = loop->os.now(loop->os.arg);
	return loop->now_ns;
}

void fg_loop_stats(const struct fg_loop *loop, struct fg_loop_stats *ret_stats)
{
	*ret_stats = loop->stats;
}

void fg_loop_trace(struct fg_loop *loop, void (*cb)(void *arg, enum fg_phase), void *arg)
{
	loop->trace = cb;
	loop->trace_arg = arg;
}

static uint64_t clock_now(void *arg)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void fg_loop_set_os(struct fg_loop *loop, const struct fg_loop_os *os)
{
	loop->os = *os;
	fg_loop_update_now(loop);
}

struct fg_loop *fg_loop_new(void)
{
	struct fg_loop *loop = calloc(1, sizeof(*loop));
	int rc;

	if (!loop)
		return NULL;
	fg_loop_set_os(loop, &(struct fg_loop_os){ clock_now, fg_io_set_wait, loop });
	rc = fg_io_set_init(loop);
	if (rc == 0)
		rc = fg_wake_set_init(loop);
	if (rc == 0)
		return loop;
	fg_loop_free(loop);
	errno = -rc;
	return NULL;
}

struct fg_loop *fg_loop_free(struct fg_loop *loop)
{
	if (!loop)
		return NULL;
	while (loop->closing.first)
		fg_loop_run_close(loop);
	fg_work_pool_fini(loop);
	fg_signal_set_fini(loop);
	fg_wake_set_fini(loop);
	fg_io_set_fini(loop);
	free(loop->timers.slots);
	free(loop->phases);
	free(loop);
	return NULL;
}
