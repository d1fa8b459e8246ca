/* fieldgate status --devices. */
#pragma once

#include <stdbool.h>

#include "cli/call.h"

/* Asks for all pages and prints them; an exit status. */
int cli_status_devices(const struct cli_target *target, bool json);
