/*
 * The judgement of fieldgate health. What did not work before is not asked of what runs now: who
 * compares wants to know what a change has broken, and an upstream that was away is not it.
 */
#include "cli/health.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the devices that were heard before, one in so many may have fallen silent by itself. */
#define MISSING_OF 20
/* The clock may be corrected by so much between two snapshots, and not by more. */
#define CLOCK_BACK_S 5
#define CLOCK_AHEAD_S (30.0 * 86400)
#define CLOCK_LEAST_S 1704067200.0	/* 2024: a clock behind it was never set */

struct judge {
	const cJSON *before, *now;	/* the snapshots' status; before may be NULL */
	const cJSON *before_all, *now_all;
	const struct cli_health_limits *limits;
	struct cli_health *health;
};

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(member(object, key));

	return text ? text : "";
}

static double number_of(const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static bool is_up(const cJSON *object)
{
	return strcmp(text_of(object, "state"), "up") == 0;
}

static void say(struct judge *judge, const char *name, bool ok, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void say(struct judge *judge, const char *name, bool ok, const char *fmt, ...)
{
	struct cli_health *health = judge->health;
	struct cli_health_check *check = &health->checks[health->count++];
	va_list args;

	check->name = name;
	check->ok = ok;
	health->ok = health->ok && ok;
	va_start(args, fmt);
	vsnprintf(check->text, sizeof(check->text), fmt, args);
	va_end(args);
}

static double uptime_s(const struct judge *judge)
{
	return number_of(judge->now_all, "taken") - number_of(judge->now, "since");
}

/* -- one check each -- */

static void judge_gateway(struct judge *judge)
{
	bool online = strcmp(text_of(judge->now, "state"), "online") == 0;

	if (judge->before)
		say(judge, "gateway", online, "version %s (%s before), for %.0f s",
		    text_of(judge->now, "version"), text_of(judge->before, "version"),
		    uptime_s(judge));
	else
		say(judge, "gateway", online, "version %s, for %.0f s",
		    text_of(judge->now, "version"), uptime_s(judge));
}

/* A loop that had a longer turn before may have it again. */
static void judge_loop(struct judge *judge)
{
	double answered_ms = number_of(judge->now_all, "answered_ms");
	double longest_ms = number_of(member(judge->now, "loop"), "longest_turn_ms");
	double limit_ms = fmax(judge->limits->lag_ms,
			       number_of(member(judge->before, "loop"), "longest_turn_ms"));

	say(judge, "loop", answered_ms <= limit_ms && longest_ms <= limit_ms,
	    "answered in %.1f ms, longest turn %.1f ms (limit %.0f ms)", answered_ms, longest_ms,
	    limit_ms);
}

static void judge_drivers(struct judge *judge)
{
	const cJSON *wanted = judge->before ? judge->before : judge->now, *driver;
	const char *down = NULL;
	int up = 0, count = 0;

	cJSON_ArrayForEach(driver, member(wanted, "drivers")) {
		const cJSON *now = member(member(judge->now, "drivers"), driver->string);

		if (judge->before && !is_up(driver))
			continue;
		count++;
		if (is_up(now))
			up++;
		else if (!down)
			down = driver->string;
	}
	if (down)
		say(judge, "drivers", false, "%d of %d up; %.60s is not: %.120s", up, count, down,
		    text_of(member(member(judge->now, "drivers"), down), "fault"));
	else
		say(judge, "drivers", true, "%d of %d up", up, count);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of an object's members, sorted; NULL without memory. */
static const char **names_of(const cJSON *object, size_t *ret_count)
{
	size_t count = (size_t)cJSON_GetArraySize(object), n = 0;
	const char **names = calloc(count + 1, sizeof(*names));
	const cJSON *item;

	if (!names)
		return NULL;
	cJSON_ArrayForEach(item, object)
		names[n++] = item->string;
	qsort(names, n, sizeof(*names), by_name);
	*ret_count = n;
	return names;
}

/* Those that were online, and whose silence would have been noticed by now. */
static void judge_known(struct judge *judge, const char **heard, size_t heard_count)
{
	double patience_s = judge->limits->patience_s;
	size_t due = 0, missing = 0;
	const char *first = NULL;
	const cJSON *device;

	if (patience_s < 0)
		patience_s = uptime_s(judge);
	cJSON_ArrayForEach(device, member(judge->before_all, "devices")) {
		if (!cJSON_IsNumber(device) || 2 * device->valuedouble > patience_s)
			continue;
		due++;
		if (bsearch(&device->string, heard, heard_count, sizeof(*heard), by_name))
			continue;
		missing++;
		first = first ? first : device->string;
	}
	if (missing)
		say(judge, "devices", missing * MISSING_OF <= due,
		    "%zu of %zu heard as before; not %.120s", due - missing, due, first);
	else
		say(judge, "devices", true, "%zu of %zu heard as before", due, due);
}

static void judge_devices(struct judge *judge)
{
	const cJSON *states = member(judge->now, "states");
	double online = number_of(states, "online"), offline = number_of(states, "offline");
	const char **heard;
	size_t count;

	if (!judge->before) {
		say(judge, "devices", online > 0 || offline <= 0, "%.0f online, %.0f offline",
		    online, offline);
		return;
	}
	heard = names_of(member(judge->now_all, "devices"), &count);
	if (heard)
		judge_known(judge, heard, count);
	else
		say(judge, "devices", false, "out of memory");
	free(heard);
}

static double sum_of(const cJSON *counts)
{
	const cJSON *count;
	double sum = 0;

	cJSON_ArrayForEach(count, counts)
		sum += count->valuedouble;
	return sum;
}

static const cJSON *account_of(const cJSON *status, const char *bridge)
{
	return member(member(member(status, "ledger"), "bridges"), bridge);
}

static double given_up(const cJSON *account)
{
	return number_of(account, "dead") + sum_of(member(account, "dropped"));
}

/* NULL, or what is wrong with a bridge. That the upstream has acknowledged something since the
 * process began is the proof that records come out of the spool and arrive; where nothing is left
 * to be sent, that nothing was given up has to do. */
static const char *bridge_fault(const struct judge *judge, const char *name)
{
	const cJSON *link = member(member(judge->now, "links"), name);
	const cJSON *account = account_of(judge->now, name);
	const cJSON *was = account_of(judge->before, name);

	if (!is_up(link))
		return *text_of(link, "fault") ? text_of(link, "fault") : "not up";
	if (number_of(link, "delivered") > 0)
		return NULL;
	if (number_of(account, "waiting") > 0)
		return "nothing acknowledged yet";
	if (was && given_up(account) > given_up(was))
		return "records were given up, and none acknowledged";
	return NULL;
}

static void judge_bridges(struct judge *judge)
{
	const cJSON *wanted = judge->before ? judge->before : judge->now, *bridge;
	const char *bad = NULL, *why = NULL;
	int good = 0, count = 0;
	double delivered = 0;

	cJSON_ArrayForEach(bridge, member(wanted, "links")) {
		const char *fault;

		if (judge->before && !is_up(bridge))
			continue;
		count++;
		fault = bridge_fault(judge, bridge->string);
		delivered +=
			number_of(member(member(judge->now, "links"), bridge->string), "delivered");
		if (!fault)
			good++;
		else if (!bad)
			bad = bridge->string, why = fault;
	}
	if (bad)
		say(judge, "bridges", false, "%d of %d well; %.60s: %.120s", good, count, bad, why);
	else
		say(judge, "bridges", true, "%d of %d up, %.0f records acknowledged", good, count,
		    delivered);
}

static double damaged(const cJSON *status)
{
	const cJSON *account;
	double most = 0;

	cJSON_ArrayForEach(account, member(member(status, "ledger"), "bridges"))
		most = fmax(most, number_of(member(account, "dropped"), "damaged"));
	return most;
}

/* What was on the disk before is still counted, and none of it has turned out to be damaged. */
static void judge_spool(struct judge *judge)
{
	double accepted = number_of(member(judge->now, "ledger"), "accepted");
	double committed = number_of(member(judge->now, "spool"), "committed");
	double before = number_of(member(judge->before, "spool"), "committed");
	double bad = damaged(judge->now), bad_before = damaged(judge->before);

	if (judge->before && accepted < before)
		say(judge, "spool", false, "%.0f records accepted, %.0f before", accepted, before);
	else if (judge->before && bad > bad_before)
		say(judge, "spool", false, "%.0f records damaged, %.0f before", bad, bad_before);
	else
		say(judge, "spool", true, "%.0f records accepted, %.0f of them on the disk",
		    accepted, committed);
}

static void judge_clock(struct judge *judge)
{
	double now_s = number_of(judge->now_all, "taken");
	double before_s = number_of(judge->before_all, "taken");
	bool synced = strcmp(text_of(judge->now, "clock"), "synced") == 0;
	bool was_synced = strcmp(text_of(judge->before, "clock"), "synced") == 0;

	if (now_s < CLOCK_LEAST_S)
		say(judge, "clock", false, "never set");
	else if (judge->before && now_s < before_s - CLOCK_BACK_S)
		say(judge, "clock", false, "%.0f s before the snapshot", before_s - now_s);
	else if (judge->before && now_s > before_s + CLOCK_AHEAD_S)
		say(judge, "clock", false, "%.0f days after the snapshot",
		    (now_s - before_s) / 86400);
	else if (was_synced && !synced)
		say(judge, "clock", false, "not synced, and it was before");
	else
		say(judge, "clock", true, "%s", synced ? "synced" : "unsynced");
}

void cli_health_judge(const cJSON *before, const cJSON *now, const char *why,
		      const struct cli_health_limits *limits, struct cli_health *ret_health)
{
	struct judge judge = {
		.before = member(before, "status"),
		.now = member(now, "status"),
		.before_all = before,
		.now_all = now,
		.limits = limits,
		.health = ret_health,
	};

	*ret_health = (struct cli_health){ .ok = true };
	if (!now) {
		say(&judge, "gateway", false, "%s", why);
		return;
	}
	judge_gateway(&judge);
	judge_loop(&judge);
	judge_drivers(&judge);
	judge_devices(&judge);
	judge_bridges(&judge);
	judge_spool(&judge);
	judge_clock(&judge);
}
