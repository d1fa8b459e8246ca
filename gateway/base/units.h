/* Durations and sizes as the configuration writes them: an integer with a unit. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <fg/str.h>

#define FG_UNITS_MAX 32 /* room a formatted text needs at most */

/* "200ms", "5s", "2h": ns, us, ms, s, m, min, h, d. Returns 0, -EINVAL (no number, no unit or an
 * unknown one) or -ERANGE. */
int fg_duration_parse(struct fg_str text, int64_t *ret_ns);
/* "512B", "4KiB", "64MiB", "1GiB", "1TiB"; otherwise likewise. */
int fg_size_parse(struct fg_str text, uint64_t *ret_bytes);
/* The shortest exact text, in the largest unit that divides evenly; returns its length, no NUL
 * is written. ns must not be negative. */
size_t fg_duration_format(int64_t ns, char *out);
size_t fg_size_format(uint64_t bytes, char *out);
