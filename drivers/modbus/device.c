/* A device's rounds: which read comes next, what it has brought, when it is asked again. */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>

enum { SAID_A_MINUTE = 5, DOUBLINGS_MAX = 6 };

#define PAUSE_FIRST_NS FG_S(1)
#define PAUSE_MOST_NS FG_S(60)

int modbus_device_init(struct modbus *bus, struct modbus_device *device, size_t index)
{
	const struct modbus_device_conf *confs = bus->conf->devices.items;
	struct fg_registers registers;
	int r;

	device->name = bus->conf->devices.names[index];
	device->conf = &confs[index];
	device->interval_ns = (uint64_t)(device->conf->interval_ns ? device->conf->interval_ns :
								     bus->conf->interval_ns);
	device->due_ns = fg_loop_now(bus->source->loop);
	r = fg_source_registers(bus->source, device->conf->profile, &registers);
	if (r < 0)
		return r;
	r = modbus_plan_init(&device->plan, &registers);
	if (r < 0)
		return r;
	device->block_cap = modbus_plan_bytes(&device->plan);
	device->block = malloc(device->block_cap + 1);
	return device->block ? 0 : -ENOMEM;
}

void modbus_device_fini(struct modbus_device *device)
{
	modbus_plan_fini(&device->plan);
	free(device->block);
}

static struct modbus_read *read_now(const struct modbus *bus)
{
	return &bus->round->plan.reads[bus->round->at];
}

static void device_submit(struct modbus *bus, const struct modbus_device *device)
{
	const struct fg_input input = {
		.address = fg_str_c(device->name),
		.payload = fg_str((const char *)device->block, device->block_len),
		.content_format = -1,
	};
	uint64_t unused;

	if (device->block_len == 0 || bus->paused)
		return;
	if (fg_source_submit(bus->source, &input, &unused) == -EAGAIN)
		fg_source_reject(bus->source, "overrun", FG_STR(""));
}

static struct modbus_device *round_end(struct modbus *bus)
{
	struct modbus_device *device = bus->round;

	bus->round = NULL;
	device_submit(bus, device);
	device->at = device->block_len = 0;
	return device;
}

void modbus_round_abandon(struct modbus *bus)
{
	if (!bus->round)
		return;
	bus->round->at = bus->round->block_len = 0;
	bus->round = NULL;
}

/* The next poll keeps its time; what could not be kept is left out. */
static void device_schedule(struct modbus *bus, struct modbus_device *device)
{
	uint64_t now = fg_loop_now(bus->source->loop), late = now - device->due_ns;

	device->due_ns += (late / device->interval_ns + 1) * device->interval_ns;
}

/* An answer that comes late must find nobody waiting for one of that unit. */
static void unit_leave(struct modbus *bus, const struct modbus_device *failed)
{
	uint64_t until = fg_loop_now(bus->source->loop) + PAUSE_FIRST_NS;

	for (size_t i = 0; i < bus->ndevices; i++) {
		struct modbus_device *device = &bus->devices[i];

		if (device->conf->unit == failed->conf->unit && device->due_ns < until)
			device->due_ns = until;
	}
}

static void device_failed(struct modbus *bus, struct modbus_device *device, const char *why)
{
	unsigned doublings = device->failures < DOUBLINGS_MAX ? device->failures : DOUBLINGS_MAX;
	uint64_t pause = PAUSE_FIRST_NS << doublings;

	if (pause > PAUSE_MOST_NS)
		pause = PAUSE_MOST_NS;
	if (pause < device->interval_ns)
		pause = device->interval_ns;
	if (device->failures++ == 0)
		fg_log(&bus->source->logger, FG_WARN, "a device does not answer",
		       "device=\"%s\" unit=%d why=\"%s\"", device->name, (int)device->conf->unit,
		       why);
	device->due_ns = fg_loop_now(bus->source->loop) + pause;
	unit_leave(bus, device);
	/* whatever is there when it comes back may have other registers */
	modbus_plan_merge(&device->plan);
	device->skipped = 0;
}

static void device_alive(struct modbus *bus, struct modbus_device *device)
{
	if (device->failures == 0)
		return;
	fg_log(&bus->source->logger, FG_INFO, "a device answers again", "device=\"%s\" rounds=%u",
	       device->name, device->failures);
	device->failures = 0;
}

bool modbus_round_go_on(struct modbus *bus)
{
	struct modbus_device *device = bus->round;

	while (device->at < device->plan.count && read_now(bus)->skipped)
		device->at++;
	if (device->at < device->plan.count) {
		modbus_request_read(&bus->request, (uint8_t)device->conf->unit,
				    &read_now(bus)->span);
		modbus_send(bus, MODBUS_READ);
		return true;
	}
	round_end(bus);
	if (device->skipped < device->plan.count)
		device_schedule(bus, device);
	else
		device_failed(bus, device, "it has none of the registers");
	return false;
}

static void block_add(struct modbus_device *device, const struct fg_register_span *span,
		      struct fg_str data)
{
	uint8_t *p = device->block + device->block_len;

	if (device->block_cap - device->block_len < FG_REGISTER_BLOCK_HEAD + data.len)
		return;
	p[0] = span->table;
	p[1] = (uint8_t)(span->at >> 8);
	p[2] = (uint8_t)span->at;
	p[3] = (uint8_t)(span->count >> 8);
	p[4] = (uint8_t)span->count;
	memcpy(p + FG_REGISTER_BLOCK_HEAD, data.ptr, data.len);
	device->block_len += FG_REGISTER_BLOCK_HEAD + data.len;
}

void modbus_read_good(struct modbus *bus, struct fg_str data)
{
	/* a pause has ended the round it belonged to */
	if (!bus->round)
		return;
	device_alive(bus, bus->round);
	block_add(bus->round, &read_now(bus)->span, data);
	bus->round->at++;
}

static void refused_say(struct modbus *bus, unsigned code, const char *what)
{
	const struct fg_register_span *span = &read_now(bus)->span;
	uint32_t left_out;

	if (!fg_log_allowed(&bus->refused_limit, fg_loop_now(bus->source->loop), SAID_A_MINUTE,
			    &left_out))
		return;
	fg_log(&bus->source->logger, FG_WARN, what,
	       "device=\"%s\" table=%u at=%u count=%u why=\"%s\" skipped=%u not_logged=%u",
	       bus->round->name, span->table, span->at, span->count, modbus_code_name(code),
	       bus->round->skipped, left_out);
}

/* What was merged is asked for apart; what does not exist is left out. */
static void read_split(struct modbus *bus, unsigned code)
{
	if (modbus_plan_split(&bus->round->plan, bus->round->at))
		return;
	bus->round->skipped++;
	refused_say(bus, code, "a register that the device has not got is skipped");
}

void modbus_read_refused(struct modbus *bus, unsigned code)
{
	struct modbus_device *device = bus->round;

	if (!device)
		return;
	if (code == MODBUS_NO_PATH || code == MODBUS_NO_TARGET) {
		device_failed(bus, round_end(bus), modbus_code_name(code));
		return;
	}
	device_alive(bus, device);
	if (code >= MODBUS_ILLEGAL_FUNCTION && code <= MODBUS_ILLEGAL_VALUE) {
		read_split(bus, code);
		return;
	}
	refused_say(bus, code, "a device refuses to be read");
	device->at++;
	/* asked for patience: the rest waits for the next poll */
	if (code == MODBUS_BUSY || code == MODBUS_ACKNOWLEDGE)
		device_schedule(bus, round_end(bus));
}

void modbus_read_failed(struct modbus *bus)
{
	if (bus->round)
		device_failed(bus, round_end(bus), "no answer");
}
