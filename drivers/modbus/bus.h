/*
 * The bus: one request at a time, commands first, then whichever device is due. A device that does
 * not answer is left alone for longer and longer, so that it cannot hold up the others.
 */
#pragma once

#include <fg/command.h>

#include "link.h"
#include "plan.h"

struct modbus_device {
	const char *name;
	const struct modbus_device_conf *conf;
	struct modbus_plan plan;
	uint8_t *block;			/* what this round has brought */
	size_t block_cap, block_len;
	uint64_t due_ns, interval_ns;
	size_t at;			/* the next read of this round */
	unsigned failures;		/* rounds in a row without an answer */
	uint32_t skipped;		/* reads that the device refuses */
};

/* What the request under way is. */
enum modbus_work { MODBUS_NOTHING, MODBUS_READ, MODBUS_WRITE };

struct modbus {
	struct fg_source *source;
	const struct modbus_conf *conf;
	struct modbus_link link;
	struct modbus_device *devices;
	size_t ndevices;
	struct modbus_device *round;	/* in the middle of one, or NULL */
	struct fg_command *first, *last;	/* wait, linked by their `user` */
	struct fg_command *command;	/* under way */
	struct modbus_request request;
	enum modbus_work work;
	unsigned attempt;
	uint16_t transaction;
	struct fg_timer timer;		/* the answer is late, the gap is over, a device is due */
	struct fg_timer silence;	/* RTU: no byte for so long */
	uint64_t quiet_ns;		/* nothing is sent before */
	bool paused, closing;
	struct fg_log_limit foreign_limit, refused_limit;
};

/* bus.c: what is done next, unless a request is under way. */
void modbus_next(struct modbus *bus);
void modbus_send(struct modbus *bus, enum modbus_work work);
void modbus_timer_due(struct fg_timer *timer);
void modbus_silence_due(struct fg_timer *timer);
void modbus_came(struct modbus_link *link);

/* device.c */
int modbus_device_init(struct modbus *bus, struct modbus_device *device, size_t index);
void modbus_device_fini(struct modbus_device *device);
/* Sends the round's next read; false: the round is over. */
bool modbus_round_go_on(struct modbus *bus);
/* The round ends without what it has brought. */
void modbus_round_abandon(struct modbus *bus);
void modbus_read_good(struct modbus *bus, struct fg_str data);
void modbus_read_refused(struct modbus *bus, unsigned code);
void modbus_read_failed(struct modbus *bus);

/* command.c */
int modbus_command(struct fg_source *source, struct fg_command *command);
/* Sends the next one; false: none waits. */
bool modbus_command_begin(struct modbus *bus);
void modbus_command_end(struct modbus *bus, enum fg_outcome outcome, const char *why);
