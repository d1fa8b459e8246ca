/* What the files of the driver share. */
#pragma once

#include <fg/driver.h>

#include "adapt/gpiochip.h"

#define GPIO_LINES_MAX 64

enum gpio_initial { GPIO_INITIAL_KEEP, GPIO_INITIAL_OFF, GPIO_INITIAL_ON };

struct gpio_line_conf {
	const char *line;		/* number on the chip, or name */
	int output, active_low;		/* as 0 and 1 */
	int initial;			/* enum gpio_initial */
	struct fg_gpio_line how;	/* all but what stands above */
};

struct gpio_conf {
	const char *chip;		/* path, or label */
	const char *device;
	const char *profile;		/* for what it has to say of the points */
	struct fg_map lines;		/* point -> struct gpio_line_conf */
	int64_t refresh_ns;		/* 0: only what changes */
};

extern const struct fg_option gpio_options[];
void gpio_conf_check(const void *conf, struct fg_faults *);

struct gpio;

struct gpio_line {
	struct fg_io io;		/* of an input */
	struct gpio *gpio;
	const struct gpio_line_conf *conf;
	const char *point;
	int fd;
	uint32_t seen;			/* number of the last edge */
	bool held, held_on;		/* an edge that there was no room for yet */
};

struct gpio {
	struct fg_source *source;
	const struct gpio_conf *conf;
	struct gpio_line *lines;
	size_t nlines;
	struct fg_timer refresh;
	bool paused, faulted;
};

/* One point's value as a payload of its own. False: there was no room. */
bool gpio_submit(struct gpio *, const struct gpio_line *, bool on);
/* The driver's fault: closed and opened anew. */
void gpio_fault(struct gpio *, const struct gpio_line *, int error, const char *what);

int gpio_command(struct fg_source *, struct fg_command *);
