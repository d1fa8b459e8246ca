/* Options by table: every type, its defaults, its faults and their words. */
#include <fg/value.h>

#include "config/json.h"
#include "config/option.h"
#include "config/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct sub {
	int64_t depth;
	const char *word;
};

struct conf {
	bool on;
	int64_t count;
	double ratio;
	int64_t wait_ns;
	uint64_t room;
	const char *text, *number_text;
	int mode, version, rate;
	struct fg_secret password;
	struct fg_list words;
	struct fg_secrets keys;
	struct sub sub;
	struct fg_map map;
	struct fg_value value;
	struct fg_values values, levels;
	int word;
	int64_t either_ns;
	bool hidden;
};

static const struct fg_choice modes[] = { { "fast", 1 }, { "slow", 2 }, { 0 } };
static const struct fg_choice versions[] = { { "3.1.1", 4 }, { "5", 5 }, { 0 } };
static const struct fg_choice rates[] = { { "9600", 9600 }, { "19200", 19200 }, { 0 } };

static int no_blank(const char *text, char *why, size_t cap)
{
	if (!strchr(text, ' '))
		return 0;
	snprintf(why, cap, "\"%s\" has a blank", text);
	return -1;
}

static const struct fg_option sub_options[] = {
	{ .name = "depth", .type = FG_OPT_INT, .offset = offsetof(struct sub, depth), .def = "3",
	  .min = 1, .max = 9 },
	{ .name = "word", .type = FG_OPT_STRING, .offset = offsetof(struct sub, word),
	  .flags = FG_OPT_REQUIRED },
	{ 0 },
};

static const struct fg_option either[] = {
	{ .name = "either", .type = FG_OPT_ENUM, .offset = offsetof(struct conf, word),
	  .choices = modes },
	{ .name = "either", .type = FG_OPT_DURATION, .offset = offsetof(struct conf, either_ns),
	  .expects = "fast, slow or a duration" },
	{ 0 },
};

#define ROW(field, kind, ...) \
	{ .name = #field, .type = kind, .offset = offsetof(struct conf, field), __VA_ARGS__ }

static const struct fg_option options[] = {
	ROW(on, FG_OPT_BOOL, .def = "true"),
	ROW(count, FG_OPT_INT, .def = "7", .min = 1, .max = 100),
	ROW(ratio, FG_OPT_NUMBER, .def = "0.5"),
	ROW(wait_ns, FG_OPT_DURATION, .def = "5s", .min = 1000000, .max = 60000000000),
	ROW(room, FG_OPT_SIZE, .def = "64KiB", .min = 1024, .max = -1),
	ROW(text, FG_OPT_STRING, .def = "none", .check = no_blank, .min = 1, .max = 8),
	ROW(number_text, FG_OPT_STRING, .flags = FG_OPT_OR_NUMBER),
	ROW(mode, FG_OPT_ENUM, .def = "slow", .choices = modes),
	ROW(version, FG_OPT_ENUM, .def = "5", .choices = versions),
	ROW(rate, FG_OPT_ENUM, .def = "9600", .choices = rates, .expects = "a baud rate"),
	ROW(password, FG_OPT_SECRET),
	ROW(words, FG_OPT_LIST, .check = no_blank, .max = 3),
	ROW(keys, FG_OPT_SECRETS),
	ROW(sub, FG_OPT_GROUP, .group = sub_options),
	ROW(map, FG_OPT_MAP, .group = sub_options, .item_size = sizeof(struct sub),
	    .check = no_blank),
	ROW(value, FG_OPT_VALUE, .def = "1.5"),
	ROW(values, FG_OPT_VALUES),
	ROW(levels, FG_OPT_VALUES, .choices = modes),
	{ .name = "either", .type = FG_OPT_ONE_OF, .group = either, .def = "2s" },
	ROW(hidden, FG_OPT_BOOL, .flags = FG_OPT_HIDDEN),
	{ 0 },
};

struct parsed {
	struct fg_arena arena;
	struct fg_faults faults;
	struct conf conf;
};

static void parse(struct parsed *p, const char *text)
{
	struct fg_reader reader = { .arena = &p->arena, .faults = &p->faults };
	struct fg_part part = { options, &p->conf };
	cJSON *json;

	memset(p, 0, sizeof(*p));
	fg_arena_init(&p->arena, 1 << 20);
	fg_faults_init(&p->faults);
	assert_int_equal(fg_json_read(fg_str_c(text), &p->faults, &json), 0);
	fg_options_read(&reader, NULL, json, &part, 1);
	assert_false(reader.no_memory);
	cJSON_Delete(json);
}

static void done(struct parsed *p)
{
	fg_arena_fini(&p->arena);
	fg_faults_fini(&p->faults);
}

static void test_defaults(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "{}");
	assert_int_equal(p.faults.faults, 0);
	assert_true(p.conf.on);
	assert_int_equal(p.conf.count, 7);
	assert_true(p.conf.ratio == 0.5);
	assert_int_equal(p.conf.wait_ns, 5000000000);
	assert_int_equal(p.conf.room, 65536);
	assert_string_equal(p.conf.text, "none");
	assert_null(p.conf.number_text);
	assert_int_equal(p.conf.mode, 2);
	assert_int_equal(p.conf.version, 5);
	assert_null(p.conf.password.name);
	assert_int_equal(p.conf.sub.depth, 3);
	assert_null(p.conf.sub.word);
	assert_true(fg_value_double(&p.conf.value) == 1.5);
	assert_int_equal(p.conf.word, 0);
	assert_int_equal(p.conf.either_ns, 2000000000);
	done(&p);
}

static void test_values(void **state)
{
	struct parsed p;
	const struct sub *items;

	(void)state;
	parse(&p,
	      "{\"on\":false,\"count\":100,\"ratio\":-2.5e3,\"wait_ns\":\"1m\",\"room\":\"2MiB\","
	      "\"text\":\"abc\",\"number_text\":0.25,\"mode\":\"fast\",\"version\":5,"
	      "\"rate\":19200,\"password\":{\"secret\":\"pw\"},\"words\":[\"a\",\"b\"],"
	      "\"keys\":{\"x\":{\"secret\":\"kx\"}},\"sub\":{\"word\":\"w\",\"depth\":9},"
	      "\"map\":{\"m1\":{\"word\":\"1\"},\"m2\":{\"word\":\"2\",\"depth\":4}},"
	      "\"value\":\"v\",\"values\":{\"ON\":true,\"2\":2},\"levels\":{\"a\":\"slow\"},"
	      "\"either\":\"slow\",\"hidden\":true}");
	assert_int_equal(p.faults.faults, 0);
	assert_false(p.conf.on);
	assert_int_equal(p.conf.count, 100);
	assert_true(p.conf.ratio == -2500);
	assert_int_equal(p.conf.wait_ns, 60000000000);
	assert_int_equal(p.conf.room, 2 << 20);
	assert_string_equal(p.conf.text, "abc");
	assert_string_equal(p.conf.number_text, "0.25");
	assert_int_equal(p.conf.mode, 1);
	assert_int_equal(p.conf.version, 5);
	assert_int_equal(p.conf.rate, 19200);
	assert_string_equal(p.conf.password.name, "pw");
	assert_null(p.conf.password.value);
	assert_int_equal(p.conf.words.count, 2);
	assert_string_equal(p.conf.words.items[1], "b");
	assert_string_equal(p.conf.keys.names[0], "x");
	assert_string_equal(p.conf.keys.items[0].name, "kx");
	assert_int_equal(p.conf.sub.depth, 9);
	assert_int_equal(p.conf.map.count, 2);
	assert_string_equal(p.conf.map.names[1], "m2");
	items = p.conf.map.items;
	assert_int_equal(items[0].depth, 3);
	assert_int_equal(items[1].depth, 4);
	assert_true(fg_str_eq_c(p.conf.value.s, "v"));
	assert_int_equal(p.conf.values.items[0].kind, FG_BOOL);
	assert_true(fg_value_double(&p.conf.values.items[1]) == 2);
	assert_int_equal(p.conf.word, 2);
	assert_int_equal(p.conf.either_ns, 0);
	assert_true(p.conf.hidden);
	done(&p);
}

/* A text and the one line that it must be answered with. */
static const struct {
	const char *text, *fault;
} FAULTS[] = {
	{ "[]", "expected an object, got a list" },
	{ "{\"on\":1}", "/on: expected true or false, got 1" },
	{ "{\"count\":1.5}", "/count: expected an integer, got 1.5" },
	{ "{\"count\":\"5\"}", "/count: expected an integer, got \"5\"" },
	{ "{\"count\":0}", "/count: 0 is not within 1 to 100" },
	{ "{\"count\":1e300}", "/count: expected an integer, got 1e300" },
	{ "{\"ratio\":null}", "/ratio: expected a number, got null" },
	{ "{\"wait_ns\":5}",
	  "/wait_ns: expected a duration such as \"5s\", got 5 (a bare number has no unit)" },
	{ "{\"wait_ns\":\"5\"}", "/wait_ns: expected a duration such as \"5s\", got \"5\"" },
	{ "{\"wait_ns\":\"2m\"}", "/wait_ns: \"2m\" is not within 1ms to 1m" },
	{ "{\"wait_ns\":\"99999999999999d\"}", "/wait_ns: more than 292 years" },
	{ "{\"room\":65536}",
	  "/room: expected a size in KiB, MiB or GiB such as \"64KiB\", got 65536 (a bare "
	  "number has no unit)" },
	{ "{\"room\":\"64KB\"}", "/room: expected a size in KiB, MiB or GiB such as \"64KiB\", "
	  "got \"64KB\"" },
	{ "{\"room\":\"1B\"}", "/room: \"1B\" is less than 1KiB" },
	{ "{\"text\":5}", "/text: expected a string, got 5" },
	{ "{\"text\":\"\"}", "/text: must not be empty" },
	{ "{\"text\":\"123456789\"}", "/text: has 9 bytes, at most 8 can be" },
	{ "{\"text\":\"a b\"}", "/text: \"a b\" has a blank" },
	{ "{\"number_text\":true}", "/number_text: expected a string, got true" },
	{ "{\"mode\":\"fats\"}", "/mode: expected one of fast, slow, got \"fats\"" },
	{ "{\"mode\":[]}", "/mode: expected one of fast, slow, got a list" },
	{ "{\"rate\":115201}", "/rate: 115201 is not a baud rate (9600, 19200)" },
	{ "{\"words\":\"a\"}", "/words: expected a list of strings, got \"a\"" },
	{ "{\"words\":[\"a\",1]}", "/words/1: expected a string, got 1" },
	{ "{\"words\":[\"a b\"]}", "/words/0: \"a b\" has a blank" },
	{ "{\"words\":[\"1\",\"2\",\"3\",\"4\"]}", "/words: 4 are too many: at most 3" },
	{ "{\"sub\":{}}", "/sub/word: missing" },
	{ "{\"sub\":[]}", "/sub: expected an object, got a list" },
	{ "{\"sub\":{\"word\":\"\",\"dept\":1}}",
	  "/sub/dept: unknown key, did you mean \"depth\"?" },
	{ "{\"map\":{\"a/b~c\":{}}}", "/map/a~1b~0c/word: missing" },
	{ "{\"map\":{\"a b\":{\"word\":\"x\"}}}", "/map/a b: \"a b\" has a blank" },
	{ "{\"map\":{\"a\":1}}", "/map/a: expected an object, got 1" },
	{ "{\"value\":{}}",
	  "/value: expected a string, a number, true or false, got an object" },
	{ "{\"values\":{\"a\":null}}",
	  "/values/a: expected a string, a number, true or false, got null" },
	{ "{\"levels\":{\"a\":\"x\"}}", "/levels/a: expected one of fast, slow, got \"x\"" },
	{ "{\"either\":\"x\"}", "/either: expected fast, slow or a duration, got \"x\"" },
	{ "{\"cuont\":1}", "/cuont: unknown key, did you mean \"count\"?" },
	{ "{\"zzzzzz\":1}",
	  "/zzzzzz: unknown key; known here: on, count, ratio, wait_ns, room, text, number_text, "
	  "mode, version, rate, password, words, keys, sub, map, value, values, levels, either" },
};

static void test_faults(void **state)
{
	struct parsed p;
	struct fg_buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(FAULTS) / sizeof(FAULTS[0]); i++) {
		parse(&p, FAULTS[i].text);
		fg_buf_init(&out, 1 << 20);
		fg_faults_text(&p.faults, &out);
		fg_buf_char(&out, '\0');
		assert_int_equal(p.faults.faults, 1);
		assert_memory_equal(out.data, FAULTS[i].fault, strlen(FAULTS[i].fault));
		assert_int_equal(out.data[strlen(FAULTS[i].fault)], '\n');
		fg_buf_fini(&out);
		done(&p);
	}
}

/* What stands where a secret's name should be may be the secret, so no fault repeats it. */
static void test_secret_is_not_shown(void **state)
{
	static const char *const texts[] = {
		"{\"password\":\"hunter2\"}",
		"{\"password\":{\"secret\":\"hunter2 \"}}",
		"{\"password\":{\"secret\":\"../hunter2\"}}",
		"{\"password\":{\"secret\":\"a\",\"more\":\"hunter2\"}}",
		"{\"keys\":{\"a\":\"hunter2\"}}",
		"{\"keys\":\"hunter2\"}",
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		parse(&p, texts[i]);
		assert_int_equal(p.faults.faults, 1);
		assert_null(strstr(p.faults.items[0].text, "hunter2"));
		assert_non_null(strstr(p.faults.items[0].text, "secret"));
		done(&p);
	}
}

static void test_all_faults_are_collected(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "{\"on\":1,\"count\":0,\"x\":1,\"sub\":{\"depth\":0,\"y\":1}}");
	assert_int_equal(p.faults.faults, 6);
	done(&p);
}

static void test_equal(void **state)
{
	static const char *const base = "{\"words\":[\"a\"],\"sub\":{\"word\":\"w\"},"
					"\"map\":{\"m\":{\"word\":\"1\"}},\"values\":{\"a\":1}}";
	static const char *const others[] = {
		"{\"words\":[\"b\"],\"sub\":{\"word\":\"w\"},\"map\":{\"m\":{\"word\":\"1\"}},"
		"\"values\":{\"a\":1}}",
		"{\"words\":[\"a\"],\"sub\":{\"word\":\"v\"},\"map\":{\"m\":{\"word\":\"1\"}},"
		"\"values\":{\"a\":1}}",
		"{\"words\":[\"a\"],\"sub\":{\"word\":\"w\"},\"map\":{\"m\":{\"word\":\"2\"}},"
		"\"values\":{\"a\":1}}",
		"{\"words\":[\"a\"],\"sub\":{\"word\":\"w\"},\"map\":{\"m\":{\"word\":\"1\"}},"
		"\"values\":{\"a\":\"1\"}}",
		"{\"words\":[\"a\"],\"sub\":{\"word\":\"w\"},\"map\":{\"m\":{\"word\":\"1\"}},"
		"\"values\":{\"a\":1},\"either\":\"fast\"}",
		"{\"words\":[\"a\"],\"sub\":{\"word\":\"w\"},\"map\":{\"m\":{\"word\":\"1\"}},"
		"\"values\":{\"a\":1},\"password\":{\"secret\":\"p\"}}",
	};
	struct parsed a, b;

	(void)state;
	parse(&a, base);
	parse(&b, base);
	assert_true(fg_options_equal(options, &a.conf, &b.conf));
	done(&b);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		parse(&b, others[i]);
		assert_false(fg_options_equal(options, &a.conf, &b.conf));
		done(&b);
	}
	done(&a);
}

static void test_edit_distance(void **state)
{
	(void)state;
	assert_int_equal(fg_edit_distance("buad", "baud"), 1);
	assert_int_equal(fg_edit_distance("", "abc"), 3);
	assert_int_equal(fg_edit_distance("kitten", "sitting"), 3);
	assert_int_equal(fg_edit_distance("same", "same"), 0);
	assert_int_equal(fg_edit_distance("ab", "ba"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_secret_is_not_shown),
		cmocka_unit_test(test_all_faults_are_collected),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_edit_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
