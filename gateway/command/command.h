/*
 * Commands on their way down (fg/command.h): the queue behind fg_command_request(). A command
 * waits for its turn behind those of the same device, for its source to be up, and, if its profile
 * says that the device sleeps, for the device to be heard; then its driver has it. It has exactly
 * one outcome: the driver's, or the one of its deadline, whichever comes first.
 *
 * Bounded: FG_COMMANDS_MAX at a time, and the last FG_COMMANDS_TOLD ids are remembered, so that a
 * request that comes twice is carried out once.
 */
#pragma once

#include <fg/command.h>

#include "base/clock.h"
#include "intake/intake.h"

#define FG_COMMANDS_MAX 1024
#define FG_COMMANDS_TOLD 4096
#define FG_COMMAND_PAYLOAD ((size_t)64 << 10)

struct fg_commands_conf {
	struct fg_loop *loop;
	struct fg_log *log;
	enum fg_level level;
	struct fg_clock *clock;
	/* One of several processes: who knows the way is found by asking all of them. Takes a
	 * request as a driver takes a command: 0, and fg_command_done() follows; -EAGAIN: not now,
	 * another one will have to end first; other: it is unreachable. NULL: there is but one. */
	int (*elsewhere)(void *arg, struct fg_command *command, struct fg_str path,
			 struct fg_str payload);
	void *elsewhere_arg;
};

struct fg_commands_stats {
	uint64_t requests;
	uint64_t outcomes[FG_OUTCOME_REFUSED + 1];
	uint64_t repeated;		/* the id had been seen: not carried out again */
	uint32_t waiting;		/* without an outcome */
};

int fg_commands_new(const struct fg_commands_conf *, struct fg_commands **ret_commands);
/* Where devices are found; called before the first request. */
void fg_commands_set_intake(struct fg_commands *, struct fg_intake *);
/* The gateway stops: what waits ends as unreachable, and nothing is taken any more. */
void fg_commands_stop(struct fg_commands *);
/* All sources must be closed. The memory goes in the loop's close phase. */
struct fg_commands *fg_commands_free(struct fg_commands *);

void fg_commands_stats(const struct fg_commands *, struct fg_commands_stats *ret_stats);
