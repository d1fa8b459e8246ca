/*
 * What the tests of the loop share: a virtual clock. Time moves only when the loop would have slept
 * with nothing ready, and then by exactly what it would have slept; a sleep without limit is a real
 * one, for tests with threads.
 */
#pragma once

#include <fg/loop.h>

#include "loop/loop_private.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct sim {
	struct fg_loop *loop;
	uint64_t now_ns;
	unsigned sleeps, forever; /* waits with a limit, and without */
	char trace[256];
	unsigned trace_len;
};

static inline uint64_t sim_now(void *arg)
{
	return ((struct sim *)arg)->now_ns;
}

static inline int sim_wait(void *arg, int epoll_fd, struct epoll_event *events, int max,
			   uint64_t timeout_ns)
{
	struct sim *sim = arg;
	int len = epoll_wait(epoll_fd, events, max, 0);

	if (len != 0 || timeout_ns == 0)
		return len < 0 ? -errno : len;
	if (timeout_ns == LOOP_FOREVER) {
		sim->forever++;
		return epoll_wait(epoll_fd, events, max, -1);
	}
	sim->sleeps++;
	sim->now_ns += timeout_ns;
	return 0;
}

static inline void sim_trace(void *arg, enum fg_phase phase)
{
	struct sim *sim = arg;

	if (sim->trace_len < sizeof(sim->trace) - 1)
		sim->trace[sim->trace_len++] = "TPIRLCX"[phase];
}

static inline void sim_note(struct sim *sim, char what)
{
	sim_trace(sim, FG_PHASE_TIMERS);
	sim->trace[sim->trace_len - 1] = what;
}

static inline int sim_setup(void **state)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	sim->now_ns = FG_S(1000);
	sim->loop = fg_loop_new();
	fg_loop_set_os(sim->loop, &(struct fg_loop_os){ sim_now, sim_wait, sim });
	*state = sim;
	return 0;
}

/* For handles on the stack of a test, which is gone at the teardown. */
static inline void sim_close_rest(struct sim *sim)
{
	while (sim->loop->closing.first)
		fg_loop_turn(sim->loop, false);
}

static inline int sim_teardown(void **state)
{
	struct sim *sim = *state;

	fg_loop_free(sim->loop);
	free(sim);
	return 0;
}

#define SIM_TEST(f) cmocka_unit_test_setup_teardown(f, sim_setup, sim_teardown)
