/* What a configuration can cost at worst, part by part. */
#pragma once

#include <fg/cost.h>

#include "config/config.h"

#define CLI_PLAN_RECORD 100	/* bytes on the disk that a record is taken to need */

struct cli_plan_part {
	const char *kind, *name;	/* name: of an instance, else "" */
	struct fg_cost cost;
};

struct cli_plan {
	struct cli_plan_part *parts;
	size_t count;
	struct fg_cost total;
	uint64_t room;			/* bytes of records that a full spool holds at least */
};

/* The names are borrowed from the configuration. -ENOMEM. */
int cli_plan_make(const struct fg_config *, struct cli_plan *ret_plan);
void cli_plan_fini(struct cli_plan *);
