/*
 * The bounds of ARCHITECTURE.md ("Memory") as a sum. Drivers and bridges state their own share (the
 * hook `cost`); what is the gateway's own is here. Worst means: every limit reached at once, names
 * and texts of NAME bytes. tests/integration/test_plan.py holds a running gateway against it.
 */
#include <fg/doc.h>

#include "cli/plan.h"
#include "device/devices.h"
#include "run/away.h"

#include <errno.h>
#include <stdlib.h>

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)

#define NAME 64			/* bytes of a device's or point's name, or of a text */
#define POINTS 16		/* of a device, as the registry bounds them on average */
#define NAMES_MAX ((uint64_t)1 << 20)
#define HEAP 16			/* what an allocation takes besides */
#define REPORTED 48		/* a point's memory of what it reported */
#define NODES_MAX 200000
#define PROGRAM (10 * MIB)	/* resident, with its libraries, configuration and profiles */
#define CONTROL_CLIENTS 16
#define CONTROL_REPLY (4 * MIB)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Standard streams, the loop's own, the clock's timer, systemd's socket, LED and watchdog, and a
 * name being looked up by each worker. */
static struct fg_cost program_cost(void)
{
	return (struct fg_cost){ .memory = PROGRAM, .descriptors = 12 + CONFIG_WORKERS };
}

static struct fg_cost devices_cost(const struct fg_config *config)
{
	uint64_t devices = (uint64_t)config->limits.devices;
	uint64_t point = sizeof(struct fg_point) + REPORTED + NAME + 2 * HEAP;
	/* a list grows by half; places in hash table and heap are doubled */
	uint64_t device = sizeof(struct fg_device) + NAME + HEAP + POINTS * point * 3 / 2 + 32;
	uint64_t route = 72 + 3 * NAME + HEAP + 16;
	uint64_t name = NAME + HEAP + 16;

	return (struct fg_cost){
		.memory = devices * device + least(2 * devices * route, 20 * MIB) +
			  least(devices * POINTS, NAMES_MAX) * name,
	};
}

/* One payload's document and records, when it is as long and as many values as can be: a value
 * takes two bytes at least. Lists are copied when they grow. */
static struct fg_cost payload_cost(const struct fg_config *config)
{
	uint64_t payload = config->limits.payload;
	uint64_t nodes = least(payload / 2 + 1, NODES_MAX);

	return (struct fg_cost){
		.memory = nodes * 2 * (sizeof(struct fg_node) + sizeof(struct fg_record)) +
			  8 * payload,
	};
}

static uint64_t processes(const struct fg_config *config)
{
	return (uint64_t)config->run.processes;
}

/* What each of several processes has. Descriptors are counted a process. */
static struct fg_cost times(struct fg_cost cost, uint64_t n)
{
	cost.memory *= n;
	cost.disk *= n;
	return cost;
}

static uint64_t segment_bytes(const struct fg_spool_conf *spool, uint64_t n)
{
	return least(spool->segment, spool->limit / n / 8);
}

/* The limit, a segment that is being made, what was set aside, and the state. */
static struct fg_cost spool_cost(const struct fg_config *config)
{
	const struct fg_spool_conf *spool = &config->spool;
	uint64_t segment = segment_bytes(spool, processes(config));
	uint64_t limit = spool->limit / processes(config);

	return (struct fg_cost){
		.memory = 2 * MIB + 4 * config->limits.payload + limit / segment * 256,
		.disk = limit + segment + limit / 8 + 128 * KIB,
		.descriptors = 12,
	};
}

static struct fg_cost control_cost(const struct fg_config *config)
{
	uint64_t devices = (uint64_t)config->limits.devices;
	uint64_t clients = processes(config) > 1 ? RUN_AWAY_CLIENTS : CONTROL_CLIENTS;

	return (struct fg_cost){
		.memory = clients * 8 * KIB + least(64 * KIB + 256 * devices, CONTROL_REPLY),
		.descriptors = 1 + clients + (processes(config) > 1 ? RUN_AWAY_MAX : 0),
	};
}

static struct fg_cost driver_cost(const struct fg_config *config, const struct fg_driver_conf *d)
{
	const struct fg_cost_terms terms = { .payload = config->limits.payload };
	struct fg_cost cost = { .memory = d->driver->state_size + 4 * KIB, .disk = 4 * KIB };

	if (!d->driver->cost)
		cost.descriptors += 4;
	else
		d->driver->cost(d->conf, &terms, &cost);
	return cost;
}

static struct fg_cost bridge_cost(const struct fg_config *config, const struct fg_bridge_conf *b)
{
	/* the largest pack is a record of the longest payload where that is more than a batch */
	struct fg_cost_terms terms = {
		.payload = config->limits.payload,
		.pack = b->batch.bytes > config->limits.payload ? b->batch.bytes :
								  config->limits.payload,
		.window = (uint64_t)b->window,
	};
	/* packs grow by doubling; a reader has a buffer for each of two lanes */
	struct fg_cost cost = {
		.memory = b->bridge->state_size + terms.window * (2 * b->batch.bytes + KIB) +
			  2 * terms.pack + 512 * KIB,
		/* cursor and memo; dead letters, and those that are on their way once more */
		.disk = 16 * KIB + 2 * b->dead_limit,
		/* the cursor's, two readers', dead letters both ways */
		.descriptors = 7,
	};

	if (!b->bridge->cost)
		cost.descriptors += 4;
	else
		b->bridge->cost(b->conf, &terms, &cost);
	return cost;
}

static void add(struct cli_plan *plan, const char *kind, const char *name, struct fg_cost cost)
{
	plan->parts[plan->count++] = (struct cli_plan_part){ kind, name, cost };
	plan->total.memory += cost.memory;
	plan->total.disk += cost.disk;
	plan->total.descriptors += cost.descriptors;
}

int cli_plan_make(const struct fg_config *config, struct cli_plan *ret_plan)
{
	uint64_t n = processes(config);
	struct cli_plan plan = {
		.room = config->spool.limit - n * segment_bytes(&config->spool, n),
	};

	plan.parts = calloc(7 + config->ndrivers + config->nbridges, sizeof(*plan.parts));
	if (!plan.parts)
		return -ENOMEM;
	add(&plan, "program", "", times(program_cost(), n));
	add(&plan, "devices", "", times(devices_cost(config), n));
	add(&plan, "payload", "", times(payload_cost(config), n));
	add(&plan, "spool", "", times(spool_cost(config), n));
	add(&plan, "control", "", times(control_cost(config), n));
	if (n > 1)
		add(&plan, "parent", "", (struct fg_cost){ .memory = PROGRAM });
	if (config->console_by) {
		struct fg_cost cost = { 0 };

		config->console_by->cost(&config->console, &cost);
		add(&plan, "console", "", cost);
	}
	for (size_t i = 0; i < config->ndrivers; i++)
		if (config->drivers[i].enabled)
			add(&plan, "driver", config->drivers[i].name,
			    times(driver_cost(config, &config->drivers[i]),
				  config->drivers[i].driver->share ? n : 1));
	for (size_t i = 0; i < config->nbridges; i++)
		add(&plan, "bridge", config->bridges[i].name,
		    times(bridge_cost(config, &config->bridges[i]), n));
	*ret_plan = plan;
	return 0;
}

void cli_plan_fini(struct cli_plan *plan)
{
	free(plan->parts);
	plan->parts = NULL;
}
