#include "run/total.h"

#include <fg/doc.h>

#include "config/config.h"
#include "decode/decode.h"
#include "run/gateway.h"
#include "spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEDGER_MAX ((size_t)16 << 20)
#define FINISHED "finished"

/* -- the sum -- */

void fg_total_init(struct fg_total *total, bool within)
{
	*total = (struct fg_total){ .within = within, .sum = fg_sum_new() };
	fg_buf_init(&total->list, LEDGER_MAX);
}

void fg_total_fini(struct fg_total *total)
{
	total->sum = fg_sum_free(total->sum);
	fg_buf_fini(&total->list);
}

/* "epoch":...,"last":... of a ledger or a state. */
static void add_place(struct fg_buf *out, struct fg_str json)
{
	struct fg_str epoch = FG_STR("epoch"), last = FG_STR("last");
	const struct fg_node *e, *l;
	struct fg_doc doc;

	fg_doc_init(&doc, 8, LEDGER_MAX);
	if (fg_json_parse(json, &doc) == 0) {
		e = fg_doc_find(&doc, &epoch, 1);
		l = fg_doc_find(&doc, &last, 1);
		fg_buf_text(out, "\"epoch\":");
		fg_buf_json(out, e && e->value.kind == FG_STRING ? e->value.s : FG_STR(""));
		fg_buf_printf(out, ",\"last\":%" PRId64,
			      l && l->value.kind == FG_INT ? l->value.i : 0);
	} else {
		out->failed = true;
	}
	fg_doc_fini(&doc);
}

void fg_total_add(struct fg_total *total, uint32_t index, struct fg_str json, const char *more)
{
	struct fg_buf *list = &total->list;

	if (!total->sum || fg_sum_add(total->sum, json) < 0)
		total->failed = true;
	fg_buf_printf(list, "%s{\"process\":%u,", total->count++ ? "," : "", index);
	add_place(list, json);
	fg_buf_printf(list, "%s}", more);
}

void fg_total_ledger(struct fg_total *total, uint32_t index, struct fg_str ledger, const char *more)
{
	struct fg_buf state;

	if (!total->within) {
		fg_total_add(total, index, ledger, more);
		return;
	}
	fg_buf_init(&state, LEDGER_MAX);
	fg_buf_char(&state, '{');
	add_place(&state, ledger);
	fg_buf_text(&state, ",\"ledger\":");
	fg_buf_str(&state, ledger);
	fg_buf_char(&state, '}');
	fg_total_add(total, index, fg_buf_view(&state), more);
	fg_buf_fini(&state);
}

int fg_total_json(const struct fg_total *total, struct fg_buf *out)
{
	if (total->failed || !total->sum || total->list.failed)
		return -ENOMEM;
	fg_sum_json(total->sum, out);
	if (total->count < 2 || out->failed)
		return out->failed ? -ENOMEM : 0;
	out->len--;	/* the closing brace: one more member follows */
	fg_buf_text(out, ",\"processes\":[");
	fg_buf_str(out, fg_buf_view(&total->list));
	fg_buf_text(out, "]}");
	return out->failed ? -ENOMEM : 0;
}

/* -- folders -- */

int fg_process_folder(const char *dir, uint32_t index, char *out, size_t cap)
{
	int n = index == 1 ? snprintf(out, cap, "%s", dir) :
			     snprintf(out, cap, "%s/" FG_PROCESS_FOLDER "%u", dir, index);

	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

unsigned fg_process_folders(const char *dir, uint32_t *indices, unsigned max)
{
	char path[PATH_MAX];
	unsigned count = 0;
	struct stat st;

	for (uint32_t i = 2; i <= FG_PROCESSES_MAX && count < max; i++)
		if (fg_process_folder(dir, i, path, sizeof(path)) == 0 && lstat(path, &st) == 0 &&
		    S_ISDIR(st.st_mode))
			indices[count++] = i;
	return count;
}

int fg_total_of_files(const char *dir, const char *gateway, bool sure, struct fg_buf *out)
{
	uint32_t indices[FG_PROCESSES_MAX];
	unsigned count = fg_process_folders(dir, indices, FG_PROCESSES_MAX);
	struct fg_total total;
	char path[PATH_MAX];
	struct fg_buf one;
	int r;

	fg_total_init(&total, false);
	fg_buf_init(&one, LEDGER_MAX);
	r = fg_ledger_of_files(dir, gateway, sure, &one);
	if (r == 0)
		fg_total_ledger(&total, 1, fg_buf_view(&one), "");
	for (unsigned i = 0; i < count && r == 0; i++) {
		fg_buf_reset(&one);
		if (fg_process_is_finished(dir, indices[i]))
			continue;
		r = fg_process_folder(dir, indices[i], path, sizeof(path));
		if (r == 0)
			r = fg_ledger_of_files(path, gateway, sure, &one);
		if (r == 0)
			fg_total_ledger(&total, indices[i], fg_buf_view(&one), "");
		else if (r == -ENOENT)	/* it was made, and killed right then */
			r = 0;
	}
	if (r == 0) {
		fg_total_finished(&total, dir);
		r = fg_total_json(&total, out);
	}
	fg_buf_fini(&one);
	fg_total_fini(&total);
	return r;
}

/* -- those that are finished -- */

static int text_read(int fd, struct fg_buf *text)
{
	ssize_t n;

	do {
		char *p = fg_buf_reserve(text, 4096);

		if (!p)
			return -ENOMEM;
		n = read(fd, p, 4096);
		if (n > 0)
			text->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

void fg_total_finished(struct fg_total *total, const char *dir)
{
	char path[PATH_MAX], end[8] = "";
	int n = snprintf(path, sizeof(path), "%s/" FINISHED, dir), fd;
	DIR *folder = n > 0 && n < (int)sizeof(path) ? opendir(path) : NULL;
	const struct dirent *entry;
	uint32_t index;
	struct fg_buf text;

	while (folder && (entry = readdir(folder)) != NULL) {
		if (sscanf(entry->d_name, "%" SCNu32 "-%*16[0-9a-f]%7s", &index, end) != 2 ||
		    strcmp(end, ".json") != 0)
			continue;
		fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		fg_buf_init(&text, LEDGER_MAX);
		if (fd >= 0 && text_read(fd, &text) == 0)
			fg_total_ledger(total, index, fg_buf_view(&text),
					",\"state\":\"finished\"");
		fg_buf_fini(&text);
		if (fd >= 0)
			close(fd);
	}
	if (folder)
		closedir(folder);
}

static int finished_path(const char *dir, uint32_t index, char *out, size_t cap)
{
	struct fg_spool *spool;
	char path[PATH_MAX];
	int r = fg_process_folder(dir, index, path, sizeof(path)), n;

	if (r == 0)
		r = fg_spool_open_readonly(path, &spool);
	if (r < 0)
		return r;
	n = snprintf(out, cap, "%s/" FINISHED "/%u-%016" PRIx64 ".json", dir, index,
		     fg_spool_identity(spool));
	fg_spool_close(spool, NULL, NULL);
	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

bool fg_process_is_finished(const char *dir, uint32_t index)
{
	char path[PATH_MAX];

	return finished_path(dir, index, path, sizeof(path)) == 0 && access(path, F_OK) == 0;
}

static int folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int text_write(const char *path, struct fg_str text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text.ptr, text.len) != (ssize_t)text.len)
		r = -EIO;
	else if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* The whole account is there, or none: it counts as soon as it has its name. */
static int account_keep(const char *dir, const char *path, struct fg_str ledger)
{
	char folder[PATH_MAX], beside[PATH_MAX];
	int r;

	if (snprintf(folder, sizeof(folder), "%s/" FINISHED, dir) >= (int)sizeof(folder) ||
	    snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	if (mkdir(folder, 0750) < 0 && errno != EEXIST)
		return -errno;
	r = folder_sync(dir);
	if (r == 0)
		r = text_write(beside, ledger);
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	return r < 0 ? r : folder_sync(folder);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path) < 0 ? -1 : 0;
}

/* From the lock down: a spool without one opens as a new one, of another identity. So its folder
 * gets another name first, and a new process may begin in its place. */
static int folder_remove(const char *dir, uint32_t index)
{
	char path[PATH_MAX], away[PATH_MAX];
	int r = fg_process_folder(dir, index, path, sizeof(path));

	if (r == 0 && snprintf(away, sizeof(away), "%s/removed", dir) >= (int)sizeof(away))
		r = -ENAMETOOLONG;
	if (r < 0)
		return r;
	(void)nftw(away, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	if (rename(path, away) < 0)
		return -errno;
	r = folder_sync(dir);
	if (r == 0 && nftw(away, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0)
		r = -errno;
	return r;
}

int fg_process_finish(const char *dir, uint32_t index, const char *gateway)
{
	char path[PATH_MAX], folder[PATH_MAX];
	struct fg_buf ledger;
	int r = finished_path(dir, index, path, sizeof(path));

	if (r < 0)
		return r;
	fg_buf_init(&ledger, LEDGER_MAX);
	if (access(path, F_OK) < 0) {
		r = fg_process_folder(dir, index, folder, sizeof(folder));
		if (r == 0)
			r = fg_ledger_of_files(folder, gateway, false, &ledger);
		if (r == 0)
			r = account_keep(dir, path, fg_buf_view(&ledger));
	}
	fg_buf_fini(&ledger);
	return r < 0 ? r : folder_remove(dir, index);
}
