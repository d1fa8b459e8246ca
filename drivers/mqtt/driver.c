/* The MQTT driver as the gateway sees it: its options, its checks, its slots. */
#include <fg/driver.h>
#include <fg/fault.h>

#include "mqtt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_share(const char *text, char *why, size_t cap)
{
	if (*text && !strpbrk(text, "/+#"))
		return 0;
	snprintf(why, cap, "a group's name is not empty and holds none of / + #");
	return -EINVAL;
}

static const struct fg_choice retained_choices[] = {
	{ "ignore", MQTT_RETAINED_IGNORE },
	{ "take", MQTT_RETAINED_TAKE },
	{ 0 },
};

static const struct fg_option options[] = {
	FG_MQTT_OPTIONS(struct mqtt_source_conf),
	{ .name = "subscribe", .type = FG_OPT_LIST, .flags = FG_OPT_REQUIRED,
	  .offset = offsetof(struct mqtt_source_conf, subscribe), .check = fg_mqtt_check_filter,
	  .help = "Topic filters." },
	{ .name = "qos", .type = FG_OPT_INT, .offset = offsetof(struct mqtt_source_conf, qos),
	  .def = "1", .min = 0, .max = 1,
	  .help = "1: the broker sends again what was not kept; 0: it does not." },
	{ .name = "share", .type = FG_OPT_STRING,
	  .offset = offsetof(struct mqtt_source_conf, share), .check = check_share,
	  .help = "Group of gateways that share the messages; each goes to one of them." },
	{ .name = "retained", .type = FG_OPT_ENUM,
	  .offset = offsetof(struct mqtt_source_conf, retained), .def = "ignore",
	  .choices = retained_choices,
	  .help = "What becomes of values that the broker has kept from before." },
	{ 0 },
};

/* Whether every topic that `narrow` matches is one of `wide` too (MQTT 5, section 4.7). */
static bool covers(const char *wide, const char *narrow)
{
	if (*narrow == '$' && *wide != '$')
		return false;
	while (*wide != '#') {
		size_t w = strcspn(wide, "/"), n = strcspn(narrow, "/");

		if (*narrow == '#' || (*wide != '+' && (w != n || memcmp(wide, narrow, w) != 0)))
			return false;
		wide += w;
		narrow += n;
		if (!*wide || !*narrow)
			return (!*wide && !*narrow) || strcmp(wide, "/#") == 0;
		wide++;
		narrow++;
	}
	return true;
}

/* A broker may send what several filters match once for each of them, and most do. */
static void check_overlaps(const struct fg_list *filters, struct fg_faults *faults)
{
	for (size_t i = 0; i < filters->count; i++)
		for (size_t j = 0; j < filters->count; j++)
			if (i != j && filters->items[i] && filters->items[j] &&
			    covers(filters->items[i], filters->items[j])) {
				fg_doubt(faults, "/subscribe",
					 "\"%s\" has what \"%s\" has: it comes twice",
					 filters->items[i], filters->items[j]);
				return;
			}
}

static void check(const void *conf, struct fg_faults *faults)
{
	const struct mqtt_source_conf *c = conf;

	fg_mqtt_check(&c->mqtt, faults);
	if (!c->subscribe.count)
		fg_fault(faults, "/subscribe", "names no topic");
	check_overlaps(&c->subscribe, faults);
	for (size_t i = 0; c->share && i < c->subscribe.count; i++)
		if (c->subscribe.items[i] && c->subscribe.items[i][0] == '$')
			fg_doubt(faults, "/share",
				 "not every broker shares topics that begin with $");
}

char *mqtt_own_group(const char *gateway, const char *name)
{
	char *text = NULL;

	return asprintf(&text, "%s-%s", gateway, name) < 0 ? NULL : text;
}

/* Shared subscriptions are of MQTT 5, bring nothing that is retained, and not every broker has them
 * of topics that begin with $: what cannot rely on them is one process's. */
static bool can_share(const struct mqtt_source_conf *c)
{
	if (c->retained == MQTT_RETAINED_TAKE)
		return false;
	for (size_t i = 0; !c->share && i < c->subscribe.count; i++)
		if (c->subscribe.items[i][0] == '$')
			return false;
	return c->share || c->mqtt.version == 5;
}

static int share(void *conf, const struct fg_process *process)
{
	struct mqtt_source_conf *c = conf;
	char *group;

	if (!can_share(c))
		return -ENOTSUP;
	if (!c->share) {
		group = mqtt_own_group(process->gateway, process->name);
		c->share = group ? fg_process_text(process, "%s", group) : NULL;
		free(group);
	}
	if (process->index > 1)
		c->mqtt.client_id =
			fg_process_text(process, "%s-%u", c->mqtt.client_id, process->index);
	c->drain = process->index > process->count;
	return c->share && c->mqtt.client_id ? 0 : -ENOMEM;
}

/* What the gateway itself publishes and takes commands by is never input. */
static int address_check(const char *topic, const char *gateway, char *why, size_t cap)
{
	static const char prefix[] = "fieldgate/";
	size_t at = sizeof(prefix) - 1, len = strlen(gateway);
	int r = fg_mqtt_check_name(topic, why, cap);

	if (r < 0 || strncmp(topic, prefix, at) != 0 || strncmp(topic + at, gateway, len) != 0 ||
	    topic[at + len] != '/')
		return r;
	snprintf(why, cap, "topics below %s%s/ are the gateway's own", prefix, gateway);
	return -EINVAL;
}

static const struct fg_list *listens(const void *conf)
{
	return &((const struct mqtt_source_conf *)conf)->subscribe;
}

static void cost_at_worst(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	(void)conf;
	/* the message that is being read, in the library and beside it, and TLS */
	cost->memory += 2 * terms->payload + (512u << 10);
	cost->descriptors += 3;
}

const struct fg_driver fg_driver_mqtt = {
	.name = "mqtt",
	.summary = "Takes what devices publish to a field broker.",
	.address = FG_ADDRESS_TOPIC,
	.conf_size = sizeof(struct mqtt_source_conf),
	.state_size = sizeof(struct mqtt_source),
	.options = options,
	.cost = cost_at_worst,
	.check = check,
	.address_check = address_check,
	.listens = listens,
	.share = share,
	.ops = {
		.open = mqtt_source_open,
		.close = mqtt_source_close,
		.pause = mqtt_source_pause,
		.resume = mqtt_source_resume,
		.kept = mqtt_source_kept,
		.command = mqtt_source_command,
	},
};
