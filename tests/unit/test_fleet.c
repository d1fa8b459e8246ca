/* A fleet's files, laid over each other: RFC 7396, who says what, what is wrong and where. */
#include "fleet/fleet.h"
#include "fleet/merge.h"
#include "profile/shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 7396, appendix A, then our own. */
static const struct {
	const char *target, *patch, *result;
} MERGES[] = {
	{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
	{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
	{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
	{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
	{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
	{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
	{ "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
	{ "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
	{ "{\"a\":\"foo\"}", "null", "null" },
	{ "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
	{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
	{ "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
	{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
	{ "{\"a\":1,\"A\":2}", "{\"A\":3}", "{\"a\":1,\"A\":3}" },
	{ "{\"m\":{\"z\":1,\"y\":2}}",
	  "{\"m\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,"
	  "\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"y\":null}}",
	  "{\"m\":{\"z\":1,\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,"
	  "\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1}}" },
};

static void merges_are_those_of_the_rfc(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(MERGES) / sizeof(MERGES[0]); i++) {
		cJSON *target = cJSON_Parse(MERGES[i].target),
		      *patch = cJSON_Parse(MERGES[i].patch);
		char *text;

		assert_non_null(target);
		assert_non_null(patch);
		assert_int_equal(fg_merge_patch(&target, patch), 0);
		text = cJSON_PrintUnformatted(target);
		assert_string_equal(text, MERGES[i].result);
		cJSON_free(text);
		cJSON_Delete(target);
		cJSON_Delete(patch);
	}
}

static void nulls_tell_whether_they_removed(void **state)
{
	cJSON *target = cJSON_Parse("{\"a\":1}"), *patch = cJSON_Parse("{\"a\":null,\"b\":null}");

	(void)state;
	assert_int_equal(fg_merge_patch(&target, patch), 0);
	assert_true(fg_merge_removed(cJSON_GetObjectItem(patch, "a")));
	assert_false(fg_merge_removed(cJSON_GetObjectItem(patch, "b")));
	cJSON_Delete(target);
	cJSON_Delete(patch);
}

/* -- fleets -- */

#define DRIVER "\"drivers\":{\"d\":{\"type\":\"mqtt\",\"url\":\"mqtt://a\",\"subscribe\":[\"x\"]}}"

static void add(struct fg_fleet *fleet, enum fg_fleet_kind kind, const char *name, const char *text)
{
	assert_int_equal(fg_fleet_add(fleet, kind, name, fg_str_c(text)), 0);
}

static void make(struct fg_fleet *fleet)
{
	fg_fleet_init(fleet);
	add(fleet, FG_FLEET_BASE, "",
	    "{\"spool\":{\"limit\":\"64MiB\",\"commit\":\"1s\"}," DRIVER
	    ",\"limits\":{\"depth\":8}}");
	add(fleet, FG_FLEET_GROUP, "one", "{\"spool\":{\"limit\":\"32MiB\"},\"clock\":{}}");
	add(fleet, FG_FLEET_GROUP, "two", "{\"spool\":{\"limit\":\"16MiB\"},\"limits\":null}");
	add(fleet, FG_FLEET_GATEWAY, "a", "{\"groups\":[\"one\",\"two\"]}");
	add(fleet, FG_FLEET_GATEWAY, "b",
	    "{\"groups\":[\"two\",\"one\"],\"gateway\":{\"id\":\"other\"},"
	    "\"drivers\":{\"d\":{\"qos\":0}}}");
	add(fleet, FG_FLEET_GATEWAY, "c", "{}");
}

static void effective_is(struct fg_fleet *fleet, const char *name, const char *wanted)
{
	cJSON *json;
	char *text;

	assert_int_equal(fg_fleet_effective(fleet, fg_fleet_find(fleet, name), &json), 0);
	text = cJSON_PrintUnformatted(json);
	assert_string_equal(text, wanted);
	cJSON_free(text);
	cJSON_Delete(json);
}

static void groups_count_in_their_order(void **state)
{
	struct fg_fleet fleet;

	(void)state;
	make(&fleet);
	assert_int_equal(fg_fleet_link(&fleet), 0);
	effective_is(&fleet, "a",
		     "{\"spool\":{\"limit\":\"16MiB\",\"commit\":\"1s\"}," DRIVER
		     ",\"clock\":{},\"gateway\":{\"id\":\"a\"}}");
	effective_is(&fleet, "c",
		     "{\"spool\":{\"limit\":\"64MiB\",\"commit\":\"1s\"}," DRIVER
		     ",\"limits\":{\"depth\":8},\"gateway\":{\"id\":\"c\"}}");
	effective_is(
		&fleet, "b",
		"{\"spool\":{\"limit\":\"32MiB\",\"commit\":\"1s\"},"
		"\"drivers\":{\"d\":{\"type\":\"mqtt\",\"url\":\"mqtt://a\",\"subscribe\":[\"x\"],"
		"\"qos\":0}},\"clock\":{},\"gateway\":{\"id\":\"other\"}}");
	assert_null(fg_fleet_find(&fleet, "d"));
	fg_fleet_fini(&fleet);
}

static void each_key_has_its_file(void **state)
{
	static const struct {
		const char *gateway, *pointer, *path;
	} ORIGINS[] = {
		{ "a", "/spool/limit", "groups/two.json" },
		{ "b", "/spool/limit", "groups/one.json" },
		{ "c", "/spool/limit", "fleet.json" },
		{ "a", "/spool/commit", "fleet.json" },
		{ "b", "/drivers/d/qos", "gateways/b.json" },
		{ "b", "/drivers/d/url", "fleet.json" },
		{ "b", "/drivers/d/subscribe/0", "fleet.json" },
		{ "b", "/gateway/id", "gateways/b.json" },
		{ "a", "/gateway/id", "gateways/a.json" },
		{ "a", "/clock", "groups/one.json" },
		{ "a", "/spool/none", "fleet.json" },
	};
	struct fg_fleet fleet;

	(void)state;
	make(&fleet);
	assert_int_equal(fg_fleet_link(&fleet), 0);
	for (size_t i = 0; i < sizeof(ORIGINS) / sizeof(ORIGINS[0]); i++)
		assert_string_equal(fg_fleet_origin(&fleet,
						    fg_fleet_find(&fleet, ORIGINS[i].gateway),
						    ORIGINS[i].pointer)
					    ->path,
				    ORIGINS[i].path);
	fg_fleet_fini(&fleet);
}

static const struct fg_fleet_item *item_of(const struct fg_fleet *fleet, const char *path,
					   const char *pointer)
{
	for (size_t i = 0; i < fleet->report.count; i++)
		if (strcmp(fleet->report.items[i].file->path, path) == 0 &&
		    strcmp(fleet->report.items[i].pointer, pointer) == 0)
			return &fleet->report.items[i];
	return NULL;
}

static void faults_are_told_once_where_they_are(void **state)
{
	const struct fg_fleet_item *item;
	struct fg_fleet fleet;

	(void)state;
	make(&fleet);
	add(&fleet, FG_FLEET_GROUP, "bad", "{\"spool\":{\"limt\":1},\"limits\":{\"depth\":0}}");
	add(&fleet, FG_FLEET_GROUP, "alone", "{}");
	add(&fleet, FG_FLEET_GATEWAY, "d", "{\"groups\":[\"bad\"]}");
	add(&fleet, FG_FLEET_GATEWAY, "e", "{\"groups\":[\"bad\"],\"clock\":null}");
	add(&fleet, FG_FLEET_GATEWAY, "f", "{\"groups\":[\"tow\"]}");
	add(&fleet, FG_FLEET_GATEWAY, "g", "{\"groups\":[");
	add(&fleet, FG_FLEET_GATEWAY, "h", "{\"gateway\":{\"id\":\"c\"}}");
	add(&fleet, FG_FLEET_GATEWAY, "not an id", "{}");
	assert_int_equal(fg_fleet_link(&fleet), 0);
	assert_int_equal(fg_fleet_check(&fleet, fg_shipped_profiles()), 0);
	item = item_of(&fleet, "groups/bad.json", "/spool/limt");
	assert_non_null(item);
	assert_non_null(strstr(item->text, "limit"));
	assert_int_equal(item->gateways, 2);
	assert_string_equal(item->first[1]->name, "e");
	assert_non_null(item_of(&fleet, "groups/bad.json", "/limits/depth"));
	item = item_of(&fleet, "groups/alone.json", "");
	assert_true(item && item->doubt);
	item = item_of(&fleet, "gateways/e.json", "/clock");
	assert_true(item && item->doubt);
	item = item_of(&fleet, "gateways/f.json", "/groups/0");
	assert_true(item && strstr(item->text, "\"two\""));
	assert_non_null(item_of(&fleet, "gateways/g.json", ""));
	assert_non_null(item_of(&fleet, "gateways/h.json", "/gateway/id"));
	assert_non_null(item_of(&fleet, "gateways/not an id.json", ""));
	assert_int_equal(fg_fleet_effective(&fleet, fg_fleet_find(&fleet, "g"), &(cJSON *){ NULL }),
			 -22);
	fg_fleet_fini(&fleet);
}

static const char *takes_of(const cJSON *list, const char *gateway)
{
	const cJSON *change;

	cJSON_ArrayForEach(change, list)
		if (strcmp(cJSON_GetObjectItem(change, "gateway")->valuestring, gateway) == 0)
			return cJSON_GetStringValue(cJSON_GetObjectItem(change, "takes"));
	return "";
}

static void differences_say_what_they_take(void **state)
{
	struct fg_fleet old, new;
	cJSON *list;

	(void)state;
	make(&old);
	fg_fleet_init(&new);
	add(&new, FG_FLEET_BASE, "",
	    "{\"spool\":{\"limit\":\"64MiB\",\"commit\":\"1s\"}," DRIVER
	    ",\"limits\":{\"depth\":9}}");
	add(&new, FG_FLEET_GROUP, "one", "{\"spool\":{\"limit\":\"32MiB\"},\"clock\":{}}");
	add(&new, FG_FLEET_GROUP, "two",
	    "{\"spool\":{\"limit\":\"16MiB\"},\"limits\":null,\"run\":{\"user\":\"x\"}}");
	add(&new, FG_FLEET_GATEWAY, "a", "{\"groups\":[\"one\",\"two\"]}");
	add(&new, FG_FLEET_GATEWAY, "b",
	    "{\"groups\":[\"one\"],\"gateway\":{\"id\":\"other\"},\"limits\":null,"
	    "\"drivers\":{\"d\":{\"qos\":1}}}");
	add(&new, FG_FLEET_GATEWAY, "c", "{}");
	assert_int_equal(fg_fleet_link(&old), 0);
	assert_int_equal(fg_fleet_link(&new), 0);
	assert_int_equal(fg_fleet_diff(&old, &new, fg_shipped_profiles(), &list), 0);
	assert_int_equal(cJSON_GetArraySize(list), 3);
	assert_string_equal(takes_of(list, "a"), "restart");
	assert_string_equal(takes_of(list, "b"), "reopen");
	assert_string_equal(takes_of(list, "c"), "reload");
	cJSON_Delete(list);
	assert_int_equal(fg_fleet_diff(&old, &old, fg_shipped_profiles(), &list), 0);
	assert_int_equal(cJSON_GetArraySize(list), 0);
	cJSON_Delete(list);
	fg_fleet_fini(&old);
	fg_fleet_fini(&new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_are_those_of_the_rfc),
		cmocka_unit_test(nulls_tell_whether_they_removed),
		cmocka_unit_test(groups_count_in_their_order),
		cmocka_unit_test(each_key_has_its_file),
		cmocka_unit_test(faults_are_told_once_where_they_are),
		cmocka_unit_test(differences_say_what_they_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
