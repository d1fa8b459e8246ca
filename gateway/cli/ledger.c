/* fieldgate ledger: the account of every record, from the running gateway or from its files. */
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/human.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "run/total.h"
#include "spool/spool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEDGER_MAX ((size_t)16 << 20)

static int of_files(const char *config, const char *dir, struct fg_buf *out)
{
	struct cli_settings settings;
	int status = cli_settings_read("ledger", config, &settings), r;

	if (status != FG_EXIT_OK)
		return status;
	r = fg_total_of_files(dir, settings.gateway, config != NULL, out);
	if (r >= 0 && !fg_spool_is_there(dir)) {
		cli_settings_fini(&settings);
		return fg_cli_failed("ledger", NOT_A_SPOOL, dir);
	}
	fg_buf_char(out, '\n');
	cli_settings_fini(&settings);
	return r < 0 ? fg_cli_failed("ledger", "%s: %s", dir, strerror(-r)) : FG_EXIT_OK;
}

/* -- for people -- */

static void show_counts(const char *what, const cJSON *counts)
{
	const cJSON *count;

	cJSON_ArrayForEach(count, counts)
		printf("%s  %.0f %s\n", what, count->valuedouble, count->string);
}

static void add_account(struct cli_table *table, const cJSON *account)
{
	static const char *const terms[] = { "acknowledged", "sent", "waiting", "dead" };
	double dropped = cli_sum(cli_member(account, "dropped")), due = dropped;
	char age[CLI_HUMAN];

	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++)
		due += cli_number(account, terms[i]);
	cli_table_add(table, "%s", account->string);
	cli_table_add(table, "%.0f", due);
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++)
		cli_table_add(table, "%s %.0f", i ? "+" : "=", cli_number(account, terms[i]));
	cli_table_add(table, "+ %.0f", dropped);
	cli_table_add(table, "%s", cli_human_duration(cli_number(account, "oldest_s"), age));
}

static void show_accounts(const cJSON *bridges)
{
	static const char *const heads[] = { "BRIDGE",	   ">DUE",	 ">= ACKNOWLEDGED",
					     ">+ SENT",	   ">+ WAITING", ">+ DEAD",
					     ">+ DROPPED", ">OLDEST",	 NULL };
	const cJSON *account;
	struct cli_table table;

	cli_table_init(&table, heads);
	cJSON_ArrayForEach(account, bridges)
		add_account(&table, account);
	if (table.count)
		putchar('\n');
	cli_table_write(&table, stdout, cli_columns(STDOUT_FILENO, NULL));
	cli_table_fini(&table);
}

static int show(const struct fg_buf *json)
{
	cJSON *root = cJSON_ParseWithLength(json->data, json->len);
	const cJSON *account;

	if (!root)
		return fg_cli_failed("ledger", "the answer is not JSON");
	printf("gateway %s, epoch %s, last %.0f\n", cli_text(root, "gateway"),
	       cli_text(root, "epoch"), cli_number(root, "last"));
	printf("%.0f received = %.0f accepted + %.0f suppressed; rejected %.0f\n",
	       cli_number(root, "received"), cli_number(root, "accepted"),
	       cli_number(root, "suppressed"), cli_sum(cli_member(root, "rejected")));
	show_counts("rejected", cli_member(root, "rejected"));
	show_accounts(cli_member(root, "bridges"));
	cJSON_ArrayForEach(account, cli_member(root, "bridges")) {
		char what[128];

		snprintf(what, sizeof(what), "%s dropped", account->string);
		show_counts(what, cli_member(account, "dropped"));
	}
	cJSON_Delete(root);
	return FG_EXIT_OK;
}

int fg_cli_ledger(int argc, char **argv)
{
	struct cli_target target = { 0 };
	const char *dir = NULL;
	bool table = false;
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&target),
		{ .name = "spool", .value = "DIR", .help = "from the files of a stopped gateway",
		  .ret_value = &dir },
		{ .name = "table", .help = "as a table, for people", .ret_set = &table },
		{ .name = "json", .help = "as JSON, as without it" },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "ledger",
		.operands = "",
		.summary = "Prints the account of every record, as JSON: for each bridge,\n"
			   "accepted = acknowledged + sent + waiting + dead + dropped.",
		.flags = flags,
	};
	struct fg_buf out;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (dir && target.socket)
		return fg_cli_misuse("ledger", "--spool and --socket are two ways to ask");
	fg_buf_init(&out, LEDGER_MAX);
	status = dir ? of_files(target.config, dir, &out) :
		       cli_call_one("ledger", &target, "ledger", NULL, NULL, &out);
	if (status == FG_EXIT_OK && table && !out.failed)
		status = show(&out);
	else if (status == FG_EXIT_OK)
		status = fg_cli_print("ledger", &out);
	fg_buf_fini(&out);
	return status;
}
