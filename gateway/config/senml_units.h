/* The registry of SenML units (RFC 8428 section 12.1, RFC 8798, and what IANA added since). */
#pragma once

#include <stdbool.h>

bool fg_senml_unit_known(const char *unit);
