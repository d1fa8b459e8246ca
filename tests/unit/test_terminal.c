/* What is for people on a terminal: quantities, progress, rates, tables. */
#include "cli/human.h"
#include "cli/progress.h"
#include "cli/rates.h"
#include "cli/status_show.h"
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000LL

static void durations(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{ 0, "0s" },	       { 0.25, "0.2s" },     { 9.94, "9.9s" },
		{ 9.96, "10s" },       { 59.4, "59s" },	     { 59.6, "1m00s" },
		{ 200, "3m20s" },      { 3599.6, "1h00m" },  { 7500, "2h05m" },
		{ 86400 * 4.125, "4d03h" }, { -1, "-" },     { 1e300, "-" },
	};
	char text[CLI_HUMAN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(cli_human_duration(cases[i].seconds, text), cases[i].text);
}

static void amounts(void **state)
{
	char text[CLI_HUMAN], bar[16];

	(void)state;
	assert_string_equal(cli_human_bytes(0, text), "0 B");
	assert_string_equal(cli_human_bytes(1023, text), "1023 B");
	assert_string_equal(cli_human_bytes(1536, text), "1.5 KiB");
	assert_string_equal(cli_human_bytes(64 << 20, text), "64 MiB");
	assert_string_equal(cli_human_count(3, text), "3");
	assert_string_equal(cli_human_count(2.25, text), "2.2");
	assert_string_equal(cli_human_count(-2.5, text), "-2.5");
	assert_string_equal(cli_human_count(1234.5, text), "1234");
	assert_string_equal(cli_human_bar(0, 6, bar), "[----]");
	assert_string_equal(cli_human_bar(0.5, 6, bar), "[##--]");
	assert_string_equal(cli_human_bar(7, 6, bar), "[####]");
	assert_string_equal(cli_human_bar(-1, 3, bar), "[-]");
}

static void progress_lines(void **state)
{
	struct cli_progress progress = { .what = "verify", .unit = CLI_BYTES, .total = 4 << 20 };
	char line[256];

	(void)state;
	cli_progress_line(&progress, 1 << 20, 2, 80, line, sizeof(line));
	assert_string_equal(line, "verify  [#####----------------]  25 %  "
				  "1.0 MiB of 4.0 MiB, 512 KiB/s, 6.0s left");
	/* no room for a bar, then none for the whole */
	cli_progress_line(&progress, 1 << 20, 2, 60, line, sizeof(line));
	assert_string_equal(line, "verify   25 %  1.0 MiB of 4.0 MiB, 512 KiB/s, 6.0s left");
	cli_progress_line(&progress, 1 << 20, 2, 20, line, sizeof(line));
	assert_string_equal(line, "verify   25 %  1.0 M");
	/* more than was promised, and nothing yet */
	cli_progress_line(&progress, 5 << 20, 2, 60, line, sizeof(line));
	assert_non_null(strstr(line, "100 %  4.0 MiB of 4.0 MiB"));
	assert_non_null(strstr(line, "0s left"));
	cli_progress_line(&progress, 0, 0, 60, line, sizeof(line));
	assert_non_null(strstr(line, "0 %  0 B of 4.0 MiB, 0 B/s, - left"));
	/* nobody knows how much it will be */
	progress = (struct cli_progress){ .what = "cat", .unit = CLI_RECORDS };
	cli_progress_line(&progress, 500, 2, 80, line, sizeof(line));
	assert_string_equal(line, "cat  500 records, 250/s");
}

static void rates(void **state)
{
	struct cli_rates rates = { 0 };
	double rate;

	(void)state;
	cli_rates_begin(&rates, 100, 1 * SECOND);
	cli_rates_take(&rates, "bridge", "a", 1000);
	assert_false(cli_rates_of(&rates, "bridge", "a", &rate));
	cli_rates_begin(&rates, 100, 3 * SECOND);
	cli_rates_take(&rates, "bridge", "a", 1100);
	cli_rates_take(&rates, "driver", "a", 5);
	assert_true(cli_rates_of(&rates, "bridge", "a", &rate));
	assert_float_equal(rate, 50, 1e-9);
	assert_false(cli_rates_of(&rates, "driver", "a", &rate));
	/* what shrinks has a rate too, and the most of it is kept */
	cli_rates_begin(&rates, 100, 5 * SECOND);
	cli_rates_take(&rates, "bridge", "a", 800);
	assert_true(cli_rates_of(&rates, "bridge", "a", &rate));
	assert_float_equal(rate, -50, 1e-9);
	/* often: still that of five seconds, which end at what stands still */
	for (int64_t ms = 5100; ms <= 7000; ms += 100) {
		cli_rates_begin(&rates, 100, ms * (SECOND / 1000));
		cli_rates_take(&rates, "bridge", "a", 800);
	}
	assert_true(cli_rates_of(&rates, "bridge", "a", &rate));
	assert_float_equal(rate, -75, 1e-9);
	cli_rates_begin(&rates, 100, 10500 * (SECOND / 1000));
	cli_rates_take(&rates, "bridge", "a", 800);
	assert_true(cli_rates_of(&rates, "bridge", "a", &rate));
	assert_float_equal(rate, 0, 1e-9);
	/* seldom: that of the last two */
	cli_rates_begin(&rates, 100, 60 * SECOND);
	cli_rates_take(&rates, "bridge", "a", 1295);
	assert_true(cli_rates_of(&rates, "bridge", "a", &rate));
	assert_float_equal(rate, 10, 1e-9);
	assert_float_equal(cli_rates_peak(&rates, "bridge", "a"), 1295, 1e-9);
	/* another process counts from the beginning: no rate comes of the difference */
	cli_rates_begin(&rates, 108, 61 * SECOND);
	cli_rates_take(&rates, "bridge", "a", 3);
	assert_false(cli_rates_of(&rates, "bridge", "a", &rate));
	cli_rates_begin(&rates, 108, 62 * SECOND);
	cli_rates_take(&rates, "bridge", "a", 4);
	assert_true(cli_rates_of(&rates, "bridge", "a", &rate));
	assert_float_equal(rate, 1, 1e-9);
	cli_rates_fini(&rates);
}

static void narrow_tables(void **state)
{
	static const char *const heads[] = { "NAME", "~KIND", ">COUNT", "~>OTHER", "WHY", NULL };
	char *text = NULL;
	struct cli_table table;
	size_t len = 0;
	FILE *out;

	(void)state;
	cli_table_init(&table, heads);
	cli_table_add(&table, "küche");
	cli_table_add(&table, "coap");
	cli_table_add(&table, "12");
	cli_table_add(&table, "7");
	cli_table_add(&table, "\033[2J");
	out = open_memstream(&text, &len);
	assert_non_null(out);
	cli_table_write(&table, out, 0);
	cli_table_write(&table, out, 34);
	cli_table_write(&table, out, 10);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "NAME   KIND  COUNT  OTHER  WHY\n"
				  "küche  coap     12      7  ?[2J\n"
				  "NAME   COUNT  OTHER  WHY\n"
				  "küche     12      7  ?[2J\n"
				  "NAME   COUNT  WHY\n"
				  "küche     12  ?[2J\n");
	free(text);
	cli_table_fini(&table);
}

/* -- what status says -- */

static const char state[] =
	"{\"state\":\"online\",\"version\":\"1.2.3\",\"generation\":4,"
	"\"config\":\"abcdef0123456789\",\"since\":1000,\"epoch\":\"e\",\"last\":%d,"
	"\"ledger\":{\"gateway\":\"gw\",\"received\":%d,\"suppressed\":0,\"rejected\":{},"
	"\"accepted\":%d,\"bridges\":{"
	"\"cloud\":{\"acknowledged\":%d,\"sent\":0,\"waiting\":%d,\"dead\":3,"
	"\"dropped\":{\"spool-full\":2},\"oldest_s\":%d},"
	"\"old\":{\"acknowledged\":1,\"sent\":0,\"waiting\":10,\"dead\":0,\"dropped\":{},"
	"\"oldest_s\":90}}},"
	"\"drivers\":{\"things\":{\"type\":\"coap\",\"state\":\"up\",\"payloads\":5,"
	"\"records\":%d,\"rejected\":0,\"faults\":0,\"fault\":null}},"
	"\"links\":{\"cloud\":{\"type\":\"mqtt\",\"state\":\"up\",\"faults\":1,"
	"\"fault\":\"gone\"}},"
	"\"loop\":{\"turns\":9,\"lag_p50_ms\":0.1,\"lag_p99_ms\":0.5,\"longest_turn_ms\":1,"
	"\"phases\":{\"poll\":{\"p50_ms\":0.1,\"p99_ms\":%d},"
	"\"check\":{\"p50_ms\":0,\"p99_ms\":0}}},"
	"\"spool\":{\"bytes\":4194304,\"limit\":67108864,\"segments\":1,\"committed\":5,"
	"\"holder\":%s}}";

struct look {
	int accepted, waiting, oldest_s, poll_ms;
	const char *holder;
};

/* What is shown of it; the caller frees it. */
static char *shown(const struct look *look, struct cli_rates *rates, int64_t now_ns)
{
	struct cli_status_view view = { .rates = rates };
	char json[2048], *text = NULL;
	size_t len = 0;
	cJSON *root;

	snprintf(json, sizeof(json), state, look->accepted, look->accepted, look->accepted,
		 look->accepted - look->waiting - 5, look->waiting, look->oldest_s, look->accepted,
		 look->poll_ms, look->holder);
	root = cJSON_Parse(json);
	view.out = open_memstream(&text, &len);
	assert_non_null(root);
	assert_non_null(view.out);
	if (rates)
		cli_status_measure(rates, root, now_ns);
	cli_status_show(&view, root);
	assert_int_equal(fclose(view.out), 0);
	cJSON_Delete(root);
	return text;
}

static void assert_shows(char *text, const char *const *wanted)
{
	for (; *wanted; wanted++)
		if (!strstr(text, *wanted))
			fail_msg("no \"%s\" in:\n%s", *wanted, text);
	free(text);
}

static void status_once(void **unused)
{
	static const char *const once[] = {
		"gateway gw, online since 1970-01-01T00:16:40Z, version 1.2.3, "
		"configuration 4 (abcdef012345)",
		"BRIDGE  TYPE  STATE     DUE  ACKNOWLEDGED  SENT  WAITING  DEAD  DROPPED    AGE"
		"  FAULTS  LAST FAULT\n",
		"cloud   mqtt  up       1000           595     0      400     3        2   7.0s"
		"       1  gone\n",
		"old     -     removed    11             1     0       10     0        0  1m30s",
		"spool     4.0 MiB of 64 MiB in 1 segments, held by cloud\n",
		"phases    p99 in ms: poll 2.000 check 0.000\n",
		NULL,
	};
	const struct look look = { 1000, 400, 7, 2, "\"cloud\"" };
	const struct look quiet = { 1000, 0, 0, 0, "null" };
	char *text;

	(void)unused;
	assert_shows(shown(&look, NULL, 0), once);
	text = shown(&quiet, NULL, 0);
	assert_null(strstr(text, "held by"));
	assert_null(strstr(text, "phases"));
	assert_null(strstr(text, "PER SECOND"));
	free(text);
}

static void status_watched(void **unused)
{
	struct look look = { 1000, 400, 60, 2, "null" };
	struct cli_rates rates = { 0 };

	(void)unused;
	assert_shows(shown(&look, &rates, 1 * SECOND),
		     (const char *const[]){ "PER SECOND", "DRAINED IN", " ?  ", NULL });
	/* 20 a second come, 60 go: 40 less wait each second */
	look.accepted += 40;
	look.waiting -= 80;
	assert_shows(shown(&look, &rates, 3 * SECOND),
		     (const char *const[]){ "things  coap  up            5     1040          20",
					    "1m00s          60        8.0s       1  gone",
					    "1m30s           0      stands",
					    "draining  cloud [####------------------] 80 of 400, "
					    "8.0s left\n",
					    NULL });
	/* now it grows, and soon there is no bar */
	look.waiting += 4000;
	look.accepted += 4000;
	assert_shows(shown(&look, &rates, 5 * SECOND), (const char *const[]){ "grows", NULL });
	/* what only passes through is no backlog */
	look.waiting = 20;
	look.oldest_s = 1;
	assert_shows(shown(&look, &rates, 7 * SECOND),
		     (const char *const[]){ "           -       1  gone", NULL });
	cli_rates_fini(&rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),	  cmocka_unit_test(amounts),
		cmocka_unit_test(progress_lines), cmocka_unit_test(rates),
		cmocka_unit_test(narrow_tables),  cmocka_unit_test(status_once),
		cmocka_unit_test(status_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
