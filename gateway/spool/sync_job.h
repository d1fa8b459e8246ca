/* One sync: what it has to do and what came of it. Only sync.c and sync_job.c know it. */
#pragma once

#include <semaphore.h>
#include <stdatomic.h>

#include "spool/private.h"

struct sync_item {
	uint64_t number, bytes;
	int fd, error;
	bool rewrite, sync;
};

struct fg_sync_job {
	struct fg_work work;
	struct fg_spool *spool; /* NULL: the spool has gone, the memory is to be freed */
	const struct fg_spool_io *io;
	int (*sync_cursors)(void *arg);
	void *arg;
	int dir_fd, lock_fd;
	uint8_t boot[16];
	bool data, dir, state;
	bool last; /* the spool's end: writes the clean state */
	uint64_t upto;
	int error, cursors_error;
	atomic_bool begun; /* whoever sets it does the work */
	sem_t worked;
	uint32_t count;
	struct sync_item items[]; /* one for each segment that is synced (fd >= 0) or given back */
};

/* On a worker, or on the loop where no worker is to be had. Touches nothing but the job. */
void fg_sync_job_work(struct fg_work *work);
