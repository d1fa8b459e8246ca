/*
 * JSON into structs by the tables of <fg/option.h>: the one reader behind every part of the
 * configuration. All faults are collected, none ends the reading; memory is the arena's.
 */
#pragma once

#include <fg/option.h>

#include "base/arena.h"
#include "config/fault.h"

#include <cjson/cJSON.h>

#define FG_DESCRIBE_MAX 96	/* room fg_json_describe() needs at most */

struct fg_reader {
	struct fg_arena *arena;
	struct fg_faults *faults;
	bool no_memory;		/* set by whoever found none: the result is of no use */
};

/* One object may hold the options of several tables, each with its own struct. */
struct fg_part {
	const struct fg_option *options;
	void *conf;		/* zeroed */
};

/* Reads `object` (NULL: it is absent, defaults only and nothing is required) into the parts. What
 * is not an object and a key that no part has is a fault. */
void fg_options_read(struct fg_reader *reader, const struct fg_place *place, const cJSON *object,
		     const struct fg_part *parts, size_t nparts);

/* The two halves of that: what is known, and what is not. `also` (may be NULL, ends in NULL) names
 * keys that are read elsewhere. */
void fg_options_fill(struct fg_reader *reader, const struct fg_place *place, const cJSON *object,
		     const struct fg_part *part);
void fg_options_unknown(struct fg_reader *reader, const struct fg_place *place, const cJSON *object,
			const struct fg_part *parts, size_t nparts, const char *const *also);
/* True, or false with a fault if it is no object. */
bool fg_object_expect(struct fg_reader *reader, const struct fg_place *place, const cJSON *json);

/* True if both structs say the same; secrets are the same if their names are. */
bool fg_options_equal(const struct fg_option *options, const void *a, const void *b);

/* Calls `each` for every secret in the struct that is named. */
void fg_options_secrets(const struct fg_option *options, const struct fg_place *place, void *conf,
			void (*each)(void *arg, const struct fg_place *place,
				     struct fg_secret *secret),
			void *arg);

/* Zeroed memory of the configuration, or NULL with reader->no_memory set. */
void *fg_reader_take(struct fg_reader *reader, size_t count, size_t size);

/* What stands there, in a few words for a fault: `"text"`, `5`, `a list`. */
const char *fg_json_describe(const cJSON *json, char out[FG_DESCRIBE_MAX]);

/* Faults a key that is not known; `names` of `count` are the ones that are. */
void fg_fault_unknown_key(struct fg_faults *faults, const struct fg_place *place,
			  const char *const *names, size_t count);

static inline void *fg_option_member(const struct fg_option *option, void *conf)
{
	return (char *)conf + option->offset;
}

static inline const void *fg_option_const_member(const struct fg_option *option, const void *conf)
{
	return (const char *)conf + option->offset;
}

/* -- of the files beside option.c only -- */

/* One member to be read. */
struct fg_item {
	struct fg_reader *reader;
	const struct fg_place *place;
	const struct fg_option *option;
	const cJSON *json;
	void *conf;		/* the struct that the option's offset counts from */
};

void fg_item_read(const struct fg_item *item);
/* Whether the form of the JSON value is one the option could take. */
bool fg_item_fits(const struct fg_option *option, const cJSON *json);
/* Gives the member its default, which is text as in struct fg_option. */
void fg_item_default(struct fg_item *item);
/* The common fault: "expected ..., got ...". */
void fg_item_expected(const struct fg_item *item, const char *what);

void fg_item_read_bool(const struct fg_item *item);
void fg_item_read_int(const struct fg_item *item);
void fg_item_read_number(const struct fg_item *item);
void fg_item_read_duration(const struct fg_item *item);
void fg_item_read_size(const struct fg_item *item);
void fg_item_read_string(const struct fg_item *item);
void fg_item_read_enum(const struct fg_item *item);
void fg_item_read_value(const struct fg_item *item);
void fg_item_read_list(const struct fg_item *item);
void fg_item_read_secret(const struct fg_item *item);
void fg_item_read_secrets(const struct fg_item *item);
void fg_item_read_map(const struct fg_item *item);
void fg_item_read_values(const struct fg_item *item);

/* The text of a choice as JSON gives it: a string's own, a number's shortest; NULL if neither. */
const char *fg_choice_text(const cJSON *json, char out[FG_DESCRIBE_MAX]);
const struct fg_choice *fg_choice_find(const struct fg_choice *choices, const char *text);
