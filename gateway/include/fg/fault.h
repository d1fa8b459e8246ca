/* Faults and doubts found in a configuration, each named by its place (JSON Pointer, RFC 6901). */
#pragma once

#include <stdbool.h>

struct fg_faults;

/* A fault: the configuration is refused. `pointer` is relative to the checked part ("/baud"). */
void fg_fault(struct fg_faults *, const char *pointer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A doubt: a warning, the exit status does not change. */
void fg_doubt(struct fg_faults *, const char *pointer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* True: it is another machine's configuration, of which this one's disk can tell nothing. */
bool fg_faults_elsewhere(const struct fg_faults *);
