/*
 * Commits and giving back, by one job at a time on a worker: cursors, segments, the state, then the
 * files that nobody needs any more, and the directory. The job works on duplicates of the
 * descriptors and on copies of what it has to know; the spool goes on meanwhile.
 *
 * A sync that fails is not tried again: the kernel may have forgotten what it could not write. Such
 * a segment is sealed, and the next job writes it anew under its name from what can be read of it.
 */
#include "spool/private.h"

#include "spool/sync_job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_NS FG_S(1)
/* After a power cut, cursors and counts lie behind by no more than this many records, or this
 * long. */
#define FULL_RECORDS 1000
#define FULL_NS FG_S(10)
/* A sync that writes fewer blocks than this writes more of the file system's journal. */
#define FILL_BLOCKS 3
/* Segments that the last job may have to sync when there is no memory for a larger one. */
#define SPARE_ITEMS 64

struct fg_spool_timers {
	struct fg_timer commit, retry;
	struct fg_defer dropped;
	struct fg_spool *spool;
	unsigned open;
};

/* -- making a job -- */

/* -errno: the segment cannot be synced now. */
static int item_open(struct fg_spool *spool, struct fg_segment *s, struct sync_item *item)
{
	int fd = s->fd >= 0 && !s->uncertain ? fcntl(s->fd, F_DUPFD_CLOEXEC, 0) :
					       fg_segment_open(spool, s, O_RDONLY);

	if (fd < 0)
		return s->fd >= 0 && !s->uncertain ? -errno : fd;
	*item = (struct sync_item){
		.number = s->number,
		.bytes = s->end,
		.fd = fd,
		.rewrite = s->uncertain,
		.sync = true,
	};
	return 0;
}

static void job_add_data(struct fg_spool *spool, struct fg_sync_job *job)
{
	for (struct fg_segment *s = spool->first; s; s = s->next) {
		int r;

		if (!s->dirty || s->given_back)
			continue;
		r = item_open(spool, s, &job->items[job->count]);
		if (r == -ENOENT) /* somebody removed it: there is nothing to sync */
			s->dirty = false;
		else if (r < 0)
			job->error = r;
		if (r < 0)
			continue;
		job->count++;
		s->dirty = false;
	}
	job->data = true;
	spool->fill = spool->written - spool->written_synced < (uint64_t)FILL_BLOCKS * spool->block;
	spool->written_synced = spool->written;
	job->dir = spool->dir_dirty || spool->closing;
	spool->dir_dirty = false;
	job->upto = spool->accepted;
}

static void job_add_giving(struct fg_spool *spool, struct fg_sync_job *job)
{
	for (struct fg_segment *s = spool->first; s && s->given_back; s = s->next) {
		job->items[job->count++] = (struct sync_item){ .number = s->number, .fd = -1 };
		if (s->last > spool->floor)
			spool->floor = s->last;
	}
}

/* What was given back is not synced any more; it counts as committed only by the cursors that are
 * beyond it, so they have to be on the disk as well. */
static bool has_unsynced_given(const struct fg_spool *spool)
{
	for (const struct fg_segment *s = spool->first; s && s->given_back; s = s->next)
		if (s->dirty)
			return true;
	return false;
}

/* Whether cursors and counts are synced along: always where something is given back or ends, else
 * only now and then, for each costs a block or two. */
static bool job_is_full(struct fg_spool *spool)
{
	uint64_t now = spool->loop ? fg_loop_now(spool->loop) : 0;

	if (spool->loop && !spool->closing && !spool->want_giving && !has_unsynced_given(spool) &&
	    now - spool->full_ns < FULL_NS && spool->accepted - spool->full_upto < FULL_RECORDS)
		return false;
	spool->full_ns = now;
	spool->full_upto = spool->accepted;
	return true;
}

static struct fg_sync_job *job_room(uint32_t items)
{
	return calloc(1, sizeof(struct fg_sync_job) + items * sizeof(struct sync_item));
}

/* The last one is there from the beginning, so that a spool without memory can still end. */
static struct fg_sync_job *job_spare(struct fg_spool *spool)
{
	struct fg_sync_job *job = spool->closing && spool->segments <= SPARE_ITEMS ? spool->spare :
										     NULL;

	if (job)
		spool->spare = NULL;
	return job;
}

static struct fg_sync_job *job_new(struct fg_spool *spool)
{
	struct fg_sync_job *job = job_room(spool->segments);
	bool full;

	if (!job)
		job = job_spare(spool);

	if (!job)
		return NULL;
	full = job_is_full(spool);
	job->work.work = fg_sync_job_work;
	job->spool = spool;
	job->io = spool->io;
	job->sync_cursors = full ? spool->events.sync_cursors : NULL;
	job->arg = spool->events.arg;
	job->dir_fd = spool->dir_fd;
	job->lock_fd = spool->lock_fd;
	memcpy(job->boot, spool->boot, sizeof(job->boot));
	job->last = spool->closing;
	sem_init(&job->worked, 0, 0);
	if (spool->want_giving)
		job_add_giving(spool, job);
	if (spool->want_data)
		job_add_data(spool, job);
	spool->want_data = spool->want_giving = false;
	(void)fg_state_write_tally(spool);
	job->state = full && spool->state_dirty;
	spool->state_dirty = spool->state_dirty && !full;
	return job;
}

static void *job_free(struct fg_sync_job *job)
{
	sem_destroy(&job->worked);
	free(job);
	return NULL;
}

/* -- its result -- */

static struct fg_segment *segment_find(struct fg_spool *spool, uint64_t number)
{
	struct fg_segment *s = spool->first;

	while (s && s->number != number)
		s = s->next;
	return s;
}

static void segment_fd_close(struct fg_segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void segment_failed(struct fg_spool *spool, struct fg_segment *s)
{
	uint64_t number = s->number;
	int r;

	s->dirty = s->uncertain = true;
	if (s != fg_spool_active(spool))
		return;
	/* what waits in the buffer was made for this segment; nothing may be added to it later */
	r = fg_spool_write_turn(spool);
	if (r < 0)
		spool->turn_error = r;
	s = segment_find(spool, number);
	if (s)
		fg_segment_seal(spool, s);
}

static void segment_rewritten(struct fg_spool *spool, struct fg_segment *s)
{
	s->uncertain = false;
	segment_fd_close(s);
	spool->bytes -= fg_segment_allocated(s->size);
	s->size = s->end;
	spool->bytes += fg_segment_allocated(s->size);
	fg_readers_reopen(spool, s);
}

/* The spool has dropped a segment while the worker wrote it anew: its name is there again. What
 * the worker has synced since is the directory with that name, so it is to be synced once more. */
static void rewritten_in_vain(struct fg_spool *spool, uint64_t number)
{
	char name[FG_SEGMENT_NAME];

	fg_segment_name(number, name);
	if (unlinkat(spool->dir_fd, name, 0) == 0)
		spool->dir_dirty = true;
}

static void item_done(struct fg_spool *spool, const struct sync_item *item)
{
	struct fg_segment *s = segment_find(spool, item->number);

	close(item->fd);
	if (!s && item->rewrite)
		rewritten_in_vain(spool, item->number);
	if (!s)
		return;
	if (item->error)
		segment_failed(spool, s);
	else if (item->rewrite)
		segment_rewritten(spool, s);
	else if (s->sealed && !s->dirty)
		segment_fd_close(s);
}

static void given_done(struct fg_spool *spool, const struct fg_sync_job *job)
{
	for (uint32_t i = 0; i < job->count; i++) {
		struct fg_segment *s;

		if (job->items[i].sync)
			continue;
		s = segment_find(spool, job->items[i].number);
		if (s && job->cursors_error)
			fg_sync_retry_later(spool);
		else if (s)
			fg_segment_remove(spool, s, false);
	}
}

static void data_done(struct fg_spool *spool, const struct fg_sync_job *job)
{
	if (job->error) {
		if (!spool->sync_failing)
			fg_log(&spool->logger, FG_ERROR, "cannot commit", "error=\"%s\"",
			       strerror(-job->error));
		if (!spool->sync_failing) {
			/* for the next run, should this one not live to write it anew */
			spool->sync_failing = true;
			(void)fg_state_write_run(spool, false);
		}
		spool->dir_dirty = spool->dir_dirty || job->dir;
		fg_sync_retry_later(spool);
		return;
	}
	if (spool->sync_failing)
		fg_log(&spool->logger, FG_INFO, "can commit again", "committed=%" PRIu64,
		       job->upto);
	if (spool->sync_failing && !job->last) {
		spool->sync_failing = false;
		(void)fg_state_write_run(spool, false);
	}
	if (job->upto > spool->committed || job->last) {
		spool->committed = job->upto;
		(void)fg_state_write_tally(spool);
		if (spool->events.committed)
			spool->events.committed(spool->events.arg, job->upto);
	}
}

/* Everything of the job that concerns the spool; the job itself stays. */
static void job_harvest(struct fg_spool *spool, struct fg_sync_job *job)
{
	spool->job = NULL;
	job->spool = NULL;
	for (uint32_t i = 0; i < job->count; i++)
		if (job->items[i].sync)
			item_done(spool, &job->items[i]);
	given_done(spool, job);
	if (job->data)
		data_done(spool, job);
}

static void spool_end(struct fg_spool *spool)
{
	void (*closed)(void *arg) = spool->closed;
	void *arg = spool->closed_arg;

	fg_spool_destroy(spool);
	if (closed)
		closed(arg);
}

/* The clock of a duration starts with the first record that no sync has begun to cover. */
static void commit_arm(struct fg_spool *spool)
{
	int64_t commit_ns = spool->conf.commit_ns;

	if (commit_ns <= 0 || !spool->loop || fg_timer_active(&spool->timers->commit))
		return;
	if (fg_timer_start(&spool->timers->commit, (uint64_t)commit_ns) < 0)
		fg_sync_start(spool, true, false);
}

static void job_next(struct fg_spool *spool)
{
	if (spool->job)
		return;
	if (!spool->closing && spool->accepted > spool->committed)
		commit_arm(spool);
	if (spool->closing || (spool->conf.commit_ns == FG_COMMIT_EACH &&
			       spool->accepted > spool->committed && !spool->sync_failing))
		spool->want_data = true;
	if (spool->want_data || spool->want_giving)
		fg_sync_start(spool, spool->want_data, spool->want_giving);
}

static void job_done(struct fg_work *work)
{
	struct fg_sync_job *job = (struct fg_sync_job *)work;
	struct fg_spool *spool = job->spool;
	bool last = job->last;

	if (spool)
		job_harvest(spool, job);
	job_free(job);
	if (!spool)
		return;
	if (last) {
		spool_end(spool);
		return;
	}
	fg_spool_tell_room(spool);
	job_next(spool);
}

static void job_run(struct fg_spool *spool, struct fg_sync_job *job)
{
	fg_sync_job_work(&job->work);
	job_harvest(spool, job);
	job_free(job);
}

void fg_sync_start(struct fg_spool *spool, bool data, bool giving)
{
	struct fg_sync_job *job;

	spool->want_data = spool->want_data || data;
	spool->want_giving = spool->want_giving || giving;
	if (spool->job)
		return;
	job = job_new(spool);
	if (!job) {
		fg_sync_retry_later(spool);
		return;
	}
	if (!spool->loop) {
		job_run(spool, job);
		fg_spool_tell_room(spool);
		return;
	}
	job->work.done = job_done;
	spool->job = job;
	/* no thread to be had: late is better than never, here is better than late */
	if (fg_loop_work(spool->loop, &job->work) < 0) {
		fg_sync_job_work(&job->work);
		job_done(&job->work);
	}
}

/* -- when -- */

void fg_sync_flushed(struct fg_spool *spool)
{
	(void)fg_state_write_tally(spool);
	if (spool->conf.commit_ns == FG_COMMIT_EACH && !(spool->sync_failing && spool->loop))
		fg_sync_start(spool, true, false);
	else
		commit_arm(spool);
}

static void commit_due(struct fg_timer *timer)
{
	struct fg_spool_timers *timers = (struct fg_spool_timers *)timer;

	/* without this the one second of the retry would be undercut while the disk is bad */
	if (!timers->spool->sync_failing)
		fg_sync_start(timers->spool, true, false);
}

void fg_sync_retry_later(struct fg_spool *spool)
{
	if (!spool->loop || fg_timer_active(&spool->timers->retry))
		return;
	if (fg_timer_start(&spool->timers->retry, RETRY_NS) < 0)
		fg_sync_start(spool, false, true);
}

static bool needs_giving(const struct fg_spool *spool)
{
	return spool->first && spool->first->given_back;
}

static void retry_due(struct fg_timer *timer)
{
	struct fg_spool_timers *timers =
		(struct fg_spool_timers *)((char *)timer - offsetof(struct fg_spool_timers, retry));
	struct fg_spool *spool = timers->spool;

	/* there was no memory for the last job */
	if (spool->closing) {
		fg_sync_start(spool, true, true);
		return;
	}
	if (spool->failing)
		(void)fg_spool_retry(spool);
	fg_spool_tell_room(spool);
	if (spool->sync_failing || needs_giving(spool))
		fg_sync_start(spool, spool->sync_failing, needs_giving(spool));
}

static void dropped_tell(struct fg_spool *spool)
{
	if (spool->events.dropped)
		spool->events.dropped(spool->events.arg, fg_spool_oldest(spool));
}

static void dropped_due(struct fg_defer *defer)
{
	struct fg_spool_timers *timers =
		(struct fg_spool_timers *)((char *)defer -
					   offsetof(struct fg_spool_timers, dropped));

	dropped_tell(timers->spool);
}

void fg_sync_dropped(struct fg_spool *spool)
{
	if (!spool->loop)
		dropped_tell(spool);
	else
		fg_loop_defer(spool->loop, &spool->timers->dropped);
}

/* -- beginning and end -- */

int fg_sync_init(struct fg_spool *spool)
{
	struct fg_spool_timers *timers;

	if (!spool->loop)
		return 0;
	timers = calloc(1, sizeof(*timers));
	spool->spare = job_room(SPARE_ITEMS);
	if (!timers || !spool->spare) {
		free(timers);
		return -ENOMEM;
	}
	timers->spool = spool;
	timers->dropped.cb = dropped_due;
	fg_timer_init(spool->loop, &timers->commit, commit_due);
	fg_timer_init(spool->loop, &timers->retry, retry_due);
	timers->open = 2;
	spool->timers = timers;
	return 0;
}

static void commit_closed(struct fg_handle *handle)
{
	struct fg_spool_timers *timers = (struct fg_spool_timers *)handle;

	if (--timers->open == 0)
		free(timers);
}

static void retry_closed(struct fg_handle *handle)
{
	commit_closed(
		(struct fg_handle *)((char *)handle - offsetof(struct fg_spool_timers, retry)));
}

void fg_sync_fini(struct fg_spool *spool)
{
	struct fg_spool_timers *timers = spool->timers;

	free(spool->spare);
	spool->spare = NULL;
	if (!timers)
		return;
	spool->timers = NULL;
	fg_loop_cancel(spool->loop, &timers->dropped);
	fg_handle_close(&timers->commit.handle, commit_closed);
	fg_handle_close(&timers->retry.handle, retry_closed);
}

/* Waits for the worker, or does its work: the loop hands it to a thread only when it turns. Its
 * `done` finds an orphan later. */
static void job_wait(struct fg_spool *spool)
{
	struct fg_sync_job *job = spool->job;

	if (!job)
		return;
	fg_sync_job_work(&job->work);
	while (sem_wait(&job->worked) < 0)
		;
	job_harvest(spool, job);
}

static void close_now(struct fg_spool *spool)
{
	struct fg_sync_job *job;

	job_wait(spool);
	spool->closing = true;
	spool->want_data = spool->want_giving = true;
	job = job_new(spool);
	if (job)
		job_run(spool, job);
	spool_end(spool);
}

void fg_spool_close(struct fg_spool *spool, void (*closed)(void *arg), void *arg)
{
	if (!spool || spool->closing)
		return;
	spool->closed = closed;
	spool->closed_arg = arg;
	if (spool->readonly) {
		spool_end(spool);
		return;
	}
	(void)fg_spool_flush(spool);
	if (fg_spool_active(spool))
		fg_segment_end(spool, spool->last);
	if (!closed || !spool->loop) {
		close_now(spool);
		return;
	}
	spool->closing = true;
	fg_timer_stop(&spool->timers->commit);
	fg_timer_stop(&spool->timers->retry);
	if (!spool->job)
		fg_sync_start(spool, true, true);
}
