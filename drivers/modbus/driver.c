/*
 * Modbus, asking: polls devices on a serial line (RTU) or behind a TCP address, by the registers
 * that their profiles name. What one poll of a device has brought is one payload; the profile makes
 * values of it as of any other. Nobody on a bus waits to hear that it was kept; a value that is not
 * taken is read again.
 *
 * A value that was read late is as good as none, so nothing is held while there is no room: a pause
 * ends the polling, and the next round brings what is true then.
 */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>

static void bus_up(struct modbus_link *link)
{
	struct modbus *bus = (struct modbus *)((char *)link - offsetof(struct modbus, link));

	fg_source_up(bus->source);
	modbus_next(bus);
}

static void modbus_pause(struct fg_source *source)
{
	struct modbus *bus = source->state;

	bus->paused = true;
	modbus_round_abandon(bus);
}

static void modbus_resume(struct fg_source *source)
{
	struct modbus *bus = source->state;

	bus->paused = false;
	modbus_next(bus);
}

static int devices_init(struct modbus *bus)
{
	size_t n = bus->conf->devices.count;

	bus->devices = calloc(n + 1, sizeof(*bus->devices));
	if (!bus->devices)
		return -ENOMEM;
	bus->ndevices = n;
	for (size_t i = 0; i < n; i++) {
		int r = modbus_device_init(bus, &bus->devices[i], i);

		if (r == -EINVAL)
			fg_source_fault(bus->source, r, "a device's profile has no registers");
		if (r < 0)
			return r;
	}
	return 0;
}

static int modbus_open(struct fg_source *source)
{
	struct modbus *bus = source->state;
	int r;

	bus->source = source;
	bus->conf = source->conf;
	bus->link.source = source;
	bus->link.conf = bus->conf;
	bus->link.up = bus_up;
	bus->link.came = modbus_came;
	fg_timer_init(source->loop, &bus->timer, modbus_timer_due);
	fg_timer_init(source->loop, &bus->silence, modbus_silence_due);
	modbus_link_init(&bus->link);
	r = devices_init(bus);
	return r < 0 ? r : modbus_link_open(&bus->link);
}

static void modbus_closed(struct fg_handle *handle)
{
	struct modbus *bus = (struct modbus *)((char *)handle - offsetof(struct modbus, link.io));
	struct fg_source *source = bus->source;

	modbus_link_fini(&bus->link);
	for (size_t i = 0; i < bus->ndevices; i++)
		modbus_device_fini(&bus->devices[i]);
	free(bus->devices);
	bus->devices = NULL;
	bus->ndevices = 0;
	/* commands that are with us go back with this */
	fg_source_closed(source);
}

static void modbus_close(struct fg_source *source)
{
	struct modbus *bus = source->state;

	bus->closing = true;
	fg_handle_close(&bus->timer.handle, NULL);
	fg_handle_close(&bus->silence.handle, NULL);
	/* last: its end is that of all */
	modbus_link_close(&bus->link, modbus_closed);
}

static void modbus_kept(struct fg_source *source, uint64_t upto)
{
	(void)source;
	(void)upto;
}

static const char *modbus_profile_of(const void *conf, struct fg_str device)
{
	const struct modbus_device_conf *found = modbus_device_find(conf, device.ptr, device.len);

	return found ? found->profile : NULL;
}

static void modbus_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	const struct modbus_conf *c = conf;

	(void)terms;
	cost->memory += (uint64_t)c->devices.count * (8u << 10) + (64u << 10);
	cost->descriptors += 2;
}

const struct fg_driver fg_driver_modbus = {
	.name = "modbus",
	.summary = "Polls devices over Modbus RTU or TCP, by the registers of their profiles.",
	.address = FG_ADDRESS_DEVICE,
	.conf_size = sizeof(struct modbus_conf),
	.state_size = sizeof(struct modbus),
	.options = modbus_options,
	.cost = modbus_cost,
	.check = modbus_conf_check,
	.profile_of = modbus_profile_of,
	.ops = {
		.open = modbus_open,
		.close = modbus_close,
		.pause = modbus_pause,
		.resume = modbus_resume,
		.kept = modbus_kept,
		.command = modbus_command,
	},
};
