/* fieldgate fleet: its subcommands, and the report that they share. */
#include "cli/fleet.h"

#include "cli/commands.h"
#include "cli/fleet_sign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int cli_fleet_load(const char *name, const char *folder, struct fg_fleet *ret_fleet)
{
	char path[512];
	int r;

	fg_fleet_init(ret_fleet);
	r = fg_fleet_load(ret_fleet, folder, path);
	if (r == 0)
		return FG_EXIT_OK;
	fg_fleet_fini(ret_fleet);
	if (r == -ENOTDIR && !path[0])
		return fg_cli_failed(name, "%s: no fleet: neither fleet.json nor gateways/ in it",
				     folder);
	return fg_cli_failed(name, "%s%s%s: %s", folder, path[0] ? "/" : "", path, strerror(-r));
}

/* A file's name may hold what a terminal would obey. */
static void add_path(struct fg_buf *out, const char *path)
{
	for (; *path; path++)
		fg_buf_char(out, (unsigned char)*path < 0x20 || *path == 0x7f ? '?' : *path);
}

static void item_text(const struct fg_fleet_item *item, struct fg_buf *out)
{
	fg_buf_text(out, item->doubt ? "warning: " : "");
	add_path(out, item->file->path);
	fg_buf_text(out, ": ");
	fg_buf_text(out, item->pointer);
	fg_buf_text(out, item->pointer[0] ? ": " : "");
	fg_buf_text(out, item->text);
	if (item->gateways && item->file->kind != FG_FLEET_GATEWAY) {
		fg_buf_printf(out, " (%zu gateway%s: ", item->gateways,
			      item->gateways == 1 ? "" : "s");
		for (size_t i = 0; i < FG_FLEET_FIRST && i < item->gateways; i++) {
			fg_buf_text(out, i ? ", " : "");
			add_path(out, item->first[i]->name);
		}
		fg_buf_text(out, item->gateways > FG_FLEET_FIRST ? ", ...)" : ")");
	}
	fg_buf_char(out, '\n');
}

void cli_fleet_report_text(const struct fg_fleet *fleet, struct fg_buf *out)
{
	const struct fg_fleet_report *report = &fleet->report;

	for (size_t i = 0; i < report->count; i++)
		item_text(&report->items[i], out);
	if (report->count < report->faults + report->doubts)
		fg_buf_printf(out, "and %zu more\n",
			      report->faults + report->doubts - report->count);
}

void cli_fleet_report_json(const struct fg_fleet *fleet, struct fg_buf *out)
{
	fg_buf_char(out, '[');
	for (size_t i = 0; i < fleet->report.count; i++) {
		const struct fg_fleet_item *item = &fleet->report.items[i];

		fg_buf_text(out, i ? ",\n {\"severity\":" : "{\"severity\":");
		fg_buf_text(out, item->doubt ? "\"warning\"" : "\"fault\"");
		fg_buf_text(out, ",\"file\":");
		fg_buf_json(out, fg_str_c(item->file->path));
		fg_buf_text(out, ",\"pointer\":");
		fg_buf_json(out, fg_str_c(item->pointer));
		fg_buf_text(out, ",\"text\":");
		fg_buf_json(out, fg_str_c(item->text));
		fg_buf_printf(out, ",\"gateways\":%zu,\"first\":[", item->gateways);
		for (size_t k = 0; k < FG_FLEET_FIRST && k < item->gateways; k++) {
			fg_buf_text(out, k ? "," : "");
			fg_buf_json(out, fg_str_c(item->first[k]->name));
		}
		fg_buf_text(out, "]}");
	}
	fg_buf_text(out, "]\n");
}

void cli_fleet_print_faults_of(const struct fg_fleet *fleet, const struct fg_fleet_file *gateway)
{
	const struct fg_fleet_file *files[FG_FLEET_GROUPS_OF_ONE + 2];
	size_t count = fg_fleet_files(fleet, gateway, files);
	struct fg_buf out;

	fg_buf_init(&out, 16 << 20);
	for (size_t i = 0; i < fleet->report.count; i++)
		for (size_t k = 0; k < count; k++)
			if (fleet->report.items[i].file == files[k])
				item_text(&fleet->report.items[i], &out);
	if (out.len)
		fwrite(out.data, 1, out.len, stderr);
	fg_buf_fini(&out);
}

static const struct fg_cli_command COMMANDS[] = {
	{ "check", "validate every gateway's effective configuration", cli_fleet_check },
	{ "diff", "which gateways change, what, and what it takes", cli_fleet_diff },
	{ "sign", "a configuration as a gateway takes it from afar", cli_fleet_sign },
	{ 0 },
};

static void print_help(FILE *out)
{
	fprintf(out, "usage: fieldgate fleet COMMAND [OPTION...] ...\n\n"
		     "A fleet is a folder: fleet.json (what holds for all),\n"
		     "groups/NAME.json, and gateways/ID.json, whose \"groups\" names its\n"
		     "groups. Laid over each other in this order (RFC 7396) they are a\n"
		     "gateway's configuration: see fieldgate render.\n\n");
	for (const struct fg_cli_command *c = COMMANDS; c->name; c++)
		fprintf(out, "  %-10s  %s\n", c->name, c->summary);
	fprintf(out, "\n\"fieldgate fleet COMMAND --help\" says more.\n");
}

int fg_cli_fleet(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return FG_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return FG_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("fieldgate %s\n", FG_VERSION);
		return FG_EXIT_OK;
	}
	for (const struct fg_cli_command *c = COMMANDS; c->name; c++)
		if (strcmp(c->name, argv[1]) == 0)
			return c->run(argc - 1, argv + 1);
	return fg_cli_misuse("fleet", "unknown command \"%s\"", argv[1]);
}
