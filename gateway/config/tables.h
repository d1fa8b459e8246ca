/* The option tables that are not a driver's or a bridge's own, and what the top one fills. */
#pragma once

#include <fg/option.h>

#include "config/config.h"

#include <stdbool.h>

enum { FG_COMMIT_BY_TIME, FG_COMMIT_WORD_EACH, FG_COMMIT_WORD_NEVER };

struct fg_spool_parsed {
	struct fg_spool_conf conf;
	int commit_word;		/* FG_COMMIT_BY_TIME: conf.commit_ns says it */
};

struct fg_top_parsed {
	struct fg_gateway_conf gateway;
	struct fg_run_conf run;
	struct fg_spool_parsed spool;
	struct fg_clock_conf clock;
	struct fg_limits_conf limits;
	struct fg_liveness_conf liveness;
	struct fg_fleet_conf fleet;
	struct fg_console_conf console;
	struct fg_map profiles;		/* of struct fg_profile_conf */
};

/* A format that is a conversation is spoken by a bridge of its own: the name of the component that
 * is meant by "type" and "format" (which may be NULL). */
const char *fg_bridge_for(const char *type, const char *format);
/* As what a component is chosen too. False: by its own name only. */
bool fg_bridge_alias(const char *name, const char **ret_type, const char **ret_format);
/* The format of a type that another component speaks. False: there is none. */
bool fg_bridge_of(const char *type, const char **ret_format);

extern const struct fg_option fg_options_top[];		/* struct fg_top_parsed */
extern const struct fg_option fg_options_liveness[];	/* struct fg_liveness_conf */
extern const struct fg_option fg_options_console[];	/* struct fg_console_conf */
extern const struct fg_option fg_options_driver[];	/* struct fg_driver_conf */
extern const struct fg_option fg_options_bridge[];	/* struct fg_bridge_conf */
extern const struct fg_option fg_options_profile[];	/* struct fg_profile_conf */
