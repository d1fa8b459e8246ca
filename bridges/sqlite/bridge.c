/*
 * Bridge to a database file (SQLite): the history that stays with the gateway.
 *
 * Packs are gathered, at most a window of them and not longer than `commit`, and go in as one
 * transaction on a worker. They are acknowledged behind its COMMIT, which syncs: what the spool
 * frees then is on the disk. One connection, which belongs to the one job that runs; the next job
 * begins when that has ended.
 */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>

#define JOB_MAX ((size_t)96 << 20) /* a window of the largest packs */
#define NEWEST_MAX 1000 /* packs: more than can come again, whatever was killed or cut off */

static const struct fg_option sqlite_options[] = {
	{ .name = "path",
	  .type = FG_OPT_STRING,
	  .offset = offsetof(struct sqlite_conf, path),
	  .flags = FG_OPT_REQUIRED,
	  .min = 1,
	  .max = 4000,
	  .help = "the database file; PATH-wal and PATH-shm stand beside it" },
	{ .name = "commit",
	  .type = FG_OPT_DURATION,
	  .offset = offsetof(struct sqlite_conf, commit_ns),
	  .def = "1s",
	  .min = 1000000,
	  .max = INT64_C(60) * 1000000000,
	  .help = "how long packs wait for others of their transaction; a full window does not" },
	{ .name = "keep",
	  .type = FG_OPT_DURATION,
	  .offset = offsetof(struct sqlite_conf, keep_ns),
	  .def = "30d",
	  .min = INT64_C(1000000000),
	  .max = INT64_C(36500) * 86400 * 1000000000 / 10,
	  .help = "what was put in longer ago than this is taken out" },
	{ .name = "size",
	  .type = FG_OPT_SIZE,
	  .offset = offsetof(struct sqlite_conf, size),
	  .def = "256MiB",
	  .min = 256 << 10,
	  .max = INT64_C(1) << 40,
	  .help = "what is oldest is taken out while more than this is in use of the file" },
	{ 0 },
};

static struct sqlite_state *state_of_work(struct fg_work *work)
{
	return (struct sqlite_state *)((char *)work - offsetof(struct sqlite_state, work));
}

/* -- on a worker -- */

static void open_work(struct fg_work *work)
{
	struct sqlite_state *st = state_of_work(work);

	st->error = store_open(&st->store);
	if (st->error < 0)
		return;
	st->there = calloc(NEWEST_MAX, sizeof(*st->there));
	st->error = st->there ? store_newest(&st->store, st->there, NEWEST_MAX, &st->nthere) :
				-ENOMEM;
}

static void put_work(struct fg_work *work)
{
	struct sqlite_state *st = state_of_work(work);
	const struct sqlite_conf *conf = st->sink->conf;

	st->error = store_put(&st->store, st->job.text.data, st->job.packs, st->job.count);
	/* what cannot be taken out now is taken out the next time */
	if (st->error == 0)
		(void)sqlite_tidy(&st->store, conf->keep_ns / 1000000000, conf->size);
}

static void close_work(struct fg_work *work)
{
	store_close(&state_of_work(work)->store);
}

/* -- on the loop -- */

static void job_fini(struct sqlite_job *job)
{
	fg_buf_fini(&job->text);
	free(job->packs);
	free(job->batches);
}

static int job_init(struct sqlite_job *job, uint32_t window)
{
	fg_buf_init(&job->text, JOB_MAX);
	job->packs = calloc(window, sizeof(*job->packs));
	job->batches = calloc(window, sizeof(*job->batches));
	return job->packs && job->batches ? 0 : -ENOMEM;
}

static void on_timer_closed(struct fg_handle *handle)
{
	struct sqlite_state *st =
		(struct sqlite_state *)((char *)handle - offsetof(struct sqlite_state, timer));

	job_fini(&st->fill);
	job_fini(&st->job);
	fg_sink_closed(st->sink);
}

static void on_closed(struct fg_work *work)
{
	fg_handle_close(&state_of_work(work)->timer.handle, on_timer_closed);
}

/* Closing writes the log back into the file, so it is for a worker too. */
static void close_store(struct sqlite_state *st)
{
	st->running = true;
	st->work.work = close_work;
	st->work.done = on_closed;
	if (fg_loop_work(st->sink->loop, &st->work) < 0) {
		store_close(&st->store);
		on_closed(&st->work);
	}
}

static const char *what_failed(int error)
{
	return error == -EBUSY	 ? "another process holds the database" :
	       error == -EEXIST	 ? "the file is a database of another program or version" :
	       error == -EUCLEAN ? "the database is damaged" :
				   "cannot write the database";
}

static void tell_set_aside(struct sqlite_state *st)
{
	const struct sqlite_conf *conf = st->sink->conf;
	char path[256];

	if (st->store.set_aside)
		fg_log(&st->sink->logger, FG_WARN,
		       "the database was damaged: it is put aside and begun anew",
		       "path=%s aside=%u",
		       fg_log_quote(conf->path, strlen(conf->path), path, sizeof(path)),
		       st->store.set_aside);
}

/* What an earlier run put in and has not heard of does not come again, cut at other places. */
static void tell_there(struct sqlite_state *st)
{
	for (uint32_t i = 0; i < st->nthere; i++)
		(void)fg_sink_has(st->sink, st->there[i].epoch, st->there[i].first,
				  st->there[i].last);
}

static void on_opened(struct fg_work *work)
{
	struct sqlite_state *st = state_of_work(work);

	st->running = false;
	tell_set_aside(st);
	if (!st->closing && st->error == 0)
		tell_there(st);
	free(st->there);
	st->there = NULL;
	if (st->closing)
		close_store(st);
	else if (st->error < 0)
		fg_sink_fault(st->sink, st->error, what_failed(st->error));
	else
		fg_sink_up(st->sink);
}

static void job_start(struct sqlite_state *st);

static void job_report(struct sqlite_state *st)
{
	uint32_t n = st->job.count;

	st->job.count = 0;
	for (uint32_t i = 0; i < n; i++) {
		int error = st->error == -EBUSY ? -EAGAIN : st->job.packs[i].error;

		fg_sink_done(st->sink, st->job.batches[i], error,
			     error == -EBADMSG ? "the pack cannot be read" : NULL);
	}
}

static void on_put(struct fg_work *work)
{
	struct sqlite_state *st = state_of_work(work);

	st->running = false;
	/* held by another process: the same again after a pause, nothing is wrong with the file */
	if (st->error == 0 || (st->error == -EBUSY && !st->closing)) {
		job_report(st);
	} else {
		st->job.count = st->fill.count = 0;
		tell_set_aside(st);
		fg_sink_fault(st->sink, st->error, what_failed(st->error));
	}
	if (st->closing && st->fill.count == 0)
		close_store(st);
	else if (st->closing)
		job_start(st);
	else
		fg_sink_ready(st->sink);
}

static void job_start(struct sqlite_state *st)
{
	struct sqlite_job swap = st->job;
	int r;

	fg_timer_stop(&st->timer);
	st->job = st->fill;
	st->fill = swap;
	st->fill.count = 0;
	fg_buf_reset(&st->fill.text);
	st->running = true;
	st->work.work = put_work;
	st->work.done = on_put;
	r = fg_loop_work(st->sink->loop, &st->work);
	if (r < 0) {
		st->error = r;
		on_put(&st->work);
	}
}

static void on_timer(struct fg_timer *timer)
{
	struct sqlite_state *st =
		(struct sqlite_state *)((char *)timer - offsetof(struct sqlite_state, timer));

	if (!st->running && st->fill.count > 0)
		job_start(st);
}

static int sqlite_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct sqlite_state *st = sink->state;
	struct sqlite_job *fill = &st->fill;

	if (fill->count == sink->window)
		return -EAGAIN;
	fill->packs[fill->count] = (struct store_pack){
		.at = fill->text.len,
		.len = batch->payload.len,
		.cbor = strstr(batch->content_type, "cbor") != NULL,
		.epoch = batch->epoch,
		.first = batch->first,
		.last = batch->last,
	};
	fg_buf_str(&fill->text, batch->payload);
	if (fill->text.failed) {
		fill->text.failed = false;
		fg_sink_fault(sink, -ENOMEM, "cannot gather packs");
		return -EAGAIN;
	}
	fill->batches[fill->count++] = batch;
	return 0;
}

static void sqlite_flush(struct fg_sink *sink)
{
	struct sqlite_state *st = sink->state;
	const struct sqlite_conf *conf = sink->conf;

	if (st->running || st->closing || st->fill.count == 0)
		return;
	if (st->fill.count == sink->window)
		job_start(st);
	else if (!fg_timer_active(&st->timer))
		(void)fg_timer_start(&st->timer, (uint64_t)conf->commit_ns);
}

static int sqlite_open(struct fg_sink *sink)
{
	const struct sqlite_conf *conf = sink->conf;
	struct sqlite_state *st = sink->state;
	int r;

	st->sink = sink;
	fg_timer_init(sink->loop, &st->timer, on_timer);
	st->store.path = conf->path;
	r = job_init(&st->fill, sink->window);
	if (r == 0)
		r = job_init(&st->job, sink->window);
	if (r == 0)
		r = fg_packs_open(&st->store.packs, sink->gateway);
	if (r < 0)
		return r;
	st->work.work = open_work;
	st->work.done = on_opened;
	st->running = true;
	r = fg_loop_work(sink->loop, &st->work);
	if (r < 0)
		st->running = false;
	return r;
}

static void sqlite_close(struct fg_sink *sink)
{
	struct sqlite_state *st = sink->state;

	st->closing = true;
	fg_timer_stop(&st->timer);
	if (st->running)
		return;
	/* It is not acknowledged, so it would come again; stopping cleanly, it is worth one more
	 * commit. */
	if (st->fill.count > 0 && st->store.db)
		job_start(st);
	else
		close_store(st);
}

static const char *sqlite_target(const void *conf)
{
	return ((const struct sqlite_conf *)conf)->path;
}

/* One writer a file: another one's transactions would hold this one's up. */
static int sqlite_share(void *conf, const struct fg_process *process)
{
	struct sqlite_conf *c = conf;

	c->path = fg_process_path(process, c->path);
	return c->path ? 0 : -ENOMEM;
}

static void sqlite_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	const struct sqlite_conf *c = conf;

	/* two transactions' packs, and the library's cache */
	cost->memory += 2 * terms->window * terms->pack + (4u << 20);
	cost->descriptors += 5;
	/* and its log, which is as long as a few transactions */
	cost->disk += c->size + 4 * terms->window * terms->pack + (8u << 20);
}

const struct fg_bridge fg_bridge_sqlite = {
	.name = "sqlite",
	.summary = "Records into a database file that can be queried, with retention",
	.acknowledges = true,
	.senml_only = true,
	.conf_size = sizeof(struct sqlite_conf),
	.state_size = sizeof(struct sqlite_state),
	.options = sqlite_options,
	.cost = sqlite_cost,
	.target = sqlite_target,
	.share = sqlite_share,
	.ops = {
		.open = sqlite_open,
		.close = sqlite_close,
		.send = sqlite_send,
		.flush = sqlite_flush,
	},
};
