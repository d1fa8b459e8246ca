/* Opening a spool, and taking one apart. */
#include "spool/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#define SEGMENT_LEAST ((uint64_t)64 << 10)
#define RESERVE ((uint64_t)512 << 10)

/* A new folder's name is sure only after a sync of the one it is in. That one may not be ours to
 * read: then it was there before, and is somebody else's. */
static void parent_sync(const char *path)
{
	char *up = strdup(path), *slash = up ? strrchr(up, '/') : NULL;
	int fd;

	if (slash)
		slash[slash == up] = '\0';
	fd = up ? open(slash ? up : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(up);
}

static int folder_make(const char *dir)
{
	char *path = strdup(dir);
	int r = path ? 0 : -ENOMEM;

	for (char *p = path; r == 0 && p;) {
		p = strchr(p + 1, '/');
		if (p)
			*p = '\0';
		if (mkdir(path, 0750) < 0 && errno != EEXIST)
			r = -errno;
		/* also what a run made that was killed right then; the last one's name is synced
		 * before the first record (recover.c) */
		if (r == 0 && p)
			parent_sync(path);
		if (p)
			*p = '/';
	}
	free(path);
	return r;
}

static int folder_open(struct fg_spool *spool)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int r;

	spool->dir_fd = open(spool->conf.dir, flags);
	if (spool->dir_fd < 0 && errno == ENOENT && !spool->readonly) {
		r = folder_make(spool->conf.dir);
		if (r < 0)
			return r;
		spool->dir_fd = open(spool->conf.dir, flags);
	}
	return spool->dir_fd < 0 ? -errno : 0;
}

/* ext4 keeps account of which preallocated blocks have been written. */
static void block_learn(struct fg_spool *spool)
{
	struct statfs fs;

	if (fstatfs(spool->dir_fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC && fs.f_bsize > 0 &&
	    fs.f_bsize <= 65536)
		spool->block = (uint32_t)fs.f_bsize;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void sizes_settle(struct fg_spool *spool)
{
	struct fg_spool_conf *conf = &spool->conf;
	uint64_t least = min_u64(SEGMENT_LEAST, conf->limit / 4);
	uint64_t most = conf->limit / 8 > least ? conf->limit / 8 : least;

	/* whole pages, so that what is allocated is what is counted */
	conf->segment = min_u64(conf->segment, most) & ~(uint64_t)4095;
	if (conf->segment < 4096)
		conf->segment = 4096;
	spool->reserve = min_u64(RESERVE, conf->limit / 4);
}

void fg_spool_set_conf(struct fg_spool *spool, const struct fg_spool_conf *conf)
{
	bool was_each = spool->conf.commit_ns == FG_COMMIT_EACH;

	spool->conf.limit = conf->limit;
	spool->conf.segment = conf->segment;
	spool->conf.when_full = conf->when_full;
	if (was_each == (conf->commit_ns == FG_COMMIT_EACH))
		spool->conf.commit_ns = conf->commit_ns;
	sizes_settle(spool);
	/* A limit below what one segment takes: nothing more would be released, and nothing
	 * accepted. */
	fg_spool_give(spool);
}

static struct fg_spool *spool_new(const struct fg_spool_conf *conf)
{
	struct fg_spool *spool = calloc(1, sizeof(*spool));

	if (!spool)
		return NULL;
	spool->io = &fg_spool_io;
	spool->dir_fd = spool->lock_fd = -1;
	spool->conf = *conf;
	spool->conf.dir = strdup(conf->dir);
	sizes_settle(spool);
	return spool->conf.dir ? spool : fg_spool_destroy(spool);
}

struct fg_spool *fg_spool_destroy(struct fg_spool *spool)
{
	if (!spool)
		return NULL;
	while (spool->first)
		fg_segment_remove(spool, spool->first, false);
	fg_readers_orphan(spool);
	fg_sync_fini(spool);
	fg_epochs_fini(&spool->epochs);
	if (spool->lock_fd >= 0)
		close(spool->lock_fd);
	if (spool->dir_fd >= 0)
		close(spool->dir_fd);
	free(spool->buf);
	free((char *)(uintptr_t)spool->conf.dir);
	free(spool);
	return NULL;
}

static int spool_start(struct fg_spool *spool)
{
	int r = folder_open(spool);

	if (r == 0)
		r = fg_boot_id(spool->boot);
	if (r == 0)
		block_learn(spool);
	if (r == 0 && !spool->readonly)
		r = fg_state_lock(spool);
	else if (r == 0)
		spool->lock_fd = openat(spool->dir_fd, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r == 0)
		r = fg_spool_recover(spool);
	spool->conf.gateway = NULL; /* it is the caller's; what was said is in `gateway` */
	return r;
}

int fg_spool_open(struct fg_loop *loop, const struct fg_logger *logger,
		  const struct fg_spool_conf *conf, const struct fg_spool_events *events,
		  struct fg_spool **ret_spool)
{
	struct fg_spool *spool = spool_new(conf);
	int r;

	if (!spool)
		return -ENOMEM;
	if (logger)
		spool->logger = *logger;
	if (events)
		spool->events = *events;
	r = spool_start(spool);
	spool->loop = loop;
	if (r == 0)
		r = fg_sync_init(spool);
	if (r < 0) {
		fg_spool_destroy(spool);
		return r;
	}
	if (spool->sync_failing)
		fg_sync_start(spool, true, false);
	else if (spool->committed < spool->accepted)
		fg_sync_flushed(spool);
	*ret_spool = spool;
	return 0;
}

int fg_spool_open_readonly(const char *dir, struct fg_spool **ret_spool)
{
	struct fg_spool_conf conf = { .dir = dir,
				      .limit = UINT64_MAX / 2,
				      .segment = SEGMENT_LEAST };
	struct fg_spool *spool = spool_new(&conf);
	int r;

	if (!spool)
		return -ENOMEM;
	spool->readonly = true;
	r = spool_start(spool);
	if (r < 0) {
		fg_spool_destroy(spool);
		return r;
	}
	*ret_spool = spool;
	return 0;
}

int fg_spool_lock_pid(const char *dir, pid_t *ret_pid)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, r;

	if (dir_fd < 0)
		return -errno;
	fd = openat(dir_fd, "lock", O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : fg_state_read_pid(fd, ret_pid);
	if (fd >= 0)
		close(fd);
	close(dir_fd);
	return r;
}
