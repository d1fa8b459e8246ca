/* Topic patterns: what they take, which of two is the more specific, and whether one address can
 * match both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pattern.h"

static struct fg_pattern parsed(const char *text)
{
	struct fg_pattern pattern;
	const char *why = "";

	if (fg_pattern_parse(text, &pattern, &why) < 0)
		fail_msg("%s: %s", text, why);
	return pattern;
}

static void what_is_no_pattern(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "empty" },
		{ "a/#/b", "last level" },
		{ "a+", "whole level" },
		{ "a/b#", "whole level" },
		{ "a/{device", "between '{' and '}'" },
		{ "a/x{device}", "between '{' and '}'" },
		{ "{a b}", "made of" },
		{ "{}", "made of" },
		{ "{x...}", "only {device...}" },
		{ "{x:y}", "only {device...}" },
		{ "{x}/{x}", "twice" },
		{ "{device}/a/{device}", "not side by side" },
		{ "{point}/a/{point}", "not side by side" },
		{ "{device...}/#", "only one" },
		{ "{device...}/{point...}", "only one" },
		{ "0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2", "32" },
	};
	struct fg_pattern pattern;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = NULL;

		if (fg_pattern_parse(rows[i].text, &pattern, &why) == 0)
			fail_msg("%s", rows[i].text);
		if (!strstr(why, rows[i].why))
			fail_msg("%s: %s", rows[i].text, why);
	}
}

static void what_matches(void **state)
{
	/* device NULL: no match */
	static const struct {
		const char *pattern, *address, *device, *point;
	} rows[] = {
		{ "a/b", "a/b", "", "" },
		{ "a/b", "a", NULL, NULL },
		{ "a/b", "a/b/c", NULL, NULL },
		{ "a/b", "a/c", NULL, NULL },
		{ "a/+", "a/", "", "" },
		{ "a/+/c", "a/b/c", "", "" },
		{ "a/#", "a", "", "" },
		{ "a/#", "a/b/c", "", "" },
		{ "#", "anything/at/all", "", "" },
		{ "a//b", "a//b", "", "" },
		{ "/a", "/a", "", "" },
		{ "a/{device}", "a/lamp", "lamp", "" },
		{ "a/{device}", "a/lamp/x", NULL, NULL },
		{ "a/{device...}", "a", NULL, NULL },
		{ "a/{device...}", "a/b/c", "b/c", "" },
		{ "a/{device...}/set", "a/b/c/set", "b/c", "" },
		{ "a/{device...}/set", "a/set", NULL, NULL },
		{ "{g}/{device}/{point...}", "g/d/p/q", "d", "p/q" },
		{ "{device}/{device}/{point}", "a/b/c", "a/b", "c" },
		{ "x/{device:roof}/{point}", "x/roof/t", "roof", "t" },
		{ "x/{device:roof}/{point}", "x/cellar/t", NULL, NULL },
		{ "{device}/{device...}", "a/b/c", "a/b/c", "" },
		{ "{device...}/{point}", "a/b/c", "a/b", "c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_pattern pattern = parsed(rows[i].pattern);
		struct fg_pattern_taken taken = { { NULL, 0 }, { NULL, 0 } };
		bool found = fg_pattern_match(&pattern, fg_str_c(rows[i].address), &taken);

		if (found != (rows[i].device != NULL))
			fail_msg("%s %s", rows[i].pattern, rows[i].address);
		if (found && (!fg_str_eq_c(taken.device, rows[i].device) ||
			      !fg_str_eq_c(taken.point, rows[i].point)))
			fail_msg("%s %s: %.*s, %.*s", rows[i].pattern, rows[i].address,
				 (int)taken.device.len, taken.device.ptr, (int)taken.point.len,
				 taken.point.ptr);
	}
}

static void what_is_more_specific(void **state)
{
	/* the first of each is, or none if they tie */
	static const struct {
		const char *more, *less;
		bool tie;
	} rows[] = {
		{ "a/b", "a/+", false },     { "a/b/c", "a/b/+", false }, { "a/+/+", "a/+", false },
		{ "a/{device}", "a/#", false }, { "a/+", "+/a", true },	  { "a/{x}", "a/+", true },
		{ "a/{device:b}", "a/+", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_pattern a = parsed(rows[i].more), b = parsed(rows[i].less);

		assert_true(rows[i].tie ? fg_pattern_compare(&a, &b) == 0 :
					  fg_pattern_compare(&a, &b) > 0);
		assert_true(rows[i].tie ? fg_pattern_compare(&b, &a) == 0 :
					  fg_pattern_compare(&b, &a) < 0);
	}
}

static void what_overlaps(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} rows[] = {
		{ "a/+", "+/b", true },	       { "a/+", "b/+", false },
		{ "a/b", "a/b/c", false },     { "a/#", "a", true },
		{ "a/{device...}", "a", false },	       { "a/#", "#", true },
		{ "{device...}/x", "a/#", true },	       { "{device...}/x", "a/y", false },
		{ "{device...}/x", "{device...}/y", false },   { "a/{device...}/x", "b/#", false },
		{ "a/{device...}/x", "a/x", false },	       { "a/{device...}/x", "a/b/x", true },
		{ "a/{device...}/x", "a/b/+/x", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_pattern a = parsed(rows[i].a), b = parsed(rows[i].b);

		if (fg_pattern_overlap(&a, &b) != rows[i].overlap ||
		    fg_pattern_overlap(&b, &a) != rows[i].overlap)
			fail_msg("%s %s", rows[i].a, rows[i].b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_pattern),
		cmocka_unit_test(what_matches),
		cmocka_unit_test(what_is_more_specific),
		cmocka_unit_test(what_overlaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
