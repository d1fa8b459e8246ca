/*
 * The clocks of a gateway. Records are stamped with the boot clock, which never jumps, and with the
 * time of day as it was then known; that counts as right ("synced") when the kernel says that
 * something disciplines it, or when the configuration trusts it.
 *
 * The time of day is the boot clock plus an offset. While the clock is right, the offset is the
 * kernel's. When it was right in this boot and is not any more (somebody has set it), the last
 * right offset goes on to count: better than what it was set to. Where it was never right, there is
 * only the kernel's word.
 *
 * Read once a turn: fg_clock_update() takes both times and notices steps, the rest only looks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct fg_clock {
	int64_t wall_ns, boot_ns;	/* as of the last update */
	bool trusted;			/* "trust": "always" */
	bool synced;
	bool known;			/* it has been right in this boot */
	int64_t offset_ns;		/* wall - boot when it last was right */
	int64_t kernel_ns;		/* wall - boot as the kernel has it */
	uint32_t syncs;			/* times it has become right, or was set while it is */
	uint32_t steps;			/* times it has jumped */
	int64_t step_ns;		/* the last jump */
	/* where it looks; tests have their own */
	int64_t (*read)(clockid_t id);
	bool (*disciplined)(void);
};

void fg_clock_init(struct fg_clock *, bool trusted);
void fg_clock_update(struct fg_clock *);
/* There as long as the clock is disciplined, for who may not ask the kernel (`fieldgate clock`). */
#define FG_CLOCK_FILE "/run/fieldgate-clock/synchronised"

/* Asks the kernel whether the clock is disciplined (adjtimex). True if that has just become so. */
bool fg_clock_check(struct fg_clock *);
/* The true time of a boot-clock stamp of this boot, by what is known now. */
static inline int64_t fg_clock_wall_of(const struct fg_clock *clock, int64_t boot_ns)
{
	return clock->wall_ns - (clock->boot_ns - boot_ns);
}
