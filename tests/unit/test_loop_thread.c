/* What comes from outside the loop's thread: results of workers, wakes, signals. */
#include "test_loop_sim.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

/* -- workers -- */

struct job {
	struct fg_work work;
	struct sim *sim;
	char name;
	enum fg_phase phase; /* in which done was called */
	pthread_t ran_on;
	bool usr1_blocked;
	pthread_barrier_t *all; /* until all are there, */
	struct fg_work *after; /* and until this one has ended */
	struct job *again;
};

/* The pool's queue of results, seen from within: a worker's own result comes a moment after. */
static bool has_ended(struct work_pool *pool, const struct fg_work *work)
{
	bool ended;

	pthread_mutex_lock(&pool->lock);
	ended = pool->done.last == work;
	pthread_mutex_unlock(&pool->lock);
	return ended;
}

static void job_run(struct fg_work *work)
{
	struct job *job = container_of(work, struct job, work);
	sigset_t mask;

	job->ran_on = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	job->usr1_blocked = sigismember(&mask, SIGUSR1);
	if (job->all)
		pthread_barrier_wait(job->all);
	while (job->after && !has_ended(&job->sim->loop->work, job->after))
		sched_yield();
}

static void job_done(struct fg_work *work)
{
	struct job *job = container_of(work, struct job, work);

	job->phase = (enum fg_phase)job->sim->loop->phase;
	sim_note(job->sim, job->name);
	if (job->again)
		assert_int_equal(fg_loop_work(job->sim->loop, &job->again->work), 0);
}

static struct job job_of(struct sim *sim, char name)
{
	return (struct job){ .work = { .work = job_run, .done = job_done },
			     .sim = sim,
			     .name = name,
			     .phase = FG_PHASE__MAX };
}

static void work_comes_back_in_pending(void **state)
{
	struct sim *sim = *state;
	struct job a = job_of(sim, 'a'), b = job_of(sim, 'b');

	a.again = &b;
	assert_int_equal(fg_loop_work(sim->loop, &a.work), 0);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "ab");
	assert_int_equal(a.phase, FG_PHASE_PENDING);
	assert_int_equal(b.phase, FG_PHASE_PENDING);
	assert_false(pthread_equal(a.ran_on, pthread_self()));
	assert_true(pthread_equal(a.ran_on, b.ran_on)); /* one at a time needs one worker */
	assert_int_equal(sim->loop->work.threads, 1);
	assert_true(a.usr1_blocked);
}

/* Four workers at once; `done` in the order in which they end, which is not that of the queue. */
static void results_in_the_order_they_end(void **state)
{
	static const int after[FG_LOOP_WORKERS] = { 1, 3, -1, 2 };
	struct sim *sim = *state;
	struct job job[FG_LOOP_WORKERS];
	pthread_barrier_t all;

	pthread_barrier_init(&all, NULL, FG_LOOP_WORKERS);
	for (unsigned i = 0; i < FG_LOOP_WORKERS; i++) {
		job[i] = job_of(sim, (char)('a' + i));
		job[i].all = &all;
		job[i].after = after[i] < 0 ? NULL : &job[after[i]].work;
		assert_int_equal(fg_loop_work(sim->loop, &job[i].work), 0);
	}
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "cdba");
	assert_int_equal(sim->loop->work.threads, FG_LOOP_WORKERS);
	pthread_barrier_destroy(&all);
}

/* Each waits for the one before it: were they not begun in order, four would wait for a fifth. */
static void work_is_begun_in_order(void **state)
{
	struct sim *sim = *state;
	struct job job[200];

	for (unsigned i = 0; i < 200; i++) {
		job[i] = job_of(sim, (char)('0' + i % 10));
		job[i].after = i > 0 ? &job[i - 1].work : NULL;
		assert_int_equal(fg_loop_work(sim->loop, &job[i].work), 0);
	}
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_int_equal(strlen(sim->trace), 200);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(sim->trace[i], '0' + i % 10);
}

static void much_work(void **state)
{
	struct sim *sim = *state;
	struct job *job = calloc(20000, sizeof(*job));
	struct fg_loop_stats stats;

	for (unsigned i = 0; i < 20000; i++) {
		job[i] = job_of(sim, 'w');
		if (i >= 10000)
			job[i - 10000].again = &job[i];
	}
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(fg_loop_work(sim->loop, &job[i].work), 0);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	fg_loop_stats(sim->loop, &stats);
	assert_int_equal(stats.callbacks[FG_PHASE_PENDING], 20000);
	for (unsigned i = 0; i < 20000; i++)
		assert_int_equal(job[i].phase, FG_PHASE_PENDING);
	free(job);
}

static void free_drops_what_was_not_begun(void **state)
{
	struct sim sim = { .loop = fg_loop_new() };
	struct job job[10];

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		job[i] = job_of(&sim, 'j');
		assert_int_equal(fg_loop_work(sim.loop, &job[i].work), 0);
	}
	fg_loop_turn(sim.loop, false);
	fg_loop_free(sim.loop);
	assert_string_equal(sim.trace, "");
}

/* -- wakes -- */

#define SENDERS 4u
#define SENDS 100000u

struct alarm {
	struct fg_wake wake;
	struct sim *sim;
	char name;
	unsigned sent, calls; /* sent: atomic */
	enum fg_phase phase;
	struct alarm *closes;
};

static void alarm_called(struct fg_wake *wake)
{
	struct alarm *alarm = container_of(wake, struct alarm, wake);

	alarm->calls++;
	alarm->phase = (enum fg_phase)wake->handle.loop->phase;
	sim_note(alarm->sim, alarm->name);
	if (alarm->closes)
		fg_handle_close(&alarm->closes->wake.handle, NULL);
	if (__atomic_load_n(&alarm->sent, __ATOMIC_SEQ_CST) == SENDERS * SENDS)
		fg_handle_close(&wake->handle, NULL);
}

static void *alarm_send(void *arg)
{
	struct alarm *alarm = arg;

	for (unsigned i = 0; i < SENDS; i++) {
		__atomic_fetch_add(&alarm->sent, 1, __ATOMIC_SEQ_CST);
		fg_wake_send(&alarm->wake);
	}
	return NULL;
}

/* No send is without a callback after it, or the loop would never see the last and sleep on. */
static void wakes_from_threads(void **state)
{
	struct sim *sim = *state;
	struct alarm alarm = { .sim = sim, .name = 'w' };
	pthread_t thread[SENDERS];

	fg_wake_init(sim->loop, &alarm.wake, alarm_called);
	for (unsigned i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, alarm_send, &alarm), 0);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(thread[i], NULL);
	assert_in_range(alarm.calls, 1, SENDERS * SENDS);
	assert_int_equal(alarm.phase, FG_PHASE_POLL);
}

static uint64_t writes_seen(struct sim *sim)
{
	uint64_t writes = 0;

	return read(sim->loop->wakes.io.fd, &writes, sizeof(writes)) > 0 ? writes : 0;
}

/* A loop that is awake needs no system call to see them. */
static void burst_is_one_callback(void **state)
{
	struct sim *sim = *state;
	struct alarm a = { .sim = sim, .name = 'a' }, b = { .sim = sim, .name = 'b' };

	fg_wake_init(sim->loop, &a.wake, alarm_called);
	fg_wake_init(sim->loop, &b.wake, alarm_called);
	for (unsigned i = 0; i < 1000; i++) {
		fg_wake_send(&b.wake);
		fg_wake_send(&a.wake);
	}
	for (unsigned i = 0; i < 3; i++)
		fg_loop_turn(sim->loop, false);
	assert_string_equal(sim->trace, "ab");
	assert_int_equal(writes_seen(sim), 0);
	fg_wake_send(&b.wake);
	fg_loop_turn(sim->loop, true);
	assert_string_equal(sim->trace, "abb");
	fg_handle_close(&a.wake.handle, NULL);
	fg_handle_close(&b.wake.handle, NULL);
	sim_close_rest(sim);
}

struct sleeper {
	struct sim *sim;
	struct alarm alarm[2];
	unsigned sleeps;
	uint64_t writes;
};

/* What other threads do while the loop sleeps. */
static int sleeper_wait(void *arg, int epoll_fd, struct epoll_event *events, int max,
			uint64_t timeout_ns)
{
	struct sleeper *sleeper = arg;

	if (timeout_ns == 0)
		return epoll_wait(epoll_fd, events, max, 0);
	sleeper->sleeps++;
	for (unsigned i = 0; i < 1000; i++) {
		fg_wake_send(&sleeper->alarm[1].wake);
		fg_wake_send(&sleeper->alarm[0].wake);
	}
	assert_int_equal(epoll_wait(epoll_fd, events, max, 0), 1);
	sleeper->writes = writes_seen(sleeper->sim);
	return 1;
}

static uint64_t sleeper_now(void *arg)
{
	return ((struct sleeper *)arg)->sim->now_ns;
}

/* One that sleeps is woken once, and what was sent before it slept keeps it awake. */
static void burst_into_a_sleep(void **state)
{
	struct sim *sim = *state;
	struct sleeper sleeper = { .sim = sim };

	for (unsigned i = 0; i < 2; i++) {
		sleeper.alarm[i] = (struct alarm){ .sim = sim, .name = (char)('a' + i) };
		fg_wake_init(sim->loop, &sleeper.alarm[i].wake, alarm_called);
	}
	fg_loop_set_os(sim->loop, &(struct fg_loop_os){ sleeper_now, sleeper_wait, &sleeper });
	for (unsigned i = 1; i <= 3; i++) {
		while (sleeper.sleeps < i)
			fg_loop_turn(sim->loop, true);
		assert_int_equal(sleeper.writes, 1);
	}
	assert_string_equal(sim->trace, "ababab");
	fg_wake_send(&sleeper.alarm[0].wake);
	fg_loop_turn(sim->loop, true);
	assert_string_equal(sim->trace, "abababa");
	assert_int_equal(sleeper.sleeps, 3);
	for (unsigned i = 0; i < 2; i++)
		fg_handle_close(&sleeper.alarm[i].wake.handle, NULL);
	sim_close_rest(sim);
}

/* To look in vain before a sleep becomes seldom: 1,023 sleeps without, and not more. */
static void looks_become_seldom(void **state)
{
	struct spin spin = { 0 };
	unsigned looks = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		if (fg_spin_due(&spin)) {
			looks++;
			fg_spin_note(&spin, false);
		}
	}
	assert_in_range(looks, 90, 120);
	while (!fg_spin_due(&spin))
		;
	fg_spin_note(&spin, true); /* found: looked again at once */
	assert_true(fg_spin_due(&spin));
}

/* A loop whose waker never is at once back sleeps, and is not up more often than it was woken. */
static void sleeps_between_wakes(void **state)
{
	enum { WAKES = 200 };
	struct sim *sim = *state;
	struct sleeper sleeper = { .sim = sim };

	for (unsigned i = 0; i < 2; i++) {
		sleeper.alarm[i] = (struct alarm){ .sim = sim, .name = (char)('a' + i) };
		fg_wake_init(sim->loop, &sleeper.alarm[i].wake, alarm_called);
	}
	fg_loop_set_os(sim->loop, &(struct fg_loop_os){ sleeper_now, sleeper_wait, &sleeper });
	while (sleeper.sleeps < WAKES)
		fg_loop_turn(sim->loop, true);
	/* a look takes a turn, and they are as rare as this: after 1, 2, 4, ... of the sleeps */
	assert_in_range(sim->loop->stats.turns, WAKES, WAKES + 9);
	for (unsigned i = 0; i < 2; i++)
		fg_handle_close(&sleeper.alarm[i].wake.handle, NULL);
	sim_close_rest(sim);
}

static void wake_closed_by_another(void **state)
{
	struct sim *sim = *state;
	struct alarm alarm[3];

	for (unsigned i = 0; i < 3; i++) {
		alarm[i] = (struct alarm){ .sim = sim, .name = (char)('a' + i) };
		fg_wake_init(sim->loop, &alarm[i].wake, alarm_called);
	}
	alarm[0].closes = &alarm[1];
	alarm[2].closes = &alarm[0];
	for (unsigned i = 0; i < 3; i++)
		fg_wake_send(&alarm[i].wake);
	fg_loop_turn(sim->loop, false);
	assert_string_equal(sim->trace, "ac");
	fg_handle_close(&alarm[2].wake.handle, NULL);
	assert_int_equal(fg_loop_turn(sim->loop, false), 0);
}

/* -- signals -- */

struct listener {
	struct fg_signal sig;
	struct sim *sim;
	char name;
	struct listener *closes;
};

static void listener_called(struct fg_signal *sig, int signo)
{
	struct listener *listener = container_of(sig, struct listener, sig);

	assert_int_equal(signo, sig->signo);
	assert_int_equal(sig->handle.loop->phase, FG_PHASE_POLL);
	sim_note(listener->sim, listener->name);
	if (listener->closes)
		fg_handle_close(&listener->closes->sig.handle, NULL);
}

static void signals_reach_their_listeners(void **state)
{
	static const int signo[] = { SIGUSR1, SIGUSR1, SIGUSR2, SIGUSR1 };
	struct sim *sim = *state;
	struct listener l[4];

	for (unsigned i = 0; i < 4; i++) {
		l[i] = (struct listener){ .sim = sim, .name = (char)('a' + i) };
		assert_int_equal(fg_signal_init(sim->loop, &l[i].sig, signo[i], listener_called),
				 0);
	}
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	l[0].closes = &l[1];
	fg_loop_turn(sim->loop, true);
	assert_string_equal(sim->trace, "adc");
	kill(getpid(), SIGUSR1);
	fg_loop_turn(sim->loop, true);
	assert_string_equal(sim->trace, "adcad");
	for (unsigned i = 0; i < 4; i++)
		fg_handle_close(&l[i].sig.handle, NULL);
	kill(getpid(), SIGUSR1); /* nobody listens, and it does not kill */
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "adcad");
	assert_int_equal(fg_signal_init(sim->loop, &l[0].sig, 10000, listener_called), -EINVAL);
}

static void unreferenced_signal(void **state)
{
	struct sim *sim = *state;
	struct listener l = { .sim = sim };

	assert_int_equal(fg_signal_init(sim->loop, &l.sig, SIGUSR2, listener_called), 0);
	assert_int_equal(fg_loop_turn(sim->loop, false), 1);
	fg_handle_unref(&l.sig.handle);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	fg_handle_close(&l.sig.handle, NULL);
	sim_close_rest(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIM_TEST(work_comes_back_in_pending),
		SIM_TEST(results_in_the_order_they_end),
		SIM_TEST(work_is_begun_in_order),
		SIM_TEST(much_work),
		cmocka_unit_test(free_drops_what_was_not_begun),
		SIM_TEST(wakes_from_threads),
		SIM_TEST(burst_is_one_callback),
		SIM_TEST(burst_into_a_sleep),
		cmocka_unit_test(looks_become_seldom),
		SIM_TEST(sleeps_between_wakes),
		SIM_TEST(wake_closed_by_another),
		SIM_TEST(signals_reach_their_listeners),
		SIM_TEST(unreferenced_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
