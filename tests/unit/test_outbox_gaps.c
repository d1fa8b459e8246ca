/* The outbox where records are missing, not carried or of another epoch; bridges that leave. */
#include "outbox_fixture.h"

static const char *const only_b[] = { "b/#" };

static void small_spool(struct world *w)
{
	fixture_close(&w->f);
	w->f.conf.limit = 64 << 10;
	w->f.conf.segment = 8 << 10;
	fixture_open(&w->f);
}

static void what_was_dropped_is_announced_once(void **state)
{
	struct world *w = *state;
	struct fg_account account;

	small_spool(w);
	w->open_error = -ECONNREFUSED;
	world_up(w);
	world_entries(w, "a", 1500, 10);
	account = world_account(w);
	assert_int_equal(account.due, 15000);
	assert_true(account.dropped[FG_WHY_SPOOL_FULL] > 1000);
	assert_int_equal(account.dropped[FG_WHY_SPOOL_FULL], fg_spool_oldest(w->f.spool) - 1);
	w->open_error = 0;
	world_turns(w, 100, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	assert_int_equal(world_account(w).dropped[FG_WHY_SPOOL_FULL],
			 account.dropped[FG_WHY_SPOOL_FULL]);
	assert_int_equal(world_account(w).acknowledged, 15000 - account.dropped[FG_WHY_SPOOL_FULL]);
	assert_int_equal(w->records, 15000 - account.dropped[FG_WHY_SPOOL_FULL] + 1);
	world_audit(w, false, "\"gaps\":[]");
}

static void what_is_in_flight_survives_the_drop(void **state)
{
	struct world *w = *state;

	small_spool(w);
	w->takes = false;
	world_up(w);
	world_entries(w, "a", 4, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 4);
	world_entries(w, "a", 1500, 10);
	assert_true(fg_spool_oldest(w->f.spool) > 40);
	assert_int_equal(world_account(w).dropped[FG_WHY_SPOOL_FULL],
			 fg_spool_oldest(w->f.spool) - 1 - 40);
	/* one of them in parts, whose records are gone */
	world_done(w, 3, -EMSGSIZE, NULL);
	assert_int_equal(world_account(w).dropped[FG_WHY_SPOOL_FULL],
			 fg_spool_oldest(w->f.spool) - 1 - 30);
	while (w->nheld)
		world_done(w, 0, 0, NULL);
	w->takes = true;
	world_turns(w, 10, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	world_audit(w, false, "\"gaps\":[]");
}

/* The clock becomes right then: a time that is only nearly right is better than no record. */
static void what_is_in_flight_survives_the_drop_and_the_clock(void **state)
{
	struct world *w = *state;
	uint64_t dropped;

	small_spool(w);
	w->clock.synced = false;
	w->takes = false;
	world_up(w);
	world_entries(w, "a", 4, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 4);
	world_entries(w, "a", 1500, 10);
	assert_true(fg_spool_oldest(w->f.spool) > 40);
	dropped = fg_spool_oldest(w->f.spool) - 1 - 40;
	w->clock.synced = true;
	fg_sink_fault(w->sink, -ECONNRESET, "gone");
	w->takes = true;
	world_turns(w, 10, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	assert_int_equal(world_account(w).dropped[FG_WHY_SPOOL_FULL], dropped);
	world_audit(w, false, "\"gaps\":[]");
}

static void a_new_epoch_follows_the_old(void **state)
{
	struct world *w = *state;

	world_up(w);
	world_entries(w, "a", 1, 5);
	world_turns(w, 2, FG_MS(200));
	world_entries(w, "a", 1, 10);
	world_crash(w);
	world_entries(w, "a", 1, 7);
	world_turns(w, 3, FG_MS(200));
	assert_int_equal(w->records, 22);
	assert_non_null(strstr(w->last, "\"prev\":\""));
	assert_non_null(strstr(w->last, "\"first\":1,\"last\":7"));
	world_audit(w, true, "\"gaps\":[]");
}

static void the_end_of_an_epoch_that_is_not_carried_is_covered(void **state)
{
	struct world *w = *state;

	w->conf.match = (struct fg_list){ only_b, 1 };
	world_up(w);
	world_entries(w, "b", 1, 5);
	world_turns(w, 3, FG_MS(200));
	world_entries(w, "a", 1, 10);
	world_turns(w, 3, FG_MS(200));
	assert_int_equal(fg_cursor_state(w->box->cursor)->position, 15);
	assert_int_equal(fg_cursor_state(w->box->cursor)->tiled, 5);
	world_crash(w);
	world_entries(w, "a", 1, 3);
	world_entries(w, "b", 1, 4);
	world_turns(w, 3, FG_MS(200));
	assert_int_equal(fg_cursor_state(w->box->cursor)->tiled, 22);
	assert_int_equal(world_account(w).acknowledged, 22);
	world_audit(w, true, "\"gaps\":[]");
}

/* A gap that begins with an epoch, behind an end that was not carried. */
static void a_gap_over_epochs_tiles_both(void **state)
{
	struct world *w = *state;

	small_spool(w);
	w->conf.match = (struct fg_list){ only_b, 1 };
	world_up(w);
	world_entries(w, "b", 1, 5);
	world_turns(w, 3, FG_MS(200));
	world_entries(w, "a", 1, 10);
	world_turns(w, 3, FG_MS(200));
	w->open_error = -ECONNREFUSED;
	world_crash(w);
	world_entries(w, "b", 1500, 10);
	assert_true(fg_spool_oldest(w->f.spool) > 1000);
	w->open_error = 0;
	world_turns(w, 100, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	world_audit(w, false, "\"gaps\":[]");
}

static void the_dropped_epoch_and_the_next(void **state)
{
	struct world *w = *state;

	small_spool(w);
	w->open_error = -ECONNREFUSED;
	world_up(w);
	world_entries(w, "a", 10, 10);
	world_crash(w);
	world_entries(w, "a", 1500, 10);
	w->open_error = 0;
	world_turns(w, 100, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	world_audit(w, false, "\"gaps\":[]");
}

static void an_epoch_that_nobody_knows_is_passed(void **state)
{
	struct world *w = *state;
	struct fg_epochs *epochs;

	small_spool(w);
	w->open_error = -ECONNREFUSED;
	world_up(w);
	world_entries(w, "a", 10, 10);
	world_crash(w);
	world_entries(w, "a", 1500, 10);
	/* as after very many unclean ends */
	epochs = &w->f.spool->epochs;
	assert_int_equal(epochs->count, 2);
	free(epochs->all[0]);
	epochs->all[0] = epochs->all[1];
	epochs->count = 1;
	w->open_error = 0;
	world_turns(w, 100, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	assert_true(world_account(w).dropped[FG_WHY_SPOOL_FULL] > 100);
}

static void a_power_cut_is_announced_once(void **state)
{
	struct world *w = *state;
	uint64_t records;

	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_crash(w);
	w->f.spool->epochs.all[w->f.spool->epochs.count - 1]->power_cut = true;
	w->takes = false;
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 2);
	world_done(w, 0, 0, NULL);
	assert_non_null(strstr(w->last, "\"vs\":\"unknown\""));
	assert_non_null(strstr(w->last, "\"first\":11,\"last\":10"));
	assert_non_null(strstr(w->last, "\"why\":\"power-cut\""));
	world_turn(w, 0);
	records = w->records;
	w->takes = true;
	world_remove(w, w->box);
	assert_int_equal(fg_forward_add(w->forward, &w->conf, FG_ERROR, &w->box), 0);
	world_turns(w, 3, FG_MS(200));
	assert_int_equal(w->records, records + 10);
	assert_int_equal(world_account(w).acknowledged, 20);
	world_audit(w, false, "\"lost\":{\"power-cut\":0},\"gaps\":[]");
}

static void a_new_bridge_begins_now_or_with_the_oldest(void **state)
{
	struct world *w = *state;

	world_entries(w, "a", 1, 10);
	world_up(w);
	world_turns(w, 2, FG_S(1));
	assert_int_equal(w->records, 0);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	assert_int_equal(w->records, 10);
	assert_non_null(strstr(w->last, "\"begin\":true"));
	assert_int_equal(world_account(w).due, 10);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	assert_null(strstr(w->last, "\"begin\""));
	world_audit(w, true, "\"gaps\":[]");
	world_down(w);
	w->conf.name = "old";
	w->conf.start = FG_START_OLDEST;
	world_up(w);
	world_turns(w, 3, FG_S(1));
	assert_int_equal(world_account(w).acknowledged, 30);
}

static void nobody_takes_what_a_bridge_that_leaves_has_not_had(void **state)
{
	struct world *w = *state;
	struct fg_bridge_conf slow = w->conf;
	struct fg_outbox *box;

	fixture_close(&w->f);
	w->f.conf.segment = 4096;
	fixture_open(&w->f);
	world_up(w);
	slow.name = "slow";
	w->open_error = -ECONNREFUSED;
	assert_int_equal(fg_forward_add(w->forward, &slow, FG_ERROR, &box), 0);
	world_entries(w, "a", 1500, 10);
	world_turns(w, 3, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	assert_int_equal(fg_spool_oldest(w->f.spool), 1);
	/* a turn of the gateway between its end and its coming back */
	fg_forward_remove(box, world_removed, w);
	for (int i = 0; i < 20 && !w->removed; i++)
		world_turn(w, 0);
	assert_int_equal(w->removed, 1);
	assert_int_equal(fg_spool_oldest(w->f.spool), 1);
	fg_forward_sweep(w->forward);
	world_turn(w, FG_S(1));
	assert_int_equal(fg_spool_oldest(w->f.spool), 1);
	w->open_error = 0;
	assert_int_equal(fg_forward_add(w->forward, &slow, FG_ERROR, &box), 0);
	world_turns(w, 3, FG_S(1));
	assert_int_equal(fg_cursor_state(box->cursor)->acknowledged, 15000);
	assert_true(fg_spool_oldest(w->f.spool) > 1000);
	world_remove(w, box);
}

static void a_bridge_that_is_not_required_holds_nothing(void **state)
{
	struct world *w = *state;
	struct fg_bridge_conf slow = w->conf;
	struct fg_outbox *box;

	world_up(w);
	slow.name = "slow";
	slow.required = false;
	w->open_error = -ECONNREFUSED;
	assert_int_equal(fg_forward_add(w->forward, &slow, FG_ERROR, &box), 0);
	world_entries(w, "a", 10000, 30);
	world_turns(w, 3, FG_S(1));
	assert_true(fg_spool_oldest(w->f.spool) > 1);
	world_remove(w, box);
	world_entries(w, "a", 10000, 30);
	world_turns(w, 3, FG_S(1));
	assert_true(fg_spool_oldest(w->f.spool) > 300000);
}

static void a_backlog_for_others_is_passed_in_turns(void **state)
{
	struct world *w = *state;
	const char *items[] = { "other/+" };
	const uint64_t all = 10000 * 30;
	unsigned turns = 0;

	w->conf.match = (struct fg_list){ .items = items, .count = 1 };
	world_up(w);
	world_turn(w, 0);
	world_entries(w, "a", 10000, 30);
	world_turn(w, FG_S(1));
	assert_true(fg_cursor_state(w->box->cursor)->position < all / 2);
	while (fg_cursor_state(w->box->cursor)->position < all && turns++ < 100)
		world_turn(w, 0);
	assert_int_equal(fg_cursor_state(w->box->cursor)->position, all);
	assert_int_equal(world_account(w).waiting, 0);
}

static void ghosts_live_a_day(void **state)
{
	struct world *w = *state;
	struct fg_cursor_state cursor;
	struct ghost *ghost;

	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_down(w);
	w->conf.name = "other";
	world_up(w);
	fg_forward_sweep(w->forward);
	ghost = w->forward->ghosts;
	assert_non_null(ghost);
	assert_string_equal(ghost->name, "up");
	assert_int_equal(fg_cursor_read(w->f.dir, "up", &cursor), 0);
	assert_true(cursor.removed_at_s > 0);
	fg_forward_sweep(w->forward);
	assert_ptr_equal(w->forward->ghosts, ghost);
	/* the time of day has no part in it */
	fg_cursor_state(ghost->cursor)->removed_at_s = 1;
	world_entries(w, "a", 1, 10);
	fg_forward_sweep(w->forward);
	assert_false(fg_cursor_state(ghost->cursor)->given_up);
	fg_cursor_state(ghost->cursor)->absent_s += 86400;
	fg_forward_sweep(w->forward);
	assert_ptr_equal(w->forward->ghosts, ghost);
	assert_int_equal(fg_cursor_read(w->f.dir, "up", &cursor), 0);
	assert_true(cursor.given_up);
	assert_false(ghost->holds);
	assert_int_equal(cursor.acknowledged, 10);
	assert_int_equal(cursor.dropped[FG_WHY_BRIDGE_REMOVED], 10);
	/* its account has ended: what comes now is none of it */
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	fg_cursor_state(ghost->cursor)->absent_s += 30 * 86400;
	fg_forward_sweep(w->forward);
	assert_null(w->forward->ghosts);
	assert_int_equal(fg_cursor_read(w->f.dir, "up", &cursor), -ENOENT);
}

static void a_restart_goes_on_where_it_was(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 4, 10);
	world_turn(w, 0);
	world_done(w, 0, 0, NULL);
	world_done(w, 1, 0, NULL);
	world_turn(w, 0);
	world_down(w);
	w->takes = true;
	world_up(w);
	world_turn(w, 0);
	assert_int_equal(w->records, 50);
	assert_int_equal(world_account(w).acknowledged, 40);
	world_audit(w, true, "\"duplicates\":10");
}

/* Without memory nothing is sent that is not a pack, and it is all sent later. */
static void a_pack_that_cannot_be_rendered_waits(void **state)
{
	struct world *w = *state;

	world_up(w);
	world_entries(w, "a", 1, 10);
	for (uint32_t i = 0; i < w->box->window; i++)
		w->box->flights[i].text.max = 100;
	world_turns(w, 3, FG_S(1));
	assert_int_equal(w->sends, 0);
	for (uint32_t i = 0; i < w->box->window; i++)
		w->box->flights[i].text.max = 1 << 20;
	world_entries(w, "a", 1, 10);
	world_turns(w, 50, FG_S(1));
	assert_int_equal(w->records, 20);
	world_audit(w, true, "\"gaps\":[]");
}

static void an_announcement_that_cannot_be_rendered_waits(void **state)
{
	struct world *w = *state;

	small_spool(w);
	w->open_error = -ECONNREFUSED;
	world_up(w);
	world_entries(w, "a", 1500, 10);
	for (uint32_t i = 0; i < w->box->window; i++)
		w->box->flights[i].text.max = 100;
	w->open_error = 0;
	world_turns(w, 40, FG_S(1));
	assert_int_equal(w->sends, 0);
	for (uint32_t i = 0; i < w->box->window; i++)
		w->box->flights[i].text.max = 1 << 20;
	world_turns(w, 100, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	world_audit(w, false, "\"gaps\":[]");
}

/* Of a pack that went in parts the spool has dropped what was left for this bridge, and not what
 * was for others behind it. */
static void what_is_left_for_others_is_covered(void **state)
{
	struct world *w = *state;

	fixture_close(&w->f);
	w->f.conf.limit = 64 << 10;
	w->f.conf.segment = 8 << 10;
	fixture_open(&w->f);
	w->takes = false;
	w->conf.window = 1;
	w->conf.match = (struct fg_list){ only_b, 1 };
	world_up(w);
	world_entries(w, "b", 1, 9);
	world_entries(w, "a", 300, 10);
	world_turns(w, 2, FG_S(1));
	assert_int_equal(w->nheld, 1);
	assert_int_equal(w->box->flights[0].to, 3009);
	world_done(w, 0, -EMSGSIZE, NULL);
	world_turn(w, 0);
	assert_in_range(w->held[0]->last, 1, 8);
	while (fg_spool_oldest(w->f.spool) <= 9)
		world_entries(w, "a", 1, 10);
	assert_in_range(fg_spool_oldest(w->f.spool), 10, 3009);
	w->takes = true;
	world_done(w, 0, 0, NULL);
	world_entries(w, "b", 1, 1);
	world_turns(w, 10, FG_S(1));
	assert_int_equal(world_account(w).waiting, 0);
	world_audit(w, false, "\"gaps\":[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(what_was_dropped_is_announced_once),
		WORLD_TEST(what_is_in_flight_survives_the_drop),
		WORLD_TEST(what_is_in_flight_survives_the_drop_and_the_clock),
		WORLD_TEST(a_new_epoch_follows_the_old),
		WORLD_TEST(the_end_of_an_epoch_that_is_not_carried_is_covered),
		WORLD_TEST(what_is_left_for_others_is_covered),
		WORLD_TEST(a_gap_over_epochs_tiles_both),
		WORLD_TEST(the_dropped_epoch_and_the_next),
		WORLD_TEST(an_epoch_that_nobody_knows_is_passed),
		WORLD_TEST(a_power_cut_is_announced_once),
		WORLD_TEST(a_new_bridge_begins_now_or_with_the_oldest),
		WORLD_TEST(nobody_takes_what_a_bridge_that_leaves_has_not_had),
		WORLD_TEST(a_bridge_that_is_not_required_holds_nothing),
		WORLD_TEST(a_backlog_for_others_is_passed_in_turns),
		WORLD_TEST(ghosts_live_a_day),
		WORLD_TEST(a_restart_goes_on_where_it_was),
		WORLD_TEST(a_pack_that_cannot_be_rendered_waits),
		WORLD_TEST(an_announcement_that_cannot_be_rendered_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
