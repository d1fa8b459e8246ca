/*
 * Bridge to a file: a pack a line, rotated by size; or to stdout ("-").
 *
 * A pack counts as acknowledged when it is on the disk, not when it is in the kernel's cache:
 * what the spool frees must be kept somewhere. One sync, on a worker, covers all packs written
 * before it; it starts when the window is full, else within a second, so that an idle file costs
 * no writes.
 */
#include "file.h"

#include <fg/bridge.h>
#include <fg/fault.h>
#include <fg/lines.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct fg_option rotate_options[] = {
	{ .name = "size",
	  .type = FG_OPT_SIZE,
	  .offset = offsetof(struct file_rotate, size),
	  .def = "16MiB",
	  .min = 4096,
	  .max = INT64_C(1) << 40,
	  .help = "a file that would grow beyond this is put aside as PATH.1" },
	{ .name = "keep",
	  .type = FG_OPT_INT,
	  .offset = offsetof(struct file_rotate, keep),
	  .def = "4",
	  .min = 0,
	  .max = 1000,
	  .help = "how many files put aside are kept" },
	{ 0 },
};

static int path_check(const char *text, char *why, size_t cap)
{
	if (*text)
		return 0;
	snprintf(why, cap, "expected a file's path, or - for stdout");
	return -EINVAL;
}

static const struct fg_option file_options[] = {
	{ .name = "path",
	  .type = FG_OPT_STRING,
	  .offset = offsetof(struct file_conf, path),
	  .def = "-",
	  .check = path_check,
	  .help = "the file, or - for stdout" },
	{ .name = "rotate",
	  .type = FG_OPT_GROUP,
	  .offset = offsetof(struct file_conf, rotate),
	  .group = rotate_options,
	  .help = "when the file is put aside" },
	{ 0 },
};

static struct file_state *state_of(struct fg_sink *sink)
{
	return sink->state;
}

static void report_synced(struct fg_sink *sink, int error)
{
	struct file_state *st = state_of(sink);
	uint32_t n = st->syncing;

	st->syncing = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct fg_batch *batch = st->written[i];

		fg_sink_done(sink, batch, error, NULL);
	}
	st->nwritten -= n;
	memmove(st->written, st->written + n, st->nwritten * sizeof(st->written[0]));
}

static void closed_part(struct fg_handle *handle)
{
	struct file_state *st =
		(struct file_state *)((char *)handle - offsetof(struct file_state, io));

	free(st->written);
	st->written = NULL;
	fg_sink_closed(st->sink);
}

static void finish_close(struct fg_sink *sink)
{
	struct file_state *st = state_of(sink);

	if (st->fd >= 0)
		close(st->fd);
	if (st->dir_fd >= 0)
		close(st->dir_fd);
	st->fd = st->dir_fd = -1;
	fg_handle_close(&st->timer.handle, NULL);
	fg_handle_close(&st->io.handle, closed_part);
}

static void on_sync_done(struct fg_work *work)
{
	struct file_state *st =
		(struct file_state *)((char *)work - offsetof(struct file_state, work));
	int error = st->sync_error;

	st->sync_running = false;
	if (st->opening && error == 0 && !st->closing)
		fg_sink_up(st->sink);
	st->opening = false;
	if (error < 0) {
		/* What the kernel could not write it may have thrown away: a later sync that
		 * works says nothing about it. It is sent again. */
		st->nwritten = 0;
		fg_sink_fault(st->sink, error, "cannot sync the file");
	} else {
		report_synced(st->sink, 0);
	}
	st->syncing = 0;
	if (st->closing)
		finish_close(st->sink);
	else
		fg_sink_ready(st->sink);
}

/* What was torn (by a crash in the middle of a write, or by a power cut) was never acknowledged: it
 * comes again. Packs in CBOR are no lines: there a line feed means nothing, and nothing is cut. */
static int cut_torn_line(struct file_state *st)
{
	char first = '[';

	if (pread(st->fd, &first, 1, 0) == 1 && first != '[' && first != '\0')
		return 0;
	return fg_lines_mend(st->fd, 2 * st->sink->window, &st->size);
}

static void sync_work(struct fg_work *work)
{
	struct file_state *st =
		(struct file_state *)((char *)work - offsetof(struct file_state, work));

	st->sync_error = st->opening ? cut_torn_line(st) : 0;
	if (st->sync_error < 0)
		return;
	if (fdatasync(st->fd) < 0)
		st->sync_error = -errno;
	/* A new file's name is on the disk only after its folder was synced. */
	else if (st->dir_fd >= 0 && st->fresh && fsync(st->dir_fd) < 0)
		st->sync_error = -errno;
	else
		st->fresh = false;
}

static void start_sync(struct fg_sink *sink)
{
	struct file_state *st = state_of(sink);
	int r;

	if (st->sync_running || (st->nwritten == 0 && !st->opening))
		return;
	fg_timer_stop(&st->timer);
	st->syncing = st->nwritten;
	st->sync_running = true;
	st->work.work = sync_work;
	st->work.done = on_sync_done;
	r = fg_loop_work(sink->loop, &st->work);
	if (r < 0) {
		st->sync_running = false;
		st->syncing = 0;
		fg_sink_fault(sink, r, "cannot sync the file");
	}
}

static void on_timer(struct fg_timer *timer)
{
	struct file_state *st =
		(struct file_state *)((char *)timer - offsetof(struct file_state, timer));

	start_sync(st->sink);
}

static int open_dir_of(const char *path)
{
	char dir[4096];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	if (len >= sizeof(dir))
		return -1;
	memcpy(dir, path, len);
	dir[len] = '\0';
	return open(len ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_file(struct fg_sink *sink)
{
	const struct file_conf *conf = sink->conf;
	struct file_state *st = state_of(sink);
	struct stat status;

	st->fd = open(conf->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
	if (st->fd < 0 || fstat(st->fd, &status) < 0)
		return -errno;
	st->regular = S_ISREG(status.st_mode);
	st->size = 0;
	if (!st->regular)
		return 0;
	st->dir_fd = open_dir_of(conf->path);
	st->fresh = true;
	st->size = status.st_size;
	return 0;
}

/* Its own open file where that is possible, so that not blocking is not forced upon others. */
static int open_stdout(struct file_state *st)
{
	/* what main() has put into its place could be written when it is opened anew */
	if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	st->fd = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
	if (st->fd < 0)
		st->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return st->fd < 0 ? -errno : 0;
}

static int file_rotate(struct fg_sink *sink)
{
	const struct file_conf *conf = sink->conf;
	struct file_state *st = state_of(sink);
	char from[4096], to[4096];

	for (int64_t i = conf->rotate.keep; i > 0; i--) {
		int n = i > 1 ? snprintf(from, sizeof(from), "%s.%lld", conf->path,
					 (long long)i - 1) :
				snprintf(from, sizeof(from), "%s", conf->path);

		if (n >= (int)sizeof(from) || snprintf(to, sizeof(to), "%s.%lld", conf->path,
						       (long long)i) >= (int)sizeof(to))
			return -ENAMETOOLONG;
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	if (conf->rotate.keep == 0 && unlink(conf->path) < 0 && errno != ENOENT)
		return -errno;
	close(st->fd);
	if (st->dir_fd >= 0)
		close(st->dir_fd);
	st->dir_fd = -1;
	return open_file(sink);
}

static void rest_drop(struct fg_sink *sink)
{
	struct file_rest *rest = sink->keep;

	free(rest->text);
	*rest = (struct file_rest){ .text = NULL };
}

/* The part of a line that stdout did not take yet. */
static int write_rest(struct fg_sink *sink)
{
	struct file_state *st = state_of(sink);

	while (st->writing) {
		const struct fg_str *text = &st->line;
		struct iovec parts[2] = {
			{ (void *)(uintptr_t)(text->ptr + st->offset), text->len - st->offset },
			{ (void *)(uintptr_t)"\n", 1 },
		};
		struct iovec *first = parts;
		ssize_t n;

		if (st->offset >= text->len)
			first++;
		n = writev(st->fd, first, (int)(parts + 2 - first));
		if (n < 0 && errno == EAGAIN)
			return fg_io_sync(&st->io, st->fd, FG_WRITE, false);
		if (n < 0)
			return -errno;
		st->offset += (size_t)n;
		fg_sink_set_torn(sink, st->offset < text->len + 1);
		if (st->offset < text->len + 1)
			continue;
		st->writing = false;
		if (st->current)
			fg_sink_done(sink, st->current, 0, NULL);
		else
			rest_drop(sink);
	}
	return 0;
}

/* The pack will come again, whole, and must not be glued to a piece of itself. Where nobody has
 * what is missing (no memory, another process), the piece ends as a line of its own. */
static void keep_rest(struct fg_sink *sink)
{
	struct file_state *st = state_of(sink);
	struct file_rest *rest = sink->keep;
	size_t len;
	char *text;

	if (!st->writing)
		return;
	st->writing = false;
	if (st->offset == 0)
		return;
	len = st->line.len - st->offset;
	text = malloc(len + 1);
	if (text)
		memcpy(text, st->line.ptr + st->offset, len);
	rest_drop(sink);
	*rest = (struct file_rest){ text, text ? len : 0 };
}

static void on_writable(struct fg_io *io, unsigned events)
{
	struct file_state *st = (struct file_state *)((char *)io - offsetof(struct file_state, io));
	int r;

	(void)events;
	fg_io_stop(io);
	r = write_rest(st->sink);
	if (r < 0)
		fg_sink_fault(st->sink, r, "cannot write");
	else if (!st->writing)
		fg_sink_ready(st->sink);
}

/* A line whole or not at all: what a full disk took of it is taken back. */
static int write_line(struct file_state *st, struct fg_str text, bool line)
{
	struct iovec parts[2] = {
		{ (void *)(uintptr_t)text.ptr, text.len },
		{ (void *)(uintptr_t)"\n", 1 },
	};
	ssize_t want = (ssize_t)(text.len + (line ? 1 : 0));
	ssize_t n = writev(st->fd, parts, line ? 2 : 1);
	int error = n < 0 ? -errno : -ENOSPC;

	if (n == want) {
		st->size += n;
		return 0;
	}
	if (n > 0 && ftruncate(st->fd, st->size) < 0)
		return -errno;
	return error;
}

static int send_to_file(struct fg_sink *sink, struct fg_batch *batch)
{
	const struct file_conf *conf = sink->conf;
	struct file_state *st = state_of(sink);
	bool line = strstr(batch->content_type, "json") != NULL;
	int r;

	if (st->nwritten == sink->window)
		return -EAGAIN;
	if (st->size > 0 && (uint64_t)st->size + batch->payload.len + 1 > conf->rotate.size) {
		/* What stands in the old file is acknowledged before it is put aside. */
		if (st->nwritten > 0) {
			start_sync(sink);
			return -EAGAIN;
		}
		r = file_rotate(sink);
		if (r < 0) {
			fg_sink_fault(sink, r, "cannot put the file aside");
			return -EAGAIN;
		}
	}
	r = write_line(st, batch->payload, line);
	if (r < 0) {
		fg_sink_fault(sink, r, "cannot write the file");
		return -EAGAIN;
	}
	st->written[st->nwritten++] = batch;
	return 0;
}

static void write_begin(struct file_state *st, struct fg_str line)
{
	st->line = line;
	st->offset = 0;
	st->writing = true;
}

static int file_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct file_state *st = state_of(sink);
	int r;

	if (st->regular)
		return send_to_file(sink, batch);
	if (st->writing)
		return -EAGAIN;
	st->current = batch;
	write_begin(st, batch->payload);
	r = write_rest(sink);
	if (r < 0) {
		keep_rest(sink);
		fg_sink_fault(sink, r, "cannot write");
		return -EAGAIN;
	}
	return 0;
}

static void file_flush(struct fg_sink *sink)
{
	struct file_state *st = state_of(sink);

	if (!st->regular || st->nwritten == 0)
		return;
	if (st->nwritten == sink->window)
		start_sync(sink);
	else if (!fg_timer_active(&st->timer) && !st->sync_running)
		(void)fg_timer_start(&st->timer, FG_S(1));
}

/* What came of the last opening is ended first. */
static int open_stream(struct fg_sink *sink)
{
	struct file_state *st = state_of(sink);
	struct file_rest *rest = sink->keep;
	int r;

	if (!rest)
		rest = sink->keep = calloc(1, sizeof(*rest));
	if (!rest)
		return -ENOMEM;
	if (fg_sink_torn(sink))
		write_begin(st, fg_str(rest->text ? rest->text : "", rest->len));
	r = write_rest(sink);
	if (r == 0)
		fg_sink_up(sink);
	return r;
}

static int file_open(struct fg_sink *sink)
{
	const struct file_conf *conf = sink->conf;
	struct file_state *st = state_of(sink);
	int r;

	st->sink = sink;
	st->fd = st->dir_fd = -1;
	fg_io_init(sink->loop, &st->io, on_writable);
	fg_timer_init(sink->loop, &st->timer, on_timer);
	st->written = calloc(sink->window, sizeof(*st->written));
	if (!st->written)
		return -ENOMEM;
	r = strcmp(conf->path, "-") == 0 ? open_stdout(st) : open_file(sink);
	if (r < 0)
		return r;
	if (!st->regular)
		return open_stream(sink);
	/* What an earlier run left may not be on the disk, and is mended and synced before anything
	 * is added: so no more than one window of lines is ever in doubt. */
	st->opening = st->size > 0;
	if (st->opening)
		start_sync(sink);
	else
		fg_sink_up(sink);
	return 0;
}

static void file_close(struct fg_sink *sink)
{
	struct file_state *st = state_of(sink);

	st->closing = true;
	keep_rest(sink);
	/* What is written but not synced is not acknowledged, and comes again; stopping cleanly,
	 * it is worth one more sync. */
	if (!st->sync_running && st->regular && st->nwritten > 0)
		start_sync(sink);
	if (!st->sync_running)
		finish_close(sink);
}

static void file_fini(struct fg_sink *sink)
{
	if (sink->keep)
		rest_drop(sink);
	free(sink->keep);
	sink->keep = NULL;
}

static const char *file_target(const void *conf)
{
	return ((const struct file_conf *)conf)->path;
}

/* Lines of two processes in one file would be rotated away under each other. */
static int file_share(void *conf, const struct fg_process *process)
{
	struct file_conf *c = conf;

	if (strcmp(c->path, "-") != 0)
		c->path = fg_process_path(process, c->path);
	return c->path ? 0 : -ENOMEM;
}

static bool file_alone(const void *conf)
{
	return strcmp(((const struct file_conf *)conf)->path, "-") == 0;
}

static void file_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	const struct file_conf *c = conf;
	uint64_t one = c->rotate.size > terms->pack ? c->rotate.size : terms->pack;

	cost->memory += terms->window * sizeof(struct fg_batch *);
	cost->descriptors += 2;
	if (strcmp(c->path, "-") != 0)
		cost->disk += one * ((uint64_t)c->rotate.keep + 1);
}

const struct fg_bridge fg_bridge_file = {
	.name = "file",
	.summary = "Packs as JSON lines into a file that is rotated by size, or to stdout",
	.acknowledges = true,
	.conf_size = sizeof(struct file_conf),
	.state_size = sizeof(struct file_state),
	.options = file_options,
	.cost = file_cost,
	.target = file_target,
	.share = file_share,
	.alone = file_alone,
	.ops = {
		.open = file_open,
		.close = file_close,
		.send = file_send,
		.flush = file_flush,
		.fini = file_fini,
	},
};
