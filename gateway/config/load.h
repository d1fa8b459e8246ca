/* What the making of one configuration carries from file to file. */
#pragma once

#include "config/config.h"
#include "config/option.h"

struct fg_load {
	struct fg_reader reader;
	struct fg_config *config;
	const struct fg_shipped_profile *shipped;
};

/* "drivers" and "bridges" (either may be NULL) into config. */
void fg_load_drivers(struct fg_load *load, const cJSON *object);
void fg_load_bridges(struct fg_load *load, const cJSON *object);
/* Who opens the console, if the configuration has one. */
void fg_load_console(struct fg_load *load, bool wanted);
/* One driver of that type with all options at their defaults. */
void fg_load_default_driver(struct fg_load *load, const char *type);
/* Names and what one part of a profile asks of another. */
void fg_load_profiles(struct fg_load *load, const struct fg_map *profiles);
void fg_profile_check(struct fg_faults *faults, const struct fg_place *place,
		      const struct fg_profile_conf *profile);
/* What several parts of a configuration that is good otherwise must not be together. */
void fg_load_check(struct fg_load *load);

/* share.c: what several processes cannot share. */
void fg_load_check_processes(struct fg_load *load);

/* A string option of an instance by its name, or NULL: for checks that span components. */
const char *fg_option_text(const struct fg_option *options, const void *conf, const char *name);
