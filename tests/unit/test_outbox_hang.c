/* Upstreams that hang up upon a pack instead of answering it. */
#include "outbox_fixture.h"

/* What is in flight, by an upstream that hangs up upon what is larger than `largest`: whatever else
 * came by that connection is unacknowledged then. */
static void upstream_answers(struct world *w, size_t largest, int error)
{
	world_turn(w, FG_S(1));
	for (unsigned i = 0; i < w->nheld; i++)
		if (w->held[i]->payload.len > largest) {
			w->nheld = 0;
			fg_sink_fault(w->sink, error, "hung up");
			return;
		}
	while (w->nheld)
		world_done(w, 0, 0, NULL);
}

static void begin(struct world *w, unsigned entries)
{
	w->takes = false;
	w->conf.batch.records = 200;
	world_up(w);
	fg_forward_set_will(w->forward, FG_STR("{}"));
	world_entries(w, "a", entries, 10);
	world_turns(w, 2, FG_S(1));
}

/* The same at an upstream that answers to the status. */
static void begin_answered(struct world *w)
{
	w->bridge.ops.status = fake_status;
	w->conf.window = 16;
	begin(w, 0);
	fg_forward_status(w->forward, FG_STR("{}"));
}

static void make_letters(struct world *w, unsigned letters, const char *device, uint32_t records)
{
	while (letters-- > 0) {
		world_entries(w, device, 1, records);
		world_turns(w, 2, FG_S(1));
		world_done(w, 0, -EBADMSG, "no");
		world_turn(w, FG_S(1));
		world_done(w, 0, 0, NULL);
	}
}

static void a_pack_that_is_hung_up_upon_is_cut(void **state)
{
	struct world *w = *state;
	uint64_t faults = 0;

	begin(w, 100);
	for (int i = 0; i < 2000 && world_account(w).waiting; i++)
		upstream_answers(w, 1500, -ECONNRESET);
	assert_int_equal(world_account(w).acknowledged, 1000);
	assert_int_equal(world_account(w).dead, 0);
	/* what it takes was found, and the other packs were cut accordingly */
	assert_true(w->box->faults < 20);
	world_audit(w, true, "\"duplicates\":0");
	/* for good, after a few attempts at more */
	for (unsigned n = 0; n < 2; n++) {
		faults = w->box->faults;
		world_entries(w, "a", 50, 10);
		world_turns(w, 2, FG_S(1));
		for (int i = 0; i < 2000 && world_account(w).waiting; i++)
			upstream_answers(w, 1500, -ECONNRESET);
	}
	assert_int_equal(w->box->faults, faults);
	/* an hour later larger ones are tried again */
	world_turn(w, FG_S(3700));
	world_entries(w, "a", 100, 10);
	world_turns(w, 2, FG_S(1));
	for (int i = 0; i < 2000 && world_account(w).waiting; i++)
		upstream_answers(w, 1 << 20, -ECONNRESET);
	assert_int_equal(world_account(w).acknowledged, 3000);
	assert_int_equal(outbox_bytes(w->box), w->conf.batch.bytes);
}

/* Killed and started again, it has done nothing that a pack is to blame for. */
static void a_broker_that_is_killed_often_costs_no_record(void **state)
{
	struct world *w = *state;

	begin(w, 100);
	for (int i = 0; i < 2000 && w->box->faults < 40; i++)
		upstream_answers(w, i % 100 == 99 ? 1 << 20 : 0, -EPIPE);
	assert_int_equal(w->box->faults, 40);
	for (int i = 0; i < 2000 && world_account(w).waiting; i++)
		upstream_answers(w, 1 << 20, -EPIPE);
	assert_int_equal(world_account(w).acknowledged, 1000);
	assert_int_equal(world_account(w).dead, 0);
	world_audit(w, true, "\"duplicates\":0");
	/* and packs are as large as before */
	world_entries(w, "a", 20, 10);
	world_turns(w, 2, FG_S(1));
	assert_int_equal(w->nheld, 1);
	assert_int_equal(w->held[0]->records, 200);
}

/* Nothing is taken: that is no record's fault. */
static void a_network_that_hangs_up_makes_no_dead_letter(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	for (int i = 0; i < 4000 && w->box->faults < 100; i++)
		upstream_answers(w, 0, -ECONNRESET);
	assert_int_equal(w->box->faults, 100);
	assert_int_equal(world_account(w).waiting, 10);
	for (int i = 0; i < 100 && w->nheld == 0; i++)
		world_turn(w, FG_S(1));
	assert_int_equal(w->nheld, 1);
	assert_int_equal(w->held[0]->records, 1);
	for (int i = 0; i < 100 && world_account(w).waiting; i++)
		upstream_answers(w, 1 << 20, -ECONNRESET);
	assert_int_equal(world_account(w).acknowledged, 10);
	world_audit(w, true, "\"duplicates\":0");
}

/* An upstream that hangs up upon what holds a record of one device, and takes all else. */
static void upstream_hates(struct world *w, const char *device)
{
	world_turn(w, FG_S(1));
	for (unsigned i = 0; i < w->nheld; i++) {
		if (!pack_has(w->held[i], device))
			continue;
		w->nheld = i;
		while (w->nheld)
			world_done(w, 0, 0, NULL);
		fg_sink_fault(w->sink, -ECONNRESET, "hung up");
		return;
	}
	while (w->nheld)
		world_done(w, 0, 0, NULL);
}

/* Until everything has left, while a record comes now and then. Returns how many did. */
static unsigned live_with_hatred(struct world *w)
{
	unsigned more = 0;

	for (int i = 0; i < 20000 && (world_account(w).waiting || w->box->head < w->box->tail);
	     i++) {
		if (i % 100 == 99) {
			world_entries(w, "good", 1, 1);
			more++;
		}
		upstream_hates(w, "/poison/");
	}
	return more;
}

static void a_record_that_is_hung_up_upon_is_passed(void **state)
{
	struct world *w = *state;
	unsigned more;

	begin_answered(w);
	for (unsigned i = 0; i < 3; i++) {
		world_entries(w, "good", 3, 4);
		world_entries(w, "poison", 1, 2);
	}
	world_entries(w, "good", 3, 4);
	more = live_with_hatred(w);
	assert_int_equal(world_account(w).acknowledged, 48 + more);
	assert_int_equal(world_account(w).dead, 6);
	world_audit(w, false, "\"lost\":{\"refused\":6},\"gaps\":[]");
}

/* Each in a flight of its own, one behind the other: none of them is the one that is taken behind
 * the first. */
static void several_in_a_row_are_passed(void **state)
{
	struct world *w = *state;
	unsigned more;

	begin_answered(w);
	w->conf.batch.records = 1;
	world_entries(w, "good", 1, 2);
	world_entries(w, "poison", 4, 1);
	world_entries(w, "good", 1, 20);
	more = live_with_hatred(w);
	assert_int_equal(world_account(w).acknowledged, 22 + more);
	assert_int_equal(world_account(w).dead, 4);
	world_audit(w, false, "\"lost\":{\"refused\":4},\"gaps\":[]");
}

/* Two in flights of their own, while little else comes: with each window, and where the upstream
 * does not answer to the status. */
static void two_are_passed_while_little_comes(void **state)
{
	static const struct {
		uint32_t window;
		unsigned poisons;
		bool answers;
	} rows[] = {
		{ 2, 1, true }, { 3, 2, true }, { 4, 2, true }, { 16, 2, true },
		{ 16, 4, true }, { 7, 1, false }, { 16, 2, false },
	};

	world_teardown(state);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w;
		unsigned more;

		world_setup(state);
		w = *state;
		begin_answered(w);
		world_down(w);
		w->conf.window = rows[i].window;
		w->conf.batch.records = 1;
		if (!rows[i].answers)
			w->bridge.ops.status = NULL;
		world_up(w);
		fg_forward_status(w->forward, FG_STR("{}"));
		world_entries(w, "poison", rows[i].poisons, 1);
		more = live_with_hatred(w);
		assert_int_equal(world_account(w).acknowledged, more);
		assert_int_equal(world_account(w).dead, rows[i].poisons);
		world_audit(w, false, "\"gaps\":[]");
		world_teardown(state);
	}
	world_setup(state);
}

/* The status is never acknowledged, by a broker that takes packs. */
static void who_says_nothing_to_the_status_gets_packs_late(void **state)
{
	struct world *w = *state;

	begin_answered(w);
	w->dumb = true;
	world_entries(w, "a", 1, 10);
	for (int i = 0; i < 400 && w->box->faults < 8; i++)
		upstream_answers(w, 0, -ECONNRESET);
	assert_int_equal(w->box->faults, 8);
	for (int i = 0; i < 400 && world_account(w).waiting; i++)
		upstream_answers(w, 1 << 20, -ECONNRESET);
	assert_int_equal(world_account(w).acknowledged, 10);
	assert_int_equal(w->box->faults, 8);
	world_audit(w, true, "\"duplicates\":0");
}

/* Packs behind it that the spool has dropped since, and that only the window still has, are not
 * cut: nobody has hung up upon them. */
static void what_is_passed_forward_is_as_it_was(void **state)
{
	struct world *w = *state;
	uint64_t dropped;

	fixture_close(&w->f);
	w->f.conf.limit = 64 << 10;
	w->f.conf.segment = 8 << 10;
	fixture_open(&w->f);
	w->takes = false;
	w->conf.window = 5;
	w->conf.batch.records = 10;
	world_up(w);
	world_entries(w, "poison", 1, 2);
	world_turns(w, 2, FG_S(1));
	world_entries(w, "good", 4, 10);
	world_turns(w, 2, FG_S(1));
	assert_int_equal(w->nheld, 5);
	world_entries(w, "late", 1500, 10);
	dropped = world_account(w).dropped[FG_WHY_SPOOL_FULL];
	assert_int_equal(dropped, fg_spool_oldest(w->f.spool) - 1 - 42);
	for (int i = 0; i < 4000 && (world_account(w).waiting || w->box->head < w->box->tail); i++)
		upstream_hates(w, "/poison/");
	assert_int_equal(world_account(w).dropped[FG_WHY_SPOOL_FULL], dropped + 2);
	assert_int_equal(world_account(w).acknowledged, 15040 - dropped);
	world_audit(w, false, "\"gaps\":[]");
}

/* Who takes one pack with each connection, after many that brought nothing, takes the first too. */
static void one_with_each_connection_is_enough(void **state)
{
	struct world *w = *state;

	w->takes = false;
	w->conf.batch.records = 1;
	world_up(w);
	world_entries(w, "a", 4, 10);
	world_turns(w, 2, FG_S(1));
	for (int i = 0; i < 4000 && w->box->faults < 31; i++)
		upstream_answers(w, 0, -ECONNRESET);
	for (int i = 0; i < 20000 && world_account(w).waiting; i++) {
		world_turn(w, FG_S(1));
		if (w->nheld == 0)
			continue;
		world_done(w, 0, 0, NULL);
		world_turn(w, 0);
		fg_sink_fault(w->sink, -ECONNRESET, "hung up");
	}
	assert_int_equal(world_account(w).acknowledged, 40);
	assert_int_equal(world_account(w).dead, 0);
}

/* More letters than the window is wide, hung up upon once more: they go back. */
static void letters_that_are_hung_up_upon_go_back(void **state)
{
	struct world *w = *state;
	uint64_t count;
	unsigned more;

	w->conf.window = 2;
	begin(w, 0);
	make_letters(w, 4, "poison", 10);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	assert_int_equal(count, 40);
	world_entries(w, "good", 1, 10);
	more = live_with_hatred(w);
	assert_null(w->box->again);
	assert_int_equal(world_account(w).acknowledged, 10 + more);
	assert_int_equal(world_account(w).dead, 40);
	assert_int_equal(world_letters(w), 4);
}

/* All the others were acknowledged before the upstream began to hang up. */
static void what_was_taken_before_proves_nothing(void **state)
{
	struct world *w = *state;

	begin(w, 0);
	w->conf.batch.records = 1;
	world_entries(w, "a", 1, 20);
	world_turns(w, 2, FG_S(1));
	assert_int_equal(w->nheld, 4);
	while (w->nheld > 1)
		world_done(w, 1, 0, NULL);
	for (int i = 0; i < 4000 && w->box->faults < 100; i++)
		upstream_answers(w, 0, -ECONNRESET);
	assert_int_equal(w->box->faults, 100);
	assert_int_equal(world_account(w).dead, 0);
	for (int i = 0; i < 4000 && world_account(w).waiting; i++)
		upstream_answers(w, 1 << 20, -ECONNRESET);
	assert_int_equal(world_account(w).acknowledged, 20);
	world_audit(w, true, "\"duplicates\":0");
}

/* Behind it everything is hung up upon for a while, and comes to be suspected too. */
static void an_outage_beside_it_is_outlived(void **state)
{
	struct world *w = *state;
	unsigned more;

	w->conf.window = 16;
	begin(w, 0);
	w->conf.batch.records = 1;
	world_entries(w, "poison", 1, 1);
	world_entries(w, "good", 1, 20);
	for (int i = 0; i < 4000 && w->box->faults < 100; i++)
		upstream_answers(w, 0, -ECONNRESET);
	assert_int_equal(w->box->faults, 100);
	assert_int_equal(world_account(w).dead, 0);
	more = live_with_hatred(w);
	assert_int_equal(world_account(w).dead, 1);
	assert_int_equal(world_account(w).acknowledged, 20 + more);
	world_audit(w, false, "\"lost\":{\"refused\":1},\"gaps\":[]");
}

/* One that is taken behind it may have been the moment at which the network came back. */
static void a_few_behind_it_are_not_enough(void **state)
{
	struct world *w = *state;

	w->conf.window = 16;
	begin(w, 0);
	world_entries(w, "poison", 1, 1);
	for (int i = 0; i < 4000 && w->box->faults < 61; i++)
		upstream_hates(w, "/poison/");
	for (unsigned i = 0; i < 5; i++) {
		uint64_t faults = w->box->faults + 50;

		world_entries(w, "good", 1, 1);
		for (int j = 0; j < 4000 && w->box->faults < faults; j++)
			upstream_hates(w, "/poison/");
		assert_int_equal(w->box->faults, faults);
		assert_int_equal(world_account(w).dead, 0);
	}
	world_entries(w, "good", 1, 1);
	for (int j = 0; j < 1000; j++)
		upstream_hates(w, "/poison/");
	assert_int_equal(world_account(w).dead, 1);
	assert_int_equal(world_account(w).acknowledged, 6);
	world_audit(w, false, "\"lost\":{\"refused\":1},\"gaps\":[]");
}

/* After so many hang-ups that the next connection may begin with the second record, or not. */
static void a_network_that_comes_back_blames_nobody(void **state)
{
	struct world *w = *state;
	uint64_t acknowledged = 0;

	begin(w, 0);
	for (unsigned hangs = 18; hangs < 30; hangs++) {
		uint64_t faults = w->box->faults + hangs;

		for (unsigned i = 0; i < 4; i++, acknowledged += 2)
			world_entries(w, "a", 1, 2);
		for (int i = 0; i < 4000 && w->box->faults < faults; i++)
			upstream_answers(w, 0, -ECONNRESET);
		assert_int_equal(w->box->faults, faults);
		for (int i = 0; i < 4000 && world_account(w).waiting; i++)
			upstream_answers(w, 1 << 20, -ECONNRESET);
		assert_int_equal(world_account(w).acknowledged, acknowledged);
	}
	assert_int_equal(world_account(w).dead, 0);
	world_audit(w, true, "\"duplicates\":0");
}

/* Right when one was found to be to blame nothing is taken any more: neither what tells of it nor
 * what stands behind it is. */
static void an_outage_behind_a_dead_letter_costs_nothing_more(void **state)
{
	struct world *w = *state;

	begin_answered(w);
	world_entries(w, "poison", 1, 1);
	world_entries(w, "good", 1, 9);
	for (int i = 0; i < 20000 && !w->box->flights[0].dead; i++) {
		if (i % 50 == 49)
			world_entries(w, "good", 1, 1);
		upstream_hates(w, "/poison/");
	}
	assert_int_equal(w->box->flights[0].dead, 1);
	for (int i = 0; i < 20000 && w->box->faults < 1000; i++)
		upstream_answers(w, 0, -ECONNRESET);
	assert_int_equal(w->box->faults, 1000);
	for (int i = 0; i < 4000 && world_account(w).waiting; i++)
		upstream_answers(w, 1 << 20, -ECONNRESET);
	assert_int_equal(world_account(w).dead, 1);
	world_audit(w, false, "\"lost\":{\"refused\":1},\"gaps\":[]");
}

/* A network that hangs up upon most of what is sent, whatever it is. */
static void chance_blames_nobody(void **state)
{
	static const double rates[] = { 0.5, 0.2, 0.1, 0.05 };
	struct world *w = *state;
	uint64_t random = 1;

	begin(w, 0);
	for (size_t q = 0; q < 4; q++) {
		for (int i = 0; i < 20000; i++) {
			if (i % 50 == 0)
				world_entries(w, "good", 1, 1);
			world_turn(w, FG_MS(500));
			while (w->nheld) {
				random = random * 6364136223846793005 + 1442695040888963407;
				if ((double)(random >> 33) / 2147483648.0 < rates[q]) {
					world_done(w, 0, 0, NULL);
					continue;
				}
				w->nheld = 0;
				fg_sink_fault(w->sink, -ECONNRESET, "hung up");
			}
		}
		assert_int_equal(world_account(w).dead, 0);
	}
	for (int i = 0; i < 4000 && world_account(w).waiting; i++)
		upstream_answers(w, 1 << 20, -ECONNRESET);
	assert_int_equal(world_account(w).acknowledged, 1600);
	world_audit(w, true, "\"duplicates\":0");
}

/* Who does not even answer to the status has nothing against a pack: it is not sent, and when he
 * comes back the first is the first. */
static void who_shows_no_life_gets_no_pack(void **state)
{
	struct world *w = *state;

	begin_answered(w);
	w->conf.batch.records = 1;
	world_entries(w, "a", 1, 10);
	for (unsigned hangs = 20; hangs < 24; hangs++) {
		uint64_t before = w->box->faults;

		w->dumb = true;
		for (int i = 0; i < 4000 && w->box->faults < before + hangs; i++) {
			world_turn(w, FG_S(1));
			/* this connection began when he was well */
			if (w->box->alone && w->box->faults > before)
				assert_int_equal(w->nheld, 0);
			w->nheld = 0;
			fg_sink_fault(w->sink, -ECONNRESET, "hung up");
		}
		w->dumb = false;
		for (int i = 0; i < 100 && w->nheld == 0; i++)
			world_turn(w, FG_S(1));
		assert_int_equal(w->held[0]->first, world_account(w).acknowledged + 1);
		world_done(w, 0, 0, NULL);
	}
	for (int i = 0; i < 4000 && world_account(w).waiting; i++)
		upstream_answers(w, 1 << 20, -ECONNRESET);
	assert_int_equal(world_account(w).acknowledged, 10);
	world_audit(w, true, "\"duplicates\":0");
}

/* What goes in parts is not overtaken. */
static void parts_keep_their_place(void **state)
{
	struct world *w = *state;
	uint64_t next = 1;

	w->largest = 2000;
	begin(w, 60);
	for (int i = 0; i < 4000 && world_account(w).waiting; i++) {
		world_turn(w, FG_S(1));
		while (w->nheld) {
			assert_int_equal(w->held[0]->first, next);
			next = w->held[0]->last + 1;
			world_done(w, 0, 0, NULL);
		}
	}
	assert_int_equal(next, 601);
	world_audit(w, true, "\"duplicates\":0");
	/* it is found once what passes, not for each pack */
	assert_in_range(w->sends, 6, 20);
}

/* They were within the limit before. */
static void letters_that_go_back_have_their_place(void **state)
{
	struct world *w = *state;
	unsigned letters;
	uint64_t count;

	w->conf.dead_limit = 3000;
	begin(w, 0);
	make_letters(w, 40, "a", 1);
	letters = world_letters(w);
	assert_int_equal(world_account(w).dead, letters);
	assert_in_range(letters, 5, 39);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	for (int i = 0; i < 40000 && w->box->again; i++)
		upstream_answers(w, 0, -ECONNRESET);
	assert_null(w->box->again);
	assert_int_equal(world_letters(w), letters);
	assert_int_equal(world_account(w).dead, letters);
}

static void a_dead_letter_that_is_hung_up_upon_again_is_one_again(void **state)
{
	struct world *w = *state;
	uint64_t count;
	unsigned more;

	w->conf.window = 16;
	begin(w, 0);
	world_entries(w, "poison", 1, 1);
	more = live_with_hatred(w);
	assert_int_equal(world_account(w).dead, 1);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	assert_int_equal(count, 1);
	world_turn(w, FG_S(1));
	more += live_with_hatred(w);
	assert_null(w->box->again);
	assert_int_equal(world_account(w).dead, 1);
	assert_int_equal(world_account(w).acknowledged, more);
	world_audit(w, false, "\"lost\":{\"refused\":1},\"gaps\":[]");
}

static void who_says_that_it_is_too_large_is_believed(void **state)
{
	struct world *w = *state;

	begin(w, 40);
	for (int i = 0; i < 2000 && world_account(w).waiting; i++)
		upstream_answers(w, 1500, -EMSGSIZE);
	assert_int_equal(world_account(w).acknowledged, 400);
	assert_true(w->box->faults <= 4);
	world_audit(w, true, "\"duplicates\":0");
	/* not even one record is small enough */
	world_entries(w, "a", 1, 2);
	world_turns(w, 2, FG_S(1));
	for (int i = 0; i < 2000 && w->box->head < w->box->tail; i++) {
		world_turn(w, FG_S(1));
		if (w->nheld && !w->held[0]->lost) {
			w->nheld = 0;
			fg_sink_fault(w->sink, -EMSGSIZE, "hung up");
		} else if (w->nheld) {
			world_done(w, 0, 0, NULL);
		}
	}
	assert_int_equal(world_account(w).dead, 2);
	world_audit(w, false, "\"lost\":{\"refused\":2},\"gaps\":[]");
}

/* As many letters as the window is wide, each too large for certain: the window is free then. */
static void letters_that_are_too_large_make_room(void **state)
{
	struct world *w = *state;
	uint64_t count;

	w->conf.window = 2;
	begin(w, 0);
	make_letters(w, 3, "a", 10);
	assert_int_equal(fg_forward_requeue(w->forward, "up", &count), 0);
	assert_int_equal(count, 30);
	world_turn(w, FG_S(1));
	world_entries(w, "b", 1, 1);
	for (int i = 0; i < 200 && world_account(w).waiting; i++)
		upstream_answers(w, 200, -EMSGSIZE);
	assert_int_equal(world_account(w).acknowledged, 1);
	assert_int_equal(world_account(w).dead, 30);
	assert_int_equal(world_letters(w), 3);
	assert_null(w->box->again);
	world_audit(w, false, "\"gaps\":[]");
}

/* Something was too large, but nothing says that it was a pack: the status is larger. */
static void a_status_that_is_too_large_is_not_taken_for_a_pack(void **state)
{
	char status[4000];
	struct world *w = *state;

	memset(status, 'x', sizeof(status));
	begin(w, 1);
	fg_forward_status(w->forward, fg_str(status, sizeof(status)));
	for (int i = 0; i < 2000 && w->box->faults < 30; i++)
		upstream_answers(w, 0, -EMSGSIZE);
	assert_int_equal(world_account(w).dead, 0);
	assert_int_equal(world_account(w).waiting, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_pack_that_is_hung_up_upon_is_cut),
		WORLD_TEST(a_broker_that_is_killed_often_costs_no_record),
		WORLD_TEST(a_network_that_hangs_up_makes_no_dead_letter),
		WORLD_TEST(a_record_that_is_hung_up_upon_is_passed),
		WORLD_TEST(several_in_a_row_are_passed),
		WORLD_TEST(two_are_passed_while_little_comes),
		WORLD_TEST(who_says_nothing_to_the_status_gets_packs_late),
		WORLD_TEST(what_is_passed_forward_is_as_it_was),
		WORLD_TEST(one_with_each_connection_is_enough),
		WORLD_TEST(letters_that_are_hung_up_upon_go_back),
		WORLD_TEST(what_was_taken_before_proves_nothing),
		WORLD_TEST(an_outage_beside_it_is_outlived),
		WORLD_TEST(a_few_behind_it_are_not_enough),
		WORLD_TEST(a_network_that_comes_back_blames_nobody),
		WORLD_TEST(an_outage_behind_a_dead_letter_costs_nothing_more),
		WORLD_TEST(chance_blames_nobody),
		WORLD_TEST(who_shows_no_life_gets_no_pack),
		WORLD_TEST(parts_keep_their_place),
		WORLD_TEST(letters_that_go_back_have_their_place),
		WORLD_TEST(a_dead_letter_that_is_hung_up_upon_again_is_one_again),
		WORLD_TEST(who_says_that_it_is_too_large_is_believed),
		WORLD_TEST(letters_that_are_too_large_make_room),
		WORLD_TEST(a_status_that_is_too_large_is_not_taken_for_a_pack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
