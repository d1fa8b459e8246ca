/*
 * GPIO lines through the kernel's character device (linux/gpio.h, version 2 of its interface, Linux
 * 5.10 and later). The library for it has two incompatible interfaces in the systems this runs on,
 * and the older cannot debounce; the kernel's own is the same everywhere, in 32 bits too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fg_gpio_bias { FG_GPIO_AS_IS, FG_GPIO_PULL_UP, FG_GPIO_PULL_DOWN, FG_GPIO_NO_BIAS };
enum fg_gpio_edges { FG_GPIO_BOTH, FG_GPIO_RISING, FG_GPIO_FALLING };
enum fg_gpio_drive { FG_GPIO_PUSH_PULL, FG_GPIO_OPEN_DRAIN, FG_GPIO_OPEN_SOURCE };

struct fg_gpio_line {
	bool output, active_low;
	int bias;			/* enum fg_gpio_bias */
	int edges;			/* enum fg_gpio_edges, of an input */
	int drive;			/* enum fg_gpio_drive, of an output */
	int64_t debounce_ns;		/* of an input; whole microseconds count */
	/* of an output: the level it begins with; false for `keep`: what it has */
	bool keep, on;
};

/* Opens a chip by its path, or by its label where `name` does not begin with '/'. A descriptor;
 * -ENOENT, -ENOTTY: it is no such chip, or what open says. */
int fg_gpio_chip_open(const char *name);

/* The number of a line: decimal text is that, other text is looked for among the lines' names.
 * -ENOENT. */
int fg_gpio_line_find(int chip, const char *text, uint32_t *ret_line);

/* Takes a line for us alone. A descriptor that does not block, which outlives the chip's; -EBUSY:
 * somebody has it, -EINVAL: the chip does not do what is asked. */
int fg_gpio_line_open(int chip, uint32_t line, const struct fg_gpio_line *conf);

/* 0 or 1 (true is active), or -errno. */
int fg_gpio_get(int fd);
int fg_gpio_set(int fd, bool on);

struct fg_gpio_edge {
	bool on;		/* what it is after the edge */
	uint32_t missed;	/* edges before this one that the kernel had no room for */
};

/* The next edge of an input. 0, -EAGAIN: there is none, or -errno: the line is gone. `*seen` is the
 * caller's memory of the last one's number, 0 at first. */
int fg_gpio_next(int fd, uint32_t *seen, struct fg_gpio_edge *ret_edge);
