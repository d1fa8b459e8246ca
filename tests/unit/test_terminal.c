/* What is for people on a terminal: quantities, progress, rates, tables. */
#include "cli/human.h"
#include "cli/progress.h"
#include "cli/rates.h"
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
	cli_rates_begin(&rates, 100, 7 * SECOND);
	cli_rates_take(&rates, "bridge", "a", 900);
	assert_true(cli_rates_of(&rates, "bridge", "a", &rate));
	assert_float_equal(rate, 0, 1e-9); /* half of what was, half of -50 */
	assert_float_equal(cli_rates_peak(&rates, "bridge", "a"), 1100, 1e-9);
	/* another process counts from the beginning: no rate comes of the difference */
	cli_rates_begin(&rates, 108, 9 * SECOND);
	cli_rates_take(&rates, "bridge", "a", 3);
	assert_false(cli_rates_of(&rates, "bridge", "a", &rate));
	cli_rates_begin(&rates, 108, 10 * SECOND);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),	  cmocka_unit_test(amounts),
		cmocka_unit_test(progress_lines), cmocka_unit_test(rates),
		cmocka_unit_test(narrow_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
