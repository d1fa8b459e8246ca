/* What the bridge to a file is told, and what it remembers. */
#pragma once

#include <sys/types.h>

#include <fg/bridge.h>

struct file_rotate {
	uint64_t size;
	int64_t keep;
};

struct file_conf {
	const char *path;		/* "-": stdout */
	struct file_rotate rotate;
};

struct file_state {
	struct fg_sink *sink;
	struct fg_io io;		/* stdout: room for more */
	struct fg_timer timer;		/* the next sync */
	struct fg_work work;
	int fd, dir_fd;
	off_t size;
	/* written, not yet synced; the first `syncing` are being synced */
	struct fg_batch **written;
	uint32_t nwritten, syncing;
	struct fg_batch *current;	/* stdout: being written, `offset` bytes of it are */
	size_t offset;
	int sync_error;
	bool regular, fresh, sync_running, closing;
	bool opening;	/* what an earlier run left is being mended and synced */
};
