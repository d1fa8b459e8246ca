/* What changes between two configurations, found by the tables that made them. */
#include "config/config.h"

#include "config/option.h"
#include "config/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct fg_driver_conf *find_driver(const struct fg_config *config, const char *name)
{
	for (size_t i = 0; i < config->ndrivers; i++)
		if (config->drivers[i].enabled && strcmp(config->drivers[i].name, name) == 0)
			return &config->drivers[i];
	return NULL;
}

static const struct fg_bridge_conf *find_bridge(const struct fg_config *config, const char *name)
{
	for (size_t i = 0; i < config->nbridges; i++)
		if (strcmp(config->bridges[i].name, name) == 0)
			return &config->bridges[i];
	return NULL;
}

static bool driver_equal(const struct fg_driver_conf *a, const struct fg_driver_conf *b)
{
	return a->driver == b->driver && a->shared == b->shared &&
	       fg_options_equal(fg_options_driver, a, b) &&
	       fg_options_equal(a->driver->options, a->conf, b->conf);
}

static bool bridge_equal(const struct fg_bridge_conf *a, const struct fg_bridge_conf *b)
{
	return a->bridge == b->bridge && a->remote == b->remote &&
	       fg_options_equal(fg_options_bridge, a, b) &&
	       fg_options_equal(a->bridge->options, a->conf, b->conf);
}

static bool target_equal(const struct fg_bridge_conf *a, const struct fg_bridge_conf *b)
{
	const char *x, *y;

	if (a->bridge != b->bridge)
		return false;
	if (!a->bridge->target)
		return true;
	x = a->bridge->target(a->conf);
	y = b->bridge->target(b->conf);
	return x == y || (x && y && strcmp(x, y) == 0);
}

static const struct fg_profile_conf *find_profile(const struct fg_config *config, const char *name)
{
	for (size_t i = 0; name && i < config->nprofiles; i++)
		if (strcmp(config->profiles[i].name, name) == 0)
			return &config->profiles[i].conf;
	return NULL;
}

static bool profile_same(const struct fg_config *before, const struct fg_config *after,
			 const char *name)
{
	const struct fg_profile_conf *a = find_profile(before, name);
	const struct fg_profile_conf *b = find_profile(after, name);

	return a == b || (a && b && fg_options_equal(fg_options_profile, a, b));
}

/* Whether the profiles that a driver's own options name are what they were: it may have taken from
 * them what it does. */
static bool profiles_kept(const struct fg_config *before, const struct fg_config *after,
			  const struct fg_option *options, const void *conf)
{
	for (const struct fg_option *o = options; o && o->name; o++) {
		const void *member = fg_option_const_member(o, conf);
		const struct fg_map *map = member;

		if (o->type == FG_OPT_STRING && o->flags & FG_OPT_PROFILE &&
		    !profile_same(before, after, *(const char *const *)member))
			return false;
		for (size_t i = 0; o->type == FG_OPT_MAP && i < map->count; i++)
			if (!profiles_kept(before, after, o->group,
					   (const char *)map->items + i * map->item_size))
				return false;
	}
	return true;
}

static struct fg_profile_conf framing_of(const struct fg_profile_conf *profile)
{
	return (struct fg_profile_conf){
		.format = profile->format, /* some bring a framer of their own */
		.framer = profile->framer,
		.framer_options = profile->framer_options,
		.checksum = profile->checksum,
	};
}

/* Whether the profile that is named for a driver makes frames as before: a line takes that from it
 * when it opens. */
static bool framing_kept(const struct fg_config *before, const struct fg_config *after,
			 const struct fg_driver_conf *driver)
{
	const struct fg_profile_conf *a = find_profile(before, driver->profile);
	const struct fg_profile_conf *b = find_profile(after, driver->profile);
	struct fg_profile_conf was, is;

	if (!driver->driver->framing || !a || !b)
		return !driver->driver->framing || a == b;
	was = framing_of(a);
	is = framing_of(b);
	return fg_options_equal(fg_options_profile, &was, &is);
}

static enum fg_change driver_change(const struct fg_config *before, const struct fg_config *after,
				    const struct fg_driver_conf *old,
				    const struct fg_driver_conf *now)
{
	if (!old)
		return FG_ADDED;
	if (driver_equal(old, now) &&
	    profiles_kept(before, after, now->driver->options, now->conf) &&
	    framing_kept(before, after, now))
		return FG_SAME;
	return FG_CHANGED;
}

static void diff_drivers(const struct fg_config *before, const struct fg_config *after,
			 struct fg_config_diff *diff)
{
	for (size_t i = 0; i < after->ndrivers; i++) {
		const struct fg_driver_conf *now = &after->drivers[i];
		const struct fg_driver_conf *old = find_driver(before, now->name);

		if (now->enabled)
			diff->drivers[diff->ndrivers++] = (struct fg_driver_change){
				.change = driver_change(before, after, old, now),
				.before = old,
				.after = now,
			};
	}
	for (size_t i = 0; i < before->ndrivers; i++) {
		const struct fg_driver_conf *old = &before->drivers[i];

		if (old->enabled && !find_driver(after, old->name))
			diff->drivers[diff->ndrivers++] = (struct fg_driver_change){
				.change = FG_REMOVED,
				.before = old,
			};
	}
}

static void diff_bridges(const struct fg_config *before, const struct fg_config *after,
			 struct fg_config_diff *diff)
{
	for (size_t i = 0; i < after->nbridges; i++) {
		const struct fg_bridge_conf *now = &after->bridges[i];
		const struct fg_bridge_conf *old = find_bridge(before, now->name);

		diff->bridges[diff->nbridges++] = (struct fg_bridge_change){
			.change = !old			 ? FG_ADDED :
				  bridge_equal(old, now) ? FG_SAME :
							   FG_CHANGED,
			.target = old && !target_equal(old, now),
			.before = old,
			.after = now,
		};
	}
	for (size_t i = 0; i < before->nbridges; i++)
		if (!find_bridge(after, before->bridges[i].name))
			diff->bridges[diff->nbridges++] = (struct fg_bridge_change){
				.change = FG_REMOVED,
				.before = &before->bridges[i],
			};
}

static bool profiles_equal(const struct fg_config *a, const struct fg_config *b)
{
	if (a->nprofiles != b->nprofiles)
		return false;
	for (size_t i = 0; i < a->nprofiles; i++)
		if (strcmp(a->profiles[i].name, b->profiles[i].name) != 0 ||
		    !fg_options_equal(fg_options_profile, &a->profiles[i].conf,
				      &b->profiles[i].conf))
			return false;
	return true;
}

static bool values_same(const struct fg_config *a, const struct fg_config *b)
{
	static const struct fg_option levels[] = {
		{ .name = "log", .type = FG_OPT_VALUES,
		  .offset = offsetof(struct fg_run_conf, log_levels) },
		{ 0 },
	};

	return a->run.log_level == b->run.log_level && fg_options_equal(levels, &a->run, &b->run);
}

static bool refuse(const struct fg_config *a, const struct fg_config *b, struct fg_faults *faults)
{
	struct fg_place gateway = { .key = "gateway" }, id = { .up = &gateway, .key = "id" };
	struct fg_place spool = { .key = "spool" }, dir = { .up = &spool, .key = "dir" };
	struct fg_place run = { .key = "run" }, processes = { .up = &run, .key = "processes" };
	bool new_count = a->run.processes != b->run.processes;
	bool new_id = strcmp(a->gateway.id, b->gateway.id) != 0;
	bool new_dir = strcmp(a->spool.dir, b->spool.dir) != 0;

	if (new_id)
		fg_fault_at(faults, &id, "a change from \"%s\" needs a restart", a->gateway.id);
	if (new_dir)
		fg_fault_at(faults, &dir, "a change from \"%s\" needs a restart", a->spool.dir);
	if (new_count)
		fg_fault_at(faults, &processes, "a change from %d needs a restart",
			    (int)a->run.processes);
	return new_id || new_dir || new_count;
}

static bool text_differs(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") != 0;
}

static void doubt_later(const struct fg_config *a, const struct fg_config *b,
			struct fg_faults *faults)
{
	struct fg_place run = { .key = "run" };
	struct fg_place socket = { .up = &run, .key = "socket" };
	struct fg_place user = { .up = &run, .key = "user" };
	struct fg_place watchdog = { .up = &run, .key = "watchdog" };
	struct fg_place led = { .up = &run, .key = "led" };
	struct fg_place spool = { .key = "spool" }, commit = { .up = &spool, .key = "commit" };

	/* what waits to be acknowledged was taken under one promise or the other */
	if ((a->spool.commit_ns == FG_COMMIT_EACH) != (b->spool.commit_ns == FG_COMMIT_EACH))
		fg_doubt_at(faults, &commit, "\"each\" takes effect after a restart");
	if (text_differs(a->run.user, b->run.user))
		fg_doubt_at(faults, &user, "counts after the next restart");
	if (text_differs(a->run.watchdog, b->run.watchdog))
		fg_doubt_at(faults, &watchdog, "counts after the next restart");
	if (text_differs(a->run.led, b->run.led))
		fg_doubt_at(faults, &led, "counts after the next restart");
	if (strcmp(a->run.socket, b->run.socket) != 0)
		fg_doubt_at(faults, &socket, "counts after the next restart");
}

int fg_config_diff(const struct fg_config *before, const struct fg_config *after,
		   struct fg_faults *faults, struct fg_config_diff *ret_diff)
{
	const struct fg_spool_conf *sa = &before->spool, *sb = &after->spool;
	const struct fg_limits_conf *la = &before->limits, *lb = &after->limits;
	struct fg_config_diff diff = { 0 };

	if (refuse(before, after, faults))
		return -EINVAL;
	doubt_later(before, after, faults);
	diff.drivers = calloc(before->ndrivers + after->ndrivers + 1, sizeof(*diff.drivers));
	diff.bridges = calloc(before->nbridges + after->nbridges + 1, sizeof(*diff.bridges));
	if (!diff.drivers || !diff.bridges) {
		fg_config_diff_fini(&diff);
		return -ENOMEM;
	}
	diff_drivers(before, after, &diff);
	diff_bridges(before, after, &diff);
	diff.profiles = !profiles_equal(before, after);
	diff.spool = sa->limit != sb->limit || sa->segment != sb->segment ||
		     sa->commit_ns != sb->commit_ns || sa->when_full != sb->when_full;
	diff.limits = la->devices != lb->devices || la->payload != lb->payload ||
		      la->depth != lb->depth;
	diff.liveness = !fg_options_equal(fg_options_liveness, &before->liveness, &after->liveness);
	diff.console = before->console_by != after->console_by ||
		       !fg_options_equal(fg_options_console, &before->console, &after->console);
	diff.clock = before->clock.trust != after->clock.trust;
	diff.run = !values_same(before, after);
	*ret_diff = diff;
	return 0;
}

void fg_config_diff_fini(struct fg_config_diff *diff)
{
	free(diff->drivers);
	free(diff->bridges);
	*diff = (struct fg_config_diff){ 0 };
}
