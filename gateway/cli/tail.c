/* fieldgate tail: the running gateway's records as they arrive, a pack or a record a line. */
#include "base/number.h"

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/tail_pretty.h"

#include <errno.h>
#include <stdio.h>

struct tailing {
	uint64_t left;
	bool counted, pretty;
	struct cli_pretty table;
};

/* What is wanted. */
struct wanted {
	struct cli_target target;
	const char *device, *point, *driver, *count;
};

/* Packs are arrays; what the gateway has to say itself is an object. */
static int show(void *arg, struct fg_str line)
{
	struct tailing *tailing = arg;
	int r = 0;

	if (line.len == 0 || line.ptr[0] != '[') {
		fprintf(stderr, "fieldgate tail: %.*s\n", (int)line.len, line.ptr);
		return 0;
	}
	if (tailing->pretty)
		r = cli_pretty_pack(&tailing->table, line);
	else
		printf("%.*s\n", (int)line.len, line.ptr);
	if (r < 0)
		return r == -EBADMSG ? -EPROTO : r;
	if (fflush(stdout) != 0) {
		if (errno != EPIPE)
			return -errno;
		fg_cli_unread();
		return 1;
	}
	return tailing->counted && --tailing->left == 0;
}

static void add_member(struct fg_buf *members, const char *name, const char *value)
{
	if (!value)
		return;
	fg_buf_printf(members, ",\"%s\":", name);
	fg_buf_json(members, fg_str_c(value));
}

static int run(const struct wanted *wanted, struct tailing *tailing)
{
	struct fg_value count;
	struct fg_buf members;
	int status;

	if (wanted->count) {
		if (fg_value_parse_number(fg_str_c(wanted->count), &count) < 0 ||
		    count.kind != FG_INT || count.i <= 0)
			return fg_cli_misuse("tail", "--count takes a number above 0");
		tailing->counted = true;
		tailing->left = (uint64_t)count.i;
	}
	fg_buf_init(&members, (size_t)64 << 10);
	add_member(&members, "device", wanted->device);
	add_member(&members, "point", wanted->point);
	add_member(&members, "driver", wanted->driver);
	status = members.failed ? fg_cli_misuse("tail", "what is asked for is too long") :
				  cli_call_with("tail", &wanted->target, "tail",
						fg_buf_view(&members), -1, show, tailing);
	fg_buf_fini(&members);
	return status;
}

int fg_cli_tail(int argc, char **argv)
{
	struct wanted wanted = { 0 };
	struct tailing tailing = { 0 };
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&wanted.target),
		{ 'n', "count", "N", "end after N packs", NULL, &wanted.count },
		{ 'p', "point", "PATTERN", "only points that match it", NULL, &wanted.point },
		{ 'd', "driver", "NAME", "only what this driver took", NULL, &wanted.driver },
		{ 0, "pretty", NULL, "a record a line, for people", &tailing.pretty, NULL },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "tail",
		.operands = "[DEVICE]",
		.summary = "Prints the running gateway's records as they arrive, a pack a line;\n"
			   "only those of devices that match a pattern (+ and # as in MQTT), if\n"
			   "one is given.",
		.flags = flags,
		.max_operands = 1,
	};
	int status, operands = fg_cli_parse(&usage, argc, argv, &status);

	if (operands < 0)
		return status;
	wanted.device = operands ? argv[1] : NULL;
	cli_pretty_init(&tailing.table);
	status = run(&wanted, &tailing);
	cli_pretty_fini(&tailing.table);
	return status;
}
