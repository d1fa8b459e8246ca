/* Calls to the running gateway, for the commands that make one. */
#pragma once

#include <fg/str.h>

struct cli_target {
	const char *config;	/* -c, or NULL */
	const char *socket;	/* --socket, or NULL: what the configuration says */
};

#define CLI_TARGET_FLAGS(target)                                                                   \
	{ 'c', "config", "FILE", "the configuration (" FG_CONFIG_PATH ")", NULL,                   \
	  &(target)->config },                                                                     \
	{                                                                                          \
		0, "socket", "PATH", "the gateway's socket (run.socket)", NULL, &(target)->socket  \
	}

/* {"call":NAME} or {"call":NAME,MEMBER:VALUE} and what comes back: each line goes to `line`, whose
 * result but 0 ends it (see fg_control_ask). FG_EXIT_OK, or what was said on stderr. */
int cli_call(const char *command, const struct cli_target *target, const char *name,
	     const char *member, const char *value, int timeout_ms,
	     int (*line)(void *arg, struct fg_str line), void *arg);
/* The same with any members: JSON text, each with a comma before it. */
int cli_call_with(const char *command, const struct cli_target *target, const char *name,
		  struct fg_str members, int timeout_ms, int (*line)(void *arg, struct fg_str line),
		  void *arg);
/* The same for a call whose answer is one line: it is copied to `out`. */
struct fg_buf;
int cli_call_one(const char *command, const struct cli_target *target, const char *name,
		 const char *member, const char *value, struct fg_buf *out);

/* The same for who goes on without an answer: nothing is said, `why` has what would have been. */
int cli_call_try(const char *socket, const char *name, int timeout_ms, struct fg_buf *out,
		 char *why, size_t size);

#define CLI_CALL_MS 30000
