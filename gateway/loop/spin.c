/*
 * To wake a thread whose processor sleeps takes tens of microseconds, and threads that hand each
 * other something short pay it twice each time. So where the other thread may be back at once, one
 * looks for what it brings before the sleep, for as long as such a wake takes. Where that was in
 * vain it is tried again after 1, 3, 7, ... 1,023 sleeps: it costs nothing to speak of where the
 * other one takes long or comes seldom, or where there is one processor for both.
 */
#include "loop/loop_private.h"

#include <time.h>

#define SPIN_NS 50000u
#define SPIN_FAILS_MAX 10u
#define SPIN_LOOKS 16u /* between two looks at the clock */
#define SPIN_FLOOD_NS 2000u

bool fg_spin_due(struct spin *spin)
{
	if (spin->skip == 0)
		return true;
	spin->skip--;
	return false;
}

void fg_spin_note(struct spin *spin, bool found)
{
	if (found) {
		spin->fails -= spin->fails > 0;
		return;
	}
	spin->fails += spin->fails < SPIN_FAILS_MAX;
	spin->skip = (uint16_t)((1u << spin->fails) - 1);
}

static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
	__asm__ volatile("yield");
#endif
}

/* The machine's time, not the loop's: a virtual clock would stand still. */
static uint64_t spin_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool fg_spin_until(bool (*found)(void *arg), void *arg)
{
	const uint64_t until_ns = spin_now() + SPIN_NS;

	do {
		for (unsigned i = 0; i < SPIN_LOOKS; i++) {
			if (found(arg))
				return true;
			spin_pause();
		}
	} while (spin_now() < until_ns);
	return false;
}

void fg_spin_flood(void)
{
	const uint64_t until_ns = spin_now() + SPIN_FLOOD_NS;

	while (spin_now() < until_ns)
		spin_pause();
}
