/*
 * The board's own lines: an input is a point that is true while it is active, each change of it a
 * payload; an output is a point that commands write. The kernel debounces, and keeps the edges that
 * come while there is no room here.
 *
 * Nobody repeats an edge. One that could not be kept stays here and the rest in the kernel, until
 * there is room again; what the kernel had no room for is counted as an overrun.
 */
#include <fg/buf.h>

#include "gpio.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { EDGES_PER_TURN = 32 };	/* of a line; then the others have their turn */

void gpio_fault(struct gpio *gpio, const struct gpio_line *line, int error, const char *what)
{
	if (!gpio->faulted)
		fg_log(&gpio->source->logger, FG_DEBUG, what, "point=%s line=%s", line->point,
		       line->conf->line);
	gpio->faulted = true;
	fg_source_fault(gpio->source, error, what);
}

static bool payload_submit(struct gpio *gpio, struct fg_buf *payload)
{
	const struct fg_input input = {
		.address = fg_str_c(gpio->conf->device),
		.payload = fg_buf_view(payload),
		.content_format = -1,
	};
	uint64_t unused;

	return fg_source_submit(gpio->source, &input, &unused) != -EAGAIN;
}

bool gpio_submit(struct gpio *gpio, const struct gpio_line *line, bool on)
{
	struct fg_buf payload;
	bool taken;

	fg_buf_init(&payload, 256);
	fg_buf_printf(&payload, "{\"%s\":%s}", line->point, on ? "true" : "false");
	taken = !payload.failed && payload_submit(gpio, &payload);
	fg_buf_fini(&payload);
	return taken;
}

/* -- inputs -- */

static void overruns_count(struct gpio *gpio, uint32_t missed)
{
	/* more than the kernel can count at once is a line whose numbers began anew */
	for (uint32_t i = 0; i < missed && i < UINT16_MAX; i++)
		fg_source_reject(gpio->source, "overrun", FG_STR(""));
}

/* True while what is held has to wait. */
static bool held_waits(struct gpio_line *line)
{
	if (line->held && !line->gpio->paused && gpio_submit(line->gpio, line, line->held_on))
		line->held = false;
	return line->held;
}

static void line_read(struct gpio_line *line)
{
	struct gpio *gpio = line->gpio;

	for (int i = 0; i < EDGES_PER_TURN && !gpio->faulted && !gpio->paused; i++) {
		struct fg_gpio_edge edge;
		int r;

		if (held_waits(line))
			return;
		r = fg_gpio_next(line->fd, &line->seen, &edge);
		if (r == -EAGAIN)
			return;
		if (r < 0) {
			gpio_fault(gpio, line, r, "the line is gone");
			return;
		}
		overruns_count(gpio, edge.missed);
		line->held = true;
		line->held_on = edge.on;
	}
	(void)held_waits(line);
}

static void line_ready(struct fg_io *io, unsigned events)
{
	struct gpio_line *line = (struct gpio_line *)((char *)io - offsetof(struct gpio_line, io));

	if (events & FG_READ)
		line_read(line);
	if (events & FG_HANGUP && !line->gpio->faulted)
		gpio_fault(line->gpio, line, -ENODEV, "the line is gone");
}

static int line_watch(struct gpio_line *line, bool fresh)
{
	return fg_io_sync(&line->io, line->fd, line->gpio->paused ? 0 : FG_READ, fresh);
}

/* -- all lines at once -- */

static int state_put(struct gpio *gpio, struct fg_buf *payload)
{
	for (size_t i = 0; i < gpio->nlines; i++) {
		const struct gpio_line *line = &gpio->lines[i];
		int on = line->held ? line->held_on : fg_gpio_get(line->fd);

		if (on < 0) {
			gpio_fault(gpio, line, on, "the line is gone");
			return on;
		}
		fg_buf_printf(payload, "%c\"%s\":%s", i ? ',' : '{', line->point,
			      on ? "true" : "false");
	}
	fg_buf_char(payload, '}');
	return 0;
}

/* What there is no room for is told the next time: it is the state of then that counts. */
static int state_submit(struct gpio *gpio)
{
	struct fg_buf payload;
	int r;

	fg_buf_init(&payload, 8u << 10);
	r = state_put(gpio, &payload);
	if (r == 0 && payload.failed)
		r = -ENOMEM;
	if (r == 0 && !payload_submit(gpio, &payload))
		r = -EAGAIN;
	fg_buf_fini(&payload);
	return r;
}

static void refresh_due(struct fg_timer *timer)
{
	struct gpio *gpio = (struct gpio *)((char *)timer - offsetof(struct gpio, refresh));

	if (!gpio->paused && !gpio->faulted)
		(void)state_submit(gpio);
	(void)fg_timer_start(timer, (uint64_t)gpio->conf->refresh_ns);
}

/* -- the driver -- */

static int line_open(struct gpio *gpio, struct gpio_line *line, int chip)
{
	struct fg_gpio_line how = line->conf->how;
	uint32_t number;
	int r = fg_gpio_line_find(chip, line->conf->line, &number);

	if (r < 0) {
		gpio_fault(gpio, line, r, "the chip has no such line");
		return r;
	}
	how.output = line->conf->output;
	how.active_low = line->conf->active_low;
	how.keep = line->conf->initial == GPIO_INITIAL_KEEP;
	how.on = line->conf->initial == GPIO_INITIAL_ON;
	r = fg_gpio_line_open(chip, number, &how);
	if (r < 0) {
		gpio_fault(gpio, line, r, "the line cannot be taken");
		return r;
	}
	line->fd = r;
	return line->conf->output ? 0 : line_watch(line, true);
}

static int lines_open(struct gpio *gpio)
{
	const struct gpio_line_conf *conf = gpio->conf->lines.items;
	int chip = fg_gpio_chip_open(gpio->conf->chip);
	int r = 0;

	if (chip < 0)
		return chip;
	for (size_t i = 0; i < gpio->conf->lines.count && r == 0; i++) {
		struct gpio_line *line = &gpio->lines[gpio->nlines++];

		*line = (struct gpio_line){
			.gpio = gpio,
			.conf = &conf[i],
			.point = gpio->conf->lines.names[i],
			.fd = -1,
		};
		fg_io_init(gpio->source->loop, &line->io, line_ready);
		r = line_open(gpio, line, chip);
	}
	close(chip);
	return r;
}

static int gpio_open(struct fg_source *source)
{
	struct gpio *gpio = source->state;
	int r;

	gpio->source = source;
	gpio->conf = source->conf;
	fg_timer_init(source->loop, &gpio->refresh, refresh_due);
	gpio->lines = calloc(gpio->conf->lines.count, sizeof(*gpio->lines));
	if (!gpio->lines)
		return -ENOMEM;
	r = lines_open(gpio);
	if (r < 0)
		return r;
	fg_source_up(source);
	/* a change while nobody looked shows in the state that is found */
	r = state_submit(gpio);
	if (r < 0 && r != -EAGAIN)
		return r;
	return gpio->conf->refresh_ns > 0 ?
		       fg_timer_start(&gpio->refresh, (uint64_t)gpio->conf->refresh_ns) :
		       0;
}

static void gpio_closed(struct fg_handle *handle)
{
	struct gpio *gpio = (struct gpio *)((char *)handle - offsetof(struct gpio, refresh.handle));

	for (size_t i = 0; i < gpio->nlines; i++)
		if (gpio->lines[i].fd >= 0)
			close(gpio->lines[i].fd);
	free(gpio->lines);
	gpio->lines = NULL;
	gpio->nlines = 0;
	fg_source_closed(gpio->source);
}

static void gpio_close(struct fg_source *source)
{
	struct gpio *gpio = source->state;

	gpio->faulted = true;
	for (size_t i = 0; i < gpio->nlines; i++) {
		if (gpio->lines[i].held)
			overruns_count(gpio, 1);
		fg_handle_close(&gpio->lines[i].io.handle, NULL);
	}
	/* last: its end is that of all */
	fg_handle_close(&gpio->refresh.handle, gpio_closed);
}

static void lines_watch(struct gpio *gpio)
{
	for (size_t i = 0; i < gpio->nlines && !gpio->faulted; i++)
		if (!gpio->lines[i].conf->output)
			(void)line_watch(&gpio->lines[i], false);
}

static void gpio_pause(struct fg_source *source)
{
	struct gpio *gpio = source->state;

	gpio->paused = true;
	lines_watch(gpio);
}

static void gpio_resume(struct fg_source *source)
{
	struct gpio *gpio = source->state;

	gpio->paused = false;
	lines_watch(gpio);
	for (size_t i = 0; i < gpio->nlines; i++)
		(void)held_waits(&gpio->lines[i]);
}

static void gpio_kept(struct fg_source *source, uint64_t upto)
{
	(void)source;
	(void)upto;
}

static const char *gpio_profile_of(const void *conf, struct fg_str device)
{
	const struct gpio_conf *gpio = conf;

	return fg_str_eq_c(device, gpio->device) ? gpio->profile : NULL;
}

static void gpio_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	const struct gpio_conf *c = conf;

	(void)terms;
	cost->memory += (uint64_t)c->lines.count * 512 + (16u << 10);
	cost->descriptors += 1 + c->lines.count;
}

const struct fg_driver fg_driver_gpio = {
	.name = "gpio",
	.summary = "The board's own lines: inputs as points, outputs as commands.",
	.address = FG_ADDRESS_DEVICE,
	.conf_size = sizeof(struct gpio_conf),
	.state_size = sizeof(struct gpio),
	.options = gpio_options,
	.cost = gpio_cost,
	.check = gpio_conf_check,
	.profile_of = gpio_profile_of,
	.ops = {
		.open = gpio_open,
		.close = gpio_close,
		.pause = gpio_pause,
		.resume = gpio_resume,
		.kept = gpio_kept,
		.command = gpio_command,
	},
};
