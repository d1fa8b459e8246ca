/* An upstream that refuses by a reason that may be its own fault (-EACCES). */
#include "outbox_fixture.h"

/* A right that was taken away: one pack finds out, the others wait for it to be given back. */
static void who_refuses_all_is_waited_for(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 3, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 3);
	for (int i = 0; i < 3; i++)
		world_done(w, 0, -EACCES, "not authorised");
	for (int i = 0; i < 4; i++) {
		world_turns(w, 2, FG_S(20));
		assert_true(w->nheld > 0);
		while (w->nheld)
			world_done(w, 0, -EACCES, "not authorised");
	}
	assert_int_equal(world_letters(w), 1);
	w->takes = true;
	world_turns(w, 4, FG_S(20));
	assert_int_equal(world_account(w).dead, 10);
	assert_int_equal(world_account(w).acknowledged, 20);
	world_audit(w, false, "\"lost\":{\"refused\":10},\"gaps\":[]");
}

/* One pack that is not wanted, wherever it stands, stops nothing. */
static void who_refuses_one_has_the_others(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 3, 10);
	world_turn(w, 0);
	world_done(w, 0, -EACCES, "not authorised");
	world_done(w, 0, -EACCES, "not authorised");
	world_done(w, 0, 0, NULL);
	world_turn(w, FG_S(20));
	/* what is lost of the first, and the second anew */
	assert_int_equal(w->nheld, 2);
	world_done(w, 0, 0, NULL);
	world_done(w, 0, -EACCES, "not authorised");
	w->takes = true;
	world_turns(w, 4, FG_S(20));
	assert_int_equal(world_account(w).dead, 20);
	assert_int_equal(world_account(w).acknowledged, 10);
	world_audit(w, false, "\"lost\":{\"refused\":20},\"gaps\":[]");
}

/* Requeued while the right is still missing, more of them than the window is wide: each goes back,
 * and none is in a pack's way. */
static void letters_are_in_nobodys_way(void **state)
{
	struct world *w = *state;
	uint64_t count;

	w->takes = false;
	w->conf.window = 2;
	world_up(w);
	for (unsigned i = 0; i < 4; i++) {
		world_entries(w, "a", 1, 10);
		world_turn(w, 0);
		world_done(w, 0, -EBADMSG, "no");
		world_turn(w, 0);
		world_done(w, 0, 0, NULL);
		world_turn(w, 0);
	}
	assert_int_equal(world_account(w).dead, 40);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	assert_int_equal(count, 40);
	world_entries(w, "b", 1, 10);
	for (unsigned i = 0; i < 20 && world_account(w).waiting; i++) {
		bool is_letter;

		world_turn(w, FG_S(20));
		if (w->nheld == 0)
			continue;
		is_letter = pack_has(w->held[0], "gw/a/");
		world_done(w, 0, is_letter ? -EACCES : 0, is_letter ? "not authorised" : NULL);
	}
	assert_int_equal(world_account(w).acknowledged, 10);
	assert_int_equal(world_account(w).dead, 40);
	assert_int_equal(world_letters(w), 4);
	assert_null(w->box->again);
	world_audit(w, false, "\"gaps\":[]");
}

/* Everything is refused, and what comes first is an announcement: nobody would ever hear of it. */
static void an_announcement_waits_for_the_right(void **state)
{
	struct world *w = *state;
	uint64_t dropped;

	fixture_close(&w->f);
	w->f.conf.limit = 64 << 10;
	w->f.conf.segment = 8 << 10;
	fixture_open(&w->f);
	w->open_error = -ECONNREFUSED;
	world_up(w);
	world_entries(w, "a", 1500, 10);
	dropped = world_account(w).dropped[FG_WHY_SPOOL_FULL];
	assert_true(dropped > 0);
	w->open_error = 0;
	w->takes = false;
	for (unsigned i = 0; i < 10; i++) {
		world_turn(w, FG_S(40));
		while (w->nheld)
			world_done(w, 0, -EACCES, "not authorised");
	}
	assert_int_equal(world_letters(w), 0);
	w->takes = true;
	world_turns(w, 100, FG_S(40));
	assert_int_equal(world_account(w).acknowledged, 15000 - dropped);
	world_audit(w, false, "\"gaps\":[]");
}

/* That one alone is not wanted, and what is behind it is taken. */
static void an_announcement_that_is_not_wanted_is_given_up(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_done(w, 0, -EBADMSG, "no");
	world_entries(w, "a", 40, 10);
	for (unsigned i = 0; i < 200 && world_account(w).waiting; i++) {
		world_turn(w, FG_S(40));
		while (w->nheld) {
			bool not = w->held[0]->lost;

			world_done(w, 0, not ? -EACCES : 0, not ? "not authorised" : NULL);
		}
	}
	assert_int_equal(world_account(w).acknowledged, 400);
	assert_int_equal(world_account(w).dead, 10);
	world_audit(w, false, "\"gaps\":[[1,10]]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(who_refuses_all_is_waited_for),
		WORLD_TEST(who_refuses_one_has_the_others),
		WORLD_TEST(letters_are_in_nobodys_way),
		WORLD_TEST(an_announcement_waits_for_the_right),
		WORLD_TEST(an_announcement_that_is_not_wanted_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
