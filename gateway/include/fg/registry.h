/*
 * Which drivers, bridges, decoders, commands, consoles, catalogs and ways to run this build knows:
 * tables made by cmake/Registry.cmake from Kconfig. Every list ends in NULL and is sorted;
 * fg_builtin_names_x[i] names fg_builtin_x[i].
 *
 * y in Kconfig: built in. m: a module, opened when a configuration names it. n: absent, but still
 * known by its name, so that a fault can say "not in this build" instead of "unknown".
 */
#pragma once

struct fg_driver;
struct fg_bridge;
struct fg_decoder;
struct fg_cli;
struct fg_console;
struct fg_catalog;
struct fg_run;

extern const struct fg_driver *const fg_builtin_drivers[];
extern const char *const fg_builtin_names_drivers[];
extern const char *const fg_module_drivers[];
extern const char *const fg_absent_drivers[];

extern const struct fg_bridge *const fg_builtin_bridges[];
extern const char *const fg_builtin_names_bridges[];
extern const char *const fg_module_bridges[];
extern const char *const fg_absent_bridges[];

extern const struct fg_decoder *const fg_builtin_decoders[];
extern const char *const fg_builtin_names_decoders[];
extern const char *const fg_module_decoders[];
extern const char *const fg_absent_decoders[];

extern const struct fg_cli *const fg_builtin_clis[];
extern const char *const fg_builtin_names_clis[];
extern const char *const fg_module_clis[];
extern const char *const fg_absent_clis[];

extern const struct fg_console *const fg_builtin_consoles[];
extern const char *const fg_builtin_names_consoles[];
extern const char *const fg_module_consoles[];
extern const char *const fg_absent_consoles[];

extern const struct fg_catalog *const fg_builtin_catalogs[];
extern const char *const fg_builtin_names_catalogs[];
extern const char *const fg_module_catalogs[];
extern const char *const fg_absent_catalogs[];

extern const struct fg_run *const fg_builtin_runs[];
extern const char *const fg_builtin_names_runs[];
extern const char *const fg_module_runs[];
extern const char *const fg_absent_runs[];

/*
 * The decoder of that name. 0, or
 *   -ENOENT   no such name
 *   -ENOSYS   known, but not in this build
 *   -ELIBACC  its module could not be loaded, or lacks its symbol
 * It is constant and lives as long as the program. The first look-up of a module reads files.
 */
int fg_registry_decoder(const char *name, const struct fg_decoder **ret_decoder);
