/* fieldgate render: the effective configuration of one gateway of a fleet, and where it is from. */
#include "cli/commands.h"
#include "cli/fleet.h"
#include "cli/table.h"
#include "config/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct origins {
	const struct fg_fleet *fleet;
	const struct fg_fleet_file *gateway;
	struct cli_table *table;	/* NULL: into `out` */
	struct fg_buf *out;
	bool failed;
};

static void add_origin(struct origins *origins, const cJSON *json, const struct fg_place *place)
{
	char pointer[FG_POINTER_MAX], *value;
	const char *file;

	fg_place_write(place, pointer, sizeof(pointer));
	file = fg_fleet_origin(origins->fleet, origins->gateway, pointer)->path;
	if (!origins->table) {
		fg_buf_text(origins->out, origins->out->len ? ",\n  " : "\n  ");
		fg_buf_json(origins->out, fg_str_c(pointer));
		fg_buf_text(origins->out, ": ");
		fg_buf_json(origins->out, fg_str_c(file));
		return;
	}
	value = cJSON_PrintUnformatted(json);
	origins->failed |= !value;
	cli_table_add(origins->table, "%s", pointer);
	cli_table_add(origins->table, "%s", file);
	cli_table_add(origins->table, "%s", value ? value : "?");
	cJSON_free(value);
}

/* Of every value that is no object, and of every empty object. As deep as the files. */
static void walk(struct origins *origins, const cJSON *json, const struct fg_place *place)
{
	for (const cJSON *child = json->child; child; child = child->next) {
		struct fg_place below = { .up = place, .key = child->string };

		if (cJSON_IsObject(child) && child->child)
			walk(origins, child, &below);
		else
			add_origin(origins, child, &below);
	}
}

static int print_table(struct origins *origins, const cJSON *root)
{
	static const char *const heads[] = { "KEY", "FILE", "VALUE", NULL };
	struct cli_table table;
	bool failed;

	cli_table_init(&table, heads);
	origins->table = &table;
	walk(origins, root, NULL);
	failed = table.failed || origins->failed;
	if (!failed)
		cli_table_print(&table);
	cli_table_fini(&table);
	return failed ? fg_cli_failed("render", "out of memory") : FG_EXIT_OK;
}

static int print_both(struct origins *origins, const cJSON *root)
{
	struct fg_buf list, out;
	char *text = cJSON_Print(root);
	int status;

	fg_buf_init(&list, 64 << 20);
	fg_buf_init(&out, 128 << 20);
	origins->out = &list;
	walk(origins, root, NULL);
	fg_buf_text(&out, "{\"config\": ");
	fg_buf_text(&out, text ? text : "");
	fg_buf_text(&out, ",\n \"origin\": {");
	fg_buf_str(&out, fg_buf_view(&list));
	fg_buf_text(&out, "}}\n");
	out.failed |= list.failed || !text;
	status = fg_cli_print("render", &out);
	cJSON_free(text);
	fg_buf_fini(&out);
	fg_buf_fini(&list);
	return status;
}

static int print_config(const cJSON *root)
{
	char *text = cJSON_Print(root);

	if (!text)
		return fg_cli_failed("render", "out of memory");
	puts(text);
	cJSON_free(text);
	return FG_EXIT_OK;
}

static int no_gateway(const struct fg_fleet *fleet, const char *folder, const char *name)
{
	struct fg_suggest suggest = { .typed = name };

	for (size_t i = 0; i < fleet->ngateways; i++)
		fg_suggest_offer(&suggest, fleet->gateways[i]->name);
	if (suggest.best)
		return fg_cli_failed("render", "%s has no gateway \"%s\", did you mean \"%s\"?",
				     folder, name, suggest.best);
	return fg_cli_failed("render", "%s has no gateway \"%s\"", folder, name);
}

static int render(struct fg_fleet *fleet, const struct fg_fleet_file *gateway, bool origin,
		  bool json)
{
	struct origins origins = { .fleet = fleet, .gateway = gateway };
	cJSON *root;
	int status, r = fg_fleet_effective(fleet, gateway, &root);

	cli_fleet_print_faults_of(fleet, gateway);
	if (r == -EINVAL)
		return FG_EXIT_NO;
	if (r < 0)
		return fg_cli_failed("render", "%s", strerror(-r));
	if (!origin)
		status = print_config(root);
	else
		status = json ? print_both(&origins, root) : print_table(&origins, root);
	cJSON_Delete(root);
	return status;
}

int fg_cli_render(int argc, char **argv)
{
	bool origin = false, json = false;
	const struct fg_cli_flag flags[] = {
		{ .name = "origin", .help = "which file each key comes from", .ret_set = &origin },
		{ .name = "json", .help = "with --origin: as JSON, beside the configuration",
		  .ret_set = &json },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "render",
		.operands = "FLEET GATEWAY",
		.summary =
			"Prints the effective configuration of one gateway of a fleet, as\n"
			"JSON: fleet.json, its groups in their order, then\n"
			"gateways/GATEWAY.json, each laid over what is before it (JSON Merge\n"
			"Patch, RFC 7396). gateway.id is the name of the file where no file\n"
			"says otherwise. Secrets stay references.\n\n"
			"Exit status: 0 done, 1 a file is no JSON or a group is unknown, 2\n"
			"wrong usage, 3 no such fleet or gateway. Whether the configuration\n"
			"is valid is told by fieldgate fleet check.",
		.flags = flags,
		.min_operands = 2,
		.max_operands = 2,
	};
	const struct fg_fleet_file *gateway;
	struct fg_fleet fleet;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	status = cli_fleet_load("render", argv[1], &fleet);
	if (status != FG_EXIT_OK)
		return status;
	gateway = fg_fleet_find(&fleet, argv[2]);
	status = gateway ? render(&fleet, gateway, origin, json) :
			   no_gateway(&fleet, argv[1], argv[2]);
	fg_fleet_fini(&fleet);
	return status;
}
