/* A segment's birth, its header, its end. */
#include "spool/private.h"

#include "base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A file system without fallocate gets its blocks written, so that a full disk still shows here. */
static int file_allocate(int fd, off_t len)
{
	int r;

	do
		r = fallocate(fd, 0, 0, len);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	return -posix_fallocate(fd, 0, len);
}

const struct fg_spool_io fg_spool_io = {
	.pwrite = pwrite,
	.fdatasync = fdatasync,
	.allocate = file_allocate,
};

int fg_spool_write_all(const struct fg_spool_io *io, int fd, const void *bytes, size_t len,
		       uint64_t at)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = io->pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

void fg_segment_name(uint64_t number, char out[FG_SEGMENT_NAME])
{
	snprintf(out, FG_SEGMENT_NAME, "%016" PRIx64 ".seg", number);
}

int fg_segment_open(const struct fg_spool *spool, const struct fg_segment *segment, int flags)
{
	char name[FG_SEGMENT_NAME];
	int fd;

	fg_segment_name(segment->number, name);
	do
		fd = openat(spool->dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static void head_write(const struct fg_spool *spool, const struct fg_segment *segment,
		       char head[FG_SEGMENT_HEAD])
{
	const struct fg_spool_epoch *epoch = segment->epoch;
	struct timespec now;

	memset(head, 0, FG_SEGMENT_HEAD);
	clock_gettime(CLOCK_REALTIME, &now);
	memcpy(head, FG_SEGMENT_MAGIC, 8);
	fg_put16(head + 8, FG_SEGMENT_VERSION);
	fg_put16(head + 10, FG_SEGMENT_HEAD);
	fg_put32(head + 12,
		 (epoch->power_cut ? FG_SEGMENT_POWER_CUT : 0) |
			 (spool->conf.commit_ns == FG_COMMIT_EACH ? FG_SEGMENT_EACH : 0));
	fg_put64(head + 16, segment->number);
	fg_put64(head + 24, segment->size);
	fg_put64(head + 32, segment->base);
	fg_put64(head + 40, epoch->id);
	fg_put64(head + 48, epoch->base);
	fg_put64(head + 56, epoch->prev_id);
	fg_put64(head + 64, epoch->prev_last);
	memcpy(head + 72, spool->boot, 16);
	fg_put64(head + FG_SEGMENT_IDENTITY, spool->identity);
	fg_put64(head + 88, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	fg_put32(head + FG_SEGMENT_CRC, fg_crc32c(0, head, FG_SEGMENT_CRC));
}

static int head_check(const char *head, uint64_t number)
{
	if (memcmp(head, FG_SEGMENT_MAGIC, 8) != 0)
		return -EBADMSG;
	if (fg_get16(head + 8) < FG_SEGMENT_OLDEST || fg_get16(head + 8) > FG_SEGMENT_VERSION)
		return -ENOTSUP;
	if (fg_get16(head + 10) != FG_SEGMENT_HEAD ||
	    fg_get32(head + FG_SEGMENT_CRC) != fg_crc32c(0, head, FG_SEGMENT_CRC) ||
	    fg_get64(head + 16) != number)
		return -EBADMSG;
	/* a position that is out of all bounds would make sums overflow */
	if (fg_get64(head + 32) >= FG_POSITION_MAX || fg_get64(head + 48) > fg_get64(head + 32) ||
	    fg_get64(head + 64) > fg_get64(head + 48) || fg_get64(head + 40) == 0)
		return -EBADMSG;
	return 0;
}

int fg_segment_read_head(int fd, uint64_t number, struct fg_segment *ret_segment,
			 struct fg_segment_head *ret_head)
{
	char head[FG_SEGMENT_HEAD];
	struct stat st;
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	n = S_ISREG(st.st_mode) ? fg_read_at(fd, head, sizeof(head), 0) : -EBADMSG;
	if (n != sizeof(head))
		return n < 0 ? (int)n : -EBADMSG;
	r = head_check(head, number);
	if (r < 0)
		return r;
	*ret_segment = (struct fg_segment){
		.number = number,
		.base = fg_get64(head + 32),
		.last = fg_get64(head + 32),
		.end = (uint64_t)st.st_size,
		.size = (uint64_t)st.st_size,
		.seed = fg_get32(head + FG_SEGMENT_CRC),
		.fd = -1,
		.sealed = true,
	};
	*ret_head = (struct fg_segment_head){
		.epoch = {
			.id = fg_get64(head + 40),
			.base = fg_get64(head + 48),
			.prev_id = fg_get64(head + 56),
			.prev_last = fg_get64(head + 64),
			.power_cut = fg_get32(head + 12) & FG_SEGMENT_POWER_CUT,
		},
		.each = fg_get32(head + 12) & FG_SEGMENT_EACH,
	};
	if (fg_get16(head + 8) > 1)
		ret_head->identity = fg_get64(head + FG_SEGMENT_IDENTITY);
	memcpy(ret_head->boot, head + 72, 16);
	return 0;
}

void fg_segment_append(struct fg_spool *spool, struct fg_segment *segment)
{
	if (spool->last)
		spool->last->next = segment;
	else
		spool->first = segment;
	spool->last = segment;
	spool->segments++;
	spool->bytes += fg_segment_allocated(segment->size);
}

/* The file with its blocks and its header; on failure it is gone again. */
static int file_birth(const struct fg_spool *spool, struct fg_segment *segment)
{
	char name[FG_SEGMENT_NAME], head[FG_SEGMENT_HEAD];
	int fd, r;

	fg_segment_name(segment->number, name);
	fd = openat(spool->dir_fd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	head_write(spool, segment, head);
	r = spool->io->allocate(fd, (off_t)segment->size);
	if (r == 0)
		r = fg_spool_write_all(spool->io, fd, head, sizeof(head), 0);
	if (r < 0) {
		close(fd);
		unlinkat(spool->dir_fd, name, 0);
		return r;
	}
	segment->fd = fd;
	segment->seed = fg_get32(head + FG_SEGMENT_CRC);
	return 0;
}

int fg_segment_birth(struct fg_spool *spool, uint64_t size)
{
	struct fg_segment *segment = calloc(1, sizeof(*segment));
	int r;

	if (!segment)
		return -ENOMEM;
	*segment = (struct fg_segment){
		.number = spool->next_number,
		.base = spool->accepted,
		.last = spool->accepted,
		.end = FG_SEGMENT_HEAD,
		.size = size,
		.epoch = spool->epoch,
		.fd = -1,
		.this_boot = true,
		.boot = &spool->this_boot->known,
		.dirty = true,
	};
	r = file_birth(spool, segment);
	/* a file in the way, left behind or foreign: the number is burnt */
	if (r == 0 || r == -EEXIST)
		spool->next_number++;
	if (r < 0) {
		free(segment);
		return r;
	}
	fg_segment_append(spool, segment);
	spool->dir_dirty = true;
	return 0;
}

void fg_segment_seal(struct fg_spool *spool, struct fg_segment *segment)
{
	if (segment->sealed)
		return;
	segment->sealed = true;
	/* Also what a failed write left behind `end` has to go: it could pass for entries. If it
	 * stays, the next segment's base tells the reader where to stop. */
	if (ftruncate(segment->fd, (off_t)segment->end) == 0) {
		spool->bytes -= fg_segment_allocated(segment->size);
		segment->size = segment->end;
		spool->bytes += fg_segment_allocated(segment->size);
	}
	if (!segment->dirty) {
		close(segment->fd);
		segment->fd = -1;
	}
}

void fg_segment_remove(struct fg_spool *spool, struct fg_segment *segment, bool unlink_file)
{
	struct fg_segment **link = &spool->first, *before = NULL;
	char name[FG_SEGMENT_NAME];

	fg_readers_forget(spool, segment);
	fg_segment_name(segment->number, name);
	if (unlink_file)
		(void)unlinkat(spool->dir_fd, name, 0);
	while (*link != segment) {
		before = *link;
		link = &before->next;
	}
	*link = segment->next;
	if (spool->last == segment)
		spool->last = before;
	spool->segments--;
	spool->bytes -= fg_segment_allocated(segment->size);
	if (segment->fd >= 0)
		close(segment->fd);
	free(segment);
}

void fg_segment_end(struct fg_spool *spool, struct fg_segment *segment)
{
	if (segment->end == FG_SEGMENT_HEAD)
		fg_segment_remove(spool, segment, true);
	else
		fg_segment_seal(spool, segment);
}
