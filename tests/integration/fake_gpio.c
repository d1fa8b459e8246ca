/*
 * A GPIO chip of the test's own, put before the C library by LD_PRELOAD: FAKE_GPIO is a folder. Its
 * file "chip" is the chip (its lines: 8, line 7 is named GPIO7, line 6 is taken by somebody). Of
 * line N, "N.level" is its level, "N.config" what was asked of it last, and "N.edges" a FIFO from
 * which its events are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINES = 8, FDS = 1024 };

struct line {
	int number;		/* plus one; 0: this descriptor is none of ours */
	int active_low;
};

static struct line *line_of(int fd)
{
	static struct line lines[FDS];

	return fd >= 0 && fd < FDS ? &lines[fd] : NULL;
}

static int file_of(int number, const char *what, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%d.%s", getenv("FAKE_GPIO"), number, what);
	return open(path, flags | O_CLOEXEC, 0600);
}

static int level_get(int number)
{
	int fd = file_of(number, "level", O_RDONLY);
	char c = '0';

	if (fd >= 0) {
		(void)!read(fd, &c, 1);
		close(fd);
	}
	return c == '1';
}

static void level_set(int number, int level)
{
	int fd = file_of(number, "level", O_WRONLY | O_CREAT | O_TRUNC);

	(void)!write(fd, level ? "1" : "0", 1);
	close(fd);
}

static void config_note(int number, const struct gpio_v2_line_config *config)
{
	int fd = file_of(number, "config", O_WRONLY | O_CREAT | O_APPEND);

	dprintf(fd, "%llx", (unsigned long long)config->flags);
	if (config->num_attrs && config->attrs[0].attr.id == GPIO_V2_LINE_ATTR_ID_DEBOUNCE)
		dprintf(fd, " debounce=%u", config->attrs[0].attr.debounce_period_us);
	dprintf(fd, "\n");
	close(fd);
}

static void line_configure(struct line *line, const struct gpio_v2_line_config *config)
{
	int number = line->number - 1;

	line->active_low = !!(config->flags & GPIO_V2_LINE_FLAG_ACTIVE_LOW);
	config_note(number, config);
	if (config->flags & GPIO_V2_LINE_FLAG_OUTPUT)
		level_set(number, (int)(config->attrs[0].attr.values & 1) ^ line->active_low);
}

static int line_request(struct gpio_v2_line_request *request)
{
	int number = (int)request->offsets[0];
	struct line *line;

	if (number == 6) {
		errno = EBUSY;
		return -1;
	}
	request->fd = file_of(number, "edges", O_RDWR);
	line = line_of(request->fd);
	if (!line)
		return -1;
	line->number = number + 1;
	line_configure(line, &request->config);
	return 0;
}

static int line_ask(struct line *line, unsigned long op, void *arg)
{
	struct gpio_v2_line_values *values = arg;
	int number = line->number - 1;

	if (op == GPIO_V2_LINE_SET_CONFIG_IOCTL) {
		line_configure(line, arg);
	} else if (op == GPIO_V2_LINE_GET_VALUES_IOCTL) {
		values->bits = (uint64_t)(level_get(number) ^ line->active_low);
	} else if (op == GPIO_V2_LINE_SET_VALUES_IOCTL) {
		level_set(number, (int)(values->bits & 1) ^ line->active_low);
	} else {
		errno = ENOTTY;
		return -1;
	}
	return 0;
}

static int info_fill(struct gpio_v2_line_info *info)
{
	if (info->offset >= LINES) {
		errno = EINVAL;
		return -1;
	}
	if (info->offset == 7)
		snprintf(info->name, sizeof(info->name), "GPIO7");
	return 0;
}

int ioctl(int fd, unsigned long op, ...)
{
	struct line *line = line_of(fd);
	va_list args;
	void *arg;

	va_start(args, op);
	arg = va_arg(args, void *);
	va_end(args);
	if (op == GPIO_GET_CHIPINFO_IOCTL) {
		*(struct gpiochip_info *)arg =
			(struct gpiochip_info){ .label = "fake-chip", .lines = LINES };
		return 0;
	}
	if (op == GPIO_V2_GET_LINEINFO_IOCTL)
		return info_fill(arg);
	if (op == GPIO_V2_GET_LINE_IOCTL)
		return line_request(arg);
	if (line && line->number)
		return line_ask(line, op, arg);
	return (int)syscall(SYS_ioctl, fd, op, arg);
}

int close(int fd)
{
	struct line *line = line_of(fd);

	if (line)
		line->number = 0;
	return (int)syscall(SYS_close, fd);
}
