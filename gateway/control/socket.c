#include "control/socket.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int control_address(const char *path, struct sockaddr_un *ret_address)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_address->sun_path, path, len);
	return 0;
}

/* The folders above the file, those that are missing. */
static int make_folders(const char *path)
{
	char folder[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, path, len + 1);
	for (char *p = strchr(folder + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(folder, 0750) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

/* 0: nobody answers at the address; -EADDRINUSE: somebody does. */
static int ask(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	/* EAGAIN: its queue is full, so there is one */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		r = -EADDRINUSE;
	else if (errno != ECONNREFUSED && errno != ENOENT)
		r = -errno;
	close(fd);
	return r;
}

static int bind_path(int fd, const struct sockaddr_un *address)
{
	struct stat st;
	int r;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	if (lstat(address->sun_path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST;
	r = ask(address);
	if (r < 0)
		return r;
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return -errno;
	return bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

int control_listen(const char *path)
{
	struct sockaddr_un address;
	int fd, r = control_address(path, &address);

	if (r == 0)
		r = make_folders(path);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The file is born with the socket's mode: it is never open to more than it should be. What
	 * the umask took away is given after. */
	r = fchmod(fd, 0660) < 0 ? -errno : bind_path(fd, &address);
	if (r == 0 && (chmod(path, 0660) < 0 || listen(fd, 16) < 0))
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}
