/*
 * One process of several that share the work of a gateway (run.processes). A driver or bridge that
 * can run in all of them at once says in its `share` how its options differ from one to the next.
 */
#pragma once

#include <stdint.h>

struct fg_process {
	uint32_t index;		/* 1 .. count; the first one keeps every name as it is */
	/* An index beyond it: left over from a run with more processes. It takes nothing new, but
	 * what a peer still holds for it. */
	uint32_t count;
	const char *gateway, *name;	/* of the gateway, of the instance */
	struct fg_arena *arena;		/* private */
};

/* Formatted text that lives as long as the options, or NULL: no memory. */
const char *fg_process_text(const struct fg_process *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The path of a file of which each process has its own: "a/b.c", and from the second on "a/b-2.c".
 * NULL: no memory. */
const char *fg_process_path(const struct fg_process *, const char *path);
