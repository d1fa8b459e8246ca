/*
 * The few words of a configuration that commands need to find a gateway and its files. They are
 * read from any JSON, so that a configuration with faults does not cut off the gateway that still
 * runs with the one before.
 */
#pragma once

/* Of a folder (%s) that was named as one. */
#define NOT_A_SPOOL "%s: no spool: neither a lock nor segments in it"

struct cli_settings {
	char *gateway, *socket, *spool_dir;
};

/* path NULL: the usual configuration, or the defaults if there is none. FG_EXIT_OK, or what was
 * said on stderr: FG_EXIT_NO (not JSON), FG_EXIT_FAILED. */
int cli_settings_read(const char *name, const char *path, struct cli_settings *ret_settings);
void cli_settings_fini(struct cli_settings *settings);
