/* Commands: an output is set, and what it is then becomes a record. */
#include <fg/command.h>

#include "gpio.h"

#include <errno.h>

static struct gpio_line *line_find(struct gpio *gpio, struct fg_str point)
{
	for (size_t i = 0; i < gpio->nlines; i++)
		if (fg_str_eq_c(point, gpio->lines[i].point))
			return &gpio->lines[i];
	return NULL;
}

/* True and false, or 1 and 0. */
static int value_on(const struct fg_value *value, bool *ret_on)
{
	if (value->kind == FG_BOOL) {
		*ret_on = value->b;
		return 0;
	}
	if (value->kind != FG_INT || (value->i != 0 && value->i != 1))
		return -EINVAL;
	*ret_on = value->i == 1;
	return 0;
}

static const char *refusal(const struct gpio_line *line, const struct fg_value *value, bool *ret_on)
{
	if (!line)
		return "there is no such line";
	if (!line->conf->output)
		return "this line is an input";
	if (value_on(value, ret_on) < 0)
		return "a line is true or false";
	return NULL;
}

int gpio_command(struct fg_source *source, struct fg_command *command)
{
	struct gpio *gpio = source->state;
	struct gpio_line *line = line_find(gpio, command->point);
	const char *why;
	bool on = false;
	int r;

	if (gpio->faulted)
		return -EAGAIN;
	why = refusal(line, &command->value, &on);
	if (why) {
		fg_command_done(command, FG_OUTCOME_REFUSED, why);
		return 0;
	}
	r = fg_gpio_set(line->fd, on);
	if (r < 0) {
		gpio_fault(gpio, line, r, "the line is gone");
		return -EAGAIN;
	}
	/* what there is no room for is in the next refresh */
	(void)gpio_submit(gpio, line, on);
	fg_command_done(command, FG_OUTCOME_DONE, NULL);
	return 0;
}
