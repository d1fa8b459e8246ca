/* The driver's options, one row each, and what they must be together. */
#include <fg/fault.h>
#include <fg/log.h>

#include "gpio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS 1000000ll
#define SECOND (1000 * MS)
#define DAY (86400 * SECOND)

static const struct fg_choice directions[] = { { "input", 0 }, { "output", 1 }, { 0 } };
static const struct fg_choice levels[] = { { "high", 0 }, { "low", 1 }, { 0 } };
static const struct fg_choice biases[] = {
	{ "as-is", FG_GPIO_AS_IS },
	{ "pull-up", FG_GPIO_PULL_UP },
	{ "pull-down", FG_GPIO_PULL_DOWN },
	{ "none", FG_GPIO_NO_BIAS },
	{ 0 },
};
static const struct fg_choice edges[] = {
	{ "both", FG_GPIO_BOTH },
	{ "on", FG_GPIO_RISING },
	{ "off", FG_GPIO_FALLING },
	{ 0 },
};
static const struct fg_choice drives[] = {
	{ "push-pull", FG_GPIO_PUSH_PULL },
	{ "open-drain", FG_GPIO_OPEN_DRAIN },
	{ "open-source", FG_GPIO_OPEN_SOURCE },
	{ 0 },
};
static const struct fg_choice initials[] = {
	{ "keep", GPIO_INITIAL_KEEP },
	{ "off", GPIO_INITIAL_OFF },
	{ "on", GPIO_INITIAL_ON },
	{ 0 },
};

/* A point's name goes into a payload and into topics as it stands. */
static int point_check(const char *name, char *why, size_t cap)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "-:._");

	if (len > 0 && len <= 64 && name[len] == '\0')
		return 0;
	snprintf(why, cap, "expected 1 to 64 of A-Z a-z 0-9 - : . _");
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

#define LINE(member) offsetof(struct gpio_line_conf, member)

static const struct fg_option line_options[] = {
	{ .name = "line", .type = FG_OPT_STRING, .offset = LINE(line), .min = 1, .max = 31,
	  .flags = FG_OPT_REQUIRED | FG_OPT_OR_NUMBER,
	  .help = "Number of the line on its chip, or its name (`GPIO17`)." },
	{ .name = "direction", .type = FG_OPT_ENUM, .offset = LINE(output), .choices = directions,
	  .def = "input", .help = "Whether it is read, or written by commands." },
	{ .name = "active", .type = FG_OPT_ENUM, .offset = LINE(active_low), .choices = levels,
	  .def = "high", .help = "The level that means true." },
	{ .name = "bias", .type = FG_OPT_ENUM, .offset = LINE(how.bias), .choices = biases,
	  .def = "as-is", .help = "The resistor inside the chip." },
	{ .name = "edge", .type = FG_OPT_ENUM, .offset = LINE(how.edges), .choices = edges,
	  .def = "both", .help = "Which changes of an input are records." },
	{ .name = "debounce", .type = FG_OPT_DURATION, .offset = LINE(how.debounce_ns),
	  .max = 10 * SECOND,
	  .help = "How long an input must be quiet before its change counts." },
	{ .name = "drive", .type = FG_OPT_ENUM, .offset = LINE(how.drive), .choices = drives,
	  .def = "push-pull", .help = "How an output is driven." },
	{ .name = "initial", .type = FG_OPT_ENUM, .offset = LINE(initial), .choices = initials,
	  .def = "keep", .help = "What an output is when it is opened; `keep`: what it was." },
	{ 0 },
};

const struct fg_option gpio_options[] = {
	{ .name = "chip", .type = FG_OPT_STRING, .offset = offsetof(struct gpio_conf, chip),
	  .min = 1, .max = 255, .def = "/dev/gpiochip0",
	  .help = "Path of the chip, or its label (`pinctrl-bcm2711`), which stays as it is." },
	{ .name = "device", .type = FG_OPT_STRING, .offset = offsetof(struct gpio_conf, device),
	  .def = "gpio", .check = device_check,
	  .help = "The device that the lines are points of." },
	{ .name = "points", .type = FG_OPT_STRING, .offset = offsetof(struct gpio_conf, profile),
	  .def = "gpio", .min = 1, .flags = FG_OPT_PROFILE,
	  .help = "Profile with the points' units and report policies, and what is writable." },
	{ .name = "lines", .type = FG_OPT_MAP, .offset = offsetof(struct gpio_conf, lines),
	  .group = line_options, .item_size = sizeof(struct gpio_line_conf), .min = 1,
	  .max = GPIO_LINES_MAX, .flags = FG_OPT_REQUIRED, .check = point_check,
	  .help = "The lines, by the names of their points." },
	{ .name = "refresh", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct gpio_conf, refresh_ns), .min = 0, .max = DAY,
	  .help = "How often the state of every line is told though it has not changed; never "
		  "if absent." },
	{ 0 },
};

static void line_check(const char *point, const struct gpio_line_conf *line,
		       struct fg_faults *faults)
{
	char pointer[100];

	snprintf(pointer, sizeof(pointer), "/lines/%s", point);
	if (line->output && line->how.debounce_ns > 0)
		fg_fault(faults, pointer, "debounce is for an input");
	if (line->output && line->how.edges != FG_GPIO_BOTH)
		fg_fault(faults, pointer, "edge is for an input");
	if (!line->output && line->how.drive != FG_GPIO_PUSH_PULL)
		fg_fault(faults, pointer, "drive is for an output");
	if (!line->output && line->initial != GPIO_INITIAL_KEEP)
		fg_fault(faults, pointer, "initial is for an output");
}

void gpio_conf_check(const void *conf, struct fg_faults *faults)
{
	const struct gpio_conf *gpio = conf;
	const struct gpio_line_conf *lines = gpio->lines.items;

	for (size_t i = 0; i < gpio->lines.count; i++) {
		line_check(gpio->lines.names[i], &lines[i], faults);
		for (size_t j = 0; j < i; j++) {
			char pointer[100];

			if (strcmp(lines[i].line, lines[j].line) != 0)
				continue;
			snprintf(pointer, sizeof(pointer), "/lines/%s/line", gpio->lines.names[i]);
			fg_fault(faults, pointer, "line %s is '%s' already", lines[i].line,
				 gpio->lines.names[j]);
		}
	}
}
