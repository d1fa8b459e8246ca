/* What the bridge to a database file is told, and what it remembers. */
#pragma once

#include <fg/bridge.h>
#include <fg/buf.h>

#include "store.h"

struct sqlite_conf {
	const char *path;
	int64_t commit_ns;
	int64_t keep_ns;		/* 0: for ever */
	uint64_t size;			/* bytes */
};

/* Packs that go in as one transaction. Their text is a copy: the outbox may take a pack back while
 * a worker still reads it. */
struct sqlite_job {
	struct fg_buf text;
	struct store_pack *packs;	/* as many as the window is wide */
	struct fg_batch **batches;
	uint32_t count;
};

struct sqlite_state {
	struct fg_sink *sink;
	struct fg_timer timer;		/* the next transaction */
	struct fg_work work;
	struct store store;		/* a worker's while `running` */
	struct store_range *there;	/* the newest of it, while it is opening */
	uint32_t nthere;
	struct sqlite_job fill, job;	/* what comes in; what a worker has */
	int error;			/* of the worker */
	bool running, opening, closing;
};
