/* A fleet from its folder. */
#include "base/buf.h"
#include "fleet/fleet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SHOWN 512

struct folder {
	struct fg_fleet *fleet;
	struct fg_buf text;
	int fd;			/* of the fleet's folder */
	char *ret_path;
};

static int read_all(int fd, struct fg_buf *text)
{
	ssize_t n;

	fg_buf_reset(text);
	do {
		char *room = fg_buf_reserve(text, 16384);

		if (!room)
			return -EFBIG;
		n = read(fd, room, 16384);
		if (n < 0 && errno != EINTR)
			return -errno;
		text->len += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	return text->len > FG_CONFIG_MAX ? -EFBIG : 0;
}

static int add_file(struct folder *folder, enum fg_fleet_kind kind, const char *name)
{
	static const char *const folders[] = { "fleet", "groups/", "gateways/" };
	int fd, r;

	snprintf(folder->ret_path, PATH_SHOWN, "%s%s.json", folders[kind], name);
	/* a FIFO would keep us waiting */
	fd = openat(folder->fd, folder->ret_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = read_all(fd, &folder->text);
	close(fd);
	if (r == 0)
		r = fg_fleet_add(folder->fleet, kind, name, fg_buf_view(&folder->text));
	return r;
}

/* A file whose name ends otherwise is probably meant, and not read. */
static void doubt_name(struct folder *folder, const char *subfolder, const char *name)
{
	char text[PATH_SHOWN];

	snprintf(text, sizeof(text), "%s/%s is not read: its name does not end in .json", subfolder,
		 name);
	if (folder->fleet->base)
		fg_fleet_note(&folder->fleet->report, true, folder->fleet->base, "", text, NULL);
}

static int add_entry(struct folder *folder, enum fg_fleet_kind kind, const char *subfolder,
		     const char *entry)
{
	size_t len = strlen(entry);
	char name[NAME_MAX + 1];

	if (entry[0] == '.')
		return 0;
	if (len <= 5 || len > NAME_MAX || strcmp(entry + len - 5, ".json") != 0) {
		doubt_name(folder, subfolder, entry);
		return 0;
	}
	memcpy(name, entry, len - 5);
	name[len - 5] = '\0';
	return add_file(folder, kind, name);
}

/* -ENOENT: there is no such folder, which is for the caller to judge. */
static int add_folder(struct folder *folder, enum fg_fleet_kind kind, const char *subfolder)
{
	int fd = openat(folder->fd, subfolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	snprintf(folder->ret_path, PATH_SHOWN, "%s", subfolder);
	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		r = add_entry(folder, kind, subfolder, entry->d_name);
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	return r;
}

static int add_all(struct folder *folder)
{
	int base = add_file(folder, FG_FLEET_BASE, ""), r;

	if (base < 0 && base != -ENOENT)
		return base;
	r = add_folder(folder, FG_FLEET_GROUP, "groups");
	if (r < 0 && r != -ENOENT)
		return r;
	r = add_folder(folder, FG_FLEET_GATEWAY, "gateways");
	if (r != -ENOENT)
		return r;
	if (base == 0)
		return 0;
	folder->ret_path[0] = '\0';
	return -ENOTDIR;
}

int fg_fleet_load(struct fg_fleet *fleet, const char *path, char *ret_path)
{
	struct folder folder = { .fleet = fleet, .ret_path = ret_path };
	int r;

	ret_path[0] = '\0';
	folder.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder.fd < 0)
		return -errno;
	fg_buf_init(&folder.text, FG_CONFIG_MAX + 65536);
	r = add_all(&folder);
	fg_buf_fini(&folder.text);
	close(folder.fd);
	return r < 0 ? r : fg_fleet_link(fleet);
}
