#include "base/backoff.h"

#include <errno.h>
#include <stdbool.h>

#include <sys/random.h>

#define OURS_CAP_NS UINT64_C(500000000)

void fg_backoff_init(struct fg_backoff *backoff, uint64_t base_ns, uint64_t cap_ns)
{
	*backoff = (struct fg_backoff){ .base_ns = base_ns, .cap_ns = cap_ns };
	if (getrandom(&backoff->state, sizeof(backoff->state), GRND_NONBLOCK) < 0)
		backoff->state = (uintptr_t)backoff;
	backoff->state |= 1;
}

static uint64_t next_random(struct fg_backoff *backoff)
{
	uint64_t x = backoff->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	backoff->state = x;
	return x * 0x2545f4914f6cdd1du;
}

uint64_t fg_backoff_next(struct fg_backoff *backoff)
{
	uint32_t shift = backoff->attempt < 20 ? backoff->attempt : 20;
	uint64_t top = backoff->base_ns << shift, low = backoff->base_ns / 2;

	backoff->attempt++;
	if (top > backoff->cap_ns || top >> shift != backoff->base_ns)
		top = backoff->cap_ns;
	return low + next_random(backoff) % (top - low + 1);
}

uint64_t fg_backoff_after(struct fg_backoff *backoff, int error)
{
	uint64_t wait = fg_backoff_next(backoff);
	bool ours = error == -ENOMEM || error == -EMFILE || error == -ENFILE;

	return ours && wait > OURS_CAP_NS ? OURS_CAP_NS / 2 + wait % (OURS_CAP_NS / 2) : wait;
}

void fg_backoff_reset(struct fg_backoff *backoff)
{
	backoff->attempt = 0;
}
