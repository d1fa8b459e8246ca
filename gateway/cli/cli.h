/*
 * What the subcommands share. Each is `int fg_cli_NAME(int argc, char **argv)` in a file of its
 * own, with argv[0] its name and an exit status as its result; tools.c has the table of them.
 *
 * What is for people goes to stderr, what is for programs to stdout.
 */
#pragma once

#include "base/buf.h"
#include "config/config.h"

#include <stdbool.h>

enum fg_exit {
	FG_EXIT_OK,
	FG_EXIT_NO,		/* the answer is no: invalid, rejected, incomplete */
	FG_EXIT_USAGE,
	FG_EXIT_FAILED,		/* could not do it: I/O, no such file, in use */
};

struct fg_cli_command {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
};

/* A component of commands (CONFIG_CLI_TOOLS). They end with a NULL name, and are in the order of
 * --help, where "run" stands before them: that one is part of every program. */
struct fg_cli {
	const char *name;
	const struct fg_cli_command *commands;
};

/* The whole program: dispatches, and sees that what was printed was also written. */
int fg_cli_main(int argc, char **argv);

/* A flag of a subcommand. With `value` it takes one, which is borrowed from argv. */
struct fg_cli_flag {
	char letter;		/* 0: none */
	const char *name;	/* without the dashes; NULL ends the list */
	const char *value;	/* what --help calls the value, NULL: takes none; "[N]": a number
				 * that may be missing */
	const char *help;	/* NULL: not for people */
	bool *ret_set;		/* may be NULL */
	const char **ret_value;	/* may be NULL */
};

struct fg_cli_usage {
	const char *name;	/* of the subcommand */
	const char *operands;	/* "DIR", "[FILE...]", or "" */
	const char *summary;	/* one or more lines for --help */
	const struct fg_cli_flag *flags;
	int min_operands, max_operands;
};

/* The usual flags. */
#define FG_CLI_CONFIG(ret) \
	{ 'c', "config", "FILE", "the configuration (" FG_CONFIG_PATH ")", NULL, (ret) }
#define FG_CLI_JSON(ret) { 0, "json", NULL, "print JSON", (ret), NULL }

/* Reads the flags anywhere between the operands, "--" ends them; "-cX", "-c X", "--config=X" and
 * "--config X" are the same. The operands are moved to argv[1] and on.
 * Returns how many there are, or -1 with *ret_status: the caller returns it (--help and --version
 * were answered, or the usage is wrong and was explained). */
int fg_cli_parse(const struct fg_cli_usage *usage, int argc, char **argv, int *ret_status);

/* "fieldgate NAME: ..." on stderr; returns FG_EXIT_USAGE or FG_EXIT_FAILED for the caller to
 * return. */
int fg_cli_misuse(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int fg_cli_failed(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Prints faults and doubts, if there are any, on stderr. */
void fg_cli_print_faults(const struct fg_faults *faults);
/* Loads a configuration (path NULL: the usual one) for a command that needs it, and says on stderr
 * what is wrong with it. FG_EXIT_OK, FG_EXIT_NO or FG_EXIT_FAILED. Doubts are not shown. */
int fg_cli_load(const char *name, const char *path, struct fg_config **ret_config);

/* Who read stdout has had enough, which is how a stream is to end: no failure, for fg_cli_main
 * either. */
void fg_cli_unread(void);

/* Writes a buffer to stdout; FG_EXIT_OK, or FG_EXIT_FAILED after saying why. */
int fg_cli_print(const char *name, const struct fg_buf *buf);
