/* Whether two texts of a configuration name one and the same place. */
#pragma once

#include <stdbool.h>

/* Equal texts are one server. So are URLs that differ only in a port that is left out, in the case
 * of scheme and host, in a last '/', or in how they name this machine (localhost, 127.0.0.1,
 * [::1]). Names are not looked up. */
bool fg_same_server(const char *a, const char *b);
/* The same of what is listened on: there 127.0.0.1 and [::1] are two, and localhost is either. */
bool fg_same_address(const char *a, const char *b);
