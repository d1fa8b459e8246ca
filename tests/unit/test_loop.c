/* The turn: order of the phases, FIFO in each, when it sleeps, when it ends. */
#include "test_loop_sim.h"

struct probe {
	struct sim *sim;
	char name;
	int left; /* how often to go on */
	struct fg_hook hook;
	struct fg_defer defer;
	struct fg_timer timer;
	struct probe *other;
};

static void probe_closed(struct fg_handle *handle)
{
	struct probe *probe = container_of(handle, struct probe, hook.handle);

	sim_note(probe->sim, 'c');
}

static void probe_hook(struct fg_hook *hook)
{
	struct probe *probe = container_of(hook, struct probe, hook);

	sim_note(probe->sim, probe->name);
	if (--probe->left == 0)
		fg_handle_close(&hook->handle, probe_closed);
}

static void hook_setup(struct sim *sim, struct probe *probe, enum fg_phase phase, char name)
{
	*probe = (struct probe){ .sim = sim, .name = name, .left = 1 };
	fg_hook_init(sim->loop, &probe->hook, phase, probe_hook);
	fg_hook_start(&probe->hook);
}

static void phases_in_order(void **state)
{
	struct sim *sim = *state;
	struct probe idle;

	hook_setup(sim, &idle, FG_PHASE_IDLE, 'i');
	idle.left = 3;
	fg_loop_trace(sim->loop, sim_trace, sim);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "TPIiRLCXTPIiRLCXTPIiRLCXc");
}

static void probe_timer(struct fg_timer *timer)
{
	struct probe *probe = container_of(timer, struct probe, timer);

	sim_note(probe->sim, 't');
}

static void probe_deferred(struct fg_defer *defer)
{
	struct probe *probe = container_of(defer, struct probe, defer);

	sim_note(probe->sim, probe->name);
	if (--probe->left > 0)
		fg_loop_defer(probe->sim->loop, defer);
}

static void callbacks_in_their_phase(void **state)
{
	struct sim *sim = *state;
	struct probe defer = { .sim = sim, .name = 'd', .left = 1, .defer.cb = probe_deferred };
	struct probe check, prepare, idle;

	hook_setup(sim, &check, FG_PHASE_CHECK, 'k');
	hook_setup(sim, &prepare, FG_PHASE_PREPARE, 'r');
	hook_setup(sim, &idle, FG_PHASE_IDLE, 'i');
	fg_timer_init(sim->loop, &defer.timer, probe_timer);
	fg_timer_start(&defer.timer, 0);
	fg_loop_defer(sim->loop, &defer.defer);
	fg_loop_trace(sim->loop, sim_trace, sim);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "TtPdIiRrLCkXccc");
	fg_handle_close(&defer.timer.handle, NULL);
	sim_close_rest(sim);
}

static void deferred_in_deferred_waits_a_turn(void **state)
{
	struct sim *sim = *state;
	struct probe a = { .sim = sim, .name = 'a', .left = 3, .defer.cb = probe_deferred };
	struct probe b = { .sim = sim, .name = 'b', .left = 1, .defer.cb = probe_deferred };

	fg_loop_defer(sim->loop, &a.defer);
	fg_loop_defer(sim->loop, &b.defer);
	fg_loop_defer(sim->loop, &a.defer); /* stays where it is */
	fg_loop_trace(sim->loop, sim_trace, sim);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "TPabIRLCXTPaIRLCXTPaIRLCX");
	assert_int_equal(sim->sleeps + sim->forever, 0);
}

static void deferred_canceller(struct fg_defer *defer)
{
	struct probe *probe = container_of(defer, struct probe, defer);

	sim_note(probe->sim, probe->name);
	fg_loop_cancel(probe->sim->loop, &probe->other->defer);
}

static void deferred_cancelled(void **state)
{
	static const struct {
		int canceller, cancelled; /* -1: before the turn */
		const char *order;
	} cases[] = {
		{ -1, 0, "bcd" }, { -1, 2, "abd" }, { -1, 3, "abc" },
		{ 0, 1, "acd" },  { 1, 3, "abc" },  { 2, 0, "abcd" },
	};
	struct sim *sim = *state;
	struct probe probe[4];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct probe *cancelled = &probe[cases[i].cancelled];

		memset(sim->trace, 0, sizeof(sim->trace));
		sim->trace_len = 0;
		for (int k = 0; k < 4; k++) {
			probe[k] = (struct probe){ .sim = sim, .name = (char)('a' + k) };
			probe[k].other = cancelled;
			probe[k].defer.cb = k == cases[i].canceller ? deferred_canceller :
								      probe_deferred;
			fg_loop_defer(sim->loop, &probe[k].defer);
		}
		if (cases[i].canceller < 0)
			fg_loop_cancel(sim->loop, &cancelled->defer);
		assert_int_equal(fg_loop_run(sim->loop), 0);
		assert_string_equal(sim->trace, cases[i].order);
	}
}

/* -- hooks that change the list they are in -- */

static void hook_stops_other(struct fg_hook *hook)
{
	struct probe *probe = container_of(hook, struct probe, hook);

	sim_note(probe->sim, probe->name);
	if (probe->other)
		fg_hook_stop(&probe->other->hook);
}

static void hook_starts_other(struct fg_hook *hook)
{
	struct probe *probe = container_of(hook, struct probe, hook);

	sim_note(probe->sim, probe->name);
	fg_hook_start(&probe->other->hook);
}

static void hook_restarts(struct fg_hook *hook)
{
	struct probe *probe = container_of(hook, struct probe, hook);

	sim_note(probe->sim, probe->name);
	fg_hook_stop(hook);
	fg_hook_start(hook);
}

static void hooks_change_their_list(void **state)
{
	static const struct {
		void (*cb)(struct fg_hook *);
		unsigned other;
		bool other_runs;
		const char *order;
	} cases[] = {
		{ hook_stops_other, 0, true, "abcbc" }, { hook_stops_other, 1, true, "acac" },
		{ hook_stops_other, 2, true, "abab" },	{ hook_starts_other, 2, false, "ababc" },
		{ hook_restarts, 1, true, "abcbca" },
	};
	struct sim *sim = *state;
	struct probe probe[3];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(sim->trace, 0, sizeof(sim->trace));
		sim->trace_len = 0;
		for (unsigned k = 0; k < 3; k++) {
			hook_setup(sim, &probe[k], FG_PHASE_PREPARE, (char)('a' + k));
			probe[k].left = 100;
		}
		probe[0].hook.handle.call.hook = cases[i].cb;
		probe[0].other = &probe[cases[i].other];
		if (!cases[i].other_runs)
			fg_hook_stop(&probe[cases[i].other].hook);
		fg_loop_turn(sim->loop, false);
		fg_loop_turn(sim->loop, false);
		assert_string_equal(sim->trace, cases[i].order);
		for (unsigned k = 0; k < 3; k++)
			fg_handle_close(&probe[k].hook.handle, NULL);
		assert_int_equal(fg_loop_turn(sim->loop, false), 0);
	}
}

/* -- ending -- */

static void timer_stops_loop(struct fg_timer *timer)
{
	fg_loop_stop(timer->handle.loop);
}

static void ends_when_nothing_is_left(void **state)
{
	struct sim *sim = *state;
	struct probe probe = { .sim = sim };

	assert_int_equal(fg_loop_run(sim->loop), 0);
	fg_timer_init(sim->loop, &probe.timer, probe_timer);
	fg_timer_start(&probe.timer, FG_S(5));
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "t");
	assert_int_equal(sim->now_ns, FG_S(1005));
	assert_int_equal(sim->sleeps, 1);
}

static void unreferenced_does_not_hold(void **state)
{
	struct sim *sim = *state;
	struct probe held = { .sim = sim }, loose = { .sim = sim };

	fg_timer_init(sim->loop, &held.timer, probe_timer);
	fg_timer_init(sim->loop, &loose.timer, probe_timer);
	fg_timer_start(&loose.timer, FG_S(1));
	fg_handle_unref(&loose.timer.handle);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "");
	fg_timer_start(&held.timer, FG_S(2));
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "tt"); /* it runs while something else holds */
	fg_timer_start(&loose.timer, FG_S(1));
	fg_handle_close(&loose.timer.handle, NULL);
	assert_int_equal(fg_loop_turn(sim->loop, true), 0);
}

static void stop_ends_after_the_turn(void **state)
{
	struct sim *sim = *state;
	struct probe idle;
	struct fg_timer timer;

	fg_timer_init(sim->loop, &timer, timer_stops_loop);
	fg_timer_start(&timer, 0);
	hook_setup(sim, &idle, FG_PHASE_CHECK, 'k');
	idle.left = 100;
	fg_loop_trace(sim->loop, sim_trace, sim);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "TPIRLCkX");
	assert_int_equal(sim->sleeps + sim->forever, 0);
	fg_handle_close(&idle.hook.handle, NULL);
	sim_close_rest(sim);
}

static void timer_hurries(struct fg_timer *timer)
{
	fg_loop_hurry(timer->handle.loop);
}

/* Once, up to the next check; the turn after that sleeps again. */
static void hurry_reaches_check(void **state)
{
	struct sim *sim = *state;
	struct probe check, later = { .sim = sim };
	struct fg_timer timer;

	fg_timer_init(sim->loop, &timer, timer_hurries);
	fg_timer_start(&timer, 0);
	fg_timer_init(sim->loop, &later.timer, probe_timer);
	fg_timer_start(&later.timer, FG_S(1));
	hook_setup(sim, &check, FG_PHASE_CHECK, 'k');
	check.left = 100;
	fg_loop_turn(sim->loop, true);
	assert_string_equal(sim->trace, "k");
	assert_int_equal(sim->sleeps, 0);
	fg_loop_turn(sim->loop, true);
	assert_int_equal(sim->sleeps, 1);
	fg_handle_close(&check.hook.handle, NULL);
	fg_timer_stop(&later.timer);
	sim_close_rest(sim);
}

static void close_in_close_waits_a_turn(struct fg_handle *handle)
{
	struct probe *probe = container_of(handle, struct probe, hook.handle);

	sim_note(probe->sim, probe->name);
	if (probe->other)
		fg_handle_close(&probe->other->hook.handle, close_in_close_waits_a_turn);
}

static void closes_one_after_the_other(void **state)
{
	struct sim *sim = *state;
	struct probe a, b;

	hook_setup(sim, &a, FG_PHASE_CHECK, 'a');
	hook_setup(sim, &b, FG_PHASE_CHECK, 'b');
	a.other = &b;
	fg_handle_close(&a.hook.handle, close_in_close_waits_a_turn);
	fg_handle_close(&a.hook.handle, probe_closed); /* ignored */
	fg_hook_start(&a.hook); /* so is this */
	fg_hook_stop(&b.hook);
	fg_loop_trace(sim->loop, sim_trace, sim);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "TPIRLCXaTPIRLCXb");
}

static void hook_turns(struct fg_hook *hook)
{
	struct probe *probe = container_of(hook, struct probe, hook);

	assert_int_equal(fg_loop_turn(hook->handle.loop, false), -EBUSY);
	assert_int_equal(fg_loop_run(hook->handle.loop), -EBUSY);
	probe_hook(&probe->hook);
}

static void no_turn_within_a_turn(void **state)
{
	struct sim *sim = *state;
	struct probe probe;

	hook_setup(sim, &probe, FG_PHASE_IDLE, 'i');
	probe.hook.handle.call.hook = hook_turns;
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "ic");
}

static void hook_takes_time(struct fg_hook *hook)
{
	struct probe *probe = container_of(hook, struct probe, hook);

	probe->sim->now_ns += FG_MS(70);
	probe_hook(hook);
}

static void longest_turn_without_sleep(void **state)
{
	struct sim *sim = *state;
	struct probe idle;
	struct fg_loop_stats stats;

	hook_setup(sim, &idle, FG_PHASE_IDLE, 'i');
	idle.hook.handle.call.hook = hook_takes_time;
	idle.left = 3;
	fg_timer_init(sim->loop, &idle.timer, probe_timer);
	fg_timer_start(&idle.timer, FG_S(9));
	assert_int_equal(fg_loop_run(sim->loop), 0);
	fg_loop_stats(sim->loop, &stats);
	assert_int_equal(stats.longest_turn_ns, FG_MS(70));
	assert_in_range(fg_loop_lag_ns(&stats, 990), FG_MS(60), FG_MS(70));
	assert_int_equal(sim->now_ns, FG_S(1009)); /* the sleep was for what was left */
	assert_string_equal(sim->trace, "iiict");
}

/* Measured while somebody asks, without the sleep, and begun anew after a pause. */
static void phases_are_measured_when_asked(void **state)
{
	struct sim *sim = *state;
	const struct fg_loop_phases *phases;
	struct probe idle;

	assert_null(fg_loop_phases(sim->loop));
	hook_setup(sim, &idle, FG_PHASE_IDLE, 'i');
	idle.hook.handle.call.hook = hook_takes_time;
	idle.left = 3;
	fg_timer_init(sim->loop, &idle.timer, probe_timer);
	fg_timer_start(&idle.timer, FG_S(9));
	assert_int_equal(fg_loop_run(sim->loop), 0);
	phases = fg_loop_phases(sim->loop);
	assert_non_null(phases);
	assert_int_equal(phases->longest_ns[FG_PHASE_IDLE], FG_MS(70));
	assert_int_equal(phases->longest_ns[FG_PHASE_POLL], 0);
	assert_int_equal(fg_loop_phase_ns(phases, FG_PHASE_IDLE, 990), FG_MS(70));
	assert_int_equal(fg_loop_phase_ns(phases, FG_PHASE_CHECK, 990), 0);
	assert_int_equal(sim->now_ns, FG_S(1009));
	sim->now_ns += FG_LOOP_ASKED;
	assert_null(fg_loop_phases(sim->loop));
	sim->now_ns += FG_LOOP_ASKED + 1;
	fg_loop_update_now(sim->loop);
	fg_timer_start(&idle.timer, FG_S(1));
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_null(fg_loop_phases(sim->loop)); /* nobody had asked */
}

static void lag_is_counted_by_steps(void **state)
{
	struct fg_loop_stats stats = { .longest_turn_ns = FG_S(40) };

	(void)state;
	assert_int_equal(fg_loop_lag_ns(&stats, 990), 0);
	stats.lags[2] = 98; /* 2 us */
	stats.lags[40] = 1; /* 1024 us */
	stats.lags[FG_LOOP_LAGS - 1] = 1;
	assert_int_equal(fg_loop_lag_ns(&stats, 500), 3000);
	assert_int_equal(fg_loop_lag_ns(&stats, 980), 3000);
	assert_int_equal(fg_loop_lag_ns(&stats, 990), 1280000);
	assert_int_equal(fg_loop_lag_ns(&stats, 1000), FG_MS(16777) + 216000);
	stats.longest_turn_ns = 1100000;
	assert_int_equal(fg_loop_lag_ns(&stats, 990), 1100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIM_TEST(phases_in_order),
		SIM_TEST(callbacks_in_their_phase),
		SIM_TEST(deferred_in_deferred_waits_a_turn),
		SIM_TEST(deferred_cancelled),
		SIM_TEST(hooks_change_their_list),
		SIM_TEST(ends_when_nothing_is_left),
		SIM_TEST(unreferenced_does_not_hold),
		SIM_TEST(stop_ends_after_the_turn),
		SIM_TEST(hurry_reaches_check),
		SIM_TEST(closes_one_after_the_other),
		SIM_TEST(no_turn_within_a_turn),
		SIM_TEST(longest_turn_without_sleep),
		SIM_TEST(phases_are_measured_when_asked),
		cmocka_unit_test(lag_is_counted_by_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
