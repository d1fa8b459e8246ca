/* The MQTT bridge as the gateway sees it: its options, its checks, its slots. */
#include <fg/bridge.h>

#include "mqtt.h"

#include <errno.h>

static int check_status(const char *text, char *why, size_t cap)
{
	return *text ? fg_mqtt_check_topic(text, why, cap) : 0;
}

static const struct fg_option options[] = {
	FG_MQTT_OPTIONS(struct mqtt_sink_conf),
	{ .name = "topic", .type = FG_OPT_STRING, .offset = offsetof(struct mqtt_sink_conf, topic),
	  .def = "fieldgate/{gateway}/records", .check = fg_mqtt_check_topic,
	  .help = "Topic of the packs." },
	{ .name = "status", .type = FG_OPT_STRING,
	  .offset = offsetof(struct mqtt_sink_conf, status),
	  .def = "fieldgate/{gateway}/status", .check = check_status,
	  .help = "Topic of the gateway's state, retained, and of the last will; empty: neither." },
	{ .name = "qos", .type = FG_OPT_INT, .offset = offsetof(struct mqtt_sink_conf, qos),
	  .def = "1", .min = 0, .max = 1,
	  .help = "1: the broker acknowledges; 0: what was sent may be lost." },
	{ 0 },
};

static void check(const void *conf, struct fg_faults *faults)
{
	const struct mqtt_sink_conf *c = conf;

	fg_mqtt_check(&c->mqtt, faults);
}

static bool acks(const void *conf)
{
	return ((const struct mqtt_sink_conf *)conf)->qos > 0;
}

static const char *target(const void *conf)
{
	return ((const struct mqtt_sink_conf *)conf)->mqtt.url;
}

static int share(void *conf, const struct fg_process *process)
{
	struct mqtt_sink_conf *c = conf;

	if (process->index == 1)
		return 0;
	c->mqtt.client_id = fg_process_text(process, "%s-%u", c->mqtt.client_id, process->index);
	return c->mqtt.client_id ? 0 : -ENOMEM;
}

static void cost_at_worst(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	(void)conf;
	/* the library's copy of each pack in flight, TLS, and outcomes of commands */
	cost->memory += terms->window * terms->pack + (2u << 20);
	cost->descriptors += 3;
}

const struct fg_bridge fg_bridge_mqtt = {
	.name = "mqtt",
	.summary = "Publishes packs to a broker.",
	.acknowledges = true,
	.commands = true,
	.configures = true,
	.conf_size = sizeof(struct mqtt_sink_conf),
	.state_size = sizeof(struct mqtt_sink),
	.options = options,
	.cost = cost_at_worst,
	.check = check,
	.acks = acks,
	.target = target,
	.collect = mqtt_collect,
	.share = share,
	.ops = {
		.open = mqtt_sink_open,
		.close = mqtt_sink_close,
		.send = mqtt_sink_send,
		.flush = mqtt_sink_flush,
		.status = mqtt_sink_status,
		.fini = mqtt_sink_fini,
	},
};
