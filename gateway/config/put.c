/* Files that are exchanged as a whole; see put.h for their order. */
#include "config/put.h"

#include "config/config.h"
#include "config/put_private.h"
#include "config/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAST_GOOD ".last-good"
#define TRIAL ".trial"
#define NEW ".new."
#define MODE 0640		/* of a file that was not there before */

/* FILE, by its folder and its name in it. */
struct place {
	int folder;
	char path[PATH_MAX];
	const char *name;	/* in path */
	struct stat stat;	/* of FILE */
	bool there;
};

/* -- where -- */

static int place_resolve(struct place *place, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX], real[PATH_MAX];

	if (realpath(path, place->path))
		return 0;
	if (errno != ENOENT)
		return -errno;
	/* not there yet: its folder has to be */
	if (snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path + 1) : 1,
		     slash ? path : ".") >= (int)sizeof(folder))
		return -ENAMETOOLONG;
	if (!realpath(folder, real))
		return -errno;
	if (snprintf(place->path, sizeof(place->path), "%s/%s", real, slash ? slash + 1 : path) >=
	    (int)sizeof(place->path))
		return -ENAMETOOLONG;
	return 0;
}

static int place_open(struct place *place, const char *path)
{
	int r = place_resolve(place, path);
	char *slash;

	if (r < 0)
		return r;
	slash = strrchr(place->path, '/');
	*slash = '\0';
	place->name = slash + 1;
	place->folder = open(*place->path ? place->path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (place->folder < 0)
		return -errno;
	place->there = fstatat(place->folder, place->name, &place->stat, 0) == 0;
	return 0;
}

static void place_close(struct place *place)
{
	close(place->folder);
}

/* -- reading -- */

static int content_read(int fd, struct fg_buf *out)
{
	ssize_t n = 1;

	while (n > 0) {
		char *p = fg_buf_reserve(out, 4096);

		if (!p)
			return -EFBIG;
		n = read(fd, p, 4096);
		if (n < 0 && errno != EINTR)
			return -errno;
		out->len += n > 0 ? (size_t)n : 0;
		n = n < 0 ? 1 : n;
	}
	return 0;
}

static int beside_read(const struct place *place, const char *suffix, struct fg_buf *out)
{
	char name[NAME_MAX + 1];
	int fd, r;

	if (snprintf(name, sizeof(name), "%s%s", place->name, suffix) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	fd = openat(place->folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = content_read(fd, out);
	close(fd);
	return r;
}

int fg_put_read(const char *path, const char *suffix, struct fg_buf *out)
{
	struct place place;
	int r = place_open(&place, path);

	if (r < 0)
		return r;
	r = beside_read(&place, suffix, out);
	place_close(&place);
	return r;
}

/* -- writing -- */

static int content_write(int fd, struct fg_str text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text = fg_str(text.ptr + n, text.len - (size_t)n);
	}
	return 0;
}

/* Asked for only where it differs: a service may not be allowed to ask at all. */
static int owner_keep(int fd, const struct place *place)
{
	struct stat own;

	if (fstat(fd, &own) < 0)
		return -errno;
	if (place->there &&
	    (own.st_uid != place->stat.st_uid || own.st_gid != place->stat.st_gid) &&
	    fchown(fd, place->stat.st_uid, place->stat.st_gid) < 0)
		return -errno;
	return fchmod(fd, place->there ? place->stat.st_mode & 07777 : MODE) < 0 ? -errno : 0;
}

static int temporary_write(const struct place *place, const char *name, struct fg_str text)
{
	int fd, r;

	(void)unlinkat(place->folder, name, 0);
	fd = openat(place->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	r = content_write(fd, text);
	if (r == 0)
		r = owner_keep(fd, place);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int folder_sync(const struct place *place)
{
	return fsync(place->folder) < 0 ? -errno : 0;
}

static int beside_write(const struct place *place, const char *suffix, struct fg_str text)
{
	char name[NAME_MAX + 1], temporary[NAME_MAX + 1];
	int r;

	if (snprintf(name, sizeof(name), "%s%s", place->name, suffix) >= (int)sizeof(name) ||
	    snprintf(temporary, sizeof(temporary), "%s" NEW "%ld", place->name, (long)getpid()) >=
		    (int)sizeof(temporary))
		return -ENAMETOOLONG;
	r = temporary_write(place, temporary, text);
	if (r == 0 && renameat(place->folder, temporary, place->folder, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(place->folder, temporary, 0);
		return r;
	}
	return folder_sync(place);
}

int fg_put_beside(const char *path, const char *suffix, struct fg_str text)
{
	struct place place;
	int r = place_open(&place, path);

	if (r < 0)
		return r;
	r = beside_write(&place, suffix, text);
	place_close(&place);
	return r;
}

static int beside_remove(const struct place *place, const char *suffix)
{
	char name[NAME_MAX + 1];

	if (snprintf(name, sizeof(name), "%s%s", place->name, suffix) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	if (unlinkat(place->folder, name, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return folder_sync(place);
}

/* What a process left that was ended in the middle. */
static void litter_remove(const struct place *place)
{
	int fd = openat(place->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t len = strlen(place->name);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		const char *rest = entry->d_name + len;
		long pid;

		if (strncmp(entry->d_name, place->name, len) != 0 ||
		    strncmp(rest, NEW, strlen(NEW)) != 0)
			continue;
		pid = strtol(rest + strlen(NEW), NULL, 10);
		if (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
			(void)unlinkat(place->folder, entry->d_name, 0);
	}
	closedir(dir);
}

/* -- the exchange -- */

static int last_good_make(const struct place *place)
{
	struct fg_buf text;
	int r;

	fg_buf_init(&text, (size_t)FG_CONFIG_MAX + 4096);
	r = beside_read(place, "", &text);
	if (r == 0)
		r = beside_write(place, LAST_GOOD, fg_buf_view(&text));
	fg_buf_fini(&text);
	return r;
}

static int trial_write(const struct place *place, const struct fg_trial *trial)
{
	struct fg_buf text;
	int r;

	fg_buf_init(&text, (size_t)16 << 20);
	config_trial_encode(trial, &text);
	r = text.failed ? -ENOMEM : beside_write(place, TRIAL, fg_buf_view(&text));
	fg_buf_fini(&text);
	return r;
}

int fg_put_new(const char *path, struct fg_str text, bool good, const struct fg_trial *trial)
{
	struct place place;
	int r = place_open(&place, path);

	if (r < 0)
		return r;
	litter_remove(&place);
	if (place.there && good)
		r = last_good_make(&place);
	if (r == 0)
		r = trial_write(&place, trial);
	if (r == 0)
		r = beside_write(&place, "", text);
	place_close(&place);
	return r;
}

int fg_put_look(const char *path, struct fg_trial *ret_trial)
{
	struct fg_buf text;
	int r;

	fg_buf_init(&text, (size_t)16 << 20);
	r = fg_put_read(path, TRIAL, &text);
	if (r == 0)
		r = config_trial_decode(fg_buf_view(&text), ret_trial);
	fg_buf_fini(&text);
	return r;
}

static bool is_on_trial(const struct place *place, const struct fg_trial *trial)
{
	char sha256[65] = "";
	struct fg_buf text;

	fg_buf_init(&text, (size_t)FG_CONFIG_MAX + 4096);
	if (beside_read(place, "", &text) == 0)
		fg_sha256_hex(fg_buf_view(&text), sha256);
	fg_buf_fini(&text);
	return strcmp(sha256, trial->sha256) == 0;
}

int fg_put_on_trial(const char *path, struct fg_trial *ret_trial)
{
	struct place place;
	int r = fg_put_look(path, ret_trial);

	if (r == 0)
		r = place_open(&place, path);
	if (r < 0)
		return r;
	r = is_on_trial(&place, ret_trial) ? 0 : -ENOENT;
	place_close(&place);
	return r;
}

int fg_put_count(const char *path, struct fg_trial *trial)
{
	struct place place;
	int r = place_open(&place, path);

	if (r < 0)
		return r;
	trial->starts++;
	r = trial_write(&place, trial);
	place_close(&place);
	return r;
}

int fg_put_keep(const char *path)
{
	struct place place;
	int r = place_open(&place, path);

	if (r < 0)
		return r;
	r = beside_remove(&place, TRIAL);
	place_close(&place);
	return r;
}

int fg_put_back(const char *path, const struct fg_trial *trial)
{
	struct place place;
	struct fg_buf text;
	int r = place_open(&place, path);

	if (r < 0)
		return r;
	fg_buf_init(&text, (size_t)FG_CONFIG_MAX + 4096);
	if (is_on_trial(&place, trial)) {
		r = beside_read(&place, LAST_GOOD, &text);
		if (r == 0)
			r = beside_write(&place, "", fg_buf_view(&text));
	}
	if (r == 0)
		r = beside_remove(&place, TRIAL);
	fg_buf_fini(&text);
	place_close(&place);
	return r;
}

int fg_put_last_good(const char *path, char *out, size_t cap)
{
	struct place place = { .folder = -1 };
	int r = place_resolve(&place, path);

	if (r == 0 && snprintf(out, cap, "%s" LAST_GOOD, place.path) >= (int)cap)
		r = -ENAMETOOLONG;
	return r;
}

int fg_put_allowed(const char *path)
{
	struct place place;
	int r = place_open(&place, path);

	if (r < 0)
		return r;
	if (faccessat(place.folder, ".", W_OK | X_OK, AT_EACCESS) < 0)
		r = -errno;
	else if (place.there && geteuid() != 0 && place.stat.st_uid != geteuid())
		r = -EPERM;
	place_close(&place);
	return r;
}

int fg_put_lock(const char *path, int *ret_fd)
{
	struct place place;
	int r = place_open(&place, path);

	if (r < 0)
		return r;
	if (flock(place.folder, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		place_close(&place);
		return r;
	}
	*ret_fd = place.folder;
	return 0;
}
