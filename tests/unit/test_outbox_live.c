/* Live records first: the backlog follows behind them, nothing is lost, nothing comes twice but
 * what was in flight, and the ranges tile. */
#include "outbox_fixture.h"

static const char *const only_b[] = { "b/#" };

static int live_setup(void **state)
{
	int r = world_setup(state);

	((struct world *)*state)->conf.order = FG_ORDER_LIVE_FIRST;
	return r;
}

static void fault(struct world *w)
{
	fg_sink_fault(w->sink, -ECONNRESET, "gone");
	world_turns(w, 3, 0);
}

/* An outage in which `entries` of ten records come. */
static void outage(struct world *w, unsigned entries)
{
	w->open_error = -ECONNREFUSED;
	if (w->sink)
		fault(w);
	world_entries(w, "a", entries, 10);
	world_turns(w, 3, FG_S(1));
	w->open_error = 0;
}

static bool has(const struct fg_batch *batch, const char *text)
{
	return memmem(batch->payload.ptr, batch->payload.len, text, strlen(text)) != NULL;
}

static void settle(struct world *w)
{
	w->takes = true;
	w->refuses = 0;
	w->open_error = 0;
	while (w->nheld)
		world_done(w, 0, 0, NULL);
	world_turns(w, 60, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	assert_int_equal(fg_cursor_state(w->box->cursor)->nislands, 0);
	assert_false(w->box->live_on);
}

static void new_ones_overtake_the_backlog(void **state)
{
	struct world *w = *state;

	world_up(w);
	outage(w, 100);
	w->takes = false;
	world_turns(w, 4, FG_S(2));	/* up, and the window but for one place full of backlog */
	assert_int_equal(w->nheld, 3);
	assert_true(has(w->held[0], "\"first\":1,"));
	world_entries(w, "new", 1, 10);
	world_turn(w, FG_MS(1));
	assert_int_equal(w->nheld, 4);
	assert_true(has(w->held[3], "\"first\":1001,\"last\":1010"));
	world_done(w, 0, 0, NULL);
	world_done(w, 0, 0, NULL);
	world_turn(w, FG_MS(1));
	assert_true(has(w->held[2], "\"first\":31,\"last\":40"));
	settle(w);
	assert_int_equal(w->records, 1010);
	world_audit(w, true, "\"duplicates\":0");
}

static void without_a_backlog_it_is_as_any_other(void **state)
{
	struct world *w = *state;

	world_up(w);
	for (unsigned i = 0; i < 50; i++) {
		world_entries(w, "a", 3, 7);
		world_turn(w, FG_MS(300));
		assert_false(w->box->live_on);
	}
	settle(w);
	world_audit(w, true, "\"duplicates\":0");
}

static void what_was_ahead_does_not_come_again_after_a_crash(void **state)
{
	struct world *w = *state;

	world_up(w);
	outage(w, 100);
	w->takes = false;
	world_turns(w, 4, FG_S(2));
	world_entries(w, "new", 1, 10);
	world_turn(w, FG_MS(1));
	assert_int_equal(w->nheld, 4);
	while (w->nheld)
		world_done(w, 0, 0, NULL);
	world_turn(w, 0);
	assert_int_equal(fg_cursor_state(w->box->cursor)->islands[0].to, 1010);
	w->nheld = 0;
	world_crash(w);
	world_entries(w, "after", 1, 10);
	settle(w);
	world_audit(w, true, "\"duplicates\":0");
}

static void a_second_outage_makes_a_second_island(void **state)
{
	struct world *w = *state;

	world_up(w);
	w->takes = false;
	for (unsigned i = 0; i < 12; i++) {	/* more than there is room for */
		outage(w, 50);
		world_turns(w, 4, FG_S(2));
		world_entries(w, "new", 1, 10);
		world_turns(w, 2, FG_MS(1));
		while (w->nheld)
			world_done(w, 0, 0, NULL);
		world_turn(w, 0);
		assert_true(fg_cursor_state(w->box->cursor)->nislands <= FG_CURSOR_ISLANDS);
	}
	assert_true(fg_cursor_state(w->box->cursor)->nislands > 2);
	settle(w);
	world_audit(w, true, "\"duplicates\":0");
}

static void rate_holds_the_backlog_only(void **state)
{
	struct world *w = *state;

	w->conf.rate = 10;
	world_up(w);
	outage(w, 100);
	world_turns(w, 4, FG_S(2));
	for (unsigned i = 0; i < 20; i++) {
		uint64_t before = w->records;

		world_entries(w, "new", 1, 10);
		world_turn(w, FG_MS(1));
		assert_true(w->records - before >= 10 && w->records - before <= 20);
	}
	assert_true(world_account(w).waiting > 800);
	w->conf.rate = 0;
	settle(w);
	world_audit(w, true, "\"duplicates\":0");
}

/* The announcement of a power cut has no range. It is in flight, and what it stood before is left
 * to the backlog: then the cursor must not go where it stood. */
static void a_power_cut_that_was_left_behind_moves_nothing(void **state)
{
	struct world *w = *state;

	world_up(w);
	outage(w, 100);
	world_crash(w);
	w->f.spool->epochs.all[w->f.spool->epochs.count - 1]->power_cut = true;
	w->takes = false;
	world_turn(w, FG_MS(1));
	world_entries(w, "new", 2, 10);
	world_turn(w, FG_MS(1));
	assert_int_equal(w->nheld, 4);
	assert_true(has(w->held[3], "power-cut"));
	/* no place is left for the live ones, which fall behind */
	world_entries(w, "new", 3, 10);
	world_turns(w, 4, FG_S(1));
	assert_true(w->box->live.unread > 1050);
	while (w->nheld)
		world_done(w, 0, 0, NULL);
	assert_int_equal(fg_cursor_state(w->box->cursor)->position, 30);
	assert_int_equal(world_account(w).acknowledged, 30);
	settle(w);
	assert_int_equal(world_account(w).acknowledged, 1050);
	world_audit(w, false, "\"duplicates\":0,\"lost\":{\"power-cut\":0},\"gaps\":[]");
}

/* -- whatever comes -- */

static uint32_t dice(uint64_t *seed, uint32_t sides)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % sides;
}

static void refuse(struct world *w, unsigned n, bool too_large)
{
	world_done(w, n, too_large && w->held[n]->records > 1 ? -EMSGSIZE : -EAGAIN, NULL);
}

static void step(struct world *w, uint64_t *seed, bool lossy)
{
	switch (dice(seed, 12)) {
	case 0:
		w->open_error = -ECONNREFUSED;
		fault(w);
		break;
	case 1:
		w->open_error = 0;
		break;
	case 2:
		w->takes = dice(seed, 2);
		break;
	case 3:
	case 4:
		if (w->nheld)
			world_done(w, dice(seed, w->nheld), 0, NULL);
		break;
	case 5:
		if (w->nheld)
			refuse(w, dice(seed, w->nheld), dice(seed, 2));
		break;
	case 6:
		if (dice(seed, 8) == 0) {
			w->nheld = 0;
			world_crash(w);
		}
		break;
	default:
		world_entries(w, dice(seed, 2) ? "a" : "b", 1 + dice(seed, lossy ? 60 : 6),
			      1 + dice(seed, 9));
	}
	world_turns(w, 1 + dice(seed, 3), dice(seed, 2) ? FG_MS(dice(seed, 100)) : FG_S(1));
}

static void run_seed(struct world *w, uint64_t seed, bool lossy)
{
	w->conf.window = 1 + dice(&seed, 6);
	w->conf.match = (struct fg_list){ only_b, dice(&seed, 2) };
	if (lossy) {	/* the spool is too small for a long outage */
		fixture_close(&w->f);
		w->f.conf.limit = 64 << 10;
		w->f.conf.segment = 8 << 10;
		fixture_open(&w->f);
	}
	world_up(w);
	for (unsigned i = 0; i < 400; i++)
		step(w, &seed, lossy);
	world_entries(w, "b", 1, 1);
	settle(w);
	assert_true(world_audited(w, "\"gaps\":[]") || lossy);
}

static void seeds(bool lossy)
{
	const char *one = getenv("SEED");
	uint64_t from = one ? strtoull(one, NULL, 10) : 1, to = one ? from : 60;

	for (uint64_t seed = from; seed <= to; seed++) {
		void *state;

		print_message("seed %llu\n", (unsigned long long)seed);
		live_setup(&state);
		run_seed(state, seed * 7919, lossy);
		world_teardown(&state);
	}
}

static void nothing_is_lost_whatever_comes(void **state)
{
	(void)state;
	seeds(false);
}

static void every_loss_is_announced_whatever_comes(void **state)
{
	(void)state;
	seeds(true);
}

#define LIVE_TEST(f) cmocka_unit_test_setup_teardown(f, live_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_TEST(new_ones_overtake_the_backlog),
		LIVE_TEST(without_a_backlog_it_is_as_any_other),
		LIVE_TEST(what_was_ahead_does_not_come_again_after_a_crash),
		LIVE_TEST(a_second_outage_makes_a_second_island),
		LIVE_TEST(rate_holds_the_backlog_only),
		LIVE_TEST(a_power_cut_that_was_left_behind_moves_nothing),
		cmocka_unit_test(nothing_is_lost_whatever_comes),
		cmocka_unit_test(every_loss_is_announced_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
