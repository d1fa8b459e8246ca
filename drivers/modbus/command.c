/* Commands: registers and coils that are written, between two reads. */
#include "bus.h"

#include <errno.h>
#include <string.h>

static const char *refusal(int error)
{
	switch (error) {
	case -ENOENT:
		return "the profile has no such point";
	case -EROFS:
		return "this point cannot be written";
	case -ERANGE:
		return "the value does not fit into the register";
	default:
		return "the value is none that the register holds";
	}
}

static struct modbus_device *device_find(struct modbus *bus, struct fg_str name)
{
	for (size_t i = 0; i < bus->ndevices; i++)
		if (fg_str_eq_c(name, bus->devices[i].name))
			return &bus->devices[i];
	return NULL;
}

int modbus_command(struct fg_source *source, struct fg_command *command)
{
	struct modbus *bus = source->state;

	if (!bus->link.ready)
		return -EAGAIN;
	if (!device_find(bus, command->device))
		return -ENOENT;
	command->user = NULL;
	if (bus->last)
		bus->last->user = command;
	else
		bus->first = command;
	bus->last = command;
	modbus_next(bus);
	return 0;
}

static struct fg_command *command_take(struct modbus *bus)
{
	struct fg_command *command = bus->first;

	if (command) {
		bus->first = command->user;
		if (!bus->first)
			bus->last = NULL;
		command->user = NULL;
	}
	return command;
}

bool modbus_command_begin(struct modbus *bus)
{
	struct fg_command *command;

	while ((command = command_take(bus))) {
		const struct modbus_device *device = device_find(bus, command->device);
		struct fg_register_write write;
		int r;

		if (fg_loop_now(bus->source->loop) >= command->deadline_ns) {
			fg_command_done(command, FG_OUTCOME_EXPIRED, NULL);
			continue;
		}
		r = fg_source_encode(bus->source, device->conf->profile, command->point,
				     &command->value, &write);
		if (r < 0) {
			fg_command_done(command, FG_OUTCOME_REFUSED, refusal(r));
			continue;
		}
		bus->command = command;
		modbus_request_write(&bus->request, (uint8_t)device->conf->unit, &write);
		modbus_send(bus, MODBUS_WRITE);
		return true;
	}
	return false;
}

void modbus_command_end(struct modbus *bus, enum fg_outcome outcome, const char *why)
{
	struct fg_command *command = bus->command;
	struct modbus_device *device = device_find(bus, command->device);

	bus->command = NULL;
	/* what it is now is read soon */
	if (outcome == FG_OUTCOME_DONE && device != bus->round &&
	    device->due_ns > fg_loop_now(bus->source->loop))
		device->due_ns = fg_loop_now(bus->source->loop);
	fg_command_done(command, outcome, why);
}
