/* The options of the driver. */
#pragma once

#include <fg/option.h>

#include "adapt/tty.h"

struct fg_faults;

struct modbus_device_conf {
	int64_t unit;
	const char *profile;
	int64_t interval_ns;	/* 0: the driver's */
};

struct modbus_conf {
	const char *url, *port;	/* one of them */
	int baud;		/* a Bxxx constant */
	const char *mode;
	struct fg_tty_rs485 rs485;
	int64_t timeout_ns, interval_ns;
	int64_t gap_ns;		/* 0: what the line asks for */
	int64_t retries;
	struct fg_map devices;	/* of struct modbus_device_conf */
};

extern const struct fg_option modbus_options[];
void modbus_conf_check(const void *conf, struct fg_faults *faults);

/* HOST and SERVICE of a "tcp://" URL. 0, or -EINVAL. */
enum { MODBUS_HOST_MAX = 256, MODBUS_SERVICE_MAX = 8 };
int modbus_url_parse(const char *url, char *host, char *service);

/* NULL: no device of that name. */
const struct modbus_device_conf *modbus_device_find(const struct modbus_conf *conf,
						    const char *name, size_t len);
