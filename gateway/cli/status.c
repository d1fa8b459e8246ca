/* fieldgate status: the running gateway's state as tables, or as the JSON it gives. */
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/status_devices.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(member(object, key));

	return text ? text : "";
}

static double number_of(const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void add_count(struct cli_table *table, const cJSON *object, const char *key)
{
	cli_table_add(table, "%.0f", number_of(object, key));
}

static void show_head(const cJSON *root)
{
	time_t since = (time_t)number_of(root, "since");
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&since, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("gateway %s, %s since %s, version %s, configuration %.0f (%.12s)\n",
	       text_of(member(root, "ledger"), "gateway"), text_of(root, "state"), when,
	       text_of(root, "version"), number_of(root, "generation"), text_of(root, "config"));
}

/* What was applied last, and is not simply what runs. */
static void show_applied(const cJSON *root)
{
	const cJSON *applied = member(root, "applied");
	const char *outcome = text_of(applied, "outcome"), *why = text_of(applied, "why");
	const cJSON *version = member(applied, "version");

	if (!*outcome || strcmp(outcome, "done") == 0)
		return;
	printf("%s configuration", strcmp(outcome, "trying") == 0 ? "on trial:" : outcome);
	if (cJSON_IsNumber(version))
		printf(" version %.0f", version->valuedouble);
	printf(" (%.12s)%s%s\n", text_of(applied, "sha256"), *why ? ": " : "", why);
}

static void show_drivers(const cJSON *root)
{
	static const char *const heads[] = { "DRIVER",	  "TYPE",	"STATE",
					     ">PAYLOADS", ">RECORDS",	">REJECTED",
					     ">FAULTS",	  "LAST FAULT", NULL };
	struct cli_table table;
	const cJSON *driver;

	cli_table_init(&table, heads);
	cJSON_ArrayForEach(driver, member(root, "drivers")) {
		cli_table_add(&table, "%s", driver->string);
		cli_table_add(&table, "%s", text_of(driver, "type"));
		cli_table_add(&table, "%s", text_of(driver, "state"));
		add_count(&table, driver, "payloads");
		add_count(&table, driver, "records");
		add_count(&table, driver, "rejected");
		add_count(&table, driver, "faults");
		cli_table_add(&table, "%s", text_of(driver, "fault"));
	}
	if (table.count)
		putchar('\n');
	cli_table_print(&table);
	cli_table_fini(&table);
}

static double sum_of(const cJSON *counts)
{
	const cJSON *count;
	double sum = 0;

	cJSON_ArrayForEach(count, counts)
		sum += count->valuedouble;
	return sum;
}

/* Those of the ledger: also bridges that the configuration no longer names. */
static void show_bridges(const cJSON *root)
{
	static const char *const heads[] = { "BRIDGE", "TYPE",	  "STATE",	">ACKNOWLEDGED",
					     ">SENT",  ">DEAD",	  ">DROPPED",	">WAITING",
					     ">AGE",   ">FAULTS", "LAST FAULT", NULL };
	const cJSON *account;
	struct cli_table table;

	cli_table_init(&table, heads);
	cJSON_ArrayForEach(account, member(member(root, "ledger"), "bridges")) {
		const cJSON *link = member(member(root, "links"), account->string);

		cli_table_add(&table, "%s", account->string);
		cli_table_add(&table, "%s", link ? text_of(link, "type") : "-");
		cli_table_add(&table, "%s", link ? text_of(link, "state") : "removed");
		add_count(&table, account, "acknowledged");
		add_count(&table, account, "sent");
		add_count(&table, account, "dead");
		cli_table_add(&table, "%.0f", sum_of(member(account, "dropped")));
		add_count(&table, account, "waiting");
		cli_table_add(&table, "%.0fs", number_of(account, "oldest_s"));
		add_count(&table, link, "faults");
		cli_table_add(&table, "%s", text_of(link, "fault"));
	}
	if (table.count)
		putchar('\n');
	cli_table_print(&table);
	cli_table_fini(&table);
}

static void show_rest(const cJSON *root)
{
	const cJSON *ledger = member(root, "ledger"), *spool = member(root, "spool");
	const cJSON *loop = member(root, "loop"), *states = member(root, "states");

	printf("\nrecords   %.0f received, %.0f suppressed, %.0f payloads rejected, "
	       "%.0f accepted (%.0f on the disk)\n",
	       number_of(ledger, "received"), number_of(ledger, "suppressed"),
	       sum_of(member(ledger, "rejected")), number_of(ledger, "accepted"),
	       number_of(spool, "committed"));
	printf("numbers   epoch %s, last %.0f\n", text_of(root, "epoch"), number_of(root, "last"));
	printf("spool     %.0f bytes in %.0f segments\n", number_of(spool, "bytes"),
	       number_of(spool, "segments"));
	printf("devices   %.0f: %.0f online, %.0f late, %.0f offline; clock %s\n",
	       number_of(root, "devices"), number_of(states, "online"), number_of(states, "late"),
	       number_of(states, "offline"), text_of(root, "clock"));
	printf("process   %.0f KiB, %.0f turns, p99 %.3f ms, the longest %.3f ms\n",
	       number_of(root, "memory_kib"), number_of(loop, "turns"),
	       number_of(loop, "lag_p99_ms"), number_of(loop, "longest_turn_ms"));
}

static int show(const char *answer)
{
	cJSON *root = cJSON_Parse(answer);

	if (!root)
		return fg_cli_failed("status", "the answer is not JSON");
	show_head(root);
	show_applied(root);
	show_drivers(root);
	show_bridges(root);
	show_rest(root);
	cJSON_Delete(root);
	return FG_EXIT_OK;
}

int fg_cli_status(int argc, char **argv)
{
	struct cli_target target = { 0 };
	bool json = false, devices = false;
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&target),
		FG_CLI_JSON(&json),
		{ 0, "devices", NULL, "show every device instead", &devices, NULL },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "status",
		.operands = "",
		.summary = "Shows the running gateway's state: drivers, bridges, what waits.",
		.flags = flags,
	};
	struct fg_buf out;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (devices)
		return cli_status_devices(&target, json);
	fg_buf_init(&out, (size_t)8 << 20);
	status = cli_call_one("status", &target, "status", NULL, NULL, &out);
	if (status == FG_EXIT_OK && json) {
		status = fg_cli_print("status", &out);
	} else if (status == FG_EXIT_OK) {
		fg_buf_char(&out, '\0');
		status = out.failed ? fg_cli_failed("status", "out of memory") : show(out.data);
	}
	fg_buf_fini(&out);
	return status;
}
