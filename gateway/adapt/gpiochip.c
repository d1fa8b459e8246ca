#include "adapt/gpiochip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define EDGES_HELD 64		/* by the kernel, while nobody reads */

/* -- chips -- */

static int chip_at(const char *path, struct gpiochip_info *ret_info)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	memset(ret_info, 0, sizeof(*ret_info));
	if (ioctl(fd, GPIO_GET_CHIPINFO_IOCTL, ret_info) == 0)
		return fd;
	r = errno == EINVAL ? -ENOTTY : -errno;
	close(fd);
	return r;
}

static bool label_is(const struct gpiochip_info *info, const char *label)
{
	return strncmp(info->label, label, sizeof(info->label)) == 0;
}

static int chip_labelled(const char *label)
{
	DIR *folder = opendir("/dev");
	struct dirent *entry;
	int found = -ENOENT;

	if (!folder)
		return -errno;
	while (found == -ENOENT && (entry = readdir(folder))) {
		struct gpiochip_info info;
		char path[sizeof(entry->d_name) + 8];
		int fd;

		if (strncmp(entry->d_name, "gpiochip", 8) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = chip_at(path, &info);
		if (fd >= 0 && label_is(&info, label))
			found = fd;
		else if (fd >= 0)
			close(fd);
	}
	closedir(folder);
	return found;
}

int fg_gpio_chip_open(const char *name)
{
	struct gpiochip_info info;

	return name[0] == '/' ? chip_at(name, &info) : chip_labelled(name);
}

int fg_gpio_line_find(int chip, const char *text, uint32_t *ret_line)
{
	struct gpiochip_info info = { 0 };
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (ioctl(chip, GPIO_GET_CHIPINFO_IOCTL, &info) < 0)
		return -errno;
	if (*text >= '0' && *text <= '9' && *end == '\0') {
		if (number >= info.lines)
			return -ENOENT;
		*ret_line = (uint32_t)number;
		return 0;
	}
	for (uint32_t i = 0; i < info.lines; i++) {
		struct gpio_v2_line_info line = { .offset = i };

		if (ioctl(chip, GPIO_V2_GET_LINEINFO_IOCTL, &line) < 0 ||
		    strncmp(line.name, text, sizeof(line.name)) != 0)
			continue;
		*ret_line = i;
		return 0;
	}
	return -ENOENT;
}

/* -- lines -- */

static uint64_t bias_flags(int bias)
{
	switch (bias) {
	case FG_GPIO_PULL_UP:
		return GPIO_V2_LINE_FLAG_BIAS_PULL_UP;
	case FG_GPIO_PULL_DOWN:
		return GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN;
	case FG_GPIO_NO_BIAS:
		return GPIO_V2_LINE_FLAG_BIAS_DISABLED;
	default:
		return 0;
	}
}

static uint64_t output_flags(const struct fg_gpio_line *conf)
{
	uint64_t flags = GPIO_V2_LINE_FLAG_OUTPUT;

	if (conf->drive == FG_GPIO_OPEN_DRAIN)
		flags |= GPIO_V2_LINE_FLAG_OPEN_DRAIN;
	if (conf->drive == FG_GPIO_OPEN_SOURCE)
		flags |= GPIO_V2_LINE_FLAG_OPEN_SOURCE;
	return flags;
}

static uint64_t input_flags(const struct fg_gpio_line *conf)
{
	uint64_t flags = GPIO_V2_LINE_FLAG_INPUT;

	if (conf->edges != FG_GPIO_FALLING)
		flags |= GPIO_V2_LINE_FLAG_EDGE_RISING;
	if (conf->edges != FG_GPIO_RISING)
		flags |= GPIO_V2_LINE_FLAG_EDGE_FALLING;
	return flags;
}

static struct gpio_v2_line_config line_config(const struct fg_gpio_line *conf, bool on)
{
	struct gpio_v2_line_config config = {
		.flags = bias_flags(conf->bias) |
			 (conf->output ? output_flags(conf) : input_flags(conf)),
	};

	if (conf->active_low)
		config.flags |= GPIO_V2_LINE_FLAG_ACTIVE_LOW;
	if (conf->output) {
		config.num_attrs = 1;
		config.attrs[0].mask = 1;
		config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
		config.attrs[0].attr.values = on;
	} else if (conf->debounce_ns >= 1000) {
		config.num_attrs = 1;
		config.attrs[0].mask = 1;
		config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_DEBOUNCE;
		config.attrs[0].attr.debounce_period_us = (uint32_t)(conf->debounce_ns / 1000);
	}
	return config;
}

/* The level it has now, of which only the meaning is said; then it is ours to drive, at that level:
 * a pump does not stop because the gateway begins anew. */
static int line_drive_on(int fd, const struct fg_gpio_line *conf)
{
	struct gpio_v2_line_config config;
	int now = fg_gpio_get(fd);

	if (now < 0)
		return now;
	config = line_config(conf, now);
	return ioctl(fd, GPIO_V2_LINE_SET_CONFIG_IOCTL, &config) < 0 ? -errno : 0;
}

int fg_gpio_line_open(int chip, uint32_t line, const struct fg_gpio_line *conf)
{
	bool keep = conf->output && conf->keep;
	struct gpio_v2_line_request request = {
		.offsets = { line },
		.consumer = "fieldgate",
		.num_lines = 1,
		.event_buffer_size = conf->output ? 0 : EDGES_HELD,
		.config = line_config(conf, conf->on),
	};
	int r;

	if (keep) {
		request.config = (struct gpio_v2_line_config){
			.flags = conf->active_low ? GPIO_V2_LINE_FLAG_ACTIVE_LOW : 0,
		};
	}
	if (ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &request) < 0)
		return -errno;
	r = keep ? line_drive_on(request.fd, conf) : 0;
	if (r == 0 && fcntl(request.fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r < 0)
		close(request.fd);
	return r < 0 ? r : request.fd;
}

int fg_gpio_get(int fd)
{
	struct gpio_v2_line_values values = { .mask = 1 };

	if (ioctl(fd, GPIO_V2_LINE_GET_VALUES_IOCTL, &values) < 0)
		return -errno;
	return values.bits & 1;
}

int fg_gpio_set(int fd, bool on)
{
	struct gpio_v2_line_values values = { .bits = on, .mask = 1 };

	return ioctl(fd, GPIO_V2_LINE_SET_VALUES_IOCTL, &values) < 0 ? -errno : 0;
}

int fg_gpio_next(int fd, uint32_t *seen, struct fg_gpio_edge *ret_edge)
{
	struct gpio_v2_line_event event;
	ssize_t n = read(fd, &event, sizeof(event));

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n != (ssize_t)sizeof(event))
		return -EIO;
	ret_edge->on = event.id == GPIO_V2_LINE_EVENT_RISING_EDGE;
	/* numbers begin at 1 with the line's request */
	ret_edge->missed = event.line_seqno - *seen - 1;
	*seen = event.line_seqno;
	return 0;
}
