/*
 * What all users of OpenSSL in this process share.
 *
 * OpenSSL begins its parts when they are first used, once, and remembers for the rest of the
 * process when one could not begin: a single allocation that failed there makes each context or
 * digest after it fail for ever (3.0 and 3.5).
 */
#pragma once

#include <stdbool.h>

/* To be asked when a context could not be made: true if none can be made although there is memory,
 * so that only a new process helps. */
bool fg_tls_beyond_repair(void);
