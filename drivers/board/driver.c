/*
 * The board itself as a device: now and then a look at what the kernel tells of it, as one payload.
 * A worker looks, since some of those files ask the hardware.
 */
#include <fg/driver.h>

#include "sample.h"

#include <errno.h>
#include <stdio.h>

#define SECOND 1000000000ll
#define SAMPLE_MAX (16u << 10)

struct board_conf {
	const char *device;
	const char *profile;
	const char *sys;
	int64_t interval_ns;
};

struct board {
	struct fg_source *source;
	const struct board_conf *conf;
	struct fg_timer timer;
	struct fg_work work;
	struct fg_buf sample;		/* the worker's, while it looks */
	bool looking, paused, closing;
};

static int path_check(const char *path, char *why, size_t cap)
{
	if (path[0] == '/')
		return 0;
	snprintf(why, cap, "expected a path that begins with /");
	return -EINVAL;
}

static const struct fg_option board_options[] = {
	{ .name = "device", .type = FG_OPT_STRING, .offset = offsetof(struct board_conf, device),
	  .def = "board", .min = 1, .max = 256, .help = "The device that these are points of." },
	{ .name = "points", .type = FG_OPT_STRING, .offset = offsetof(struct board_conf, profile),
	  .def = "board", .min = 1, .flags = FG_OPT_PROFILE,
	  .help = "Profile with the points' units and report policies." },
	{ .name = "interval", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct board_conf, interval_ns), .def = "60s", .min = SECOND / 10,
	  .max = 86400 * SECOND, .help = "Time from one look to the next." },
	{ .name = "sys", .type = FG_OPT_STRING, .offset = offsetof(struct board_conf, sys),
	  .def = "/sys", .min = 1, .max = 200, .check = path_check,
	  .help = "Where sysfs is; elsewhere in a container." },
	{ 0 },
};

/* On a worker. */
static void look(struct fg_work *work)
{
	struct board *board = (struct board *)((char *)work - offsetof(struct board, work));

	board_sample(board->conf->sys, &board->sample);
}

static void board_end(struct board *board)
{
	fg_buf_fini(&board->sample);
	fg_source_closed(board->source);
}

static void looked(struct fg_work *work)
{
	struct board *board = (struct board *)((char *)work - offsetof(struct board, work));
	const struct fg_input input = {
		.address = fg_str_c(board->conf->device),
		.payload = fg_buf_view(&board->sample),
		.content_format = -1,
	};
	uint64_t unused;

	board->looking = false;
	if (board->closing) {
		board_end(board);
		return;
	}
	/* what there is no room for is looked at again */
	if (!board->sample.failed && !board->paused)
		(void)fg_source_submit(board->source, &input, &unused);
}

static void board_look(struct board *board)
{
	fg_buf_reset(&board->sample);
	board->looking = fg_loop_work(board->source->loop, &board->work) == 0;
}

static void look_due(struct fg_timer *timer)
{
	struct board *board = (struct board *)((char *)timer - offsetof(struct board, timer));

	if (!board->looking && !board->paused)
		board_look(board);
	(void)fg_timer_start(timer, (uint64_t)board->conf->interval_ns);
}

static int board_open(struct fg_source *source)
{
	struct board *board = source->state;

	board->source = source;
	board->conf = source->conf;
	board->work = (struct fg_work){ .work = look, .done = looked };
	fg_buf_init(&board->sample, SAMPLE_MAX);
	fg_timer_init(source->loop, &board->timer, look_due);
	fg_source_up(source);
	board_look(board);
	return fg_timer_start(&board->timer, (uint64_t)board->conf->interval_ns);
}

static void board_closed(struct fg_handle *handle)
{
	struct board *board =
		(struct board *)((char *)handle - offsetof(struct board, timer.handle));

	board->closing = true;
	if (!board->looking)
		board_end(board);
}

static void board_close(struct fg_source *source)
{
	struct board *board = source->state;

	board->paused = true;
	fg_handle_close(&board->timer.handle, board_closed);
}

static void board_pause(struct fg_source *source)
{
	((struct board *)source->state)->paused = true;
}

static void board_resume(struct fg_source *source)
{
	((struct board *)source->state)->paused = false;
}

static void board_kept(struct fg_source *source, uint64_t upto)
{
	(void)source;
	(void)upto;
}

static const char *board_profile_of(const void *conf, struct fg_str device)
{
	const struct board_conf *board = conf;

	return fg_str_eq_c(device, board->device) ? board->profile : NULL;
}

static void board_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	(void)conf;
	(void)terms;
	cost->memory += 64u << 10;
	/* a folder and a file in it, while it looks */
	cost->descriptors += 2;
}

const struct fg_driver fg_driver_board = {
	.name = "board",
	.summary = "The board's own state: heat, throttling, supply, clocks, wear of its storage.",
	.address = FG_ADDRESS_DEVICE,
	.conf_size = sizeof(struct board_conf),
	.state_size = sizeof(struct board),
	.options = board_options,
	.cost = board_cost,
	.profile_of = board_profile_of,
	.ops = {
		.open = board_open,
		.close = board_close,
		.pause = board_pause,
		.resume = board_resume,
		.kept = board_kept,
	},
};
