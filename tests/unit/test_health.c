/* What fieldgate health makes of two snapshots: a table of what changed, and of what is said. */
#include "cli/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A gateway in order, as a text; each case changes words of it. */
#define TAKEN "1790000000"
#define UP9 "\"state\":\"up\",\"delivered\":9"
#define AWAY(n) "\"state\":\"retrying\",\"delivered\":" #n
#define STATUS                                                                                     \
	"{\"taken\":" TAKEN ",\"answered_ms\":1.5,"                                                \
	"\"devices\":{\"attic\":30,\"door\":null,\"kitchen\":60,\"meter\":86400},"                 \
	"\"status\":{\"state\":\"online\",\"version\":\"1\",\"since\":1789999900,"                 \
	"\"ledger\":{\"accepted\":500,\"bridges\":{\"cloud\":{\"acknowledged\":480,\"sent\":0,"    \
	"\"waiting\":20,\"dead\":0,\"dropped\":{\"size\":3}}}},"                                   \
	"\"drivers\":{\"field\":{\"state\":\"up\",\"fault\":null}},"                               \
	"\"links\":{\"cloud\":{\"state\":\"up\",\"delivered\":9,\"fault\":null}},"                 \
	"\"states\":{\"online\":4,\"late\":0,\"offline\":1},\"clock\":\"synced\","                 \
	"\"loop\":{\"turns\":9,\"longest_turn_ms\":4},\"spool\":{\"committed\":490}}}"

struct change {
	const char *from, *to;
};

struct row {
	const char *what;
	struct change before[2], now[3];
	bool alone;			/* nothing to compare with */
	double patience_s;		/* 0: 300 */
	const char *bad;		/* the one check that says no, or NULL */
	const char *text;		/* a part of what it says */
};

static cJSON *snapshot_with(const struct change *changes, size_t count)
{
	char text[4096] = STATUS;

	for (size_t i = 0; i < count && changes[i].from; i++) {
		char *at = strstr(text, changes[i].from), rest[4096];

		if (!at)
			fail_msg("no %s to change", changes[i].from);
		snprintf(rest, sizeof(rest), "%s", at + strlen(changes[i].from));
		snprintf(at, sizeof(text) - (size_t)(at - text), "%s%s", changes[i].to, rest);
	}
	return cJSON_Parse(text);
}

static const struct row rows[] = {
	{ .what = "nothing has changed" },
	{ .what = "nothing to compare with", .alone = true },
	{ .what = "it goes",
	  .now = { { "\"online\"", "\"offline\"" } },
	  .bad = "gateway",
	  .text = "version 1 (1 before), for 100 s" },
	{ .what = "it answers late",
	  .now = { { "\"answered_ms\":1.5", "\"answered_ms\":2500" } },
	  .bad = "loop",
	  .text = "answered in 2500.0 ms" },
	{ .what = "a long turn",
	  .now = { { "longest_turn_ms\":4", "longest_turn_ms\":2001" } },
	  .bad = "loop" },
	{ .what = "a turn as long as before",
	  .before = { { "longest_turn_ms\":4", "longest_turn_ms\":3000" } },
	  .now = { { "longest_turn_ms\":4", "longest_turn_ms\":2001" } } },
	{ .what = "a driver is down",
	  .now = { { "{\"state\":\"up\",\"fault\":null}",
		     "{\"state\":\"retrying\",\"fault\":\"no broker\"}" } },
	  .bad = "drivers",
	  .text = "0 of 1 up; field is not: no broker" },
	{ .what = "a driver is gone",
	  .now = { { "\"field\"", "\"garden\"" } },
	  .bad = "drivers",
	  .text = "field is not" },
	{ .what = "a driver was down before",
	  .before = { { "{\"state\":\"up\",\"fault\":null}", "{\"state\":\"retrying\"}" } },
	  .now = { { "{\"state\":\"up\",\"fault\":null}", "{\"state\":\"retrying\"}" } } },
	{ .what = "a device is silent",
	  .now = { { "\"attic\":30,", "" } },
	  .bad = "devices",
	  .text = "1 of 2 heard as before; not attic" },
	{ .what = "a device nobody knows the interval of",
	  .now = { { "\"door\":null,", "" } } },
	{ .what = "a device that speaks once a day",
	  .now = { { ",\"meter\":86400", "" } } },
	{ .what = "a device that speaks once a day, after three",
	  .now = { { ",\"meter\":86400", "" } },
	  .patience_s = 3 * 86400,
	  .bad = "devices" },
	{ .what = "one look, and the gateway has run for longer than the device is silent",
	  .now = { { "\"attic\":30,", "" } },
	  .patience_s = -1,
	  .bad = "devices" },
	{ .what = "one look, too early",
	  .now = { { "\"attic\":30,", "" }, { "1789999900", "1789999950" } },
	  .patience_s = -1 },
	{ .what = "all devices are silent, nothing to compare with",
	  .now = { { "\"online\":4", "\"online\":0" } },
	  .alone = true,
	  .bad = "devices" },
	{ .what = "a bridge is down",
	  .now = { { UP9 ",\"fault\":null",
		     AWAY(9) ",\"fault\":\"no route\"" } },
	  .bad = "bridges",
	  .text = "0 of 1 well; cloud: no route" },
	{ .what = "a bridge that never said why",
	  .now = { { UP9, AWAY(9) } },
	  .bad = "bridges",
	  .text = "cloud: not up" },
	{ .what = "a bridge is gone",
	  .now = { { "\"links\":{\"cloud\"", "\"links\":{\"heaven\"" } },
	  .bad = "bridges" },
	{ .what = "a bridge was down before",
	  .before = { { UP9, AWAY(9) } },
	  .now = { { UP9, AWAY(0) } } },
	{ .what = "nothing is acknowledged",
	  .now = { { "\"delivered\":9", "\"delivered\":0" } },
	  .bad = "bridges",
	  .text = "nothing acknowledged yet" },
	{ .what = "nothing is acknowledged, for there is nothing",
	  .now = { { "\"delivered\":9", "\"delivered\":0" },
		   { "\"waiting\":20", "\"waiting\":0" } } },
	{ .what = "nothing is left, for all was refused",
	  .now = { { "\"delivered\":9", "\"delivered\":0" },
		   { "\"waiting\":20,\"dead\":0", "\"waiting\":0,\"dead\":20" } },
	  .bad = "bridges",
	  .text = "given up" },
	{ .what = "records that were on the disk are not there",
	  .now = { { "\"accepted\":500", "\"accepted\":489" } },
	  .bad = "spool",
	  .text = "489 records accepted, 490 before" },
	{ .what = "records that were not on the disk are not there",
	  .now = { { "\"accepted\":500", "\"accepted\":490" } } },
	{ .what = "records cannot be read",
	  .now = { { "\"size\":3", "\"damaged\":2" } },
	  .bad = "spool",
	  .text = "2 records damaged, 0 before" },
	{ .what = "records could not be read before",
	  .before = { { "\"size\":3", "\"damaged\":2" } },
	  .now = { { "\"size\":3", "\"damaged\":2" } } },
	{ .what = "the clock goes back",
	  .now = { { TAKEN, "1789999990" } },
	  .bad = "clock",
	  .text = "10 s before the snapshot" },
	{ .what = "the clock goes on by ten years",
	  .now = { { TAKEN, "2105360000" } },
	  .bad = "clock" },
	{ .what = "the clock was never set",
	  .now = { { TAKEN, "4000" } },
	  .alone = true,
	  .bad = "clock",
	  .text = "never set" },
	{ .what = "the clock is not synced",
	  .now = { { "\"synced\"", "\"unsynced\"" } },
	  .bad = "clock" },
	{ .what = "the clock was not synced before",
	  .before = { { "\"synced\"", "\"unsynced\"" } },
	  .now = { { "\"synced\"", "\"unsynced\"" } } },
	{ .what = "nonsense", .now = { { "\"devices\":{\"attic\":30,\"door\"",
		     "\"x\":{\"door\"" } },
	  .bad = "devices" },
};

static void row_check(const struct row *row, const struct cli_health *health)
{
	const char *bad = NULL, *text = "";

	if (health->count != CLI_HEALTH_CHECKS)
		fail_msg("%s: %zu checks", row->what, health->count);
	for (size_t i = 0; i < health->count; i++) {
		const struct cli_health_check *check = &health->checks[i];

		if (check->ok)
			continue;
		if (bad)
			fail_msg("%s: both %s and %s", row->what, bad, check->name);
		bad = check->name;
		text = check->text;
	}
	if (health->ok != !bad)
		fail_msg("%s: in all %d", row->what, health->ok);
	if (bad != row->bad && (!bad || !row->bad || strcmp(bad, row->bad) != 0))
		fail_msg("%s: %s says no: %s", row->what, bad ? bad : "nobody", text);
	if (row->text && !strstr(text, row->text))
		fail_msg("%s: \"%s\"", row->what, text);
}

static void one_thing_is_named_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		cJSON *before = row->alone ? NULL : snapshot_with(row->before, 2);
		cJSON *now = snapshot_with(row->now, 3);
		const struct cli_health_limits limits = {
			.lag_ms = 2000,
			.patience_s = row->patience_s != 0 ? row->patience_s : 300,
		};
		struct cli_health health;

		cli_health_judge(before, now, "", &limits, &health);
		row_check(row, &health);
		cJSON_Delete(before);
		cJSON_Delete(now);
	}
}

static void one_of_many_devices_may_fall_silent(void **state)
{
	const struct cli_health_limits limits = { .lag_ms = 2000, .patience_s = 300 };

	(void)state;
	for (int silent = 0; silent < 8; silent++) {
		cJSON *before = snapshot_with(NULL, 0), *now = snapshot_with(NULL, 0);
		struct cli_health health;

		for (int i = 0; i < 98; i++) {
			char name[16];

			snprintf(name, sizeof(name), "d%d", i);
			cJSON_AddNumberToObject(cJSON_GetObjectItem(before, "devices"), name, 10);
			if (i >= silent)
				cJSON_AddNumberToObject(cJSON_GetObjectItem(now, "devices"), name,
							10);
		}
		cli_health_judge(before, now, "", &limits, &health);
		assert_int_equal(health.ok, silent <= 5);
		cJSON_Delete(before);
		cJSON_Delete(now);
	}
}

static void a_gateway_that_does_not_answer_is_not_well(void **state)
{
	const struct cli_health_limits limits = { .lag_ms = 2000, .patience_s = 300 };
	struct cli_health health;
	cJSON *before = snapshot_with(NULL, 0);

	(void)state;
	cli_health_judge(before, NULL, "no gateway answers", &limits, &health);
	assert_false(health.ok);
	assert_int_equal(health.count, 1);
	assert_string_equal(health.checks[0].text, "no gateway answers");
	cJSON_Delete(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thing_is_named_and_nothing_else),
		cmocka_unit_test(one_of_many_devices_may_fall_silent),
		cmocka_unit_test(a_gateway_that_does_not_answer_is_not_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
