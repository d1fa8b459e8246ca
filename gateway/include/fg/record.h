/*
 * One record: one value of one point at one time (RFC 8428 section 4), before it has a number.
 * All strings are borrowed; whoever hands a record on says how long they live.
 */
#pragma once

#include <limits.h>
#include <stdint.h>

#include <fg/value.h>

#define FG_TIME_NONE INT64_MIN	/* no time of its own: the payload's counts */

/* When a point's value is worth a record (a profile's "report"). */
struct fg_report {
	double deadband;	/* a smaller change is none; < 0: none was given */
	bool percent;		/* of the value that was reported last */
	int64_t min_interval_ns, max_interval_ns;	/* 0: none */
};

struct fg_record {
	struct fg_str point;	/* complete and SenML-safe: only A-Z a-z 0-9 - : . / _ */
	struct fg_str unit;	/* SenML unit (RFC 8428 section 12.1, RFC 8798), empty: none */
	struct fg_value value;
	int64_t time_ns;	/* Unix time, or FG_TIME_NONE */
	bool from_arrival;	/* time_ns was counted from the time of arrival, right or not */
	double update_s;	/* "ut" (RFC 8428), 0: none */
	struct fg_value sum;	/* "s" (RFC 8428), FG_NONE: none */
	const struct fg_report *report;	/* NULL: always */
};
