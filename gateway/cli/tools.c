/* The commands beside run, as one component: where it is a module, a running gateway has none of
 * it. */
#include "cli/cli.h"
#include "cli/commands.h"

static const struct fg_cli_command commands[] = {
	{ "reload", "make the running gateway read its configuration again", fg_cli_reload },
	{ "apply", "put a configuration in place; the old one returns if it fails", fg_cli_apply },
	{ "check", "validate the configuration", fg_cli_check },
	{ "schema", "print the configuration's JSON Schema", fg_cli_schema },
	{ "normalise", "read one payload, print the records it becomes", fg_cli_normalise },
	{ "ledger", "the account of every record", fg_cli_ledger },
	{ "audit", "prove that packs are complete, or name every gap", fg_cli_audit },
	{ "spool", "list, print or verify a spool", fg_cli_spool },
	{ "dead", "list, requeue or discard dead letters", fg_cli_dead },
	{ "status", "the running gateway's state", fg_cli_status },
	{ "health", "whether the running gateway does its work, as it did before",
	  fg_cli_health },
	{ "tail", "the running gateway's records as they arrive", fg_cli_tail },
	{ "send", "a command to a device", fg_cli_send },
	{ "render", "the effective configuration of one gateway of a fleet", fg_cli_render },
	{ "plan", "what a configuration can cost at worst", fg_cli_plan },
	{ "fleet", "check a fleet's files, or compare two", fg_cli_fleet },
	{ "clock", "whether the clock is right, by the kernel's word", fg_cli_clock },
	{ "simulate", "devices for demo and load", fg_cli_simulate },
	{ 0 },
};

const struct fg_cli fg_cli_tools = { .name = "tools", .commands = commands };
