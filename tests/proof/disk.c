/* The record of what was done to files, and the states that a power cut makes of it. See disk.h. */
#include "disk.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

struct disk *disk_get(void)
{
	static struct disk disk;

	return &disk;
}

/* -- files -- */

char *file_load(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *bytes;

	if (fd < 0)
		return NULL;
	assert(fstat(fd, &st) == 0);
	bytes = malloc((size_t)st.st_size + 1);
	assert(bytes && pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
	bytes[st.st_size] = '\0';
	close(fd);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

void file_store(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert(fd >= 0);
	assert(len == 0 || write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

static void each_entry(const char *path,
		       void (*each)(void *arg, const char *path, const char *name), void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char child[512];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		each(arg, child, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static void entry_remove(void *arg, const char *path, const char *name)
{
	(void)arg;
	(void)name;
	if (unlink(path) < 0) {
		folder_empty(path);
		assert(rmdir(path) == 0);
	}
}

void folder_empty(const char *path)
{
	each_entry(path, entry_remove, NULL);
}

static void entry_copy(void *arg, const char *path, const char *name)
{
	char to[512];
	struct stat st;
	size_t len;
	char *bytes;

	snprintf(to, sizeof(to), "%s/%s", (const char *)arg, name);
	assert(lstat(path, &st) == 0);
	if (S_ISDIR(st.st_mode)) {
		assert(mkdir(to, 0750) == 0);
		each_entry(path, entry_copy, to);
		return;
	}
	bytes = file_load(path, &len);
	file_store(to, bytes, len);
	free(bytes);
}

void folder_copy(const char *from, const char *to)
{
	char target[512];

	folder_empty(to);
	snprintf(target, sizeof(target), "%s", to);
	each_entry(from, entry_copy, target);
}

/* -- names -- */

void disk_name_set(struct disk_names *names, uint32_t folder, const char *name, uint32_t inode)
{
	for (uint32_t i = 0; i < names->count; i++) {
		struct disk_name *n = &names->all[i];

		if (n->folder != folder || strcmp(n->name, name) != 0)
			continue;
		n->inode = inode;
		if (!inode)
			*n = names->all[--names->count];
		return;
	}
	if (!inode)
		return;
	if (names->count == names->cap) {
		names->cap = names->cap ? 2 * names->cap : 64;
		names->all = realloc(names->all, names->cap * sizeof(*names->all));
		assert(names->all);
	}
	names->all[names->count] = (struct disk_name){ .folder = folder, .inode = inode };
	snprintf(names->all[names->count++].name, sizeof(names->all[0].name), "%s", name);
}

static uint32_t names_find(const struct disk_names *names, uint32_t folder, const char *name)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (names->all[i].folder == folder && strcmp(names->all[i].name, name) == 0)
			return names->all[i].inode;
	return 0;
}

uint32_t disk_lookup(uint32_t folder, const char *name)
{
	const struct disk *d = disk_get();

	if (strcmp(name, ".") == 0 || !name[0])
		return folder;
	if (strcmp(name, "..") == 0)
		return d->inodes[folder].parent;
	return names_find(&d->names, folder, name);
}

bool disk_find(int dir_fd, const char *path, uint32_t *ret_folder, const char **ret_name)
{
	const struct disk *d = disk_get();
	size_t root = strlen(d->root);
	uint32_t at;
	const char *slash;

	if (path[0] == '/') {
		if (strncmp(path, d->root, root) != 0 || (path[root] && path[root] != '/'))
			return false;
		path += root + (path[root] == '/');
		at = 1;
	} else {
		at = dir_fd >= 0 && dir_fd < DISK_FDS ? d->fds[dir_fd] : 0;
	}
	while (at && (slash = strchr(path, '/'))) {
		char name[48];

		snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
		at = disk_lookup(at, name);
		path = slash + 1;
	}
	*ret_folder = at;
	*ret_name = path;
	return at != 0;
}

uint32_t disk_inode_new(bool folder, uint32_t parent)
{
	struct disk *d = disk_get();

	if (d->ninodes == d->inodes_cap) {
		d->inodes_cap = d->inodes_cap ? 2 * d->inodes_cap : 64;
		d->inodes = realloc(d->inodes, d->inodes_cap * sizeof(*d->inodes));
		assert(d->inodes);
	}
	d->inodes[d->ninodes] = (struct disk_inode){ .folder = folder, .parent = parent };
	return d->ninodes++;
}

/* -- the record -- */

struct disk_op *disk_add(enum disk_kind kind, uint32_t inode)
{
	struct disk *d = disk_get();

	if (d->nops == d->ops_cap) {
		d->ops_cap = d->ops_cap ? 2 * d->ops_cap : 1024;
		d->ops = realloc(d->ops, d->ops_cap * sizeof(*d->ops));
		assert(d->ops);
	}
	d->ops[d->nops] = (struct disk_op){ .kind = kind, .inode = inode };
	d->ops[d->nops].now_ns = d->now_ns ? *d->now_ns : 0;
	return &d->ops[d->nops++];
}

void disk_opened(int dir_fd, const char *path, int flags, int fd, bool existed)
{
	struct disk *d = disk_get();
	const char *name;
	uint32_t folder, inode;

	assert(fd < DISK_FDS);
	d->fds[fd] = 0;
	if (!disk_find(dir_fd, path, &folder, &name))
		return;
	inode = disk_lookup(folder, name);
	assert(existed == (inode != 0) || strcmp(name, "..") == 0);
	if (!inode && (flags & O_CREAT)) {
		struct disk_op *op = disk_add(DISK_CREATE, folder);

		inode = op->target = disk_inode_new(false, folder);
		snprintf(op->name, sizeof(op->name), "%s", name);
		disk_name_set(&d->names, folder, name, inode);
	} else if (flags & O_TRUNC) {
		disk_add(DISK_TRUNCATE, inode);
		d->inodes[inode].size = 0;
	}
	d->fds[fd] = inode;
	d->appends[fd] = flags & O_APPEND;
}

void disk_wrote(int fd, const void *bytes, uint64_t len, uint64_t at)
{
	struct disk *d = disk_get();
	struct disk_inode *inode = &d->inodes[d->fds[fd]];
	struct disk_op *op = disk_add(DISK_WRITE, d->fds[fd]);

	op->at = at;
	op->len = len;
	op->bytes = malloc(len);
	assert(op->bytes);
	memcpy(op->bytes, bytes, len);
	if (at + len > inode->size)
		inode->size = at + len;
}

static bool is_segment(uint32_t inode)
{
	const struct disk *d = disk_get();

	for (uint32_t i = 0; i < d->names.count; i++)
		if (d->names.all[i].inode == inode && strstr(d->names.all[i].name, ".seg"))
			return true;
	return false;
}

static void pages_forget(uint32_t inode)
{
	struct disk *d = disk_get();

	for (uint32_t i = d->inodes[inode].synced; i < d->nops; i++)
		if (d->ops[i].inode == inode && d->ops[i].kind == DISK_WRITE)
			d->ops[i].forgotten = true;
}

static void site_note(const void *site)
{
	struct disk *d = disk_get();

	for (uint32_t i = 0; i < d->nsites; i++)
		if (d->sites[i] == site)
			return;
	assert(d->nsites < DISK_SITES);
	d->sites[d->nsites++] = site;
}

/* -1: it fails, and the kernel has given up what it should have written. */
int disk_synced(int fd, const void *site)
{
	struct disk *d = disk_get();
	uint32_t inode = d->fds[fd], begin = d->nops;
	struct disk_op *op;

	if (d->during_sync)
		d->during_sync(d->arg);
	if (d->eio_in && is_segment(inode) && --d->eio_in == 0) {
		pages_forget(inode);
		return -1;
	}
	site_note(site);
	op = disk_add(DISK_SYNC, inode);
	op->begin = begin;
	op->site = site;
	d->inodes[inode].synced = begin;
	return 0;
}

/* -- beginning -- */

struct scan {
	uint32_t folder;
};

static void entry_scan(void *arg, const char *path, const char *name)
{
	struct disk *d = disk_get();
	struct scan *scan = arg;
	struct stat st;
	uint32_t inode;
	size_t len;

	assert(lstat(path, &st) == 0);
	inode = disk_inode_new(S_ISDIR(st.st_mode), scan->folder);
	disk_name_set(&d->names, scan->folder, name, inode);
	disk_name_set(&d->base, scan->folder, name, inode);
	if (S_ISDIR(st.st_mode)) {
		struct scan below = { inode };

		each_entry(path, entry_scan, &below);
		return;
	}
	d->inodes[inode].base = file_load(path, &len);
	d->inodes[inode].base_len = d->inodes[inode].size = len;
}

void disk_end(void)
{
	struct disk *d = disk_get();

	for (uint32_t i = 0; i < d->nops; i++)
		free(d->ops[i].bytes);
	for (uint32_t i = 0; i < d->ninodes; i++)
		free(d->inodes[i].base);
	free(d->ops);
	free(d->inodes);
	free(d->names.all);
	free(d->base.all);
	d->ops = NULL;
	d->inodes = NULL;
	d->names = d->base = (struct disk_names){ 0 };
	d->nops = d->ops_cap = d->ninodes = d->inodes_cap = 0;
	memset(d->fds, 0, sizeof(d->fds));
	d->mode = DISK_OFF;
	d->eio_in = 0;
}

void disk_begin(const char *root)
{
	struct disk *d = disk_get();
	struct scan scan = { 1 };

	disk_end();
	snprintf(d->root, sizeof(d->root), "%s", root);
	disk_inode_new(false, 0);
	disk_inode_new(true, 0);
	each_entry(root, entry_scan, &scan);
	d->mode = DISK_RECORD;
}

void disk_boot(uint64_t id)
{
	struct disk *d = disk_get();
	char text[64];
	int n = snprintf(text, sizeof(text), "%08" PRIx64 "-0000-4000-8000-%012" PRIx64 "\n",
			 id & 0xffffffff, id & 0xffffffffffff);

	file_store(d->boot, text, (size_t)n);
}

/* -- states -- */

struct cut {
	uint32_t at;
	bool everything;
	uint64_t *random;
	uint32_t *synced;    /* by inode */
	uint8_t *percent;    /* by inode: how much of what is not sure is there */
	bool *kept;	     /* by entry of the record: of names */
	struct disk_names names;
};

static void cut_sure(struct cut *cut, const void *skip)
{
	const struct disk *d = disk_get();
	static const uint8_t percents[] = { 0, 0, 5, 30, 50, 70, 95, 100 };

	for (uint32_t i = 0; i < cut->at; i++) {
		const struct disk_op *op = &d->ops[i];

		if (op->kind == DISK_SYNC && op->site != skip && op->begin > cut->synced[op->inode])
			cut->synced[op->inode] = op->begin;
	}
	for (uint32_t i = 0; i < d->ninodes; i++)
		cut->percent[i] = percents[random_below(cut->random, sizeof(percents))];
}

static bool names_same(const struct disk_op *a, const struct disk_op *b)
{
	return strcmp(a->name, b->name) == 0 || (b->to[0] && strcmp(a->name, b->to) == 0) ||
	       (a->to[0] &&
		(strcmp(a->to, b->name) == 0 || (b->to[0] && strcmp(a->to, b->to) == 0)));
}

static bool is_name(const struct disk_op *op)
{
	return op->kind <= DISK_RENAME;
}

static bool name_kept(const struct cut *cut, uint32_t i)
{
	const struct disk *d = disk_get();
	const struct disk_op *op = &d->ops[i];

	if (cut->everything || i < cut->synced[op->inode])
		return true;
	if (!random_chance(cut->random, cut->percent[op->inode]))
		return false;
	for (uint32_t j = cut->synced[op->inode]; j < i; j++)
		if (is_name(&d->ops[j]) && d->ops[j].inode == op->inode && !cut->kept[j] &&
		    names_same(&d->ops[j], op))
			return false;
	return true;
}

static void cut_names(struct cut *cut)
{
	const struct disk *d = disk_get();

	for (uint32_t i = 0; i < d->base.count; i++)
		disk_name_set(&cut->names, d->base.all[i].folder, d->base.all[i].name,
			      d->base.all[i].inode);
	for (uint32_t i = 0; i < cut->at; i++) {
		const struct disk_op *op = &d->ops[i];

		if (!is_name(op))
			continue;
		cut->kept[i] = name_kept(cut, i);
		if (!cut->kept[i])
			continue;
		if (op->kind == DISK_CREATE)
			disk_name_set(&cut->names, op->inode, op->name, op->target);
		if (op->kind == DISK_RENAME)
			disk_name_set(&cut->names, op->inode, op->to,
				      names_find(&cut->names, op->inode, op->name));
		if (op->kind != DISK_CREATE)
			disk_name_set(&cut->names, op->inode, op->name, 0);
	}
}

struct image {
	char *bytes;
	uint64_t len, cap;
};

static void image_size(struct image *image, uint64_t len)
{
	if (len > image->cap) {
		image->cap = 2 * len;
		image->bytes = realloc(image->bytes, image->cap);
		assert(image->bytes);
	}
	if (len > image->len)
		memset(image->bytes + image->len, 0, len - image->len);
	image->len = len;
}

static void image_grow(struct image *image, uint64_t len)
{
	if (len > image->len)
		image_size(image, len);
}

static void image_put(struct image *image, const struct disk_op *op, uint64_t from, uint64_t to)
{
	image_grow(image, to);
	memcpy(image->bytes + from, op->bytes + (from - op->at), to - from);
}

/* A write that no sync covers: by sectors of the disk, each whole or not. */
static void image_tear(const struct cut *cut, struct image *image, const struct disk_op *op)
{
	uint64_t end = op->at + op->len, next;
	uint32_t how = random_below(cut->random, 4), part = random_below(cut->random, 100);
	uint32_t sectors = (uint32_t)((end - 1) / SECTOR - op->at / SECTOR + 1);
	uint32_t n = 0, prefix = random_below(cut->random, sectors + 1);

	if (how == 0) /* the size alone */
		image_grow(image, end);
	for (uint64_t at = op->at; at < end && how; at = next, n++) {
		next = (at / SECTOR + 1) * SECTOR;
		if (next > end)
			next = end;
		if (how == 1 ? n < prefix : random_chance(cut->random, part))
			image_put(image, op, at, next);
		else if (how == 3)
			image_grow(image, next);
	}
}

static void image_apply(const struct cut *cut, struct image *image, uint32_t i)
{
	const struct disk_op *op = &disk_get()->ops[i];
	bool sure = cut->everything || (i < cut->synced[op->inode] && !op->forgotten);

	if (!sure && !random_chance(cut->random, cut->percent[op->inode]))
		return;
	if (op->kind == DISK_WRITE && !sure && random_chance(cut->random, 40))
		image_tear(cut, image, op);
	else if (op->kind == DISK_WRITE)
		image_put(image, op, op->at, op->at + op->len);
	else if (op->kind == DISK_EXTEND)
		image_grow(image, op->len);
	else if (op->kind == DISK_TRUNCATE)
		image_size(image, op->len);
}

static void file_build(const struct cut *cut, struct image *image, uint32_t inode, const char *path)
{
	const struct disk *d = disk_get();

	image->len = 0;
	image_size(image, d->inodes[inode].base_len);
	if (image->len)
		memcpy(image->bytes, d->inodes[inode].base, image->len);
	for (uint32_t i = 0; i < cut->at; i++)
		if (d->ops[i].inode == inode && !is_name(&d->ops[i]))
			image_apply(cut, image, i);
	file_store(path, image->bytes, image->len);
}

static void folder_build(const struct cut *cut, struct image *image, uint32_t folder,
			 const char *path)
{
	for (uint32_t i = 0; i < cut->names.count; i++) {
		const struct disk_name *name = &cut->names.all[i];
		char child[512];

		if (name->folder != folder)
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, name->name);
		if (!disk_get()->inodes[name->inode].folder) {
			file_build(cut, image, name->inode, child);
			continue;
		}
		assert(mkdir(child, 0750) == 0);
		folder_build(cut, image, name->inode, child);
	}
}

void disk_build(uint32_t at, uint64_t *random, const void *skip, bool everything, const char *to)
{
	const struct disk *d = disk_get();
	struct cut cut = { .at = at, .everything = everything, .random = random };
	struct image image = { 0 };

	cut.synced = calloc(d->ninodes, sizeof(*cut.synced));
	cut.percent = calloc(d->ninodes, sizeof(*cut.percent));
	cut.kept = calloc(d->nops + 1, sizeof(*cut.kept));
	assert(cut.synced && cut.percent && cut.kept);
	folder_empty(to);
	cut_sure(&cut, skip);
	cut_names(&cut);
	folder_build(&cut, &image, 1, to);
	free(cut.synced);
	free(cut.percent);
	free(cut.kept);
	free(cut.names.all);
	free(image.bytes);
}

/* -- is anything done past the record? -- */

struct compare {
	const char *root;
	const char *other;
	unsigned differ, files;
};

static void entry_compare(void *arg, const char *path, const char *name)
{
	struct compare *c = arg;
	char other[512];
	struct stat st;
	size_t len, other_len;
	char *a, *b;

	(void)name;
	assert(lstat(path, &st) == 0);
	if (S_ISDIR(st.st_mode)) {
		each_entry(path, entry_compare, c);
		return;
	}
	snprintf(other, sizeof(other), "%s%s", c->other, path + strlen(c->root));
	a = file_load(path, &len);
	b = file_load(other, &other_len);
	c->files++;
	if (!b || len != other_len || memcmp(a, b, len) != 0) {
		fprintf(stderr, "the record misses something of %s\n", path);
		c->differ++;
	}
	free(a);
	free(b);
}

bool disk_matches(const char *scratch)
{
	const struct disk *d = disk_get();
	struct compare there = { d->root, scratch, 0, 0 }, back = { scratch, d->root, 0, 0 };
	uint64_t random = 1;

	disk_build(d->nops, &random, NULL, true, scratch);
	each_entry(d->root, entry_compare, &there);
	each_entry(scratch, entry_compare, &back);
	return !there.differ && there.files == back.files;
}
