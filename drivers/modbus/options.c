/* The driver's options, one row each, and what they must be together. */
#include <fg/fault.h>
#include <fg/log.h>
#include <fg/str.h>

#include "conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS 1000000ll
#define SECOND (1000 * MS)
#define DAY (86400 * SECOND)

static bool url_host(const char **at, char *host)
{
	const char *begin = *at, *end;

	if (*begin == '[') {
		end = strchr(++begin, ']');
		*at = end ? end + 1 : begin;
	} else {
		end = begin + strcspn(begin, ":/");
		*at = end;
	}
	if (!end || end == begin || end - begin >= MODBUS_HOST_MAX)
		return false;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	return true;
}

int modbus_url_parse(const char *url, char *host, char *service)
{
	unsigned port = 0;

	if (strncmp(url, "tcp://", 6) != 0)
		return -EINVAL;
	url += 6;
	if (!url_host(&url, host))
		return -EINVAL;
	if (*url == '\0') {
		snprintf(service, MODBUS_SERVICE_MAX, "502");
		return 0;
	}
	if (*url++ != ':' || *url == '\0')
		return -EINVAL;
	for (; *url >= '0' && *url <= '9' && port <= 65535; url++)
		port = port * 10 + (unsigned)(*url - '0');
	if (*url || port == 0 || port > 65535)
		return -EINVAL;
	snprintf(service, MODBUS_SERVICE_MAX, "%u", port);
	return 0;
}

static int url_check(const char *url, char *why, size_t cap)
{
	char host[MODBUS_HOST_MAX], service[MODBUS_SERVICE_MAX], quoted[80];

	if (modbus_url_parse(url, host, service) == 0)
		return 0;
	snprintf(why, cap, "%s is not tcp://HOST or tcp://HOST:PORT",
		 fg_log_quote(url, strlen(url), quoted, sizeof(quoted)));
	return -EINVAL;
}

static int device_check(const char *name, char *why, size_t cap)
{
	size_t len = strlen(name);

	if (len > 0 && len <= 256 && name[0] != '/' && name[len - 1] != '/')
		return 0;
	snprintf(why, cap, "expected the name of a device, of 1 to 256 bytes");
	return -EINVAL;
}

static const struct fg_option rs485_options[] = {
	{ .name = "enabled", .type = FG_OPT_BOOL, .offset = offsetof(struct fg_tty_rs485, enabled),
	  .help = "Whether the kernel's driver of the UART switches the line's direction." },
	{ .name = "rts_on_send", .type = FG_OPT_BOOL, .def = "true",
	  .offset = offsetof(struct fg_tty_rs485, rts_on_send),
	  .help = "Level of RTS while sending." },
	{ .name = "rts_after_send", .type = FG_OPT_BOOL, .def = "false",
	  .offset = offsetof(struct fg_tty_rs485, rts_after_send),
	  .help = "Level of RTS otherwise." },
	{ .name = "rx_during_tx", .type = FG_OPT_BOOL, .def = "false",
	  .offset = offsetof(struct fg_tty_rs485, rx_during_tx),
	  .help = "Whether the receiver stays on while sending." },
	{ .name = "delay_before", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_tty_rs485, delay_before_ns), .max = 100 * MS,
	  .help = "Between RTS and the first bit; whole milliseconds." },
	{ .name = "delay_after", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_tty_rs485, delay_after_ns), .max = 100 * MS,
	  .help = "Between the last bit and RTS; whole milliseconds." },
	{ 0 },
};

static const struct fg_option device_options[] = {
	{ .name = "unit", .type = FG_OPT_INT, .offset = offsetof(struct modbus_device_conf, unit),
	  .def = "1", .min = 0, .max = 255,
	  .help = "Its address: 1 to 247; over TCP 0 and 255 too." },
	{ .name = "profile", .type = FG_OPT_STRING,
	  .offset = offsetof(struct modbus_device_conf, profile),
	  .flags = FG_OPT_REQUIRED | FG_OPT_PROFILE, .min = 1,
	  .help = "Profile of the format `registers`, which says what is read." },
	{ .name = "interval", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct modbus_device_conf, interval_ns), .min = 10 * MS, .max = DAY,
	  .help = "Time from one poll to the next; the driver's if absent." },
	{ 0 },
};

const struct fg_option modbus_options[] = {
	{ .name = "url", .type = FG_OPT_STRING, .offset = offsetof(struct modbus_conf, url),
	  .check = url_check, .help = "`tcp://HOST:PORT` (502 if absent) of a Modbus TCP server." },
	{ .name = "port", .type = FG_OPT_STRING, .offset = offsetof(struct modbus_conf, port),
	  .min = 1, .max = 4095, .help = "Path of the tty of a Modbus RTU line, instead of url." },
	{ .name = "baud", .type = FG_OPT_ENUM, .offset = offsetof(struct modbus_conf, baud),
	  .choices = fg_tty_bauds, .def = "9600", .expects = "a baud rate",
	  .help = "Bits per second of the line." },
	{ .name = "mode", .type = FG_OPT_STRING, .offset = offsetof(struct modbus_conf, mode),
	  .def = "8N1", .check = fg_tty_mode_check,
	  .help = "Data bits, parity and stop bits of the line; the standard's is 8E1." },
	{ .name = "rs485", .type = FG_OPT_GROUP, .offset = offsetof(struct modbus_conf, rs485),
	  .group = rs485_options, .help = "RS-485 by the kernel's driver of the UART." },
	{ .name = "timeout", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct modbus_conf, timeout_ns), .def = "1s", .min = 10 * MS,
	  .max = 60 * SECOND, .help = "How long an answer may take to begin." },
	{ .name = "interval", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct modbus_conf, interval_ns), .def = "10s", .min = 10 * MS,
	  .max = DAY, .help = "Time from one poll of a device to the next." },
	{ .name = "gap", .type = FG_OPT_DURATION, .offset = offsetof(struct modbus_conf, gap_ns),
	  .max = 10 * SECOND,
	  .help = "Pause behind an answer; the time of 3.5 characters if absent, none over TCP." },
	{ .name = "retries", .type = FG_OPT_INT, .offset = offsetof(struct modbus_conf, retries),
	  .def = "1", .min = 0, .max = 10,
	  .help = "How often a request is repeated whose answer was damaged." },
	{ .name = "devices", .type = FG_OPT_MAP, .offset = offsetof(struct modbus_conf, devices),
	  .flags = FG_OPT_REQUIRED, .group = device_options, .min = 1, .max = 1000,
	  .item_size = sizeof(struct modbus_device_conf), .check = device_check,
	  .help = "Devices by the name they have in records." },
	{ 0 },
};

void modbus_conf_check(const void *arg, struct fg_faults *faults)
{
	const struct modbus_conf *conf = arg;
	const struct modbus_device_conf *devices = conf->devices.items;

	if (!conf->url && !conf->port)
		fg_fault(faults, "", "needs a url or a port");
	if (conf->url && conf->port)
		fg_fault(faults, "/port", "has no use with a url");
	if (conf->url && conf->rs485.enabled)
		fg_fault(faults, "/rs485", "has no use with a url");
	for (size_t i = 0; !conf->url && i < conf->devices.count; i++) {
		char pointer[400];

		if (devices[i].unit >= 1 && devices[i].unit <= 247)
			continue;
		snprintf(pointer, sizeof(pointer), "/devices/%s/unit", conf->devices.names[i]);
		fg_fault(faults, pointer, "%lld is not an address on a line: 1 to 247",
			 (long long)devices[i].unit);
	}
}

const struct modbus_device_conf *modbus_device_find(const struct modbus_conf *conf,
						    const char *name, size_t len)
{
	const struct modbus_device_conf *devices = conf->devices.items;

	for (size_t i = 0; i < conf->devices.count; i++)
		if (strlen(conf->devices.names[i]) == len &&
		    memcmp(conf->devices.names[i], name, len) == 0)
			return &devices[i];
	return NULL;
}
