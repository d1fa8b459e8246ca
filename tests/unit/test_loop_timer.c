/* Timers: against a sorted model, by random adding, re-arming and cancelling; order of equals. */
#include "test_loop_sim.h"

#define MODEL_TIMERS 100000u

struct model_timer {
	struct fg_timer timer;
	uint64_t due_ns, order; /* what the model expects; order 0: not set */
};

struct model {
	struct sim *sim;
	struct model_timer *all;
	uint64_t seed, order, fired;
	uint64_t last_due_ns, last_order;
	unsigned faults, changes;
};

static uint32_t model_random(struct model *model)
{
	model->seed ^= model->seed << 13;
	model->seed ^= model->seed >> 7;
	model->seed ^= model->seed << 17;
	return (uint32_t)(model->seed >> 20);
}

static void model_set(struct model *model, struct model_timer *entry)
{
	/* few distinct times, so that many are equal */
	uint64_t after_ns = FG_MS(model_random(model) % 5000);

	entry->due_ns = fg_loop_now(model->sim->loop) + after_ns;
	entry->order = ++model->order;
	assert_int_equal(fg_timer_start(&entry->timer, after_ns), 0);
}

static void model_change(struct model *model)
{
	struct model_timer *entry = &model->all[model_random(model) % MODEL_TIMERS];

	if (model_random(model) % 3 == 0) {
		fg_timer_stop(&entry->timer);
		entry->order = 0;
	} else {
		model_set(model, entry);
	}
	assert_int_equal(fg_timer_active(&entry->timer), entry->order != 0);
}

static void model_fired(struct fg_timer *timer)
{
	struct model *model = ((struct sim *)timer->handle.loop->os.arg)->loop->trace_arg;
	struct model_timer *entry = container_of(timer, struct model_timer, timer);

	/* exactly then, never in another order, never one that was stopped */
	model->faults += entry->order == 0 || entry->due_ns != timer->handle.due_ns ||
			 entry->due_ns != model->sim->now_ns;
	model->faults += entry->due_ns < model->last_due_ns ||
			 (entry->due_ns == model->last_due_ns && entry->order < model->last_order);
	model->last_due_ns = entry->due_ns;
	model->last_order = entry->order;
	entry->order = 0;
	model->fired++;
	if (model->changes > 0) {
		model->changes--;
		model_change(model);
		model_change(model);
	}
}

static void follows_the_model(void **state)
{
	struct sim *sim = *state;
	struct model model = { .sim = sim, .seed = 88172645463325252u, .changes = 150000 };
	unsigned left = 0;

	model.all = calloc(MODEL_TIMERS, sizeof(*model.all));
	sim->loop->trace_arg = &model;
	for (unsigned i = 0; i < MODEL_TIMERS; i++) {
		fg_timer_init(sim->loop, &model.all[i].timer, model_fired);
		model_set(&model, &model.all[i]);
	}
	for (unsigned i = 0; i < 3 * MODEL_TIMERS; i++)
		model_change(&model);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_int_equal(model.faults, 0);
	assert_int_equal(model.changes, 0);
	for (unsigned i = 0; i < MODEL_TIMERS; i++)
		left += model.all[i].order != 0;
	assert_int_equal(left, 0);
	assert_int_equal(sim->loop->timers.len, 0);
	assert_true(model.fired > MODEL_TIMERS);
	free(model.all);
}

struct named {
	struct fg_timer timer;
	struct sim *sim;
	char name;
	int left;
};

static void named_fired(struct fg_timer *timer)
{
	struct named *named = container_of(timer, struct named, timer);

	sim_note(named->sim, named->name);
	if (--named->left > 0)
		fg_timer_start_at(timer, 0);
}

static void named_setup(struct sim *sim, struct named *named, char name)
{
	*named = (struct named){ .sim = sim, .name = name };
	fg_timer_init(sim->loop, &named->timer, named_fired);
}

/* One that sets itself to the past has one call a turn, after those that were due before. */
static void the_past_is_now(void **state)
{
	struct sim *sim = *state;
	struct named a, b;

	named_setup(sim, &a, 'a');
	named_setup(sim, &b, 'b');
	a.left = 3;
	fg_timer_start_at(&a.timer, 1);
	fg_timer_start(&b.timer, 0);
	assert_int_equal(a.timer.handle.due_ns, fg_loop_now(sim->loop));
	fg_loop_trace(sim->loop, sim_trace, sim);
	fg_loop_run(sim->loop);
	assert_string_equal(sim->trace, "TabPIRLCXTaPIRLCXTaPIRLCX");
	assert_int_equal(sim->sleeps, 0);
}

/* What was stopped takes no room for long, and nothing looks at it any more. */
static void stopped_ones_leave(void **state)
{
	enum { MANY = 1000, ROUNDS = 100 };
	struct sim *sim = *state;
	struct fg_timer *many = calloc(MANY, sizeof(*many));
	struct named last;
	uint32_t size;

	named_setup(sim, &last, 'l');
	for (unsigned i = 0; i < MANY; i++) {
		fg_timer_init(sim->loop, &many[i], NULL);
		fg_timer_start(&many[i], 1 + i * 7919u % MANY);
	}
	fg_timer_start(&last.timer, 2 * MANY);
	size = sim->loop->timers.size;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < MANY; i++)
			fg_timer_stop(&many[i]);
		for (unsigned i = 0; i < MANY; i++) {
			fg_timer_init(sim->loop, &many[i], NULL); /* knows of no place it had */
			fg_timer_start(&many[i], 1 + (i + round) * 7919u % MANY);
		}
	}
	assert_int_equal(sim->loop->timers.size, size);
	for (unsigned i = 0; i < MANY; i++)
		fg_handle_close(&many[i].handle, NULL);
	fg_loop_turn(sim->loop, false);
	free(many);
	assert_int_equal(fg_timer_first_ns(sim->loop), last.timer.handle.due_ns);
	fg_loop_run(sim->loop);
	assert_int_equal(sim->loop->timers.len, 0);
	assert_string_equal(sim->trace, "l");
}

/* One that is stopped and started again has its slot back: what each answer does to a patience. */
static void started_again_takes_its_slot(void **state)
{
	struct sim *sim = *state;
	struct named a, b, c;

	named_setup(sim, &a, 'a');
	named_setup(sim, &b, 'b');
	named_setup(sim, &c, 'c');
	fg_timer_start(&a.timer, 10);
	fg_timer_start(&b.timer, 20);
	fg_timer_start(&c.timer, 40);
	for (unsigned i = 0; i < 100; i++) {
		fg_timer_stop(&b.timer);
		assert_int_equal(sim->loop->timers.empty, 1);
		fg_timer_start(&b.timer, i % 2 ? 5 : 30);
		assert_int_equal(sim->loop->timers.len, 3);
		assert_int_equal(sim->loop->timers.empty, 0);
	}
	fg_timer_stop(&a.timer);
	fg_timer_start(&a.timer, 15);
	assert_int_equal(sim->loop->timers.len, 3);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "bac");
}

/* A timer moved to a later time, and to the same time again, counts from there. */
static void re_armed(void **state)
{
	static const struct {
		uint64_t again_ns; /* of a, which stood at 10, b and c at 20 */
		const char *order;
		unsigned sleeps;
	} cases[] = {
		{ 5, "abc", 2 },  { 10, "abc", 2 }, { 15, "abc", 2 },
		{ 20, "bca", 1 }, { 25, "bca", 2 }, { UINT64_MAX / 2, "bca", 2 },
	};
	struct sim *sim = *state;
	struct named a, b, c;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(sim->trace, 0, sizeof(sim->trace));
		sim->trace_len = sim->sleeps = 0;
		sim->now_ns = FG_S(1);
		fg_loop_update_now(sim->loop);
		named_setup(sim, &a, 'a');
		named_setup(sim, &b, 'b');
		named_setup(sim, &c, 'c');
		fg_timer_start(&a.timer, 10);
		fg_timer_start(&b.timer, 20);
		fg_timer_start(&c.timer, 20);
		fg_timer_start(&a.timer, cases[i].again_ns);
		assert_int_equal(fg_loop_run(sim->loop), 0);
		assert_string_equal(sim->trace, cases[i].order);
		assert_int_equal(sim->sleeps, cases[i].sleeps);
	}
}

static void closed_timer_stays_stopped(void **state)
{
	struct sim *sim = *state;
	struct named a;

	named_setup(sim, &a, 'a');
	fg_timer_start(&a.timer, 10);
	fg_handle_close(&a.timer.handle, NULL);
	assert_false(fg_timer_active(&a.timer));
	assert_int_equal(fg_timer_start(&a.timer, 10), -ECANCELED);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	assert_string_equal(sim->trace, "");
}

static void timer_checks_clock(struct fg_timer *timer)
{
	assert_true(fg_loop_now(timer->handle.loop) >= timer->handle.due_ns);
}

/* With the real clock and the real sleep, both of them. */
static void never_early(void **state)
{
	static const uint64_t after_ns[] = { 1, 999, 100000, 999999, 1000001, 2500000 };
	struct fg_loop *loop = fg_loop_new();
	struct fg_timer timer;
	uint64_t turns;

	(void)state;
	fg_timer_init(loop, &timer, timer_checks_clock);
	for (unsigned i = 0; i < 2 * sizeof(after_ns) / sizeof(after_ns[0]); i++) {
		loop->io.no_pwait2 = i % 2;
		fg_loop_update_now(loop);
		fg_timer_start(&timer, after_ns[i / 2]);
		turns = loop->stats.turns;
		assert_int_equal(fg_loop_run(loop), 0);
		assert_true(loop->stats.turns - turns <= 2); /* nor does it wake up before */
		assert_true(fg_loop_update_now(loop) >= timer.handle.due_ns);
	}
	fg_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIM_TEST(follows_the_model),
		SIM_TEST(the_past_is_now),
		SIM_TEST(stopped_ones_leave),
		SIM_TEST(started_again_takes_its_slot),
		SIM_TEST(re_armed),
		SIM_TEST(closed_timer_stays_stopped),
		cmocka_unit_test(never_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
