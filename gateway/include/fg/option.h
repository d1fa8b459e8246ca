/*
 * Options are data: one row per option drives parsing, defaults, checks, `fieldgate schema` and the
 * reference in docs/. A component's table ends with a row whose name is NULL.
 *
 *	struct meter_conf { const char *port; int64_t baud; int mode; int64_t idle_ns; };
 *	static const struct fg_option meter_options[] = {
 *		{ .name = "port", .type = FG_OPT_STRING,
 *		  .offset = offsetof(struct meter_conf, port),
 *		  .flags = FG_OPT_REQUIRED, .help = "path of the tty" },
 *		...
 *		{ 0 },
 *	};
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fg_option_type {	/* member at `offset`             JSON form */
	FG_OPT_BOOL,     /* bool                            true, false */
	FG_OPT_INT,      /* int64_t, min..max               an integer */
	FG_OPT_NUMBER,   /* double                          a number */
	FG_OPT_DURATION, /* int64_t nanoseconds, min..max   "200ms" */
	FG_OPT_SIZE,     /* uint64_t bytes, min..max        "64KiB" */
	FG_OPT_STRING,   /* const char *                    a string */
	FG_OPT_ENUM,     /* int, one of choices             a string (or the number it spells) */
	FG_OPT_SECRET,   /* struct fg_secret                {"secret": "NAME"} */
	FG_OPT_LIST,     /* struct fg_list of const char *  a list of strings */
	FG_OPT_SECRETS,  /* struct fg_secrets               an object: name -> {"secret": ...} */
	FG_OPT_GROUP,    /* the sub-table's struct, embedded an object */
	FG_OPT_MAP,      /* struct fg_map                   an object: name -> sub-table's struct */
	FG_OPT_VALUE,    /* struct fg_value (strings owned) a scalar */
	FG_OPT_VALUES,   /* struct fg_values                an object: text -> scalar */
	FG_OPT_ONE_OF,   /* that of a row of `group`        what the first row that fits it takes */
};

enum {
	FG_OPT_REQUIRED = 1,	/* a fault if absent */
	FG_OPT_HIDDEN = 2,	/* not in the reference (tests) */
	FG_OPT_OR_NUMBER = 4,	/* FG_OPT_STRING: a number is taken too, as its text */
	/* FG_OPT_STRING of a driver: names a profile, which must be there; when that changes, the
	 * driver is opened anew */
	FG_OPT_PROFILE = 8,
};

struct fg_choice {
	const char *name;	/* NULL ends the list */
	int value;
};

struct fg_list {
	const char *const *items;
	size_t count;
};

/* A secret by reference. `value` is read when the instance is made (NULL before); it is never
 * logged, printed or compared for the reload's difference other than by its name. */
struct fg_secret {
	const char *name;
	const char *value;
	size_t len;
};

struct fg_secrets {
	const char *const *names;
	const struct fg_secret *items;
	size_t count;
};

/* Named things: `items` points to `count` structs of the sub-table's item_size, in file order. */
struct fg_map {
	const char *const *names;
	void *items;
	size_t count, item_size;
};

struct fg_values {
	const char *const *names;
	const struct fg_value *items;
	size_t count;
};

struct fg_option {
	const char *name;
	enum fg_option_type type : 8;
	unsigned flags : 8;
	unsigned item_size : 16;	/* FG_OPT_MAP: size of the struct of one item */
	uint32_t offset;
	/* default in its JSON text form without quotes ("60s", "true"); NULL: zero, or required */
	const char *def;
	/* of a number, duration or size, bytes of a string, items of a list or map; both 0:
	 * unbounded, max below min: no maximum */
	int64_t min, max;
	union {
		/* FG_OPT_ENUM; FG_OPT_VALUES: what a value may be */
		const struct fg_choice *choices;
		/* FG_OPT_GROUP, FG_OPT_MAP; FG_OPT_ONE_OF: the forms, in order, with their own
		 * offsets */
		const struct fg_option *group;
	};
	const char *help;		/* one sentence for people */
	/* what a fault says was expected, if the type does not say it */
	const char *expects;
	/* A further check of a string (every item of a list, every name of a map): 0, or -EINVAL
	 * with `why` filled, which becomes the text of the fault. */
	int (*check)(const char *text, char *why, size_t cap);
};
