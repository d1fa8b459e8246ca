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

/* What is missing of a line that a fault has torn; kept from one opening to the next. */
struct file_rest {
	char *text;
	size_t len;
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
	/* stdout: the line that is being written, `offset` bytes of it are; NULL: a torn one's rest
	 */
	struct fg_batch *current;
	struct fg_str line;
	size_t offset;
	int sync_error;
	bool regular, fresh, sync_running, closing, writing;
	bool opening;	/* what an earlier run left is being mended and synced */
};
