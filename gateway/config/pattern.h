/* Whether a pattern or a pointer in a configuration is one; what it matches is not known here. */
#pragma once

#include <fg/str.h>

#include <stdbool.h>
#include <stddef.h>

/* A profile's match: levels between '/', each a literal, '+', '#' (last), {name} or {device...}; at
 * most one of '#' and {device...}, no name twice. 0, or -EINVAL with `why`. */
int fg_pattern_check(const char *text, char *why, size_t cap);
/* A bridge's match: the same without names. */
int fg_filter_check(const char *text, char *why, size_t cap);
/* A JSON Pointer (RFC 6901): "" or "/..." with ~0 and ~1 as its only escapes. */
int fg_pointer_check(const char *text, char *why, size_t cap);
/* An instance's name, which becomes a file's: [A-Za-z0-9][A-Za-z0-9._-]{0,63}. */
int fg_instance_name_check(const char *text, char *why, size_t cap);
/* A gateway's id: the same with ':'. */
int fg_gateway_id_check(const char *text, char *why, size_t cap);
