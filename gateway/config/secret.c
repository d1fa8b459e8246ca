/* A secret's bytes are in one allocation from here to the end of its use, and are wiped there. */
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool fg_secret_name_ok(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len <= NAME_MAX && strspn(name, letters) == len && name[0] != '.' &&
	       name[0] != '-';
}

static int open_in(const char *folder, const char *name)
{
	char path[PATH_MAX];
	int fd;

	if (!folder || snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENOENT;
	/* a FIFO must not hold up the start */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static int read_all(int fd, char *out, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, out + len, cap - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	} while (n != 0 && len < cap);
	*ret_len = len;
	return 0;
}

static int read_open(int fd, struct fg_secret *secret, bool *ret_exposed)
{
	struct stat st;
	char *value;
	size_t len = 0;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size <= 0 || st.st_size > FG_SECRET_MAX)
		return -EMSGSIZE;
	value = calloc(1, (size_t)st.st_size + 1);
	if (!value)
		return -ENOMEM;
	r = read_all(fd, value, (size_t)st.st_size, &len);
	if (r == 0 && len > 0 && value[len - 1] == '\n')
		value[--len] = '\0';
	if (r == 0 && len == 0)
		r = -EMSGSIZE;
	if (r < 0) {
		explicit_bzero(value, (size_t)st.st_size);
		free(value);
		return r;
	}
	fg_secret_forget(secret);
	secret->value = value;
	secret->len = len;
	*ret_exposed = st.st_mode & S_IROTH;
	return 0;
}

int fg_secret_read(struct fg_secret *secret, bool *ret_exposed)
{
	int fd = open_in(getenv("CREDENTIALS_DIRECTORY"), secret->name);
	int r;

	if (fd == -ENOENT)
		fd = open_in(FG_SECRETS_DIR, secret->name);
	if (fd < 0)
		return fd;
	r = read_open(fd, secret, ret_exposed);
	close(fd);
	return r;
}

void fg_secret_forget(struct fg_secret *secret)
{
	char *value = (char *)(uintptr_t)secret->value;

	if (value)
		explicit_bzero(value, secret->len);
	free(value);
	secret->value = NULL;
	secret->len = 0;
}
