/*
 * The clocks of a gateway. Records are stamped with the boot clock, which never jumps, and with the
 * wall clock as it was then known; the wall clock counts as right ("synced") when the kernel says
 * that something disciplines it, or when the configuration trusts it.
 *
 * Read once a turn: fg_clock_update() takes both times, the rest only looks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fg_clock {
	int64_t wall_ns, boot_ns;	/* as of the last update */
	bool trusted;			/* "trust": "always" */
	bool synced;
};

void fg_clock_init(struct fg_clock *, bool trusted);
void fg_clock_update(struct fg_clock *);
/* Asks the kernel whether the clock is disciplined (adjtimex). True if that has just become so. */
bool fg_clock_check(struct fg_clock *);
/* The true time of a boot-clock stamp of this boot, by what is known now. */
static inline int64_t fg_clock_wall_of(const struct fg_clock *clock, int64_t boot_ns)
{
	return clock->wall_ns - (clock->boot_ns - boot_ns);
}
