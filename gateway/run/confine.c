/*
 * Nothing of the gateway's work needs root: its ports are above 1024, and lines are open to the
 * group dialout. So it is given up first of all, and a reload finds what the start found.
 */
#include "run/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct fg_confine_failure *failure, int error, const char *what, const char *name)
{
	snprintf(failure->text, sizeof(failure->text), "%s \"%s\": %s", what, name,
		 strerror(-error));
	return error;
}

/* A folder that was there belongs to whom it belonged; one that cannot be made is told of by who
 * needs it. */
static int folder_give(const char *path, const struct passwd *user)
{
	int fd, r = 0;

	if (mkdir(path, 0750) < 0)
		return 0;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchown(fd, user->pw_uid, user->pw_gid) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int folder_of_give(const char *path, const struct passwd *user)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len == 0 || len >= sizeof(folder))
		return 0;
	memcpy(folder, path, len);
	folder[len] = '\0';
	return folder_give(folder, user);
}

/* Groups first: who is no longer root cannot change them. */
static int user_become(const struct passwd *user)
{
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return -errno;
	return 0;
}

static int root_leave(const struct fg_run_conf *run, const char *spool_dir,
		      struct fg_confine_failure *failure)
{
	const struct passwd *user;
	int r;

	errno = 0;
	user = getpwnam(run->user);
	if (!user)
		return failed(failure, errno ? -errno : -ENOENT, "user", run->user);
	r = folder_give(spool_dir, user);
	if (r < 0)
		return failed(failure, r, "folder", spool_dir);
	r = folder_of_give(run->socket, user);
	if (r < 0)
		return failed(failure, r, "the folder of", run->socket);
	r = user_become(user);
	return r < 0 ? failed(failure, r, "cannot become user", run->user) : 0;
}

int fg_confine(const struct fg_run_conf *run, const char *spool_dir,
	       struct fg_confine_failure *failure, bool *ret_root)
{
	int r;

	umask(umask(0077) | 0027);	/* a stricter one stays */
	if (geteuid() == 0 && run->user) {
		r = root_leave(run, spool_dir, failure);
		if (r < 0)
			return r;
	}
	/* After the change of user, which would undo the second. Secrets are also in the memory of
	 * libraries, so it is no core file at all rather than one with parts left out. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return failed(failure, -errno, "prctl", "no new privileges, no core files");
	*ret_root = geteuid() == 0;
	return 0;
}
