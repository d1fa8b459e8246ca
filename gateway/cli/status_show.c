#include "cli/status_show.h"

#include "cli/human.h"
#include "cli/json.h"
#include "cli/table.h"

#include <string.h>
#include <time.h>

/* The names under which rates are kept. */
static const char DRIVER[] = "driver", BRIDGE[] = "bridge", WAITING[] = "waiting";

#define BAR 24
#define STILL 0.05	/* records per second that are none */
#define BACKLOG_S 2.0

static double left_by(const cJSON *account)
{
	return cli_number(account, "acknowledged") + cli_number(account, "sent") +
	       cli_number(account, "dead") + cli_sum(cli_member(account, "dropped"));
}

void cli_status_measure(struct cli_rates *rates, const cJSON *state, int64_t now_ns)
{
	const cJSON *item;

	cli_rates_begin(rates, cli_number(state, "since"), now_ns);
	cJSON_ArrayForEach(item, cli_member(state, "drivers"))
		cli_rates_take(rates, DRIVER, item->string, cli_number(item, "records"));
	cJSON_ArrayForEach(item, cli_member(cli_member(state, "ledger"), "bridges")) {
		cli_rates_take(rates, BRIDGE, item->string,
			       cli_number(item, "acknowledged") + cli_number(item, "sent"));
		cli_rates_take(rates, WAITING, item->string, cli_number(item, "waiting"));
	}
}

static bool is_backlog(const cJSON *account)
{
	return cli_number(account, "waiting") > 0 && cli_number(account, "oldest_s") >= BACKLOG_S;
}

/* -- cells -- */

static void add_count(struct cli_table *table, const cJSON *object, const char *key)
{
	cli_table_add(table, "%.0f", cli_number(object, key));
}

static void add_rate(struct cli_table *table, const struct cli_status_view *view, const char *kind,
		     const char *name)
{
	char text[CLI_HUMAN];
	double rate;

	if (!cli_rates_of(view->rates, kind, name, &rate))
		cli_table_add(table, "?");
	else
		cli_table_add(table, "%s", cli_human_count(rate > STILL ? rate : 0, text));
}

/* Seconds until nothing waits, at the rate at which it becomes less; below 0: it does not, or it is
 * no backlog: what waits a moment on its way does not count. */
static double drained_in(const struct cli_rates *rates, const cJSON *account)
{
	double rate;

	if (!is_backlog(account) || !cli_rates_of(rates, WAITING, account->string, &rate))
		return -1;
	return rate < -STILL ? cli_number(account, "waiting") / -rate : -1;
}

static void add_drain(struct cli_table *table, const struct cli_rates *rates, const cJSON *account)
{
	double rate, seconds = drained_in(rates, account);
	char text[CLI_HUMAN];

	if (!is_backlog(account))
		cli_table_add(table, "-");
	else if (!cli_rates_of(rates, WAITING, account->string, &rate))
		cli_table_add(table, "?");
	else if (seconds >= 0)
		cli_table_add(table, "%s", cli_human_duration(seconds, text));
	else
		cli_table_add(table, rate > STILL ? "grows" : "stands");
}

/* -- parts -- */

static void show_head(const struct cli_status_view *view, const cJSON *root)
{
	time_t since = (time_t)cli_number(root, "since");
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&since, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(view->out, "gateway %s, %s since %s, version %s, configuration %.0f (%.12s)\n",
		cli_text(cli_member(root, "ledger"), "gateway"), cli_text(root, "state"), when,
		cli_text(root, "version"), cli_number(root, "generation"),
		cli_text(root, "config"));
}

/* What was applied last, and is not simply what runs. */
static void show_applied(const struct cli_status_view *view, const cJSON *root)
{
	const cJSON *applied = cli_member(root, "applied");
	const char *outcome = cli_text(applied, "outcome"), *why = cli_text(applied, "why");
	const cJSON *version = cli_member(applied, "version");

	if (!*outcome || strcmp(outcome, "done") == 0)
		return;
	fprintf(view->out, "%s configuration",
		strcmp(outcome, "trying") == 0 ? "on trial:" : outcome);
	if (cJSON_IsNumber(version))
		fprintf(view->out, " version %.0f", version->valuedouble);
	fprintf(view->out, " (%.12s)%s%s\n", cli_text(applied, "sha256"), *why ? ": " : "", why);
}

static void write_table(const struct cli_status_view *view, struct cli_table *table)
{
	if (table->count)
		fputc('\n', view->out);
	cli_table_write(table, view->out, view->columns);
	cli_table_fini(table);
}

static void show_drivers(const struct cli_status_view *view, const cJSON *root)
{
	static const char *const plain[] = { "DRIVER",	  "~TYPE",	"STATE",
					     ">PAYLOADS", ">RECORDS",	"~>REJECTED",
					     "~>FAULTS",  "LAST FAULT", NULL };
	static const char *const timed[] = { "DRIVER",	   "~TYPE",    "STATE",
					     "~>PAYLOADS", ">RECORDS", ">PER SECOND",
					     "~>REJECTED", "~>FAULTS", "LAST FAULT",
					     NULL };
	struct cli_table table;
	const cJSON *driver;

	cli_table_init(&table, view->rates ? timed : plain);
	cJSON_ArrayForEach(driver, cli_member(root, "drivers")) {
		cli_table_add(&table, "%s", driver->string);
		cli_table_add(&table, "%s", cli_text(driver, "type"));
		cli_table_add(&table, "%s", cli_text(driver, "state"));
		add_count(&table, driver, "payloads");
		add_count(&table, driver, "records");
		if (view->rates)
			add_rate(&table, view, DRIVER, driver->string);
		add_count(&table, driver, "rejected");
		add_count(&table, driver, "faults");
		cli_table_add(&table, "%s", cli_text(driver, "fault"));
	}
	write_table(view, &table);
}

/* A bridge's account, column by column as the equation has it. */
static void add_account(struct cli_table *table, const cJSON *account)
{
	char text[CLI_HUMAN];

	cli_table_add(table, "%.0f", left_by(account) + cli_number(account, "waiting"));
	add_count(table, account, "acknowledged");
	add_count(table, account, "sent");
	add_count(table, account, "waiting");
	add_count(table, account, "dead");
	cli_table_add(table, "%.0f", cli_sum(cli_member(account, "dropped")));
	cli_table_add(table, "%s", cli_human_duration(cli_number(account, "oldest_s"), text));
}

/* Those of the ledger: also bridges that the configuration no longer names. */
static void show_bridges(const struct cli_status_view *view, const cJSON *root)
{
	static const char *const plain[] = {
		"BRIDGE", "~TYPE",    "STATE", ">DUE",	   ">ACKNOWLEDGED", "~>SENT", ">WAITING",
		"~>DEAD", ">DROPPED", ">AGE",  "~>FAULTS", "LAST FAULT",    NULL
	};
	static const char *const timed[] = { "BRIDGE",	 "~TYPE",	  "STATE",
					     "~>DUE",	 ">ACKNOWLEDGED", "~>SENT",
					     ">WAITING", "~>DEAD",	  "~>DROPPED",
					     ">AGE",	 ">PER SECOND",	  ">DRAINED IN",
					     "~>FAULTS", "LAST FAULT",	  NULL };
	const cJSON *account;
	struct cli_table table;

	cli_table_init(&table, view->rates ? timed : plain);
	cJSON_ArrayForEach(account, cli_member(cli_member(root, "ledger"), "bridges")) {
		const cJSON *link = cli_member(cli_member(root, "links"), account->string);

		cli_table_add(&table, "%s", account->string);
		cli_table_add(&table, "%s", link ? cli_text(link, "type") : "-");
		cli_table_add(&table, "%s", link ? cli_text(link, "state") : "removed");
		add_account(&table, account);
		if (view->rates) {
			add_rate(&table, view, BRIDGE, account->string);
			add_drain(&table, view->rates, account);
		}
		add_count(&table, link, "faults");
		cli_table_add(&table, "%s", cli_text(link, "fault"));
	}
	write_table(view, &table);
}

/* A backlog that becomes less, beside the most that was seen of it. */
static void show_drains(const struct cli_status_view *view, const cJSON *root)
{
	const cJSON *account;
	bool any = false;

	cJSON_ArrayForEach(account, cli_member(cli_member(root, "ledger"), "bridges")) {
		double waiting = cli_number(account, "waiting");
		double peak = cli_rates_peak(view->rates, WAITING, account->string);
		double seconds = drained_in(view->rates, account);
		char bar[BAR + 1], left[CLI_HUMAN];

		if (seconds < 0)
			continue;
		fprintf(view->out, "%sdraining  %s %s %.0f of %.0f, %s left\n", any ? "" : "\n",
			account->string, cli_human_bar(1 - waiting / peak, BAR, bar),
			peak - waiting, peak, cli_human_duration(seconds, left));
		any = true;
	}
}

static void show_loop(const struct cli_status_view *view, const cJSON *root)
{
	const cJSON *loop = cli_member(root, "loop"), *phase;
	bool any = false;

	fprintf(view->out,
		"loop      %.0f turns; lag p50 %.3f ms, p99 %.3f ms, longest turn "
		"%.3f ms\n",
		cli_number(loop, "turns"), cli_number(loop, "lag_p50_ms"),
		cli_number(loop, "lag_p99_ms"), cli_number(loop, "longest_turn_ms"));
	cJSON_ArrayForEach(phase, cli_member(loop, "phases"))
		any |= cli_number(phase, "p99_ms") > 0;
	if (!any) /* they are measured only while somebody looks on */
		return;
	fputs("phases    p99 in ms:", view->out);
	cJSON_ArrayForEach(phase, cli_member(loop, "phases"))
		fprintf(view->out, " %s %.3f", phase->string, cli_number(phase, "p99_ms"));
	fputc('\n', view->out);
}

static void show_spool(const struct cli_status_view *view, const cJSON *root)
{
	const cJSON *spool = cli_member(root, "spool");
	const char *holder = cli_text(spool, "holder");
	double limit = cli_number(spool, "limit");
	char bytes[CLI_HUMAN], most[CLI_HUMAN];

	fprintf(view->out, "spool     %s%s%s in %.0f segments%s%s\n",
		cli_human_bytes(cli_number(spool, "bytes"), bytes), limit > 0 ? " of " : "",
		limit > 0 ? cli_human_bytes(limit, most) : "", cli_number(spool, "segments"),
		*holder ? ", held by " : "", holder);
}

static void show_rest(const struct cli_status_view *view, const cJSON *root)
{
	const cJSON *ledger = cli_member(root, "ledger"), *states = cli_member(root, "states");
	FILE *out = view->out;
	char memory[CLI_HUMAN];

	fprintf(out,
		"\nrecords   %.0f received, %.0f suppressed, %.0f payloads rejected, "
		"%.0f accepted (%.0f on the disk)\n",
		cli_number(ledger, "received"), cli_number(ledger, "suppressed"),
		cli_sum(cli_member(ledger, "rejected")), cli_number(ledger, "accepted"),
		cli_number(cli_member(root, "spool"), "committed"));
	fprintf(out, "ledger    for each bridge: due = acknowledged + sent + waiting + dead + "
		     "dropped\n");
	fprintf(out, "numbers   epoch %s, last %.0f\n", cli_text(root, "epoch"),
		cli_number(root, "last"));
	show_spool(view, root);
	fprintf(out, "devices   %.0f: %.0f online, %.0f late, %.0f offline; clock %s\n",
		cli_number(root, "devices"), cli_number(states, "online"),
		cli_number(states, "late"), cli_number(states, "offline"), cli_text(root, "clock"));
	show_loop(view, root);
	fprintf(out, "memory    %s at most\n",
		cli_human_bytes(cli_number(root, "memory_kib") * 1024, memory));
}

void cli_status_show(const struct cli_status_view *view, const cJSON *root)
{
	show_head(view, root);
	show_applied(view, root);
	show_drivers(view, root);
	show_bridges(view, root);
	if (view->rates)
		show_drains(view, root);
	show_rest(view, root);
}
