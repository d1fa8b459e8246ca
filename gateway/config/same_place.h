/* Whether two texts of a configuration name one and the same place. */
#pragma once

#include <stdbool.h>

/* Equal texts are one place. So are URLs that differ only in a port that is left out, in the case
 * of scheme and host, in a last '/', or in how they name this machine (localhost, 127.0.0.1,
 * [::1]). Names are not looked up. */
bool fg_same_place(const char *a, const char *b);
