/* The outbox: cutting packs, the window, acknowledgements, faults and the ledger. */
#include "outbox_fixture.h"

static void cuts_by_records_bytes_and_linger(void **state)
{
	struct world *w = *state;

	world_up(w);
	world_entries(w, "a", 3, 5); /* 15 records, packs of 10 */
	world_turn(w, 0);
	assert_int_equal(w->sends, 1);
	assert_int_equal(w->records, 10);
	world_turn(w, FG_MS(199));
	assert_int_equal(w->sends, 1);
	world_turn(w, FG_MS(1));
	assert_int_equal(w->sends, 2);
	assert_int_equal(w->records, 15);
	assert_int_equal(world_account(w).acknowledged, 15);
	assert_string_equal(w->type, "application/senml+json");

	w->box->conf = &w->conf;
	w->conf.batch.records = 1000;
	w->conf.batch.bytes = 1024;
	world_entries(w, "a", 40, 25);
	world_turn(w, 0);
	world_turns(w, 300, FG_MS(200));
	assert_int_equal(w->records, 1015);
	assert_true(w->sends > 20);
	assert_int_equal(world_account(w).waiting, 0);
	world_audit(w, true, "\"gaps\":[]");
}

static void the_window_bounds_and_the_cursor_moves_in_order(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 8, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 4);
	world_turn(w, FG_S(1));
	assert_int_equal(w->nheld, 4);
	world_done(w, 2, 0, NULL);
	world_done(w, 1, 0, NULL);
	world_turn(w, 0);
	assert_int_equal(fg_cursor_state(w->box->cursor)->position, 0);
	assert_int_equal(world_account(w).waiting, 80);
	world_done(w, 0, 0, NULL);
	world_turn(w, 0);
	assert_int_equal(fg_cursor_state(w->box->cursor)->position, 30);
	assert_int_equal(world_account(w).acknowledged, 30);
	assert_int_equal(w->nheld, 4);
	w->takes = true;
	while (w->nheld)
		world_done(w, 0, 0, NULL);
	world_turn(w, 0);
	assert_int_equal(w->records, 80);
	world_audit(w, true, "\"gaps\":[]");
}

static void what_was_in_flight_is_sent_again_after_a_fault(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 2, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 2);
	fg_sink_fault(w->sink, -ECONNRESET, "gone");
	fg_sink_fault(w->sink, -ECONNRESET, "gone twice");
	w->takes = true;
	world_turns(w, 3, 0);
	assert_int_equal(w->closes, 1);
	assert_int_equal(w->opens, 1);
	world_turns(w, 3, FG_MS(200));
	assert_int_equal(w->opens, 2);
	assert_int_equal(w->records, 20);
	world_audit(w, true, "\"duplicates\":0");
	/* a word about something that is not in flight changes nothing */
	fg_sink_done(w->sink, &w->box->flights[0].batch, -EBADMSG, "late");
	world_turn(w, FG_S(60));
	assert_int_equal(world_account(w).dead, 0);
}

static void too_large_is_halved_down_to_one(void **state)
{
	struct world *w = *state;

	world_up(w);
	world_entries(w, "a", 1, 10);
	w->largest = 180;
	world_turns(w, 3, FG_MS(200));
	assert_true(w->sends > 3);
	assert_int_equal(w->records, 10);
	assert_int_equal(world_account(w).acknowledged, 10);
	world_audit(w, true, "\"gaps\":[]");
}

static void one_that_is_too_large_is_a_dead_letter_and_is_announced(void **state)
{
	struct world *w = *state;

	world_up(w);
	world_entries(w, "a", 1, 2);
	world_entries(w,
		      "a-device-of-such-a-long-name-that-a-pack-of-it-does-not-fit-into-what-the-"
		      "upstream-takes-even-when-it-stands-all-alone-and-nothing-can-be-done",
		      1, 1);
	world_entries(w, "a", 1, 3);
	w->largest = 200;
	world_turns(w, 5, FG_MS(200));
	assert_int_equal(world_account(w).dead, 1);
	assert_int_equal(world_account(w).acknowledged, 5);
	world_audit(w, false, "\"lost\":{\"refused\":1},\"gaps\":[]");
}

static void halving_keeps_the_range_of_what_is_not_carried(void **state)
{
	static const char *const match[] = { "b/#" };
	struct world *w = *state;

	w->conf.match = (struct fg_list){ (const char *const *)match, 1 };
	world_up(w);
	/* the first half of the numbers carries nothing */
	for (int i = 0; i < 4; i++)
		world_append(w, "a", 10);
	world_append(w, "b", 3);
	assert_int_equal(fg_spool_flush(w->f.spool), 0);
	w->largest = 140;
	world_turns(w, 5, FG_MS(200));
	assert_int_equal(w->records, 3);
	assert_int_equal(world_account(w).dead, 0);
	assert_int_equal(fg_cursor_state(w->box->cursor)->tiled, 43);
	world_audit(w, true, "\"gaps\":[]");
}

static void dead_letters_count_what_is_carried(void **state)
{
	static const char *const match[] = { "b/#" };
	struct world *w = *state;
	uint64_t count;

	w->takes = false;
	w->conf.match = (struct fg_list){ (const char *const *)match, 1 };
	world_up(w);
	world_append(w, "a", 10);
	world_append(w, "b", 3);
	world_append(w, "a", 10);
	world_append(w, "b", 1);
	assert_int_equal(fg_spool_flush(w->f.spool), 0);
	world_turn(w, FG_MS(0));
	world_turn(w, FG_MS(200));
	assert_int_equal(w->nheld, 1);
	world_done(w, 0, -EBADMSG, "no");
	assert_int_equal(world_account(w).dead, 4);
	world_turn(w, 0);
	world_done(w, 0, 0, NULL);
	world_turn(w, 0);
	assert_int_equal(world_account(w).dead, 4);
	assert_int_equal(world_account(w).acknowledged, 20);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	assert_int_equal(count, 4);
	w->takes = true;
	world_turns(w, 3, 0);
	assert_int_equal(world_account(w).dead, 0);
	assert_int_equal(world_account(w).acknowledged, 24);
}

static void refused_goes_to_the_dead_letters_and_again(void **state)
{
	struct world *w = *state;
	uint64_t count;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 2, 10);
	world_turn(w, 0);
	world_done(w, 0, -EBADMSG, "will not have it, \"records\":9");
	world_turn(w, 0);
	assert_int_equal(w->nheld, 2);
	world_done(w, 0, 0, NULL);
	world_done(w, 0, 0, NULL);
	world_turn(w, 0);
	assert_non_null(strstr(w->last, "\"why\":\"refused\""));
	assert_int_equal(world_account(w).dead, 10);
	assert_int_equal(fg_forward_requeue(w->forward, "none", &count), -ENOENT);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	assert_int_equal(count, 10);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), -EAGAIN);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 1);
	/* refused once more: a dead letter as before */
	world_done(w, 0, -EBADMSG, "no");
	world_turns(w, 3, 0);
	assert_int_equal(world_account(w).dead, 10);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	w->takes = true;
	world_turns(w, 3, 0);
	assert_int_equal(world_account(w).dead, 0);
	assert_int_equal(world_account(w).acknowledged, 20);
	world_audit(w, true, "\"gaps\":[]");
}

/* Letters on their way again that could not be opened: others do not take their place. */
static void requeue_keeps_what_was_requeued(void **state)
{
	char path[128], again[128];
	struct world *w = *state;
	uint64_t count;

	w->takes = false;
	world_up(w);
	for (unsigned i = 0; i < 2; i++) {
		world_entries(w, "a", 1, 10);
		world_turn(w, 0);
		world_done(w, 0, -EBADMSG, "no");
		world_turn(w, 0);
		world_done(w, 0, 0, NULL);
		world_turn(w, 0);
		if (i == 0)
			assert_int_equal(rename(fixture_path(&w->f, "dead/up.jsonl", path),
						fixture_path(&w->f, "dead/up.again", again)),
					 0);
	}
	assert_int_equal(world_account(w).dead, 20);
	w->takes = true;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
		world_turns(w, 3, FG_S(1));
		assert_int_equal(world_account(w).dead, 10 - 10 * i);
	}
	assert_int_equal(world_account(w).acknowledged, 20);
	world_audit(w, true, "\"gaps\":[]");
}

/* The gateway dies right after a letter was written: its cursor has not moved, so the records are
 * refused once more. */
static void no_letter_stands_twice(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_done(w, 0, -EBADMSG, "no");
	assert_int_equal(world_letters(w), 1);
	world_crash(w);
	assert_int_equal(world_letters(w), 0);
	world_turn(w, FG_S(1));
	world_done(w, 0, -EBADMSG, "no");
	world_turn(w, 0);
	world_done(w, 0, 0, NULL);
	world_turn(w, 0);
	assert_int_equal(world_account(w).dead, 10);
	world_crash(w);
	assert_int_equal(world_letters(w), 1);
}

static void discarded_letters_are_dropped(void **state)
{
	struct world *w = *state;
	uint64_t count;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_done(w, 0, -EBADMSG, NULL);
	world_turn(w, 0);
	world_done(w, 0, -EBADMSG, "not even that");
	world_turn(w, 0);
	assert_int_equal(world_account(w).dead, 10);
	assert_int_equal(fg_forward_discard(w->forward, "up", &count), 0);
	assert_int_equal(count, 10);
	assert_int_equal(world_account(w).dead, 0);
	assert_int_equal(world_account(w).dropped[FG_WHY_REFUSED], 10);
}

/* The letter is there before upstream has heard that the range is lost. */
static void letters_are_discarded_before_their_loss_is_told(void **state)
{
	struct world *w = *state;
	uint64_t count;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 2, 10);
	world_turn(w, 0);
	world_done(w, 0, -EBADMSG, "no");
	world_turn(w, 0);
	assert_int_equal(world_account(w).dead, 10);
	assert_int_equal(fg_forward_discard(w->forward, "up", &count), 0);
	assert_int_equal(count, 10);
	assert_int_equal(world_letters(w), 0);
	assert_int_equal(world_account(w).dead, 0);
	assert_int_equal(world_account(w).dropped[FG_WHY_REFUSED], 10);
	world_done(w, 0, 0, NULL);
	world_done(w, 0, 0, NULL);
	world_turn(w, 0);
	assert_int_equal(world_account(w).waiting, 0);
	assert_int_equal(world_account(w).dead, 0);
	assert_int_equal(world_account(w).dropped[FG_WHY_REFUSED], 10);
	world_audit(w, false, "\"lost\":{\"refused\":10},\"gaps\":[]");
}

static void letters_go_again_before_their_loss_is_told(void **state)
{
	struct world *w = *state;
	uint64_t count;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_done(w, 0, -EBADMSG, "no");
	world_turn(w, 0);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	assert_int_equal(count, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 2);
	world_done(w, 1, 0, NULL);
	assert_int_equal(world_account(w).dead, 10);
	world_done(w, 0, 0, NULL);
	world_turns(w, 2, 0);
	assert_int_equal(world_account(w).dead, 0);
	assert_int_equal(world_account(w).acknowledged, 10);
	world_audit(w, true, "\"gaps\":[]");
}

static void letters_beyond_the_limit_are_dropped(void **state)
{
	struct world *w = *state;

	w->takes = false;
	w->conf.dead_limit = 100;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_done(w, 0, -EBADMSG, "no");
	assert_int_equal(world_account(w).dropped[FG_WHY_REFUSED], 10);
	world_turn(w, 0);
	world_done(w, 0, 0, NULL);
	assert_int_equal(world_account(w).dropped[FG_WHY_REFUSED], 10);
	world_audit(w, false, "\"lost\":{\"refused\":10},\"gaps\":[]");
}

/* An upstream that takes some now and some later: what it has not seen yet keeps its place. */
static void not_now_is_not_overtaken(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 4, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 4);
	for (unsigned i = 0; i < 4; i++)
		world_done(w, 0, i % 2 ? 0 : -EAGAIN, NULL);
	world_entries(w, "a", 4, 10);
	for (uint64_t next = 1; next < 80; next += next == 1 ? 20 : next == 21 ? 20 : 10) {
		for (int i = 0; i < 100 && !w->nheld; i++)
			world_turn(w, FG_S(1));
		assert_true(next > 21 || w->nheld == 1);
		assert_int_equal(w->held[0]->first, next);
		world_done(w, 0, 0, NULL);
	}
	assert_int_equal(world_account(w).acknowledged, 80);
	world_audit(w, true, "\"duplicates\":0");
	/* and when all is well as before */
	world_entries(w, "a", 2, 10);
	world_turn(w, FG_S(1));
	assert_int_equal(w->nheld, 2);
}

static void not_now_is_sent_again_after_a_while(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_done(w, 0, -EAGAIN, NULL);
	world_turn(w, FG_MS(249));
	assert_int_equal(w->sends, 1);
	world_turns(w, 2, FG_S(1));
	assert_int_equal(w->sends, 2);
	world_done(w, 0, 0, NULL);
	/* what cannot be taken at all waits for ready */
	w->refuses = -EAGAIN;
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	assert_int_equal(w->sends, 3);
	world_turn(w, FG_S(10));
	assert_int_equal(w->sends, 3);
	w->refuses = 0;
	w->takes = true;
	fg_sink_ready(w->sink);
	world_turn(w, 0);
	assert_int_equal(w->sends, 4);
	world_audit(w, true, "\"duplicates\":0");
}

static void silence_is_a_fault_but_not_idleness(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_turn(w, FG_S(1));
	world_done(w, 0, 0, NULL);
	/* idle for a long time, then one that is two seconds old when the watchdog looks */
	world_turn(w, FG_S(28));
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 1);
	world_turns(w, 4, FG_S(1));
	assert_int_equal(w->closes, 0);
	world_turns(w, 30, FG_S(1));
	assert_int_equal(w->closes, 1);
	assert_int_equal(w->box->faults, 1);
}

/* What an upstream asks for is no silence of it; what is sent behind that has its whole time. */
static void patience_is_no_silence(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 2, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 2);
	world_turns(w, 20, FG_S(1));
	fg_sink_pause(w->sink, FG_S(55));
	world_done(w, 0, -EAGAIN, "later");
	world_turn(w, FG_S(1));
	world_done(w, 0, 0, NULL); /* one that was on its way already */
	world_turns(w, 54, FG_S(1));
	assert_int_equal(w->nheld, 1);
	world_turns(w, 29, FG_S(1));
	assert_int_equal(w->closes, 0);
	world_turns(w, 2, FG_S(1));
	assert_int_equal(w->closes, 1);
}

/* Nor is what the outbox waits by itself. But that it waits is no sign of life. */
static void waiting_to_send_again_is_no_silence(void **state)
{
	struct world *w = *state;
	unsigned answers = 0, asked = 0;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	while (w->closes == 0 && asked < 1000) {
		world_turn(w, FG_S(1));
		asked += w->nheld;
		if (asked == 4 * (answers + 1)) {
			answers++;
			world_done(w, 0, -EAGAIN, "not acknowledged in time");
		}
	}
	/* three seconds of each four turns, up to thirty */
	assert_in_range(asked, 38, 42);
	assert_int_equal(w->box->faults, 1);
}

static void failed_opens_back_off(void **state)
{
	struct world *w = *state;

	w->open_error = -ECONNREFUSED;
	world_up(w);
	for (int i = 0; i < 100; i++)
		world_turn(w, FG_S(1));
	assert_true(w->opens > 5 && w->opens < 40);
	assert_int_equal(w->opens, w->closes);
	assert_true(fg_forward_settled(w->forward));
	w->open_error = 0;
	world_turns(w, 40, FG_S(1));
	assert_true(w->box->state == SINK_UP);
}

static void removed_in_every_state(void **state)
{
	struct world *w = *state;

	w->open_error = -ECONNREFUSED;
	world_up(w);
	world_down(w); /* its opening has just failed */
	assert_int_equal(w->opens, w->closes);
	world_up(w);
	world_turns(w, 3, 0);
	assert_true(w->box->state == SINK_RETRYING);
	world_down(w);
	assert_int_equal(w->opens, w->closes);
	w->open_error = 0;
	world_up(w);
	fg_sink_fault(w->sink, -EIO, "x");
	world_down(w);
	assert_int_equal(w->opens, w->closes);
}

static void the_rate_bounds_the_backlog(void **state)
{
	struct world *w = *state;

	w->conf.rate = 10;
	world_up(w);
	world_entries(w, "a", 10, 10);
	for (int i = 0; i < 50; i++)
		world_turn(w, FG_MS(100));
	assert_true(w->records >= 50 && w->records <= 70);
	world_turns(w, 60, FG_MS(100));
	assert_int_equal(w->records, 100);
}

static void what_does_not_acknowledge_counts_as_sent(void **state)
{
	struct world *w = *state;

	w->bridge.acknowledges = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	assert_int_equal(world_account(w).sent, 10);
	assert_int_equal(world_account(w).acknowledged, 0);
}

static void stopping_sends_no_new_packs(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	fg_forward_stop(w->forward);
	world_entries(w, "a", 1, 10);
	world_turn(w, FG_S(1));
	assert_int_equal(w->nheld, 1);
	assert_false(fg_forward_drained(w->forward));
	world_done(w, 0, 0, NULL);
	assert_true(fg_forward_drained(w->forward));
}

/* What a burst took is not kept for good, and what comes then is sent as before. */
static void buffers_are_given_back(void **state)
{
	struct world *w = *state;

	w->takes = false;
	world_up(w);
	world_entries(w, "oven-1", 1, 10);
	world_turn(w, 0);
	assert_int_equal(w->nheld, 1);
	world_turn(w, FG_S(2));
	assert_true(w->box->flights[0].text.cap > 0);
	world_done(w, 0, 0, NULL);
	world_turn(w, 0);
	world_turn(w, FG_MS(900));
	assert_true(w->box->flights[0].text.cap > 0);
	world_turn(w, FG_MS(200));
	for (uint32_t i = 0; i < w->box->window; i++)
		assert_true(w->box->flights[i].text.cap == 0);
	/* half an entry is cut when it rests no more */
	world_entries(w, "oven-1", 1, 15);
	world_turn(w, 0);
	world_done(w, 0, 0, NULL);
	world_turn(w, FG_S(3));
	world_turn(w, 0);
	world_done(w, 0, 0, NULL);
	assert_true(fg_forward_drained(w->forward));
	world_turn(w, FG_S(3));
	world_audit(w, true, "\"gaps\":[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(cuts_by_records_bytes_and_linger),
		WORLD_TEST(buffers_are_given_back),
		WORLD_TEST(the_window_bounds_and_the_cursor_moves_in_order),
		WORLD_TEST(what_was_in_flight_is_sent_again_after_a_fault),
		WORLD_TEST(too_large_is_halved_down_to_one),
		WORLD_TEST(one_that_is_too_large_is_a_dead_letter_and_is_announced),
		WORLD_TEST(halving_keeps_the_range_of_what_is_not_carried),
		WORLD_TEST(dead_letters_count_what_is_carried),
		WORLD_TEST(refused_goes_to_the_dead_letters_and_again),
		WORLD_TEST(requeue_keeps_what_was_requeued),
		WORLD_TEST(no_letter_stands_twice),
		WORLD_TEST(discarded_letters_are_dropped),
		WORLD_TEST(letters_are_discarded_before_their_loss_is_told),
		WORLD_TEST(letters_go_again_before_their_loss_is_told),
		WORLD_TEST(letters_beyond_the_limit_are_dropped),
		WORLD_TEST(not_now_is_not_overtaken),
		WORLD_TEST(not_now_is_sent_again_after_a_while),
		WORLD_TEST(silence_is_a_fault_but_not_idleness),
		WORLD_TEST(patience_is_no_silence),
		WORLD_TEST(waiting_to_send_again_is_no_silence),
		WORLD_TEST(failed_opens_back_off),
		WORLD_TEST(removed_in_every_state),
		WORLD_TEST(the_rate_bounds_the_backlog),
		WORLD_TEST(what_does_not_acknowledge_counts_as_sent),
		WORLD_TEST(stopping_sends_no_new_packs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
