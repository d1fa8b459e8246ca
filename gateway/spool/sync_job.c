/*
 * What blocks: cursors, segments, the state, in this order; then the files that nobody needs any
 * more are unlinked, and the directory is synced.
 */
#include "spool/sync_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COPY_CHUNK ((size_t)64 << 10)

static int file_copy(const struct fg_spool_io *io, int from, int to, uint64_t bytes)
{
	char *chunk = malloc(COPY_CHUNK);
	uint64_t at = 0;
	int r = chunk ? 0 : -ENOMEM;

	while (r == 0 && at < bytes) {
		size_t want = bytes - at < COPY_CHUNK ? (size_t)(bytes - at) : COPY_CHUNK;
		ssize_t n = pread(from, chunk, want, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : -EIO;
			break;
		}
		r = fg_spool_write_all(io, to, chunk, (size_t)n, at);
		at += (uint64_t)n;
	}
	free(chunk);
	return r;
}

static int segment_rewrite(const struct fg_sync_job *job, const struct sync_item *item)
{
	char name[FG_SEGMENT_NAME], fresh[FG_SEGMENT_NAME];
	int fd, r;

	fg_segment_name(item->number, name);
	snprintf(fresh, sizeof(fresh), "%.16s.new", name);
	fd = openat(job->dir_fd, fresh, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	r = file_copy(job->io, item->fd, fd, item->bytes);
	if (r == 0 && job->io->fdatasync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(job->dir_fd, fresh, job->dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(job->dir_fd, fresh, 0);
	close(fd);
	return r;
}

static void job_sync_data(struct fg_sync_job *job)
{
	for (uint32_t i = 0; i < job->count; i++) {
		struct sync_item *item = &job->items[i];

		if (!item->sync)
			continue;
		if (item->rewrite) {
			item->error = segment_rewrite(job, item);
			job->dir = true;
		} else if (job->io->fdatasync(item->fd) < 0) {
			item->error = -errno;
			fg_state_write_error(job->io, job->lock_fd, job->boot);
		}
		if (item->error && !job->error)
			job->error = item->error;
	}
}

/* Some file systems cannot sync a directory, and say so by EINVAL. */
static void job_sync_names(struct fg_sync_job *job)
{
	if (job->dir && fsync(job->dir_fd) < 0 && errno != EINVAL && !job->error)
		job->error = -errno;
}

static void job_give_back(struct fg_sync_job *job)
{
	char name[FG_SEGMENT_NAME];

	for (uint32_t i = 0; i < job->count; i++) {
		if (job->items[i].sync)
			continue;
		fg_segment_name(job->items[i].number, name);
		(void)unlinkat(job->dir_fd, name, 0);
	}
}

/* The loop does not touch a spool that is closing, so that the worker may. */
static void job_end(struct fg_sync_job *job)
{
	struct fg_spool *spool = job->spool;

	if (job->error)
		return;
	spool->committed = job->upto;
	spool->sync_failing = false;
	job->error = fg_state_write_tally(spool);
	if (!job->error)
		job->error = fg_state_write_run(spool, true);
	if (!job->error && job->io->fdatasync(job->lock_fd) < 0)
		job->error = -errno;
}

void fg_sync_job_work(struct fg_work *work)
{
	struct fg_sync_job *job = (struct fg_sync_job *)work;

	if (atomic_exchange(&job->begun, true))
		return;
	/* first, for a power cut must not leave cursors below the oldest segment */
	if (job->sync_cursors)
		job->cursors_error = job->sync_cursors(job->arg);
	if (job->data)
		job_sync_data(job);
	if (job->state)
		(void)job->io->fdatasync(job->lock_fd);
	if (!job->cursors_error)
		job_give_back(job);
	/* last: what was unlinked must not come back after a clean end */
	job_sync_names(job);
	if (job->last)
		job_end(job);
	sem_post(&job->worked);
}
