/* The audit: what is proved, what is missing, in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "record/audit.h"
#include "record/ranges.h"

#define E "00000000000000e1"
#define F "00000000000000f2"
#define PACKS_MAX 12

/* -- packs -- */

/* A short way to write packs: "EPOCH FIRST LAST RECORDS [prev=..] [begin] [lost=N|unknown:WHY]";
 * "!TEXT" is TEXT itself. */
static void pack_write(const char *spec, char *out, size_t cap)
{
	char gateway[16] = "gw", epoch[32] = "", prev[64] = "", lost[32] = "", why[32] = "",
	     word[80];
	unsigned long first = 0, last = 0, records = 0;
	bool begin = false;
	int at = 0, used, n;

	if (spec[0] == '!') {
		snprintf(out, cap, "%s", spec + 1);
		return;
	}
	if (sscanf(spec, "%31s %lu %lu %lu%n", epoch, &first, &last, &records, &at) != 4)
		fail_msg("\"%s\"", spec);
	for (; sscanf(spec + at, "%79s%n", word, &used) == 1; at += used) {
		if (sscanf(word, "prev=%63s", prev) == 1 || sscanf(word, "of=%15s", gateway) == 1)
			continue;
		if (strcmp(word, "begin") == 0)
			begin = true;
		else
			assert_true(sscanf(word, "lost=%31[^:]:%31s", lost, why) >= 1);
	}
	n = snprintf(out, cap,
		     "[{\"epoch\":\"%s\",\"first\":%lu,\"last\":%lu,\"bn\":\"%s/%s/\"%s%s%s%s",
		     epoch, first, last, gateway, lost[0] ? "fieldgate" : "d",
		     prev[0] ? ",\"prev\":\"" : "", prev, prev[0] ? "\"" : "",
		     begin ? ",\"begin\":true" : "");
	if (why[0])
		n += snprintf(out + n, cap - (size_t)n, ",\"why\":\"%s\"", why);
	if (strcmp(lost, "unknown") == 0)
		n += snprintf(out + n, cap - (size_t)n, ",\"n\":\"lost\",\"vs\":\"unknown\"}");
	else if (lost[0])
		n += snprintf(out + n, cap - (size_t)n, ",\"n\":\"lost\",\"v\":%s}", lost);
	else
		n += snprintf(out + n, cap - (size_t)n, ",\"n\":\"p\",\"v\":1}");
	for (unsigned long i = 1; i < records; i++)
		n += snprintf(out + n, cap - (size_t)n, ",{\"n\":\"p%lu\",\"v\":1}", i);
	snprintf(out + n, cap - (size_t)n, "]");
}

static const char *add(struct fg_audit *audit, const char *spec)
{
	const char *why = NULL;
	struct fg_doc doc;
	char text[4096];

	pack_write(spec, text, sizeof(text));
	fg_doc_init(&doc, 8, sizeof(text));
	if (fg_json_parse(fg_str_c(text), &doc) < 0)
		why = doc.reason;
	else
		(void)fg_audit_pack(audit, &doc, &why);
	fg_doc_fini(&doc);
	return why;
}

/* The report without what all of them have in common. */
static void report_is(struct fg_audit *audit, const char *wanted, const char *about)
{
	struct fg_buf json, text;
	bool complete;

	fg_buf_init(&json, 1 << 20);
	fg_buf_init(&text, 1 << 20);
	assert_int_equal(fg_audit_report(audit, &json, &text, &complete), 0);
	fg_buf_char(&json, '\0');
	if (strcmp(json.data, wanted) != 0)
		fail_msg("%s:\n  is     %s\n  wanted %s", about, json.data, wanted);
	assert_int_equal(complete, strstr(json.data, "\"complete\":true") != NULL);
	fg_buf_fini(&json);
	fg_buf_fini(&text);
}

#define YES "{\"complete\":true,\"gateways\":{"
#define NO "{\"complete\":false,\"gateways\":{"
#define GW "\"gw\":{\"epochs\":{"
#define END "}}}}"

#define EPOCH(id, first, last, records, twice, lost, gaps)                                         \
	"\"" id "\":{\"first\":" #first ",\"last\":" #last ",\"records\":" #records                \
	",\"duplicates\":" #twice ",\"lost\":{" lost "},\"gaps\":[" gaps "]}"

struct audit_case {
	const char *about;
	const char *packs[PACKS_MAX];
	const char *until;
	const char *wanted;
};

static const struct audit_case cases[] = {
	{ "nothing", { 0 }, NULL, "{\"complete\":true,\"gateways\":{}}" },
	{ "nothing, but something is due", { 0 }, E ":5",
	  "{\"complete\":false,\"gateways\":{}}" },
	{ "in order", { E " 1 3 3", E " 4 4 1", E " 5 9 5" }, NULL,
	  YES GW EPOCH(E, 1, 9, 9, 0, "", "") END },
	{ "out of order", { E " 5 9 5", E " 1 3 3", E " 4 4 1" }, E ":9",
	  YES GW EPOCH(E, 1, 9, 9, 0, "", "") END },
	{ "a gap", { E " 1 3 3", E " 6 9 4" }, NULL,
	  NO GW EPOCH(E, 1, 9, 7, 0, "", "[4,5]") END },
	{ "gaps out of order", { E " 20 20 1", E " 6 9 4", E " 2 3 2" }, NULL,
	  NO GW EPOCH(E, 2, 20, 7, 0, "", "[1,1],[4,5],[10,19]") END },
	{ "the end is missing", { E " 1 3 3" }, E ":5",
	  NO GW EPOCH(E, 1, 3, 3, 0, "", "[4,5]") END },
	{ "another epoch is due", { E " 1 3 3" }, F ":2",
	  NO GW EPOCH(E, 1, 3, 3, 0, "", "") "," EPOCH(F, 0, 0, 0, 0, "", "[1,2]") END },
	{ "repeated", { E " 1 3 3", E " 4 6 3", E " 4 6 3", E " 4 6 3", E " 7 8 2" }, NULL,
	  YES GW EPOCH(E, 1, 8, 8, 3, "", "") END },
	{ "repeated in packs cut differently", { E " 1 6 6", E " 7 10 4", E " 5 8 4" }, NULL,
	  YES GW EPOCH(E, 1, 10, 10, 4, "", "") END },
	{ "not all is carried", { E " 1 10 2", E " 11 20 3", E " 11 20 3" }, NULL,
	  YES GW EPOCH(E, 1, 20, 5, 3, "", "") END },
	{ "not carried at an epoch's end", { E " 1 10 2", E " 11 20 0 lost=0" }, NULL,
	  YES GW EPOCH(E, 1, 20, 2, 0, "", "") END },
	{ "the epoch before", { E " 1 3 3", F " 1 2 2 prev=" E ":3" }, NULL,
	  YES GW EPOCH(E, 1, 3, 3, 0, "", "") "," EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "the epoch before ends early", { E " 1 3 3", F " 1 2 2 prev=" E ":5" }, NULL,
	  NO GW EPOCH(E, 1, 3, 3, 0, "", "[4,5]") "," EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "the epoch before went further than was kept", { E " 1 7 7", F " 1 2 2 prev=" E ":5" },
	  NULL, YES GW EPOCH(E, 1, 7, 7, 0, "", "") "," EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "and what of it came further is not whole",
	  { E " 1 4 4", E " 9 9 1", F " 1 2 2 prev=" E ":5" }, NULL,
	  NO GW EPOCH(E, 1, 9, 5, 0, "", "[5,5]") "," EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "and nothing is missing before that",
	  { E " 1 5 5", E " 9 9 1", F " 1 2 2 prev=" E ":5" }, NULL,
	  YES GW EPOCH(E, 1, 9, 6, 0, "", "") "," EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "but somebody demands it", { E " 1 5 5", E " 9 9 1", F " 1 2 2 prev=" E ":5" }, E ":9",
	  NO GW EPOCH(E, 1, 9, 6, 0, "", "[6,8]") "," EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "the epoch before never came", { F " 1 2 2 prev=" E ":5" }, NULL,
	  NO GW EPOCH(E, 0, 0, 0, 0, "", "[1,5]") "," EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "the epoch before was empty", { F " 1 2 2 prev=" E ":0" }, NULL,
	  YES GW EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "begun later", { E " 501 510 10 begin", E " 511 511 1", F " 1 2 2 prev=" E ":511" }, NULL,
	  YES GW EPOCH(E, 501, 511, 11, 0, "", "") "," EPOCH(F, 1, 2, 2, 0, "", "") END },
	{ "begun later, a gap", { E " 513 513 1", E " 501 510 10 begin" }, NULL,
	  NO GW EPOCH(E, 501, 513, 11, 0, "", "[511,512]") END },
	{ "begun later, but somebody had the beginning", { E " 1 1 1", E " 5 6 2 begin" }, NULL,
	  NO GW EPOCH(E, 1, 6, 3, 0, "", "[2,4]") END },
	{ "lost", { E " 1 3 3", E " 4 8 0 lost=5:spool-full", E " 9 9 1" }, NULL,
	  NO GW EPOCH(E, 1, 9, 4, 0, "\"spool-full\":5", "") END },
	{ "lost, said twice",
	  { E " 4 8 0 lost=5:damaged", E " 1 3 3", E " 4 8 0 lost=5:damaged" }, NULL,
	  NO GW EPOCH(E, 1, 8, 3, 0, "\"damaged\":5", "") END },
	{ "lost, said again as part of more",
	  { E " 1 3 3", E " 4 8 0 lost=5:damaged", E " 4 10 0 lost=7:damaged" }, NULL,
	  NO GW EPOCH(E, 1, 10, 3, 0, "\"damaged\":7", "") END },
	{ "lost for two reasons",
	  { E " 1 2 0 lost=2:spool-full", E " 3 3 0 lost=1:refused", E " 4 4 1" }, NULL,
	  NO GW EPOCH(E, 1, 4, 1, 0, "\"spool-full\":2,\"refused\":1", "") END },
	{ "lost, but it came", { E " 1 8 8", E " 4 6 0 lost=3:refused" }, NULL,
	  YES GW EPOCH(E, 1, 8, 8, 0, "", "") END },
	{ "lost, but part of it came", { E " 1 4 4", E " 4 6 0 lost=3:refused" }, NULL,
	  NO GW EPOCH(E, 1, 6, 4, 0, "\"refused\":2", "") END },
	{ "none of the range was due", { E " 1 4 4", E " 5 6 0 lost=0:spool-full" }, NULL,
	  YES GW EPOCH(E, 1, 6, 4, 0, "", "") END },
	{ "nobody could count",
	  { E " 1 3 3", E " 4 3 0 lost=unknown:power-cut", F " 1 1 1 prev=" E ":3" }, NULL,
	  NO GW EPOCH(E, 1, 3, 3, 0, "\"power-cut\":0", "") "," EPOCH(F, 1, 1, 1, 0, "", "") END },
	{ "nobody could count, but somebody had more",
	  { E " 1 3 3", E " 8 9 2", E " 4 3 0 lost=unknown:power-cut", F " 1 1 1 prev=" E ":3" },
	  NULL, NO GW EPOCH(E, 1, 9, 5, 0, "\"power-cut\":4", "") ","
	  EPOCH(F, 1, 1, 1, 0, "", "") END },
	{ "nobody could count, and before that is a gap",
	  { E " 1 1 1", E " 8 9 2", E " 4 3 0 lost=unknown:power-cut" }, NULL,
	  NO GW EPOCH(E, 1, 9, 3, 0, "\"power-cut\":4", "[2,3]") END },
	{ "two gateways with one epoch",
	  { E " 1 2 2 of=b", E " 1 1 1 of=a", E " 2 2 1 of=a", E " 4 4 1 of=b" }, NULL,
	  NO "\"a\":{\"epochs\":{" EPOCH(E, 1, 2, 2, 0, "", "") "}},\"b\":{\"epochs\":{"
	  EPOCH(E, 1, 4, 3, 0, "", "[3,3]") END },
	{ "who owes it is not known", { E " 1 1 1 of=a", E " 1 1 1 of=b" }, F ":1",
	  NO "\"a\":{\"epochs\":{" EPOCH(E, 1, 1, 1, 0, "", "") "}},\"b\":{\"epochs\":{"
	  EPOCH(E, 1, 1, 1, 0, "", "") END },
	{ "names that are whole already",
	  { "![{\"n\":\"gw/d/p\",\"epoch\":\"" E "\",\"first\":1,\"last\":2},{\"n\":\"gw/d/q\"}]" },
	  NULL, YES GW EPOCH(E, 1, 2, 2, 0, "", "") END },
	{ "a device that has much to say of losses",
	  { "![{\"bn\":\"gw/fieldgate/\",\"n\":\"lost\",\"v\":7,\"epoch\":\"" E
	    "\",\"first\":1,\"last\":2},{\"n\":\"x\",\"v\":1}]" },
	  NULL, YES GW EPOCH(E, 1, 2, 2, 0, "", "") END },
};

static void packs_are_proved(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct audit_case *c = &cases[i];
		struct fg_audit *audit = fg_audit_new();
		uint64_t epoch, last;

		assert_non_null(audit);
		for (size_t p = 0; p < PACKS_MAX && c->packs[p]; p++) {
			const char *why = add(audit, c->packs[p]);

			if (why)
				fail_msg("%s: %s: %s", c->about, c->packs[p], why);
		}
		if (c->until) {
			assert_true(fg_audit_mark(fg_str_c(c->until), &epoch, &last));
			(void)fg_audit_until(audit, epoch, last);
		}
		report_is(audit, c->wanted, c->about);
		fg_audit_free(audit);
	}
}

static void what_is_no_pack_is_named(void **state)
{
#define HEAD "\"epoch\":\"" E "\",\"first\":1,\"last\":"
	static const struct {
		const char *pack, *why;
	} bad[] = {
		{ "!{}", "a pack is an array of records" },
		{ "![]", "an empty pack has no range" },
		{ "![1]", "a record is not an object" },
		{ "![{\"n\":\"gw/d/p\"}]", "no epoch, first and last in the first record" },
		{ "![{\"n\":\"p\"," HEAD "1}]", "the first record does not say whose it is" },
		{ "![{\"n\":\"/d/p\"," HEAD "1}]", "the first record does not say whose it is" },
		{ "![{\"n\":\"g\\u0000w/d/p\"," HEAD "1}]",
		  "the first record does not say whose it is" },
		{ "![{\"n\":\"gw/d/p\"," HEAD "1},2]", "a record is not an object" },
		{ "![{\"bn\":\"gw/d/\"," HEAD "2},{\"bn\":\"gx/d/\"}]",
		  "a record is not of the pack's gateway" },
		{ "![{\"bn\":\"gw/d/\"," HEAD "2},{\"bn\":\"gw2/d/\"}]",
		  "a record is not of the pack's gateway" },
		{ "![{\"n\":\"gw/d/p\"," HEAD "2},{\"n\":\"p\"}]",
		  "a record is not of the pack's gateway" },
		{ "![{\"n\":\"gw/d/p\"," HEAD "-1}]",
		  "a member of the first record has the wrong type" },
		{ "![{\"n\":1," HEAD "1}]", "a member of the first record has the wrong type" },
		{ E " 1 2 3", "more records than its range has numbers" },
		{ E " 2 1 1", "more records than its range has numbers" },
		{ E " 3 1 1", "first and last are no range" },
		{ E " 0 0 1", "first and last are no range" },
		{ "0e1 1 1 1", "the epoch is not 16 hexadecimal digits" },
		{ "00000000000000g1 1 1 1", "the epoch is not 16 hexadecimal digits" },
		{ E " 1 1 1 prev=" F, "prev is not EPOCH:LAST" },
		{ E " 1 1 1 prev=" F ":-1", "prev is not EPOCH:LAST" },
		{ E " 1 1 0 lost=2:damaged", "more records are lost than its range has numbers" },
		{ E " 1 1 0 lost=1", "a lost range without a reason" },
		{ E " 1 1 0 lost=0.5:damaged", "a lost range without a number of records" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fg_audit *audit = fg_audit_new();
		const char *why = add(audit, bad[i].pack);

		if (!why || strcmp(why, bad[i].why) != 0)
			fail_msg("%s: %s, not %s", bad[i].pack, why ? why : "taken", bad[i].why);
		report_is(audit, YES "}}", bad[i].pack);
		fg_audit_malformed(audit);
		report_is(audit, NO "}}", bad[i].pack);
		fg_audit_free(audit);
	}
}

static void marks_are_read(void **state)
{
	uint64_t epoch, last;

	(void)state;
	assert_true(fg_audit_mark(fg_str_c("9f3c2a7105d1e6b4:80411"), &epoch, &last));
	assert_true(epoch == 0x9f3c2a7105d1e6b4 && last == 80411);
	assert_false(fg_audit_mark(fg_str_c("9f3c2a7105d1e6b4"), &epoch, &last));
	assert_false(fg_audit_mark(fg_str_c("9f3c2a7105d1e6b4:"), &epoch, &last));
	assert_false(fg_audit_mark(fg_str_c("9f3c2a7105d1e6b4:1x"), &epoch, &last));
	assert_false(fg_audit_mark(fg_str_c("9f3c2a7105d1e6b:412"), &epoch, &last));
	assert_false(fg_audit_mark(fg_str_c(""), &epoch, &last));
}

/* -- ranges -- */

enum { NUMBERS = 5000 };

/* Against a plain table of how often each number was added. */
static void ranges_are_a_set(void **state)
{
	uint8_t *table = calloc(NUMBERS + 1, 1);
	uint64_t seed = 1, once = 0, more = 0;
	struct fg_ranges twice = { 0 }, set = { .twice = &twice };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct fg_range range;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		range.first = 1 + (seed >> 33) % (NUMBERS - 8);
		range.last = range.first + (seed >> 20) % 3;
		if (range.first % 97 == 0)
			continue;
		range.records = range.last - range.first + 1;
		for (uint64_t n = range.first; n <= range.last; n++)
			table[n] = table[n] < 2 ? table[n] + 1 : 2;
		assert_int_equal(fg_ranges_add(&set, &range), 0);
	}
	assert_int_equal(fg_ranges_settle(&set), 0);
	assert_int_equal(fg_ranges_settle(&twice), 0);
	for (uint64_t n = 1; n <= NUMBERS; n++) {
		size_t at = 0, at_twice = 0;

		assert_int_equal(fg_ranges_count(&set, n, n, &at), table[n] >= 1);
		assert_int_equal(fg_ranges_count(&twice, n, n, &at_twice), table[n] >= 2);
		once += table[n] >= 1;
		more += table[n] >= 2;
	}
	assert_int_equal(fg_ranges_records(&set), once);
	assert_int_equal(fg_ranges_records(&twice), more);
	for (size_t i = 1; i < set.len; i++)
		assert_true(set.items[i].first > set.items[i - 1].last + 1);
	fg_ranges_fini(&set);
	fg_ranges_fini(&twice);
	free(table);
}

static void memory_is_by_disjoint_ranges(void **state)
{
	struct fg_ranges set = { 0 };

	(void)state;
	/* the evens, then the odds: all but one range is gone when both have come */
	for (uint64_t n = 2; n <= 200000; n += 2)
		assert_int_equal(fg_ranges_add(&set, &(struct fg_range){ n, n, 1 }), 0);
	for (uint64_t n = 1; n <= 200000; n += 2)
		assert_int_equal(fg_ranges_add(&set, &(struct fg_range){ n, n, 1 }), 0);
	for (uint64_t n = 1; n <= 200000; n++)
		assert_int_equal(fg_ranges_add(&set, &(struct fg_range){ n, n, 1 }), 0);
	assert_int_equal(fg_ranges_settle(&set), 0);
	assert_int_equal(set.len, 1);
	assert_true(set.late_cap <= 131072 && set.cap <= 131072);
	fg_ranges_fini(&set);
}

static unsigned occurs(const char *text, const char *part)
{
	unsigned n = 0;

	for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
		n++;
	return n;
}

static void report(struct fg_audit *audit, struct fg_buf *json, bool is_complete)
{
	struct fg_buf text;
	bool complete;

	fg_buf_init(json, 1 << 20);
	fg_buf_init(&text, 1 << 20);
	assert_int_equal(fg_audit_report(audit, json, &text, &complete), 0);
	assert_int_equal(complete, is_complete);
	fg_buf_char(json, '\0');
	fg_buf_fini(&text);
}

/* A fleet into one stream: each is found again among the others, however many came meanwhile. */
static void many_gateways_are_told_apart(void **state)
{
	enum { MANY = 500, ROUNDS = 3 };
	struct fg_audit *audit = fg_audit_new();
	struct fg_buf json;
	char spec[64];

	(void)state;
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < MANY; i++) {
			snprintf(spec, sizeof(spec), E " %d %d 1 of=g%d", round + 1, round + 1, i);
			assert_null(add(audit, spec));
		}
	report(audit, &json, true);
	assert_int_equal(occurs(json.data, "\"epochs\""), MANY);
	assert_int_equal(occurs(json.data, EPOCH(E, 1, 3, 3, 0, "", "")), MANY);
	fg_buf_fini(&json);
	fg_audit_free(audit);
}

/* Who makes up reasons gets no more of them than there is room for, and no loss goes uncounted. */
static void reasons_are_few(void **state)
{
	enum { MANY = 100 };
	struct fg_audit *audit = fg_audit_new();
	unsigned total = 0, names = 0;
	struct fg_buf json;
	char spec[64], *at;

	(void)state;
	for (int i = 1; i <= MANY; i++) {
		snprintf(spec, sizeof(spec), E " %d %d 0 lost=1:why%d", i, i, i);
		assert_null(add(audit, spec));
	}
	report(audit, &json, false);
	at = strstr(json.data, "\"lost\":{");
	assert_non_null(at);
	assert_non_null(strstr(at, "\"other\":"));
	for (at += strlen("\"lost\":{"); *at == '"' || *at == ','; names++) {
		at = strchr(at, ':');
		assert_non_null(at);
		total += (unsigned)strtoul(at + 1, &at, 10);
	}
	assert_int_equal(*at, '}');
	assert_int_equal(total, MANY);
	assert_true(names < MANY / 2);
	fg_buf_fini(&json);
	fg_audit_free(audit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packs_are_proved),
		cmocka_unit_test(many_gateways_are_told_apart),
		cmocka_unit_test(reasons_are_few),
		cmocka_unit_test(what_is_no_pack_is_named),
		cmocka_unit_test(marks_are_read),
		cmocka_unit_test(ranges_are_a_set),
		cmocka_unit_test(memory_is_by_disjoint_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
