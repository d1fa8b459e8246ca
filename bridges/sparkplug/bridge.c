/* The bridge as the gateway sees it: its options, its checks, its slots. */
#include <fg/bridge.h>

#include "sparkplug.h"

#include <errno.h>
#include <stdio.h>

static int check_id(const char *text, char *why, size_t cap)
{
	if (*text && fg_mqtt_topic_good(text) && !strchr(text, '/'))
		return 0;
	snprintf(why, cap, "expected one level of a topic, without '/', '+' and '#'");
	return -EINVAL;
}

static const struct fg_option options[] = {
	FG_MQTT_OPTIONS(struct spark_conf),
	{ .name = "group", .type = FG_OPT_STRING, .offset = offsetof(struct spark_conf, group),
	  .def = "fieldgate", .check = check_id, .help = "Group that the edge node belongs to." },
	{ .name = "node", .type = FG_OPT_STRING, .offset = offsetof(struct spark_conf, node),
	  .def = "{gateway}", .check = check_id, .help = "Edge node's id." },
	{ .name = "host", .type = FG_OPT_STRING, .offset = offsetof(struct spark_conf, host),
	  .check = check_id,
	  .help = "Id of the primary host: nothing is sent while that says it is offline, or says "
		  "nothing." },
	{ .name = "qos", .type = FG_OPT_INT, .offset = offsetof(struct spark_conf, qos),
	  .def = "0", .min = 0, .max = 1,
	  .help = "0 as the specification has it, and what was sent may be lost; 1: the broker "
		  "acknowledges." },
	{ .name = "known", .type = FG_OPT_SIZE, .offset = offsetof(struct spark_conf, known),
	  .def = "8MiB", .min = 64 << 10, .max = 1 << 30,
	  .help = "Memory for what births say of each metric; when it is full, all is forgotten "
		  "and the edge node is born anew." },
	{ 0 },
};

static void check(const void *conf, struct fg_faults *faults)
{
	const struct spark_conf *c = conf;

	fg_mqtt_check(&c->mqtt, faults);
	if (c->qos > 0)
		fg_doubt(faults, "/qos",
			 "Sparkplug asks for QoS 0: with 1 the broker acknowledges records, and "
			 "a strict host may object");
}

static bool acks(const void *conf)
{
	return ((const struct spark_conf *)conf)->qos > 0;
}

static const char *target(const void *conf)
{
	return ((const struct spark_conf *)conf)->mqtt.url;
}

static void cost_at_worst(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	const struct spark_conf *c = conf;

	/* the messages of a pack, the pack as a document, and TLS */
	cost->memory += c->known + 4 * terms->pack + (2u << 20);
	cost->descriptors += 3;
}

/* An edge node is one client with one sequence of numbers. */
static bool alone(const void *conf)
{
	(void)conf;
	return true;
}

const struct fg_bridge fg_bridge_sparkplug = {
	.name = "sparkplug",
	.summary = "The gateway as an edge node of Sparkplug B: type `mqtt` with the format "
		   "`sparkplug-b`.",
	.acknowledges = false,
	.senml_only = true,
	.writes = "sparkplug-b",
	.conf_size = sizeof(struct spark_conf),
	.state_size = sizeof(struct spark),
	.options = options,
	.cost = cost_at_worst,
	.check = check,
	.acks = acks,
	.target = target,
	.alone = alone,
	.ops = {
		.open = spark_open,
		.close = spark_close,
		.send = spark_send,
		.flush = spark_flush,
		.fini = spark_fini,
	},
};
