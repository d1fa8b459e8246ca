/* fieldgate tail: the running gateway's records as they arrive, a pack a line. */
#include "base/number.h"

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>

struct tailing {
	uint64_t left;
	bool counted;
};

/* Packs are arrays; what the gateway has to say itself is an object. */
static int show(void *arg, struct fg_str line)
{
	struct tailing *tailing = arg;

	if (line.len == 0 || line.ptr[0] != '[') {
		fprintf(stderr, "fieldgate tail: %.*s\n", (int)line.len, line.ptr);
		return 0;
	}
	if (fwrite(line.ptr, 1, line.len, stdout) != line.len || fputc('\n', stdout) == EOF ||
	    fflush(stdout) != 0)
		return errno == EPIPE ? 1 : -errno;
	return tailing->counted && --tailing->left == 0;
}

int fg_cli_tail(int argc, char **argv)
{
	struct cli_target target = { 0 };
	const char *count = NULL;
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&target),
		{ 'n', "count", "N", "end after N packs", NULL, &count },
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
	struct tailing tailing = { 0 };
	struct fg_value value;
	int status, operands = fg_cli_parse(&usage, argc, argv, &status);

	if (operands < 0)
		return status;
	if (count) {
		if (fg_value_parse_number(fg_str_c(count), &value) < 0 || value.kind != FG_INT ||
		    value.i <= 0)
			return fg_cli_misuse("tail", "--count takes a number above 0");
		tailing.counted = true;
		tailing.left = (uint64_t)value.i;
	}
	return cli_call("tail", &target, "tail", "device", operands ? argv[1] : NULL, -1, show,
			&tailing);
}
