/*
 * A fleet: the configurations of many gateways, as one folder.
 *
 *	fleet.json           what holds for all of them
 *	groups/NAME.json     what holds for the gateways of a group
 *	gateways/ID.json     one gateway: "groups" names its groups, the rest is its own
 *
 * A gateway's effective configuration is fleet.json, then its groups in their order, then its own
 * file, each laid over what is before it as a merge patch (RFC 7396). "groups" is no part of it,
 * and gateway.id is ID where no file says otherwise.
 *
 * Nothing here prints; what is wrong is collected in the fleet's report, each fault once, however
 * many gateways inherit it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <fg/str.h>

#include "config/config.h"

#include <cjson/cJSON.h>

#define FG_FLEET_GATEWAYS_MAX 100000
#define FG_FLEET_GROUPS_MAX 10000
#define FG_FLEET_GROUPS_OF_ONE 32	/* that one gateway may be in */
#define FG_FLEET_ITEMS_MAX 8192		/* of a report; those beyond are only counted */
#define FG_FLEET_FIRST 3		/* gateways that an item names */

enum fg_fleet_kind { FG_FLEET_BASE, FG_FLEET_GROUP, FG_FLEET_GATEWAY };

struct fg_fleet_file {
	enum fg_fleet_kind kind;
	const char *path;		/* in the fleet's folder: "groups/canary.json" */
	const char *name;		/* of the group, or the gateway's ID; "" of fleet.json */
	cJSON *json;			/* an object without "groups"; NULL: it is none */
	cJSON *names;			/* "groups" of a gateway, or NULL */
	struct fg_fleet_file **groups;	/* the same, found */
	size_t ngroups;
	bool broken;			/* a gateway without a configuration: see the report */
	bool used;			/* a group with gateways */
};

/* One fault or doubt, and who inherits it. */
struct fg_fleet_item {
	bool doubt;
	const struct fg_fleet_file *file;	/* that says so */
	const char *pointer, *text;
	size_t gateways;			/* that it was found in; 0: in the file alone */
	const struct fg_fleet_file *first[FG_FLEET_FIRST];
};

struct fg_fleet_report {
	struct fg_fleet_item *items;
	size_t count, cap;
	size_t faults, doubts;		/* different ones, also those that could not be kept */
	uint32_t *slots;		/* private: a hash of the items */
};

struct fg_fleet_layer;

struct fg_fleet {
	struct fg_fleet_file *base;	/* NULL: there is no fleet.json */
	struct fg_fleet_file **groups, **gateways;	/* by name */
	size_t ngroups, ngateways, groups_cap, gateways_cap;
	struct fg_fleet_report report;
	struct fg_fleet_layer *layers;	/* private: what gateways have in common, merged once */
	size_t nlayers;
};

/* -- making one -- */
void fg_fleet_init(struct fg_fleet *);
void fg_fleet_fini(struct fg_fleet *);
/* Reads a folder and links it. Files that do not end in ".json" are doubts. 0 (faults of the
 * files are in the report); -ENOTDIR: no fleet.json and no gateways/ in it; -E2BIG: more than a
 * fleet may have; what open and read say, with the path in `ret_path` (at least 512 bytes). */
int fg_fleet_load(struct fg_fleet *, const char *folder, char *ret_path);
/* The same by hand: every file once, in any order, then the link. `name` is "" for fleet.json. */
int fg_fleet_add(struct fg_fleet *, enum fg_fleet_kind, const char *name, struct fg_str text);
int fg_fleet_link(struct fg_fleet *);

/* -- one gateway -- */
/* NULL: there is none of that name. */
struct fg_fleet_file *fg_fleet_find(const struct fg_fleet *, const char *name);
/* Its effective configuration, the caller's (cJSON_Delete). -EINVAL: one of its files is none, or a
 * group is unknown (the report says so). -ENOMEM. */
int fg_fleet_effective(struct fg_fleet *, const struct fg_fleet_file *gateway, cJSON **ret_json);
/* The file that the value at a JSON Pointer of the effective configuration comes from; for an
 * object the first that has it, for what is not there the same of what is around it. */
const struct fg_fleet_file *
fg_fleet_origin(const struct fg_fleet *, const struct fg_fleet_file *gateway, const char *pointer);
/* Its files in order; returns how many (at most FG_FLEET_GROUPS_OF_ONE + 2). */
size_t fg_fleet_files(const struct fg_fleet *, const struct fg_fleet_file *gateway,
		      const struct fg_fleet_file **out);

/* -- all of them -- */
/* Adds to the report what is wrong with each effective configuration, as `fieldgate check` would
 * find it but for what only the gateway's own disk can tell, and with the fleet as such: ids used
 * twice, groups without gateways, nulls that remove nothing. Sorts the report. 0, or -ENOMEM. */
int fg_fleet_check(struct fg_fleet *, const struct fg_shipped_profile *shipped);

/* -- two of them -- */
enum fg_fleet_takes {
	FG_FLEET_RELOAD,	/* a reload, and nobody is reopened */
	FG_FLEET_REOPEN,	/* a reload that reopens drivers or bridges */
	FG_FLEET_RESTART,	/* of the gateway */
	FG_FLEET_IMAGE,		/* this build lacks a component */
	FG_FLEET_INVALID,
};

const char *fg_fleet_takes_name(enum fg_fleet_takes);

/* Which gateways differ, as a list of objects, the caller's (cJSON_Delete):
 *	{"gateway": ID, "change": "added" | "removed" | "broken" | "changed",
 *	 "takes": fg_fleet_takes_name(), "drivers": [names], "bridges": [names] that are reopened,
 *	 "why": [sentences], "changes": [{"pointer", "old", "new"}]}
 * from "takes" on for "changed" only; "old" or "new" is missing where there is none. 0, -ENOMEM. */
int fg_fleet_diff(struct fg_fleet *old, struct fg_fleet *new,
		  const struct fg_shipped_profile *shipped, cJSON **ret_list);

/* -- reports -- */
/* `gateway` NULL: the file is at fault by itself. */
void fg_fleet_note(struct fg_fleet_report *, bool doubt, const struct fg_fleet_file *file,
		   const char *pointer, const char *text, const struct fg_fleet_file *gateway);
/* By file and place, faults and doubts together. Nothing may be noted after it. */
void fg_fleet_report_sort(struct fg_fleet_report *);
