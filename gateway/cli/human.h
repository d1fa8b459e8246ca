/* Quantities as people read them. Each writes into `out` and returns it. */
#pragma once

#include <stddef.h>

#define CLI_HUMAN 24	/* bytes of a text of these, NUL and all */

/* Two units at most: "0.4s", "12s", "3m20s", "2h05m", "4d03h"; "-" for what is no time. */
const char *cli_human_duration(double seconds, char out[CLI_HUMAN]);
/* "512 B", "1.5 KiB", "64 MiB". */
const char *cli_human_bytes(double bytes, char out[CLI_HUMAN]);
/* A count: whole, with a digit behind the point below ten unless it is whole. */
const char *cli_human_count(double count, char out[CLI_HUMAN]);
/* A bar of `width` characters, brackets included (at least 3), that is filled to `part` (0 to 1).
 * `out` has width + 1 bytes. */
const char *cli_human_bar(double part, size_t width, char *out);
