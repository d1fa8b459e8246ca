/* What the upstream says it has does not come twice, and nothing else is left out. */
#include "outbox_fixture.h"

#include <errno.h>

static bool has(const struct fg_batch *batch, const char *text)
{
	return memmem(batch->payload.ptr, batch->payload.len, text, strlen(text)) != NULL;
}

static uint64_t epoch(const struct world *w)
{
	return fg_spool_epoch(w->f.spool)->id;
}

/* An opening in which the upstream tells what it has. */
static struct world *telling(struct fg_sink *sink)
{
	struct world *w = (struct world *)(uintptr_t)sink->conf;

	w->sink = sink;
	w->opens++;
	w->nheld = 0;
	return w;
}

static int slow_open(struct fg_sink *sink)
{
	telling(sink);
	return 0;
}

static int has_setup(void **state)
{
	int r = world_setup(state);
	struct world *w = *state;

	w->bridge.ops.open = slow_open;
	w->takes = false;
	return r;
}

static void fault(struct world *w)
{
	fg_sink_fault(w->sink, -ECONNRESET, "gone");
	world_turns(w, 3, 0);
	world_turns(w, 20, FG_S(1));
}

static void settle(struct world *w)
{
	w->takes = true;
	while (w->nheld)
		world_done(w, 0, 0, NULL);
	world_turns(w, 10, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	assert_int_equal(world_account(w).acknowledged, fg_spool_accepted(w->f.spool));
	assert_int_equal(fg_cursor_state(w->box->cursor)->nislands, 0);
}

/* The process died with four packs of ten on their way; all, some, none had arrived. */
static uint64_t died(struct world *w)
{
	uint64_t before;

	world_up(w);
	fg_sink_up(w->sink);
	world_entries(w, "a", 10, 10);
	before = epoch(w);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 4);
	for (int i = 0; i < 4; i++)
		assert_false(w->held[i]->lost);
	world_crash(w);
	assert_int_equal(w->box->head, w->box->tail);
	return before;
}

static void the_cursor_goes_on_behind_it(void **state)
{
	struct world *w = *state;
	uint64_t before = died(w);

	/* cut in another way than what was in flight; in any order */
	assert_int_equal(fg_sink_has(w->sink, before, 16, 25), 0);
	assert_int_equal(fg_sink_has(w->sink, before, 1, 15), 0);
	assert_int_equal(fg_sink_has(w->sink, before, 1, 15), 1);
	assert_int_equal(fg_sink_has(w->sink, before, 5, 25), 1);
	assert_int_equal(world_account(w).acknowledged, 25);
	fg_sink_up(w->sink);
	world_turn(w, FG_S(1));
	assert_true(has(w->held[0], "\"first\":26,\"last\":35"));
	settle(w);
	assert_int_equal(w->records, 75);
}

static void what_stands_alone_is_gone_round(void **state)
{
	struct world *w = *state;
	uint64_t before = died(w);

	assert_int_equal(fg_sink_has(w->sink, before, 11, 20), 0);
	assert_int_equal(fg_sink_has(w->sink, before, 31, 40), 0);
	assert_int_equal(fg_sink_has(w->sink, before, 38, 43), 0);
	assert_int_equal(fg_sink_has(w->sink, before, 12, 13), 1);
	assert_int_equal(world_account(w).acknowledged, 23);
	fg_sink_up(w->sink);
	world_turn(w, FG_S(1));
	assert_int_equal(w->nheld, 4);
	assert_true(has(w->held[0], "\"first\":1,\"last\":10"));
	assert_true(has(w->held[1], "\"first\":21,\"last\":30"));
	assert_true(has(w->held[2], "\"first\":44,\"last\":53"));
	settle(w);
	assert_int_equal(w->records, 77);
}

static void it_is_on_the_disk(void **state)
{
	struct world *w = *state;
	uint64_t before = died(w);

	assert_int_equal(fg_sink_has(w->sink, before, 1, 40), 0);
	world_turn(w, 0);
	world_crash(w);
	assert_int_equal(world_account(w).acknowledged, 40);
	assert_int_equal(fg_sink_has(w->sink, before, 1, 40), 1);
	fg_sink_up(w->sink);
	settle(w);
	assert_int_equal(w->records, 60);
}

static void more_ranges_than_islands_come_again(void **state)
{
	struct world *w = *state;
	uint64_t before = died(w);

	for (unsigned i = 0; i < FG_CURSOR_ISLANDS; i++)
		assert_int_equal(fg_sink_has(w->sink, before, 3 + 10 * i, 4 + 10 * i), 0);
	assert_int_equal(fg_sink_has(w->sink, before, 93, 94), -EAGAIN);
	assert_int_equal(fg_sink_has(w->sink, before, 1, 2), 0); /* and fills a gap */
	assert_int_equal(fg_cursor_state(w->box->cursor)->position, 4);
	assert_int_equal(fg_sink_has(w->sink, before, 93, 94), 0);
	fg_sink_up(w->sink);
	settle(w);
	assert_int_equal(w->records, 100 - 20);
}

static void foreign_and_odd_ranges_are_nobodys(void **state)
{
	struct world *w = *state;
	uint64_t before = died(w);

	assert_int_equal(fg_sink_has(w->sink, before ^ 1, 1, 10), -ENOENT);
	assert_int_equal(fg_sink_has(w->sink, before, 0, 10), -ENOENT);
	assert_int_equal(fg_sink_has(w->sink, before, 10, 9), -ENOENT);
	assert_int_equal(fg_sink_has(w->sink, before, 101, 110), -ENOENT);
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 1, 10), -ENOENT);
	assert_int_equal(fg_sink_has(w->sink, before, UINT64_MAX - 1, UINT64_MAX), -ENOENT);
	assert_int_equal(world_account(w).acknowledged, 0);
	/* the next epoch's numbers are not those that this one never had */
	world_entries(w, "b", 1, 10);
	assert_int_equal(fg_sink_has(w->sink, before, 91, 110), 0);
	assert_int_equal(fg_cursor_state(w->box->cursor)->islands[0].to, 100);
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 1, 10), 0);
	assert_int_equal(world_account(w).acknowledged, 20);
	fg_sink_up(w->sink);
	settle(w);
	assert_int_equal(w->records, 90);
}

static void packs_in_flight_that_arrived_are_done(void **state)
{
	struct world *w = *state;

	world_up(w);
	fg_sink_up(w->sink);
	world_entries(w, "a", 10, 10);
	world_turn(w, 0);
	fault(w);
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 11, 20), 0);
	assert_int_equal(world_account(w).acknowledged, 0);
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 1, 10), 0);
	assert_int_equal(world_account(w).acknowledged, 20);
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 1, 10), 1);
	/* of one that is cut in another way nothing is left out */
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 25, 35), 0);
	assert_int_equal(world_account(w).acknowledged, 20);
	fg_sink_up(w->sink);
	world_turn(w, 0);
	assert_true(has(w->held[0], "\"first\":21,\"last\":30"));
	settle(w);
	assert_int_equal(w->records, 80);
	world_audit(w, false, "\"gaps\":[[1,20]]");
}

/* A pack that goes up in parts, as one that was too large does: the part that arrived. */
static void a_part_that_arrived_is_done(void **state)
{
	struct world *w = *state;

	w->conf.batch.records = 20;
	world_up(w);
	fg_sink_up(w->sink);
	world_entries(w, "a", 1, 20);
	world_turn(w, 0);
	world_done(w, 0, -EMSGSIZE, NULL);
	world_turn(w, 0);
	assert_true(has(w->held[0], "\"first\":1,\"last\":8"));
	fault(w);
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 1, 8), 0);
	fg_sink_up(w->sink);
	world_turn(w, 0);
	assert_true(has(w->held[0], "\"first\":9,\"last\":16"));
	settle(w);
	assert_int_equal(w->records, 12);
}

static void a_power_cut_is_announced_all_the_same(void **state)
{
	struct world *w = *state;
	struct fg_spool_epoch *at;

	died(w);
	world_entries(w, "b", 2, 10);
	at = (struct fg_spool_epoch *)(uintptr_t)fg_spool_epoch(w->f.spool);
	at->power_cut = true;
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 1, 10), -EAGAIN);
	assert_int_equal(fg_sink_has(w->sink, epoch(w), 11, 20), 0);
	fg_sink_up(w->sink);
	settle(w);
	world_audit(w, false, "\"power-cut\"");
}

static void the_first_pack_of_all_has_said_so(void **state)
{
	struct world *w = *state;

	world_entries(w, "old", 2, 10);
	died(w);
	assert_int_equal(fg_cursor_state(w->box->cursor)->begin, 20);
	assert_int_equal(fg_sink_has(w->sink, fg_spool_epoch_at(w->f.spool, 21)->id, 21, 40), 0);
	assert_true(fg_cursor_state(w->box->cursor)->begin_announced);
	assert_int_equal(world_account(w).acknowledged, 20);
}

static void uncarried_records_before_it_are_covered(void **state)
{
	static const char *const only_b[] = { "b/#" };
	struct world *w = *state;
	uint64_t before;

	w->conf.match = (struct fg_list){ only_b, 1 };
	world_up(w);
	fg_sink_up(w->sink);
	world_entries(w, "a", 3, 10);
	world_turns(w, 2, FG_S(1));
	assert_int_equal(fg_cursor_state(w->box->cursor)->position, 30);
	assert_int_equal(fg_cursor_state(w->box->cursor)->tiled, 0);
	world_entries(w, "b", 3, 10);
	before = epoch(w);
	world_turn(w, 0);
	assert_true(has(w->held[0], "\"first\":1,\"last\":40"));
	world_crash(w);
	assert_int_equal(fg_sink_has(w->sink, before, 1, 40), 0);
	assert_int_equal(fg_cursor_state(w->box->cursor)->tiled, 40);
	assert_int_equal(world_account(w).acknowledged, 40);
	fg_sink_up(w->sink);
	world_turn(w, FG_S(1));
	assert_true(has(w->held[0], "\"first\":41,\"last\":50"));
	w->takes = true;
	while (w->nheld)
		world_done(w, 0, 0, NULL);
	world_turns(w, 10, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
}

#define HAS_TEST(f) cmocka_unit_test_setup_teardown(f, has_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HAS_TEST(the_cursor_goes_on_behind_it),
		HAS_TEST(what_stands_alone_is_gone_round),
		HAS_TEST(it_is_on_the_disk),
		HAS_TEST(more_ranges_than_islands_come_again),
		HAS_TEST(foreign_and_odd_ranges_are_nobodys),
		HAS_TEST(packs_in_flight_that_arrived_are_done),
		HAS_TEST(a_part_that_arrived_is_done),
		HAS_TEST(a_power_cut_is_announced_all_the_same),
		HAS_TEST(the_first_pack_of_all_has_said_so),
		HAS_TEST(uncarried_records_before_it_are_covered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
