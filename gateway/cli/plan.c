/* fieldgate plan: what a configuration, or each of a fleet, can cost at worst; whether it fits. */
#include "cli/plan.h"

#include "base/units.h"
#include "cli/commands.h"
#include "cli/fleet.h"
#include "cli/table.h"
#include "profile/shipped.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct planning {
	const char *rate_text, *memory_text, *disk_text, *record_text;
	double rate;			/* records per second; 0: not given */
	uint64_t memory, disk, record;	/* bytes; 0: not given */
	bool json, no;
	bool parts;			/* one gateway: part by part */
	struct cli_table table;
	struct fg_buf out;
	size_t gateways;
};

static void size_text(uint64_t bytes, char out[32])
{
	if (bytes < 10u << 20)
		snprintf(out, 32, "%.0f KiB", ceil((double)bytes / 1024));
	else
		snprintf(out, 32, "%.0f MiB", ceil((double)bytes / (1 << 20)));
}

static double outage_s(const struct planning *p, const struct cli_plan *plan)
{
	return (double)plan->room / ((double)p->record * p->rate);
}

static const struct cli_plan_part *largest(const struct cli_plan *plan, size_t offset)
{
	const struct cli_plan_part *best = &plan->parts[0];

	for (size_t i = 1; i < plan->count; i++)
		if (*(const uint64_t *)((const char *)&plan->parts[i].cost + offset) >
		    *(const uint64_t *)((const char *)&best->cost + offset))
			best = &plan->parts[i];
	return best;
}

/* A sentence for people if it does not fit; with what takes most of it. */
static bool fits(const char *id, const struct cli_plan *plan, size_t offset, uint64_t limit)
{
	const struct cli_plan_part *part = largest(plan, offset);
	uint64_t need = *(const uint64_t *)((const char *)&plan->total + offset);
	char texts[3][32];

	if (!limit || need <= limit)
		return true;
	size_text(need, texts[0]);
	size_text(limit, texts[1]);
	size_text(*(const uint64_t *)((const char *)&part->cost + offset), texts[2]);
	fprintf(stderr,
		"%s: does not fit: %s of %s at worst, %s given; most of it, %s, is %s%s%s\n", id,
		texts[0], offset == offsetof(struct fg_cost, memory) ? "memory" : "disk", texts[1],
		texts[2], part->kind, part->name[0] ? " " : "", part->name);
	return false;
}

static void add_json_cost(struct fg_buf *out, const struct fg_cost *cost)
{
	fg_buf_printf(out, "\"memory\":%llu,\"descriptors\":%llu,\"disk\":%llu",
		      (unsigned long long)cost->memory, (unsigned long long)cost->descriptors,
		      (unsigned long long)cost->disk);
}

static void add_json(struct planning *p, const char *id, const struct cli_plan *plan, bool fit)
{
	fg_buf_text(&p->out, p->gateways ? ",\n {\"gateway\":" : "{\"gateway\":");
	fg_buf_json(&p->out, fg_str_c(id));
	fg_buf_char(&p->out, ',');
	add_json_cost(&p->out, &plan->total);
	if (p->rate > 0)
		fg_buf_printf(&p->out, ",\"outage_s\":%.0f", floor(outage_s(p, plan)));
	fg_buf_printf(&p->out, ",\"fits\":%s,\"parts\":[", fit ? "true" : "false");
	for (size_t i = 0; i < plan->count; i++) {
		fg_buf_text(&p->out, i ? ",{\"part\":" : "{\"part\":");
		fg_buf_json(&p->out, fg_str_c(plan->parts[i].kind));
		fg_buf_text(&p->out, ",\"name\":");
		fg_buf_json(&p->out, fg_str_c(plan->parts[i].name));
		fg_buf_char(&p->out, ',');
		add_json_cost(&p->out, &plan->parts[i].cost);
		fg_buf_char(&p->out, '}');
	}
	fg_buf_text(&p->out, "]}");
}

static void add_row(struct planning *p, const char *name, const struct fg_cost *cost,
		    const struct cli_plan *plan)
{
	char text[32];

	cli_table_add(&p->table, "%s", name);
	size_text(cost->memory, text);
	cli_table_add(&p->table, "%s", text);
	cli_table_add(&p->table, "%llu", (unsigned long long)cost->descriptors);
	size_text(cost->disk, text);
	cli_table_add(&p->table, "%s", text);
	if (plan && p->rate > 0)
		cli_table_add(&p->table, "%.1f", floor(outage_s(p, plan) / 360) / 10);
	else
		cli_table_add(&p->table, "%s", "");
}

static int plan_one(struct planning *p, const struct fg_config *config)
{
	const char *id = config->gateway.id;
	struct cli_plan plan;
	bool fit;

	if (cli_plan_make(config, &plan) < 0)
		return fg_cli_failed("plan", "out of memory");
	fit = fits(id, &plan, offsetof(struct fg_cost, memory), p->memory);
	fit &= fits(id, &plan, offsetof(struct fg_cost, disk), p->disk);
	p->no |= !fit;
	if (p->json)
		add_json(p, id, &plan, fit);
	for (size_t i = 0; i < plan.count && p->parts && !p->json; i++) {
		char name[128];

		snprintf(name, sizeof(name), "  %s %s", plan.parts[i].kind, plan.parts[i].name);
		add_row(p, name, &plan.parts[i].cost, NULL);
	}
	if (!p->json)
		add_row(p, id, &plan.total, &plan);
	p->gateways++;
	cli_plan_fini(&plan);
	return FG_EXIT_OK;
}

static int plan_gateway(struct planning *p, struct fg_fleet *fleet, struct fg_fleet_file *gateway)
{
	struct fg_config *config = NULL;
	struct fg_faults faults;
	cJSON *json = NULL;
	char *text;
	int status = FG_EXIT_OK, r = fg_fleet_effective(fleet, gateway, &json);

	text = r == 0 ? cJSON_PrintUnformatted(json) : NULL;
	cJSON_Delete(json);
	fg_faults_init(&faults);
	if (r == 0)
		r = text ? fg_config_parse(fg_str_c(text), fg_shipped_profiles(), &faults,
					   &config) :
			   -ENOMEM;
	if (r == 0) {
		status = plan_one(p, config);
	} else if (r == -EINVAL) {
		fprintf(stderr, "%s: not a valid configuration; see fieldgate fleet check\n",
			gateway->name);
		p->no = true;
	} else {
		status = fg_cli_failed("plan", "%s", strerror(-r));
	}
	fg_config_free(config);
	fg_faults_fini(&faults);
	cJSON_free(text);
	return status;
}

static int plan_fleet(struct planning *p, const char *folder, const char *id)
{
	struct fg_fleet_file *only;
	struct fg_fleet fleet;
	int status = cli_fleet_load("plan", folder, &fleet);

	if (status != FG_EXIT_OK)
		return status;
	only = id ? fg_fleet_find(&fleet, id) : NULL;
	if (id && !only)
		status = fg_cli_failed("plan", "%s has no gateway \"%s\"", folder, id);
	else if (only)
		status = plan_gateway(p, &fleet, only);
	for (size_t i = 0; i < fleet.ngateways && !id && status == FG_EXIT_OK; i++)
		status = plan_gateway(p, &fleet, fleet.gateways[i]);
	fg_fleet_fini(&fleet);
	return status;
}

static int size_flag(const char *name, const char *text, uint64_t *ret_bytes)
{
	if (text && (fg_size_parse(fg_str_c(text), ret_bytes) < 0 || *ret_bytes == 0))
		return fg_cli_misuse("plan", "--%s: expected a size such as 64MiB", name);
	return FG_EXIT_OK;
}

static int read_flags(struct planning *p)
{
	int status = size_flag("memory", p->memory_text, &p->memory);
	char *end;

	if (status == FG_EXIT_OK)
		status = size_flag("disk", p->disk_text, &p->disk);
	if (status == FG_EXIT_OK)
		status = size_flag("record", p->record_text, &p->record);
	if (status != FG_EXIT_OK || !p->rate_text)
		return status;
	p->rate = strtod(p->rate_text, &end);
	if (*end || !(p->rate > 0) || p->rate > 1e9)
		return fg_cli_misuse("plan", "--rate: expected records per second");
	return FG_EXIT_OK;
}

static int plan_all(struct planning *p, const char *path, const char *folder, const char *id)
{
	static const char *const heads[] = { "GATEWAY", ">MEMORY",   ">DESCRIPTORS",
					     ">DISK",	">OUTAGE/H", NULL };
	struct fg_config *config = NULL;
	int status;

	cli_table_init(&p->table, heads);
	fg_buf_init(&p->out, (size_t)256 << 20);
	fg_buf_text(&p->out, "{\"gateways\":[");
	if (folder) {
		status = plan_fleet(p, folder, id);
	} else {
		status = fg_cli_load("plan", path, &config);
		if (status == FG_EXIT_OK)
			status = plan_one(p, config);
		fg_config_free(config);
	}
	fg_buf_text(&p->out, "]}\n");
	if (status == FG_EXIT_OK && p->json)
		status = fg_cli_print("plan", &p->out);
	else if (status == FG_EXIT_OK)
		cli_table_print(&p->table);
	cli_table_fini(&p->table);
	fg_buf_fini(&p->out);
	return status == FG_EXIT_OK && p->no ? FG_EXIT_NO : status;
}

int fg_cli_plan(int argc, char **argv)
{
	struct planning p = { .record = CLI_PLAN_RECORD };
	const char *path = NULL;
	const struct fg_cli_flag flags[] = {
		FG_CLI_CONFIG(&path),
		{ .name = "rate", .value = "R", .help = "records per second that devices send",
		  .ret_value = &p.rate_text },
		{ .name = "memory", .value = "SIZE", .help = "what the machine has to give",
		  .ret_value = &p.memory_text },
		{ .name = "disk", .value = "SIZE", .help = "likewise", .ret_value = &p.disk_text },
		{ .name = "record", .value = "SIZE", .help = "of a record on the disk (100B)",
		  .ret_value = &p.record_text },
		FG_CLI_JSON(&p.json),
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "plan",
		.operands = "[FLEET [GATEWAY]]",
		.summary = "What a configuration can cost at worst: memory, file descriptors,\n"
			   "disk, and hours of outage covered at --rate. Without FLEET that of\n"
			   "-c FILE. Exit status 1 if it does not fit --memory or --disk.",
		.flags = flags,
		.max_operands = 2,
	};
	int status, count = fg_cli_parse(&usage, argc, argv, &status);

	if (count < 0)
		return status;
	if (count > 0 && path)
		return fg_cli_misuse("plan", "-c and FLEET are two ways to ask");
	status = read_flags(&p);
	if (status != FG_EXIT_OK)
		return status;
	p.parts = count != 1;
	return plan_all(&p, path, count > 0 ? argv[1] : NULL, count > 1 ? argv[2] : NULL);
}
