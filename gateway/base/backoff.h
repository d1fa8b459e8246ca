/* Waiting before the next attempt: exponential with full jitter, so that a thousand gateways whose
 * broker comes back do not arrive at once. */
#pragma once

#include <stdint.h>

struct fg_backoff {
	uint64_t base_ns, cap_ns;
	uint32_t attempt;
	uint64_t state;		/* of the pseudo-random sequence */
};

void fg_backoff_init(struct fg_backoff *, uint64_t base_ns, uint64_t cap_ns);
/* How long to wait before the next attempt: at random in [base/2, min(cap, base * 2^attempt)]. */
uint64_t fg_backoff_next(struct fg_backoff *);
/* The same for an attempt that failed with `error`: where this machine was short of something
 * (memory, descriptors) no peer is spared by a long wait, and what is short may be back soon. */
uint64_t fg_backoff_after(struct fg_backoff *, int error);
void fg_backoff_reset(struct fg_backoff *);
