/* The subcommands: argv[0] is the command's name; the result is an exit status. */
#pragma once

int fg_cli_apply(int argc, char **argv);
int fg_cli_audit(int argc, char **argv);
int fg_cli_check(int argc, char **argv);
int fg_cli_clock(int argc, char **argv);
int fg_cli_dead(int argc, char **argv);
int fg_cli_fleet(int argc, char **argv);
int fg_cli_health(int argc, char **argv);
int fg_cli_ledger(int argc, char **argv);
int fg_cli_normalise(int argc, char **argv);
int fg_cli_plan(int argc, char **argv);
int fg_cli_reload(int argc, char **argv);
int fg_cli_render(int argc, char **argv);
int fg_cli_run(int argc, char **argv);
int fg_cli_schema(int argc, char **argv);
int fg_cli_send(int argc, char **argv);
int fg_cli_simulate(int argc, char **argv);
int fg_cli_spool(int argc, char **argv);
int fg_cli_status(int argc, char **argv);
int fg_cli_tail(int argc, char **argv);
