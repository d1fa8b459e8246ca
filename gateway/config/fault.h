/*
 * The list behind <fg/fault.h>: every fault and doubt of one configuration, in the order they were
 * found. A component's checks name places relative to their own part; `base` goes before them.
 */
#pragma once

#include <fg/fault.h>

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define FG_FAULTS_MAX 1000	/* kept; those beyond are only counted */
#define FG_POINTER_MAX 512	/* bytes of a place with its NUL; longer ones are cut */

struct fg_fault_item {
	bool doubt;
	const char *pointer, *text;
};

struct fg_faults {
	struct fg_fault_item *items;
	size_t count, cap;
	size_t faults, doubts;		/* found, also those that could not be kept */
	const char *base;		/* borrowed; NULL: none */
	bool elsewhere;			/* fg_faults_elsewhere() */
};

/* Where in a configuration something stands: a chain on the stack, made text only for a fault. */
struct fg_place {
	const struct fg_place *up;
	const char *key;		/* NULL: the element `index` of a list */
	size_t index;
};

void fg_faults_init(struct fg_faults *faults);
void fg_faults_fini(struct fg_faults *faults);

/* The place as a JSON Pointer (RFC 6901), "" for the whole document; always ends in NUL. */
void fg_place_write(const struct fg_place *place, char *out, size_t cap);

/* fg_fault() and fg_doubt() with a place; `base` is not used. */
void fg_fault_at(struct fg_faults *faults, const struct fg_place *place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fg_doubt_at(struct fg_faults *faults, const struct fg_place *place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* All of them for people, a line each: "/drivers/meter/baud: ..."; a doubt: "warning: ...". */
void fg_faults_text(const struct fg_faults *faults, struct fg_buf *out);
/* The same for programs: [{"severity": "fault" | "warning", "pointer": "", "text": ""}]. */
void fg_faults_json(const struct fg_faults *faults, struct fg_buf *out);
