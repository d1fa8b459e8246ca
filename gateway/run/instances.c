/*
 * Instances of drivers and bridges: added at the start, exchanged by a reload. What a reload
 * changes is closed first, and opened anew when it is closed (it may own a port). What it leaves
 * as it is goes on with the options it was opened with, so the configuration these came from
 * stays as long.
 */
#include "run/private.h"

#include <errno.h>
#include <stdlib.h>

/* An instance that is closing. Both configurations stay until it is gone. */
struct leaving {
	struct fg_gateway *gateway;
	struct run_config *before, *after;
	const struct fg_driver_conf *driver;	/* to be added when it is gone, or NULL */
	const struct fg_bridge_conf *bridge;
};

/* Which configuration an instance was made from: it lives in that one's memory. What its end needs
 * is there from its beginning, so that a gateway without memory can still stop. */
struct run_instance {
	struct leaving leaving;	/* first: its address is that of the whole */
	struct run_instance *next;
	struct run_config *config;
	const void *conf;	/* its struct fg_driver_conf or fg_bridge_conf */
};

enum fg_level run_level(const struct fg_gateway *gateway, const char *component)
{
	return fg_config_level(gateway->now->config, component);
}

static bool instance_is(const struct run_instance *instance, const char *name, bool driver)
{
	const struct fg_config *config = instance->config->config;

	for (size_t i = 0; driver && i < config->ndrivers; i++)
		if (&config->drivers[i] == instance->conf)
			return strcmp(config->drivers[i].name, name) == 0;
	for (size_t i = 0; !driver && i < config->nbridges; i++)
		if (&config->bridges[i] == instance->conf)
			return strcmp(config->bridges[i].name, name) == 0;
	return false;
}

static int note_instance(struct fg_gateway *gateway, struct run_config *config, const void *conf)
{
	struct run_instance *instance = calloc(1, sizeof(*instance));

	if (!instance)
		return -ENOMEM;
	instance->config = config;
	instance->conf = conf;
	instance->next = gateway->instances;
	gateway->instances = instance;
	config->uses++;
	return 0;
}

/* Its use of the configuration is the caller's now, and so is its memory. */
static struct run_instance *take_instance(struct fg_gateway *gateway, const char *name, bool driver)
{
	for (struct run_instance **at = &gateway->instances; *at; at = &(*at)->next) {
		struct run_instance *instance = *at;

		if (instance_is(instance, name, driver)) {
			*at = instance->next;
			return instance;
		}
	}
	return NULL;
}

static void forget_instance(struct fg_gateway *gateway, const char *name, bool driver)
{
	struct run_instance *instance = take_instance(gateway, name, driver);

	run_config_unuse(instance->config);
	free(instance);
}

static int add_driver(struct fg_gateway *gateway, struct run_config *config,
		      const struct fg_driver_conf *conf)
{
	int r = note_instance(gateway, config, conf);

	if (r == 0) {
		r = fg_intake_add(gateway->intake, conf, run_level(gateway, conf->type), NULL);
		if (r < 0)
			forget_instance(gateway, conf->name, true);
	}
	if (r < 0)
		fg_log(&gateway->logger, FG_ERROR, "driver not started", "name=%s error=\"%s\"",
		       conf->name, strerror(-r));
	return r;
}

static int add_bridge(struct fg_gateway *gateway, struct run_config *config,
		      const struct fg_bridge_conf *conf)
{
	int r = note_instance(gateway, config, conf);

	if (r == 0) {
		r = fg_forward_add(gateway->forward, conf, run_level(gateway, conf->type), NULL);
		if (r < 0)
			forget_instance(gateway, conf->name, false);
	}
	if (r < 0)
		fg_log(&gateway->logger, FG_ERROR, "bridge not started", "name=%s error=\"%s\"",
		       conf->name, strerror(-r));
	return r;
}

int run_add_all(struct fg_gateway *gateway)
{
	const struct fg_config *config = gateway->now->config;
	int result = 0, r;

	for (size_t i = 0; i < config->nbridges; i++)
		if ((r = add_bridge(gateway, gateway->now, &config->bridges[i])) < 0)
			result = r;
	for (size_t i = 0; i < config->ndrivers; i++)
		if (config->drivers[i].enabled &&
		    (r = add_driver(gateway, gateway->now, &config->drivers[i])) < 0)
			result = r;
	fg_forward_sweep(gateway->forward);
	return result;
}

static void on_left(void *arg)
{
	struct leaving *leaving = arg;
	struct fg_gateway *gateway = leaving->gateway;

	if (!gateway->stopping && leaving->driver)
		add_driver(gateway, leaving->after, leaving->driver);
	if (!gateway->stopping && leaving->bridge)
		add_bridge(gateway, leaving->after, leaving->bridge);
	run_config_unuse(leaving->before);
	run_config_unuse(leaving->after);
	free(leaving);
	gateway->changing--;
	if (gateway->stopping)
		run_stop_step(gateway);
	else if (gateway->changing == 0)
		fg_forward_sweep(gateway->forward);
}

/* `after`: the configuration that the instance is opened anew from, or NULL. */
static struct leaving *leave(struct fg_gateway *gateway, const char *name, bool driver,
			     struct run_config *after)
{
	struct run_instance *instance = take_instance(gateway, name, driver);
	struct leaving *leaving = instance ? &instance->leaving : NULL;

	if (!leaving)
		return NULL;
	*leaving = (struct leaving){
		.gateway = gateway,
		.before = instance->config,
		.after = after,
	};
	if (after)
		after->uses++;
	gateway->changing++;
	return leaving;
}

static int apply_driver(struct fg_gateway *gateway, struct run_config *after,
			const struct fg_driver_change *change)
{
	struct fg_inlet *inlet =
		change->before ? fg_intake_find(gateway->intake, change->before->name) : NULL;
	struct leaving *leaving;

	if (change->change == FG_SAME && inlet)
		return 0;
	if (!inlet)
		return change->after ? add_driver(gateway, after, change->after) : 0;
	leaving = leave(gateway, change->before->name, true, after);
	if (!leaving)
		return -ENOMEM;
	leaving->driver = change->after;
	fg_intake_remove(inlet, on_left, leaving);
	return 0;
}

static int apply_bridge(struct fg_gateway *gateway, struct run_config *after,
			const struct fg_bridge_change *change)
{
	struct fg_outbox *box =
		change->before ? fg_forward_find(gateway->forward, change->before->name) : NULL;
	struct leaving *leaving;

	if (change->change == FG_SAME && box)
		return 0;
	if (!box)
		return change->after ? add_bridge(gateway, after, change->after) : 0;
	leaving = leave(gateway, change->before->name, false, after);
	if (!leaving)
		return -ENOMEM;
	leaving->bridge = change->after;
	fg_forward_remove(box, on_left, leaving);
	return 0;
}

int run_apply(struct fg_gateway *gateway, struct run_config *next,
	      const struct fg_config_diff *diff)
{
	struct run_config *before = gateway->now;
	int result = 0, r;

	gateway->now = next;
	fg_intake_set_profiles(gateway->intake, next->book.profiles);
	for (size_t i = 0; i < diff->nbridges; i++)
		if ((r = apply_bridge(gateway, next, &diff->bridges[i])) < 0)
			result = r;
	for (size_t i = 0; i < diff->ndrivers; i++)
		if ((r = apply_driver(gateway, next, &diff->drivers[i])) < 0)
			result = r;
	run_config_unuse(before);
	if (gateway->changing == 0)
		fg_forward_sweep(gateway->forward);
	return result;
}

void run_remove_sources(struct fg_gateway *gateway)
{
	const struct fg_config *config = gateway->now->config;

	for (size_t i = 0; i < config->ndrivers; i++) {
		struct fg_inlet *inlet = fg_intake_find(gateway->intake, config->drivers[i].name);
		struct leaving *leaving =
			inlet ? leave(gateway, config->drivers[i].name, true, NULL) : NULL;

		if (leaving)
			fg_intake_remove(inlet, on_left, leaving);
	}
}

void run_remove_sinks(struct fg_gateway *gateway)
{
	const struct fg_config *config = gateway->now->config;

	for (size_t i = 0; i < config->nbridges; i++) {
		struct fg_outbox *box = fg_forward_find(gateway->forward, config->bridges[i].name);
		struct leaving *leaving =
			box ? leave(gateway, config->bridges[i].name, false, NULL) : NULL;

		if (leaving)
			fg_forward_remove(box, on_left, leaving);
	}
}
