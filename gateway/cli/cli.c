/* Which subcommand is meant, and what they share. */
#include "cli/cli.h"

#include "cli/commands.h"
#include "config/registry.h"
#include "config/suggest.h"
#include "profile/shipped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct fg_cli_command run = { "run", "run the gateway in the foreground", fg_cli_run };

/* The others: NULL, and why on stderr. */
static const struct fg_cli_command *tools(void)
{
	const struct fg_cli *found;
	char why[512];

	if (fg_registry_cli("tools", &found) == 0)
		return found->commands;
	fg_registry_explain(FG_REGISTRY_CLI, "tools", why, sizeof(why));
	fprintf(stderr, "fieldgate: %s\n", why);
	return NULL;
}

static void print_help(FILE *out)
{
	fprintf(out, "usage: fieldgate COMMAND [OPTION...]\n\n");
	fprintf(out, "  %-10s  %s\n", run.name, run.summary);
	for (const struct fg_cli_command *c = tools(); c && c->name; c++)
		fprintf(out, "  %-10s  %s\n", c->name, c->summary);
	fprintf(out,
		"\n\"fieldgate COMMAND --help\" says more. Exit status: 0 done, 1 the answer is "
		"no,\n2 wrong usage, 3 could not do it.\n");
}

static int print_version(void)
{
	printf("fieldgate %s\n", FG_VERSION);
	return FG_EXIT_OK;
}

static int unknown_command(const char *name, const struct fg_cli_command *known)
{
	struct fg_suggest suggest = { .typed = name };
	const char *what = name[0] == '-' ? "option" : "command";

	fg_suggest_offer(&suggest, run.name);
	for (const struct fg_cli_command *c = known; c->name; c++)
		fg_suggest_offer(&suggest, c->name);
	fg_suggest_offer(&suggest, "--help");
	fg_suggest_offer(&suggest, "--version");
	if (suggest.best)
		fprintf(stderr, "fieldgate: unknown %s \"%s\", did you mean \"%s\"?\n", what, name,
			suggest.best);
	else
		fprintf(stderr, "fieldgate: unknown %s \"%s\"; see fieldgate --help\n", what, name);
	return FG_EXIT_USAGE;
}

static int dispatch(int argc, char **argv)
{
	const struct fg_cli_command *others;

	if (argc < 2) {
		print_help(stderr);
		return FG_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0)
		return print_version();
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return FG_EXIT_OK;
	}
	if (strcmp(argv[1], run.name) == 0)
		return run.run(argc - 1, argv + 1);
	others = tools();
	if (!others)
		return FG_EXIT_FAILED;
	for (const struct fg_cli_command *c = others; c->name; c++)
		if (strcmp(c->name, argv[1]) == 0)
			return c->run(argc - 1, argv + 1);
	return unknown_command(argv[1], others);
}

int fg_cli_main(int argc, char **argv)
{
	int status = dispatch(argc, argv);

	/* what could not be written was not done */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == FG_EXIT_OK) {
		fprintf(stderr, "fieldgate: standard output: %s\n", strerror(errno));
		return FG_EXIT_FAILED;
	}
	return status;
}

int fg_cli_misuse(const char *name, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "fieldgate %s: ", name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "; see fieldgate %s --help\n", name);
	return FG_EXIT_USAGE;
}

int fg_cli_failed(const char *name, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "fieldgate %s: ", name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return FG_EXIT_FAILED;
}

/* -- flags -- */

static void print_usage(const struct fg_cli_usage *usage)
{
	char letter[8], name[64];

	printf("usage: fieldgate %s [OPTION...]%s%s\n\n%s\n\n", usage->name,
	       *usage->operands ? " " : "", usage->operands, usage->summary);
	for (const struct fg_cli_flag *f = usage->flags; f->name; f++) {
		if (!f->help)
			continue;
		snprintf(letter, sizeof(letter), f->letter ? "-%c," : "   ", f->letter);
		snprintf(name, sizeof(name), "--%s%s%s", f->name, f->value ? " " : "",
			 f->value ? f->value : "");
		printf("  %s %-22s  %s\n", letter, name, f->help);
	}
	printf("  -h, %-22s  say this\n      %-22s  say the version\n", "--help", "--version");
}

/* The flag that `arg` names, and the value that is joined to it, if any. */
static const struct fg_cli_flag *find_flag(const struct fg_cli_flag *flags, const char *arg,
					   const char **ret_joined)
{
	bool is_long = arg[1] == '-';
	size_t len = is_long ? strcspn(arg + 2, "=") : 1;

	for (; flags->name; flags++) {
		if (is_long ? strncmp(flags->name, arg + 2, len) == 0 && !flags->name[len] :
			      flags->letter == arg[1]) {
			const char *rest = arg + (is_long ? 2 : 1) + len;

			*ret_joined = !*rest ? NULL : is_long ? rest + 1 : rest;
			return flags;
		}
	}
	return NULL;
}

static int unknown_flag(const struct fg_cli_usage *usage, const char *arg)
{
	size_t len = strcspn(arg, "=");
	char typed[64];
	struct fg_suggest suggest = { .typed = typed + 2 };

	if (strncmp(arg, "--", 2) != 0 || len >= sizeof(typed))
		return fg_cli_misuse(usage->name, "unknown option %s", arg);
	snprintf(typed, sizeof(typed), "%.*s", (int)len, arg);
	for (const struct fg_cli_flag *f = usage->flags; f->name; f++)
		fg_suggest_offer(&suggest, f->name);
	fg_suggest_offer(&suggest, "help");
	fg_suggest_offer(&suggest, "version");
	if (!suggest.best)
		return fg_cli_misuse(usage->name, "unknown option %s", arg);
	return fg_cli_misuse(usage->name, "unknown option %s, did you mean \"--%s\"?", typed,
			     suggest.best);
}

/* Takes the flag at argv[*at], and moves on to its value where that is an argument of its own. */
static int take_flag(const struct fg_cli_usage *usage, int argc, char **argv, int *at)
{
	const char *arg = argv[*at], *value = NULL;
	const struct fg_cli_flag *flag = find_flag(usage->flags, arg, &value);

	if (!flag)
		return unknown_flag(usage, arg);
	if (!flag->value && value)
		return fg_cli_misuse(usage->name, "%s: --%s takes no value", arg, flag->name);
	if (flag->value && flag->value[0] == '[') {
		if (!value && *at + 1 < argc && argv[*at + 1][0] >= '0' && argv[*at + 1][0] <= '9')
			value = argv[++*at];
	} else if (flag->value && !value) {
		if (*at + 1 >= argc)
			return fg_cli_misuse(usage->name, "--%s needs %s", flag->name, flag->value);
		value = argv[++*at];
	}
	if (flag->ret_set)
		*flag->ret_set = true;
	if (flag->ret_value)
		*flag->ret_value = value;
	return FG_EXIT_OK;
}

static int count_operands(const struct fg_cli_usage *usage, int count, int *ret_status)
{
	if (count >= usage->min_operands && count <= usage->max_operands)
		return count;
	if (count < usage->min_operands)
		*ret_status = fg_cli_misuse(usage->name, "%s is missing", usage->operands);
	else
		*ret_status =
			fg_cli_misuse(usage->name, "too many arguments (a configuration: -c FILE)");
	return -1;
}

int fg_cli_parse(const struct fg_cli_usage *usage, int argc, char **argv, int *ret_status)
{
	bool flags = true;
	int count = 0;

	for (int i = 1; i < argc; i++) {
		char *arg = argv[i];

		/* "-5" is a value, not a flag */
		if (!flags || arg[0] != '-' || !arg[1] || (arg[1] >= '0' && arg[1] <= '9')) {
			argv[++count] = arg;
		} else if (strcmp(arg, "--") == 0) {
			flags = false;
		} else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
			print_usage(usage);
			*ret_status = FG_EXIT_OK;
			return -1;
		} else if (strcmp(arg, "--version") == 0) {
			*ret_status = print_version();
			return -1;
		} else {
			*ret_status = take_flag(usage, argc, argv, &i);
			if (*ret_status != FG_EXIT_OK)
				return -1;
		}
	}
	return count_operands(usage, count, ret_status);
}

/* -- configuration and output -- */

void fg_cli_print_faults(const struct fg_faults *faults)
{
	struct fg_buf text;

	fg_buf_init(&text, 16 << 20);
	fg_faults_text(faults, &text);
	if (text.len)
		fwrite(text.data, 1, text.len, stderr);
	fg_buf_fini(&text);
}

int fg_cli_load(const char *name, const char *path, struct fg_config **ret_config)
{
	struct fg_faults faults;
	int r;

	path = path ? path : FG_CONFIG_PATH;
	fg_faults_init(&faults);
	r = fg_config_load(path, fg_shipped_profiles(), &faults, ret_config);
	if (r == -EINVAL && faults.faults)
		fg_cli_print_faults(&faults);
	if (r == -EINVAL && faults.count == 0)
		r = -ENOMEM; /* there is a fault, and no room to say which */
	fg_faults_fini(&faults);
	if (r == 0)
		return FG_EXIT_OK;
	if (r == -EINVAL)
		return FG_EXIT_NO;
	return fg_cli_failed(name, "%s: %s", path, strerror(-r));
}

void fg_cli_unread(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)dup2(fd, STDOUT_FILENO);
		close(fd);
	}
	clearerr(stdout);
}

int fg_cli_print(const char *name, const struct fg_buf *buf)
{
	if (buf->failed)
		return fg_cli_failed(name, "out of memory");
	if ((buf->len && fwrite(buf->data, 1, buf->len, stdout) != buf->len) || fflush(stdout) != 0)
		return fg_cli_failed(name, "standard output: %s", strerror(errno));
	return FG_EXIT_OK;
}
