/* Looking on: what `fieldgate spool` shows. */
#include "spool/private.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void fg_spool_each_segment(struct fg_spool *spool,
			   void (*each)(void *arg, const struct fg_spool_segment_info *), void *arg)
{
	char name[FG_SEGMENT_NAME];

	for (const struct fg_segment *s = spool->first; s; s = s->next) {
		struct fg_spool_segment_info info = {
			.file = name,
			.epoch = s->epoch->id,
			.first = s->base - s->epoch->base + 1,
			.last = s->last > s->base ? s->last - s->epoch->base : 0,
			.bytes = s->size,
			.sealed = s->sealed,
		};

		fg_segment_name(s->number, name);
		each(arg, &info);
	}
}

bool fg_spool_is_there(const char *dir)
{
	bool found = false;
	struct dirent *entry;
	DIR *files = opendir(dir);

	while (files && !found && (entry = readdir(files))) {
		size_t len = strlen(entry->d_name);

		found = strcmp(entry->d_name, "lock") == 0 ||
			(len > 4 && strcmp(entry->d_name + len - 4, ".seg") == 0);
	}
	if (files)
		closedir(files);
	return found;
}

struct verify {
	const struct fg_spool_verify *tell;
	uint64_t before;		/* bytes of the segments that are done */
	char name[FG_SEGMENT_NAME];
};

static void verify_bad(struct verify *v, uint64_t offset, uint64_t len, const char *why)
{
	if (v->tell->bad)
		v->tell->bad(v->tell->arg, v->name, offset, len, why);
}

static void verify_at(struct verify *v, uint64_t offset)
{
	if (v->tell->at)
		v->tell->at(v->tell->arg, v->before + offset);
}

static int64_t segment_verify(const struct fg_segment *s, int fd, struct verify *v)
{
	enum fg_walk_result result;
	struct fg_walked walked;
	struct fg_walk walk;
	int64_t entries = 0;

	fg_walk_init(&walk);
	fg_walk_start(&walk, fd, s->seed, FG_SEGMENT_HEAD, s->base + 1);
	walk.end = s->end;
	walk.upper = s->last;
	while ((result = fg_walk_next(&walk, &walked)) != FG_WALK_END) {
		if (result == FG_WALK_GAP)
			verify_bad(v, walked.offset, walked.damaged, "damaged");
		else
			entries++;
		verify_at(v, walk.at);
	}
	/* zeros behind the last record are what was preallocated and never written */
	if (walk.next <= s->last)
		verify_bad(v, walk.at, s->end > walk.at ? s->end - walk.at : 0,
			   walk.error ? "unreadable" : "damaged");
	fg_walk_fini(&walk);
	return entries;
}

int64_t fg_spool_verify(struct fg_spool *spool, const struct fg_spool_verify *tell)
{
	struct verify v = { .tell = tell };
	int64_t entries = 0;

	for (const struct fg_segment *s = spool->first; s; s = s->next) {
		int fd = fg_segment_open(spool, s, O_RDONLY);

		fg_segment_name(s->number, v.name);
		if (fd < 0) {
			verify_bad(&v, 0, s->size, "cannot be opened");
		} else {
			entries += segment_verify(s, fd, &v);
			close(fd);
		}
		v.before += s->size;
		verify_at(&v, 0);
	}
	return entries;
}
