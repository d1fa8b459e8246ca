/*
 * Between the product and libc: the linker sends these calls here (--wrap), and here they are
 * recorded. What is not below the recorded folder goes through.
 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

#define WRAP(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

/* -- opening and closing -- */

int __real_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap___openat_2(int dir_fd, const char *path, int flags);
int __wrap___open_2(const char *path, int flags);

static int open_any(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct disk *d = disk_get();
	struct stat st;
	bool existed;
	int fd;

	if (strcmp(path, BOOT_ID) == 0 && d->boot[0])
		return __real_openat(AT_FDCWD, d->boot, O_RDONLY | O_CLOEXEC);
	if (d->mode == DISK_DEAD)
		flags &= ~(O_CREAT | O_EXCL | O_TRUNC);
	if (d->mode != DISK_RECORD)
		return __real_openat(dir_fd, path, flags, mode);
	existed = fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
	fd = __real_openat(dir_fd, path, flags, mode);
	if (fd >= 0)
		disk_opened(dir_fd, path, flags, fd, existed);
	return fd;
}

static mode_t mode_take(int flags, va_list rest)
{
	return flags & O_CREAT ? va_arg(rest, mode_t) : 0;
}

int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = mode_take(flags, rest);
	va_end(rest);
	return open_any(dir_fd, path, flags, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = mode_take(flags, rest);
	va_end(rest);
	return open_any(AT_FDCWD, path, flags, mode);
}

int __wrap___openat_2(int dir_fd, const char *path, int flags)
{
	return open_any(dir_fd, path, flags, 0);
}

int __wrap___open_2(const char *path, int flags)
{
	return open_any(AT_FDCWD, path, flags, 0);
}

WRAP(int, close, int fd)
{
	if (fd >= 0 && fd < DISK_FDS)
		disk_get()->fds[fd] = 0;
	return __real_close(fd);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
	struct disk *d = disk_get();
	va_list rest;
	long value;
	int r;

	va_start(rest, command);
	value = va_arg(rest, long);
	va_end(rest);
	r = __real_fcntl(fd, command, value);
	if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && r >= 0 && r < DISK_FDS &&
	    fd < DISK_FDS) {
		d->fds[r] = d->fds[fd];
		d->appends[r] = d->appends[fd];
	}
	return r;
}

/* -- content -- */

static bool tracked(int fd)
{
	const struct disk *d = disk_get();

	return d->mode == DISK_RECORD && fd >= 0 && fd < DISK_FDS && d->fds[fd];
}

static bool dead(void)
{
	return disk_get()->mode == DISK_DEAD;
}

WRAP(ssize_t, pwrite, int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t n;

	if (dead())
		return (ssize_t)len;
	n = __real_pwrite(fd, bytes, len, at);
	if (n > 0 && tracked(fd))
		disk_wrote(fd, bytes, (uint64_t)n, (uint64_t)at);
	return n;
}

static uint64_t place_of(int fd)
{
	const struct disk *d = disk_get();

	return d->appends[fd] ? d->inodes[d->fds[fd]].size : (uint64_t)lseek(fd, 0, SEEK_CUR);
}

WRAP(ssize_t, write, int fd, const void *bytes, size_t len)
{
	uint64_t at = tracked(fd) ? place_of(fd) : 0;
	ssize_t n;

	if (dead() && fd > STDERR_FILENO)
		return (ssize_t)len;
	n = __real_write(fd, bytes, len);
	if (n > 0 && tracked(fd))
		disk_wrote(fd, bytes, (uint64_t)n, at);
	return n;
}

WRAP(ssize_t, writev, int fd, const struct iovec *parts, int count)
{
	uint64_t at = tracked(fd) ? place_of(fd) : 0;
	size_t len = 0, filled = 0;
	ssize_t n;
	char *all;

	for (int i = 0; i < count; i++)
		len += parts[i].iov_len;
	if (dead())
		return (ssize_t)len;
	n = __real_writev(fd, parts, count);
	if (n <= 0 || !tracked(fd))
		return n;
	all = malloc(len);
	for (int i = 0; all && i < count; filled += parts[i++].iov_len)
		memcpy(all + filled, parts[i].iov_base, parts[i].iov_len);
	disk_wrote(fd, all, (uint64_t)n, at); /* one system call: may be torn anywhere */
	free(all);
	return n;
}

WRAP(int, ftruncate, int fd, off_t len)
{
	int r;

	if (dead())
		return 0;
	r = __real_ftruncate(fd, len);
	if (r == 0 && tracked(fd)) {
		disk_get()->inodes[disk_get()->fds[fd]].size = (uint64_t)len;
		disk_add(DISK_TRUNCATE, disk_get()->fds[fd])->len = (uint64_t)len;
	}
	return r;
}

static int extended(int fd, off_t at, off_t len, int r)
{
	struct disk *d = disk_get();

	if (r == 0 && tracked(fd)) {
		struct disk_inode *inode = &d->inodes[d->fds[fd]];

		disk_add(DISK_EXTEND, d->fds[fd])->len = (uint64_t)(at + len);
		if ((uint64_t)(at + len) > inode->size)
			inode->size = (uint64_t)(at + len);
	}
	return r;
}

WRAP(int, fallocate, int fd, int mode, off_t at, off_t len)
{
	return dead() ? 0 : extended(fd, at, len, __real_fallocate(fd, mode, at, len));
}

WRAP(int, posix_fallocate, int fd, off_t at, off_t len)
{
	return dead() ? 0 : extended(fd, at, len, __real_posix_fallocate(fd, at, len));
}

/* -- syncs: the record is all there is of them -- */

static int sync_any(int fd, const void *site)
{
	if (!tracked(fd))
		return 0;
	if (disk_synced(fd, site) < 0) {
		errno = EIO;
		return -1;
	}
	return 0;
}

WRAP(int, fsync, int fd)
{
	return sync_any(fd, __builtin_return_address(0));
}

WRAP(int, fdatasync, int fd)
{
	return sync_any(fd, __builtin_return_address(0));
}

/* -- names -- */

static void name_gone(int dir_fd, const char *path)
{
	struct disk *d = disk_get();
	struct disk_op *op;
	const char *name;
	uint32_t folder;

	if (d->mode != DISK_RECORD || !disk_find(dir_fd, path, &folder, &name))
		return;
	op = disk_add(DISK_UNLINK, folder);
	strncpy(op->name, name, sizeof(op->name) - 1);
	disk_name_set(&d->names, folder, name, 0);
}

WRAP(int, unlinkat, int dir_fd, const char *path, int flags)
{
	int r = dead() ? 0 : __real_unlinkat(dir_fd, path, flags);

	if (r == 0)
		name_gone(dir_fd, path);
	return r;
}

WRAP(int, unlink, const char *path)
{
	int r = dead() ? 0 : __real_unlink(path);

	if (r == 0)
		name_gone(AT_FDCWD, path);
	return r;
}

static void name_moved(int dir_fd, const char *from, int to_fd, const char *to)
{
	struct disk *d = disk_get();
	const char *name, *to_name;
	uint32_t folder, to_folder;
	struct disk_op *op;

	if (d->mode != DISK_RECORD || !disk_find(dir_fd, from, &folder, &name))
		return;
	if (!disk_find(to_fd, to, &to_folder, &to_name) || folder != to_folder)
		abort(); /* the record knows of no such thing yet */
	op = disk_add(DISK_RENAME, folder);
	strncpy(op->name, name, sizeof(op->name) - 1);
	strncpy(op->to, to_name, sizeof(op->to) - 1);
	disk_name_set(&d->names, folder, to_name, disk_lookup(folder, name));
	disk_name_set(&d->names, folder, name, 0);
}

WRAP(int, renameat, int dir_fd, const char *from, int to_fd, const char *to)
{
	int r = dead() ? 0 : __real_renameat(dir_fd, from, to_fd, to);

	if (r == 0)
		name_moved(dir_fd, from, to_fd, to);
	return r;
}

WRAP(int, rename, const char *from, const char *to)
{
	int r = dead() ? 0 : __real_rename(from, to);

	if (r == 0)
		name_moved(AT_FDCWD, from, AT_FDCWD, to);
	return r;
}

static void folder_made(int dir_fd, const char *path)
{
	struct disk *d = disk_get();
	struct disk_op *op;
	const char *name;
	uint32_t folder;

	if (d->mode != DISK_RECORD || !disk_find(dir_fd, path, &folder, &name))
		return;
	op = disk_add(DISK_CREATE, folder);
	op->target = disk_inode_new(true, folder);
	strncpy(op->name, name, sizeof(op->name) - 1);
	disk_name_set(&d->names, folder, name, op->target);
}

WRAP(int, mkdirat, int dir_fd, const char *path, mode_t mode)
{
	int r = dead() ? 0 : __real_mkdirat(dir_fd, path, mode);

	if (r == 0)
		folder_made(dir_fd, path);
	return r;
}

WRAP(int, mkdir, const char *path, mode_t mode)
{
	int r = dead() ? 0 : __real_mkdir(path, mode);

	if (r == 0)
		folder_made(AT_FDCWD, path);
	return r;
}

WRAP(ssize_t, getrandom, void *bytes, size_t len, unsigned flags)
{
	struct disk *d = disk_get();
	unsigned char *p = bytes;

	if (!d->random)
		return __real_getrandom(bytes, len, flags);
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)random_next(&d->random);
	return (ssize_t)len;
}
