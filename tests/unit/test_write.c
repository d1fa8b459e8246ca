/* How the profiles that come with the program write their devices' points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/name.h"
#include "decode/decode.h"
#include "profile/book.h"
#include "profile/write.h"

static const struct {
	const char *profile, *device, *point, *value, *to, *payload;
} rows[] = {
	{ "zigbee2mqtt", "hall/lamp 1", "brightness", "128", "zigbee2mqtt/hall/lamp 1/set",
	  "{\"brightness\":128}" },
	{ "zigbee2mqtt-availability", "lamp", "state", "\"ON\"", "zigbee2mqtt/lamp/set",
	  "{\"state\":\"ON\"}" },
	{ "zigbee2mqtt", "lamp", "color/x", "1", NULL, NULL },
	{ "zigbee2mqtt", "lamp", "a_x22_b", "1", NULL, NULL },
	{ "tasmota", "plug", "POWER", "\"TOGGLE\"", "cmnd/plug/POWER", "TOGGLE" },
	{ "tasmota-stat", "plug", "Dimmer", "40", "cmnd/plug/Dimmer", "40" },
	{ "tasmota", "plug", "Restart", "1", NULL, NULL },
	{ "shelly-gen1", "shelly1-ab", "relay/0", "true", "shellies/shelly1-ab/relay/0/command",
	  "on" },
	{ "shelly-gen1", "shelly1-ab", "relay/0", "\"blink\"", NULL, NULL },
	{ "shelly-gen1", "s", "roller/0/pos", "50", "shellies/s/roller/0/command/pos", "50" },
	{ "shelly-gen1", "s", "roller/0/pos", "101", NULL, NULL },
	{ "shelly-status", "shellyplus1-ab", "params/switch:1/output", "false",
	  "shellyplus1-ab/rpc",
	  "{\"id\":1,\"src\":\"fieldgate\",\"method\":\"Switch.Set\",\"params\":{\"id\":1,"
	  "\"on\":false}}" },
	{ "esphome-sensor", "node", "switch/relay", "true", "node/switch/relay/command", "ON" },
	{ "esphome-light", "node", "light/desk", "false", "node/light/desk/command",
	  "{\"state\":\"OFF\"}" },
	{ "esphome-number", "node", "number/gain", "1.5", "node/number/gain/command", "1.5" },
	{ "homie", "boiler", "heater/target", "21.5", "homie/boiler/heater/target/set", "21.5" },
	{ "homie5", "boiler", "heater/target", "21", "homie/5/boiler/heater/target/set", "21" },
	{ "json", "any", "value", "1", NULL, NULL },
};

static void check_row(const struct fg_profiles *profiles, size_t i)
{
	const struct fg_profile *profile = fg_profiles_find(profiles, rows[i].profile);
	struct fg_str to = { NULL, 0 }, payload = { NULL, 0 };
	struct fg_write write;
	struct fg_arena arena;
	struct fg_doc doc;
	const char *why;
	int r = -EACCES;

	if (!profile) /* a decoder that is not in this build */
		return;
	fg_arena_init(&arena, 1 << 20);
	fg_doc_init(&doc, 8, 4096);
	assert_int_equal(fg_json_parse(fg_str_c(rows[i].value), &doc), 0);
	if (fg_profile_writes(profile, fg_str_c(rows[i].point), &write))
		r = fg_write_render(&write, fg_str_c(rows[i].device), &doc.nodes[0].value, &arena,
				    &to, &payload, &why);
	if (rows[i].to) {
		assert_int_equal(r, 0);
		assert_string_equal(to.ptr, rows[i].to);
		assert_string_equal(payload.ptr, rows[i].payload);
	} else {
		assert_int_not_equal(r, 0);
	}
	fg_doc_fini(&doc);
	fg_arena_fini(&arena);
}

static void shipped_profiles_write(void **state)
{
	const struct fg_config config = { 0 };
	struct fg_profile_book book;
	struct fg_faults faults;

	(void)state;
	fg_faults_init(&faults);
	assert_int_equal(fg_profile_book_open(&book, &config, &faults), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(book.profiles, i);
	fg_profile_book_close(&book);
	fg_faults_fini(&faults);
}

static void names_come_back(void **state)
{
	static const char *const names[] = { "plain", "a b",  "_x20_", "\xc3\xa4/\"",
					     "__x",   "_x4_", "" };
	char safe[64], back[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct fg_str name = fg_str_c(names[i]);
		size_t n = fg_name_escape(name, false, safe);

		n = fg_name_unescape(fg_str(safe, n), back);
		assert_true(fg_str_eq(fg_str(back, n), name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_profiles_write),
		cmocka_unit_test(names_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
