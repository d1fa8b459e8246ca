/* What the commands on fleets share. */
#pragma once

#include "cli/cli.h"
#include "fleet/fleet.h"

/* Loads a fleet for a command, and says on stderr why it cannot. FG_EXIT_OK (faults of its files
 * are in its report), else there is nothing to give back. */
int cli_fleet_load(const char *name, const char *folder, struct fg_fleet *ret_fleet);
/* The report for people, or for programs; control characters in names become '?'. */
void cli_fleet_report_text(const struct fg_fleet *fleet, struct fg_buf *out);
void cli_fleet_report_json(const struct fg_fleet *fleet, struct fg_buf *out);
/* The faults of the files that one gateway's configuration is made of, on stderr. */
void cli_fleet_print_faults_of(const struct fg_fleet *fleet, const struct fg_fleet_file *gateway);

/* The subcommands of `fieldgate fleet`: argv[0] is "check" or "diff". */
int cli_fleet_check(int argc, char **argv);
int cli_fleet_diff(int argc, char **argv);
