/*
 * Whether a gateway does its work: a judgement over what it said of itself (a snapshot), alone or
 * beside a snapshot that was taken before a change. Pure: no socket, no clock, no file.
 *
 * A snapshot is {"taken": UNIX seconds, "answered_ms": how long the gateway took to answer,
 * "status": what it answers to `status`, "devices": {ID: interval in seconds or null}}, the devices
 * being those that were online.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#define CLI_HEALTH_CHECKS 7

struct cli_health_limits {
	double lag_ms;		/* a turn of the loop, and an answer */
	/* How long devices have had, or will have, to be heard: those whose interval is so
	 * long that their silence would tell nothing are not missed. Less than 0: as long as
	 * the gateway runs. */
	double patience_s;
};

struct cli_health {
	struct cli_health_check {
		const char *name;
		bool ok;
		char text[256];		/* may have a device's name in it */
	} checks[CLI_HEALTH_CHECKS];
	size_t count;
	bool ok;			/* all are */
};

/* now NULL: no gateway answered, and `why` says how. before NULL: nothing to compare with. */
void cli_health_judge(const cJSON *before, const cJSON *now, const char *why,
		      const struct cli_health_limits *limits, struct cli_health *ret_health);
