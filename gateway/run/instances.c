/*
 * Instances of drivers and bridges: added at the start, exchanged by a reload. What a reload
 * changes is closed first, and opened anew when it is closed (it may own a port); what it leaves
 * as it is only gets the new configuration's identical options.
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

enum fg_level run_level(const struct fg_gateway *gateway, const char *component)
{
	return fg_config_level(gateway->now->config, component);
}

static int add_driver(struct fg_gateway *gateway, const struct fg_driver_conf *conf)
{
	int r = fg_intake_add(gateway->intake, conf, run_level(gateway, conf->type), NULL);

	if (r < 0)
		fg_log(&gateway->logger, FG_ERROR, "driver not started", "name=%s error=\"%s\"",
		       conf->name, strerror(-r));
	return r;
}

static int add_bridge(struct fg_gateway *gateway, const struct fg_bridge_conf *conf)
{
	int r = fg_forward_add(gateway->forward, conf, run_level(gateway, conf->type), NULL);

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
		if ((r = add_bridge(gateway, &config->bridges[i])) < 0)
			result = r;
	for (size_t i = 0; i < config->ndrivers; i++)
		if (config->drivers[i].enabled &&
		    (r = add_driver(gateway, &config->drivers[i])) < 0)
			result = r;
	fg_forward_sweep(gateway->forward);
	return result;
}

static void on_left(void *arg)
{
	struct leaving *leaving = arg;
	struct fg_gateway *gateway = leaving->gateway;

	if (!gateway->stopping && leaving->driver)
		add_driver(gateway, leaving->driver);
	if (!gateway->stopping && leaving->bridge)
		add_bridge(gateway, leaving->bridge);
	run_config_unuse(leaving->before);
	if (leaving->after)
		run_config_unuse(leaving->after);
	free(leaving);
	gateway->changing--;
	if (gateway->stopping)
		run_stop_step(gateway);
	else if (gateway->changing == 0)
		fg_forward_sweep(gateway->forward);
}

static struct leaving *leave(struct fg_gateway *gateway, struct run_config *before,
			     struct run_config *after)
{
	struct leaving *leaving = calloc(1, sizeof(*leaving));

	if (!leaving)
		return NULL;
	leaving->gateway = gateway;
	leaving->before = before;
	leaving->after = after;
	before->uses++;
	if (after)
		after->uses++;
	gateway->changing++;
	return leaving;
}

static int apply_driver(struct fg_gateway *gateway, struct run_config *before,
			struct run_config *after, const struct fg_driver_change *change)
{
	struct fg_inlet *inlet =
		change->before ? fg_intake_find(gateway->intake, change->before->name) : NULL;
	struct leaving *leaving;

	if (change->change == FG_SAME && inlet) {
		fg_intake_rebind(inlet, change->after);
		return 0;
	}
	if (!inlet)
		return change->after ? add_driver(gateway, change->after) : 0;
	leaving = leave(gateway, before, after);
	if (!leaving)
		return -ENOMEM;
	leaving->driver = change->after;
	fg_intake_remove(inlet, on_left, leaving);
	return 0;
}

static int apply_bridge(struct fg_gateway *gateway, struct run_config *before,
			struct run_config *after, const struct fg_bridge_change *change)
{
	struct fg_outbox *box =
		change->before ? fg_forward_find(gateway->forward, change->before->name) : NULL;
	struct leaving *leaving;

	if (change->change == FG_SAME && box) {
		fg_forward_rebind(box, change->after);
		return 0;
	}
	if (!box)
		return change->after ? add_bridge(gateway, change->after) : 0;
	leaving = leave(gateway, before, after);
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
		if ((r = apply_bridge(gateway, before, next, &diff->bridges[i])) < 0)
			result = r;
	for (size_t i = 0; i < diff->ndrivers; i++)
		if ((r = apply_driver(gateway, before, next, &diff->drivers[i])) < 0)
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
		struct leaving *leaving = inlet ? leave(gateway, gateway->now, NULL) : NULL;

		if (leaving)
			fg_intake_remove(inlet, on_left, leaving);
	}
}

void run_remove_sinks(struct fg_gateway *gateway)
{
	const struct fg_config *config = gateway->now->config;

	for (size_t i = 0; i < config->nbridges; i++) {
		struct fg_outbox *box = fg_forward_find(gateway->forward, config->bridges[i].name);
		struct leaving *leaving = box ? leave(gateway, gateway->now, NULL) : NULL;

		if (leaving)
			fg_forward_remove(box, on_left, leaving);
	}
}
