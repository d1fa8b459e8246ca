/* The NATS bridge's pure parts: subjects, ids, which messages are looked at, what servers say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../bridges/nats/nats.h"

/* -- subjects -- */

static void subjects_are_filled_in(void **state)
{
	char out[NATS_SUBJECT_MAX], longest[NATS_SUBJECT_MAX + 1];

	(void)state;
	assert_int_equal(nats_subject("fieldgate.{gateway}.records", "gw-1", "up", false, out), 0);
	assert_string_equal(out, "fieldgate.gw-1.records");
	assert_int_equal(nats_subject("{name}.{gateway}", "a.b:c", "u.p", false, out), 0);
	assert_string_equal(out, "u_x2E_p.a_x2E_b:c");
	/* no two gateways share one */
	assert_int_equal(nats_subject("{gateway}", "a_x2E_b", "", false, out), 0);
	assert_string_equal(out, "a_x5F_x2E_b");
	assert_int_equal(nats_subject("fieldgate.{gateway}.x.{name}", "a", "b", true, out), 0);
	assert_string_equal(out, "fieldgate.*.x.*");
	memset(longest, 'a', sizeof(longest));
	longest[NATS_SUBJECT_MAX] = '\0';
	assert_int_equal(nats_subject(longest, "a", "b", false, out), -ENAMETOOLONG);
	memcpy(longest + NATS_SUBJECT_MAX - 12, "{gateway}", 10);
	assert_int_equal(nats_subject(longest, "a.b.c.d", "b", false, out), -ENAMETOOLONG);
}

static void filters_match_part_by_part(void **state)
{
	static const struct {
		const char *filter, *subject;
		bool matches;
	} cases[] = {
		{ "a.b", "a.b", true },	      { "a.b", "a.bc", false },	 { "a.bc", "a.b", false },
		{ "a.*", "a.b", true },	      { "a.*", "a.b.c", false }, { "a.*", "a", false },
		{ "a.>", "a.b.c", true },     { "a.>", "a", false },	 { ">", "a.b", true },
		{ "*.b", "a.b", true },	      { "*", "a", true },	 { "*", "", false },
		{ "a.*.c", "a.b.c", true },   { "a.*.c", "a.b.d", false }, { "", "a", false },
		{ "a.b.", "a.b", false },     { "a", "a.b", false },	 { "a.>", "a.", false },
		{ "a*", "ab", false },	      { "a*", "a*", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (nats_subject_matches(fg_str_c(cases[i].filter), cases[i].subject) !=
		    cases[i].matches)
			fail_msg("%s of %s", cases[i].filter, cases[i].subject);
}

static void paths_come_out_of_subjects(void **state)
{
	static const char *const cases[][2] = {
		{ "lamp.brightness", "lamp/brightness" },
		{ "lamp_x2E_1.a.b", "lamp.1/a/b" },
		{ "a_x20_b.c", "a_x20_b/c" },	  /* the record's own */
		{ "a_x5F_x2E_b.c", "a_x5F_x2E_b/c" }, /* so is this: not a point */
		{ "a_x2E", "a_x2E" },
		{ "a/b.c", "a/b/c" },
		{ "", "" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = nats_path(fg_str_c(cases[i][0]), out);

		assert_true(fg_str_eq_c(fg_str(out, len), cases[i][1]));
	}
}

static void replies_go_where_nobody_acts(void **state)
{
	(void)state;
	assert_true(nats_reply_good(FG_STR("_INBOX.abc.1"), "plant.packs"));
	assert_true(nats_reply_good(FG_STR("answers.to.me"), "plant.packs"));
	assert_true(nats_reply_good(FG_STR("plant.packs.x"), "plant.packs"));
	assert_false(nats_reply_good(FG_STR("plant.packs"), "plant.packs"));
	assert_false(nats_reply_good(FG_STR(""), "plant.packs"));
	assert_false(nats_reply_good(FG_STR("$JS.API.STREAM.DELETE.FIELDGATE"), "plant.packs"));
	assert_false(nats_reply_good(FG_STR("fieldgate.gw.records"), "plant.packs"));
	assert_false(nats_reply_good(FG_STR("a b"), "plant.packs"));
	assert_false(nats_reply_good(FG_STR("a\r\nPUB x 1"), "plant.packs"));
	assert_false(nats_reply_good(FG_STR("a.>"), "plant.packs"));
	assert_false(nats_reply_good(FG_STR("a.*"), "plant.packs"));
	assert_false(nats_reply_good(FG_STR("a."), "plant.packs"));
}

#define REFUSED "Not permitted: Permissions Violation for "

static void a_refusal_is_ours_or_an_askers(void **state)
{
	static const char own[] = "fieldgate.gw.records";

	(void)state;
	assert_true(nats_refusal_ours(REFUSED "Publish to 'fieldgate.gw.records'", own));
	assert_true(nats_refusal_ours(REFUSED "Publish to 'fieldgate.gw.rec", own));
	assert_true(nats_refusal_ours(REFUSED "Publish to '$JS.API.STREAM.INFO.S'", own));
	assert_true(nats_refusal_ours(REFUSED "Subscription to '_INBOX.x.*'", own));
	assert_true(nats_refusal_ours("something else", own));
	assert_false(nats_refusal_ours(REFUSED "Publish to 'evil.ubscription'", own));
	assert_false(nats_refusal_ours(REFUSED "Publish to 'evil.$JS.API'", own));
	assert_false(nats_refusal_ours(REFUSED "Publish to '_INBOX.x'", own));
	assert_false(nats_refusal_ours(REFUSED "Publish to 'x.fieldgate.gw.records'", own));
	assert_false(nats_refusal_ours(REFUSED "Publish to 'fieldgate.gw.records.x'", own));
	assert_false(nats_refusal_ours(REFUSED "Publish to 'fieldgate.gw'", own));
	assert_false(nats_refusal_ours(REFUSED "Publish to 'fieldgate.gw.records\\'x'", own));
}

/* -- ids -- */

static void ids_are_read_back(void **state)
{
	const struct fg_sink sink = { .gateway = "gw.1", .name = "up" };
	const struct fg_batch batch = { .epoch = 0x9f3c2a7105d1e6b4,
					.first = 80412,
					.last = UINT64_MAX };
	struct fg_batch lost = batch, letter = { .payload = FG_STR("[]") };
	char id[NATS_ID_MAX], other[NATS_ID_MAX];
	struct nats_id got;

	(void)state;
	nats_id_write(&sink, &batch, id);
	assert_string_equal(id, "gw.1/up/9f3c2a7105d1e6b4:80412-18446744073709551615");
	assert_true(nats_id_read(&sink, fg_str_c(id), &got));
	assert_true(got.epoch == batch.epoch && got.first == 80412 && got.last == UINT64_MAX);
	assert_false(got.lost);
	lost.lost = true;
	nats_id_write(&sink, &lost, other);
	assert_string_not_equal(id, other);
	assert_true(nats_id_read(&sink, fg_str_c(other), &got));
	assert_true(got.lost);
	/* a letter that names no range is told by its bytes, and says nothing of ranges */
	nats_id_write(&sink, &letter, id);
	letter.payload = FG_STR("{}");
	nats_id_write(&sink, &letter, other);
	assert_string_not_equal(id, other);
	assert_false(nats_id_read(&sink, fg_str_c(id), &got));
}

static void others_ids_are_not_ours(void **state)
{
	static const char *const cases[] = {
		"", "x", "gw/up", "gw/up/", "gw/down/9f3c2a7105d1e6b4:1-2",
		"gw2/up/9f3c2a7105d1e6b4:1-2", "gw/up/9f3c2a7105d1e6b:1-2",
		"gw/up/9f3c2a7105d1e6b4:-2", "gw/up/9f3c2a7105d1e6b4:1-",
		"gw/up/9f3c2a7105d1e6b4:1-2x",
		"gw/up/9f3c2a7105d1e6b4:1-99999999999999999999", "gw/up/9f3c2a7105d1e6bg:1-2",
		"gw/up/9f3c2a7105d1e6b4:1-2!lostx",
	};
	const struct fg_sink sink = { .gateway = "gw", .name = "up" };
	struct nats_id got;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (nats_id_read(&sink, fg_str_c(cases[i]), &got))
			fail_msg("%s", cases[i]);
}

/* -- which messages are looked at -- */

/* A stream in which every `ours`-th message is of our subject; behind `known` is news. Returns how
 * many that are news were seen; all must be among what was asked for. */
static uint64_t look_through(struct nats_look *look, uint64_t last, unsigned ours, uint64_t known)
{
	uint64_t news = 0, seen = 0;

	while (look->next != NATS_LOOK_DONE) {
		uint64_t at = look->next == NATS_LOOK_LAST ? last - last % ours :
							     (look->at + ours - 1) / ours * ours;

		assert_true(++seen < 3 * NATS_LOOKS_MAX);
		if (at == 0 || at > last) {
			nats_look_none(look);
			continue;
		}
		/* the next one may stand behind the part: it is not counted twice */
		if (at > known && (look->next == NATS_LOOK_LAST || at < look->until))
			news++;
		nats_look_found(look, at, at <= known);
	}
	return news;
}

static void all_that_is_news_is_seen(void **state)
{
	static const uint64_t lasts[] = { 1, 2, 15, 16, 17, 100, 1000, 30000 };
	struct nats_look look;

	(void)state;
	for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++)
		for (unsigned ours = 1; ours <= 1000; ours *= 10)
			for (unsigned n = 0; n <= 40; n += 8) {
				uint64_t all = lasts[i] / ours, news = n < all ? n : all;

				nats_look_begin(&look, 16, 0, 1);
				assert_int_equal(look_through(&look, lasts[i], ours,
							      (all - news) * ours),
						 news);
				assert_int_equal(look.last, all * ours);
			}
}

/* Few are asked for, however long the stream is. */
static void no_more_than_needed_is_looked_at(void **state)
{
	struct nats_look look;

	(void)state;
	nats_look_begin(&look, 16, 0, 1);
	look_through(&look, 1000000, 1, 1000000);
	assert_in_range(look.asked, 17, 20);
	nats_look_begin(&look, 16, 0, 1);
	look_through(&look, 1000000, 1000, 1000000);
	assert_in_range(look.asked, 17, 60);
	/* this process knows where it stood */
	nats_look_begin(&look, 16, 999990, 1);
	assert_int_equal(look_through(&look, 1000000, 1, 999990), 10);
	assert_in_range(look.asked, 10, 12);
	nats_look_begin(&look, 16, 1000000, 1);
	look_through(&look, 1000000, 1, 1000000);
	assert_int_equal(look.asked, 1);
	/* a stream that begins late, one that was made anew, one without end */
	nats_look_begin(&look, 16, 0, 999999);
	look_through(&look, 1000000, 1, 0);
	assert_in_range(look.asked, 2, 4);
	nats_look_begin(&look, 16, 5000, 1);
	assert_int_equal(look_through(&look, 40, 1, 0), 40);
	nats_look_begin(&look, 16, 0, 1);
	look_through(&look, 1000000, 1, 0);
	assert_in_range(look.asked, NATS_LOOKS_MAX, NATS_LOOKS_MAX + 20);
}

static void an_empty_stream_is_soon_looked_through(void **state)
{
	struct nats_look look;

	(void)state;
	nats_look_begin(&look, 16, 0, 0);
	assert_int_equal(look.next, NATS_LOOK_LAST);
	nats_look_none(&look);
	assert_int_equal(look.next, NATS_LOOK_DONE);
	assert_int_equal(look.last, 0);
}

/* -- the window's slots -- */

static void slots_know_a_pack_again(void **state)
{
	struct fg_sink sink = { .gateway = "gw", .name = "up" };
	struct nats_desk *desk = calloc(1, sizeof(*desk));
	struct fg_batch a = { .epoch = 1, .first = 1, .last = 10, .slot = 0 };
	struct fg_batch b = { .epoch = 1, .first = 11, .last = 20, .slot = 1 };
	uint32_t stamp;

	(void)state;
	desk->sink = &sink;
	assert_int_equal(nats_slots_floor(desk), 0);
	nats_slots_looked(desk, 100);
	assert_int_equal(nats_slots_floor(desk), 100);
	assert_int_equal(nats_slots_oldest(desk), 0);
	stamp = nats_slot_take(desk, &a, 5)->stamp;
	desk->seq = 200;
	nats_slot_take(desk, &b, 6);
	assert_int_equal(nats_slots_floor(desk), 100);
	assert_int_equal(nats_slots_oldest(desk), 5);
	/* the same again is the same; an acknowledgement of either sending is one */
	assert_int_equal(nats_slot_take(desk, &a, 9)->stamp, stamp);
	assert_int_equal(desk->slots[0].first_ns, 5);
	assert_int_equal(desk->slots[0].last_ns, 9);
	desk->slots[0].tries = 0;
	assert_int_equal(nats_slots_floor(desk), 200);
	a.first = 21;
	assert_int_not_equal(nats_slot_take(desk, &a, 10)->stamp, stamp);
	stamp = desk->slots[0].stamp;
	a.lost = true;
	assert_int_not_equal(nats_slot_take(desk, &a, 11)->stamp, stamp);
	/* without an epoch nothing is the same */
	a.epoch = 0;
	stamp = nats_slot_take(desk, &a, 12)->stamp;
	assert_int_not_equal(nats_slot_take(desk, &a, 12)->stamp, stamp);
	free(desk);
}

/* -- what servers say -- */

static struct fg_doc doc;

static int doc_setup(void **state)
{
	(void)state;
	fg_doc_init(&doc, 12, 1 << 20);
	return 0;
}

static int doc_teardown(void **state)
{
	(void)state;
	fg_doc_fini(&doc);
	return 0;
}

static int reads(const char *text, char why[NATS_WHY_MAX])
{
	return nats_answer_read(&doc, fg_str_c(text), why);
}

static void answers_are_read(void **state)
{
	char why[NATS_WHY_MAX], room[256];
	struct nats_stream_info info;
	struct fg_str id;
	uint64_t seq;

	(void)state;
	assert_int_equal(reads("{\"stream\":\"S\",\"seq\":12,\"duplicate\":true}", why), 0);
	assert_true(nats_answer_ack(&doc, "S", &seq));
	assert_int_equal(seq, 12);
	assert_false(nats_answer_ack(&doc, "T", &seq));
	assert_int_equal(reads("{\"error\":{\"code\":404,\"err_code\":10059,"
			       "\"description\":\"stream \\\"x\\\" not found\"}}",
			       why),
			 10059);
	assert_string_equal(why, "stream 'x' not found (10059)");
	assert_int_equal(reads("{\"error\":{\"code\":503}}", why), 503);
	assert_int_equal(reads("{\"error\":{}}", why), -EBADMSG);
	assert_int_equal(reads("[]", why), -EBADMSG);
	assert_int_equal(reads("", why), -EBADMSG);
	assert_int_equal(reads("{\"config\":{\"subjects\":[\"x\",\"fieldgate.*.records\"],"
			       "\"duplicate_window\":120000000000},"
			       "\"state\":{\"first_seq\":1,\"last_seq\":5}}",
			       why),
			 0);
	assert_true(nats_answer_stream(&doc, "fieldgate.a.records", &info));
	assert_true(info.takes && info.first_seq == 1 && info.last_seq == 5);
	assert_true(info.duplicates_ns == 120000000000);
	assert_true(nats_answer_stream(&doc, "fieldgate.a.b.records", &info));
	assert_false(info.takes);
	assert_int_equal(reads("{\"message\":{\"subject\":\"a\",\"seq\":4,\"hdrs\":"
			       "\"TkFUUy8xLjANCk5hdHMtTXNnLUlkOiB4Mw0KTmF0cy1FeHBlY3RlZC1TdHJlYW06"
			       "IEZHDQoNCg==\",\"data\":\"aGVsbG8=\"}}",
			       why),
			 0);
	assert_true(nats_answer_message(&doc, room, &seq, &id));
	assert_int_equal(seq, 4);
	assert_true(fg_str_eq_c(id, "x3"));
	assert_int_equal(reads("{\"message\":{\"seq\":5,\"data\":\"\"}}", why), 0);
	assert_true(nats_answer_message(&doc, room, &seq, &id));
	assert_int_equal(id.len, 0);
	assert_int_equal(reads("{\"message\":{\"seq\":5,\"hdrs\":\"*\"}}", why), 0);
	assert_false(nats_answer_message(&doc, room, &seq, &id));
}

static void what_passes_is_waited_for(void **state)
{
	(void)state;
	assert_int_equal(nats_verdict(10054), NATS_VERDICT_TOO_LARGE);
	assert_int_equal(nats_verdict(10077), NATS_VERDICT_LATER);
	assert_int_equal(nats_verdict(10008), NATS_VERDICT_LATER);
	assert_int_equal(nats_verdict(503), NATS_VERDICT_LATER);
	assert_int_equal(nats_verdict(10060), NATS_VERDICT_UNFIT);
	assert_int_equal(nats_verdict(400), NATS_VERDICT_UNFIT);
}

/* -- keys: of the sample in the documentation of nkeys -- */

static void a_seed_has_its_public_key(void **state)
{
	static const char seed[] = "SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY";
	char key[FG_NATS_KEY], odd[sizeof(seed)];

	(void)state;
	assert_int_equal(fg_nats_public_key(seed, key), 0);
	assert_int_equal(key[0], 'U');
	assert_int_equal(strlen(key), 56);
	for (size_t i = 0; i < sizeof(seed) - 1; i++) {
		memcpy(odd, seed, sizeof(seed));
		odd[i] = odd[i] == 'A' ? 'B' : 'A';
		if (fg_nats_public_key(odd, key) != -EINVAL)
			fail_msg("byte %zu", i);
	}
	assert_int_equal(fg_nats_public_key("", key), -EINVAL);
	assert_int_equal(fg_nats_public_key("SU", key), -EINVAL);
	memcpy(odd, seed, sizeof(seed));
	odd[3] = '1';
	assert_int_equal(fg_nats_public_key(odd, key), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects_are_filled_in),
		cmocka_unit_test(filters_match_part_by_part),
		cmocka_unit_test(paths_come_out_of_subjects),
		cmocka_unit_test(replies_go_where_nobody_acts),
		cmocka_unit_test(a_refusal_is_ours_or_an_askers),
		cmocka_unit_test(ids_are_read_back),
		cmocka_unit_test(others_ids_are_not_ours),
		cmocka_unit_test(all_that_is_news_is_seen),
		cmocka_unit_test(no_more_than_needed_is_looked_at),
		cmocka_unit_test(an_empty_stream_is_soon_looked_through),
		cmocka_unit_test(slots_know_a_pack_again),
		cmocka_unit_test_setup_teardown(answers_are_read, doc_setup, doc_teardown),
		cmocka_unit_test(what_passes_is_waited_for),
		cmocka_unit_test(a_seed_has_its_public_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
