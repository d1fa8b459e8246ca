/* What systemd is told (sd_notify(3)): nothing without its socket. */
#pragma once

#include <stdint.h>

void fg_notify(const char *state);
/* How often it wants to be told that the loop turns: half of what it waits; 0: never. */
uint64_t fg_watchdog_ns(void);
