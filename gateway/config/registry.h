/*
 * Drivers, bridges and decoders by the name that a configuration calls them ("type", "format").
 * A module is opened here on first use, from the folders that belong to the program only, and stays
 * open for good.
 */
#pragma once

#include <stddef.h>

#include <fg/registry.h>

/*
 * 0, or
 *   -ENOENT   no such name
 *   -ENOSYS   known, but not in this build
 *   -ELIBACC  its module could not be loaded, or lacks its symbol
 * What they return is constant and lives as long as the program. Opening a module reads files: call
 * these while a configuration is loaded, not for a record. Decoders: <fg/registry.h>.
 */
int fg_registry_driver(const char *name, const struct fg_driver **ret_driver);
int fg_registry_bridge(const char *name, const struct fg_bridge **ret_bridge);
/* Commands of the program (cli/cli.h): "tools". */
int fg_registry_cli(const char *name, const struct fg_cli **ret_cli);
int fg_registry_console(const char *name, const struct fg_console **ret_console);
/* What comes with the program to be looked up (profile/shipped.h): "profiles". */
int fg_registry_catalog(const char *name, const struct fg_catalog **ret_catalog);
/* Ways to run other than as one gateway (processes/processes.h): "processes". */
int fg_registry_run(const char *name, const struct fg_run **ret_run);

enum fg_registry_kind {
	FG_REGISTRY_DRIVER,
	FG_REGISTRY_BRIDGE,
	FG_REGISTRY_DECODER,
	FG_REGISTRY_CLI,
	FG_REGISTRY_CONSOLE,
	FG_REGISTRY_CATALOG,
	FG_REGISTRY_RUN
};

/* Writes why the look-up of `name` fails, as a person wants to read it: "driver 'nats' is not in
 * this build". Looks it up once more, so that nothing is remembered in between; empty if it does
 * not fail. */
void fg_registry_explain(enum fg_registry_kind kind, const char *name, char *out, size_t size);
