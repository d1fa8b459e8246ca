/* The budget of each phase: what is beyond it has the next turn, in order, and nothing sleeps. */
#include "test_loop_sim.h"

struct many {
	struct sim *sim;
	struct fg_hook hook[3000];
	struct fg_timer timer[3000];
	unsigned calls, order_faults;
	void *last;
};

static void many_note(struct many *many, void *at)
{
	if (many->last && (char *)at <= (char *)many->last)
		many->order_faults++;
	many->last = at;
	many->calls++;
}

static struct many *many_of(struct sim *sim)
{
	struct many *many = calloc(1, sizeof(*many));

	many->sim = sim;
	sim->loop->trace_arg = many; /* the callbacks below find it here */
	return many;
}

static void many_timer(struct fg_timer *timer)
{
	many_note(timer->handle.loop->trace_arg, timer);
}

static void many_hook(struct fg_hook *hook)
{
	many_note(hook->handle.loop->trace_arg, hook);
}

static void many_closed(struct fg_handle *handle)
{
	many_note(handle->loop->trace_arg, handle);
}

static void turns_give(struct many *many, const unsigned *expect)
{
	for (; *expect; expect++) {
		many->calls = 0;
		many->last = NULL;
		fg_loop_turn(many->sim->loop, true);
		assert_int_equal(many->calls, *expect);
		assert_int_equal(many->order_faults, 0);
	}
	assert_int_equal(many->sim->sleeps + many->sim->forever, 0);
}

static const unsigned three_turns[] = { 1024, 1024, 952, 0 };

static void budget_of_timers(void **state)
{
	struct sim *sim = *state;
	struct many *many = many_of(sim);

	for (unsigned i = 0; i < 3000; i++) {
		fg_timer_init(sim->loop, &many->timer[i], many_timer);
		fg_timer_start(&many->timer[i], 0);
	}
	turns_give(many, three_turns);
	free(many);
}

static void budget_of_close(void **state)
{
	struct sim *sim = *state;
	struct many *many = many_of(sim);

	for (unsigned i = 0; i < 3000; i++) {
		fg_hook_init(sim->loop, &many->hook[i], FG_PHASE_CHECK, many_hook);
		fg_handle_close(&many->hook[i].handle, many_closed);
	}
	turns_give(many, three_turns);
	assert_int_equal(fg_loop_turn(sim->loop, true), 0);
	free(many);
}

/* Hooks go on where the budget ended, and the loop does not sleep on the rest. */
static void budget_of_hooks(void **state)
{
	struct sim *sim = *state;
	struct many *many = many_of(sim);

	for (unsigned i = 0; i < 3000; i++) {
		fg_hook_init(sim->loop, &many->hook[i], FG_PHASE_CHECK, many_hook);
		fg_hook_start(&many->hook[i]);
	}
	fg_timer_init(sim->loop, &many->timer[0], many_timer);
	fg_timer_start(&many->timer[0], FG_S(1));
	many->calls = 0;
	fg_loop_turn(sim->loop, false);
	fg_loop_turn(sim->loop, true);
	fg_loop_turn(sim->loop, true);
	assert_int_equal(many->calls, 3000);
	assert_int_equal(many->order_faults, 0);
	assert_int_equal(sim->sleeps, 0);
	many->last = NULL;
	fg_loop_turn(sim->loop, true);
	assert_ptr_equal(many->last, &many->hook[1023]);
	assert_int_equal(sim->sleeps, 1);
	for (unsigned i = 0; i < 3000; i++)
		fg_handle_close(&many->hook[i].handle, NULL);
	sim_close_rest(sim);
	fg_timer_stop(&many->timer[0]);
	free(many);
}

static unsigned *deferred_calls(struct fg_defer *defer)
{
	return (unsigned *)(void *)(defer + 1);
}

static void deferred_count(struct fg_defer *defer)
{
	++*deferred_calls(defer);
}

static void budget_of_pending(void **state)
{
	struct sim *sim = *state;
	struct {
		struct fg_defer defer;
		unsigned calls;
	} *all = calloc(3000, sizeof(*all));
	struct fg_loop_stats stats;

	for (unsigned i = 0; i < 3000; i++) {
		all[i].defer.cb = deferred_count;
		fg_loop_defer(sim->loop, &all[i].defer);
	}
	for (unsigned turn = 1; turn <= 3; turn++) {
		unsigned end = turn * 1024 < 3000 ? turn * 1024 : 3000;

		assert_int_equal(fg_loop_turn(sim->loop, true), turn < 3);
		for (unsigned i = 0; i < 3000; i++)
			assert_int_equal(all[i].calls, i < end);
	}
	fg_loop_stats(sim->loop, &stats);
	assert_int_equal(stats.turns, 3);
	assert_int_equal(stats.callbacks[FG_PHASE_PENDING], 3000);
	assert_int_equal(sim->sleeps + sim->forever, 0);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIM_TEST(budget_of_timers),
		SIM_TEST(budget_of_pending),
		SIM_TEST(budget_of_hooks),
		SIM_TEST(budget_of_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
