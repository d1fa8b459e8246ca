/* Looking on: what `fieldgate spool` shows. */
#include "spool/private.h"

#include <fcntl.h>
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

struct verify {
	void (*bad)(void *arg, const char *file, uint64_t offset, uint64_t len, const char *why);
	void *arg;
	char name[FG_SEGMENT_NAME];
};

static void verify_bad(struct verify *v, uint64_t offset, uint64_t len, const char *why)
{
	if (v->bad)
		v->bad(v->arg, v->name, offset, len, why);
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
	}
	/* zeros behind the last record are what was preallocated and never written */
	if (walk.next <= s->last)
		verify_bad(v, walk.at, s->end > walk.at ? s->end - walk.at : 0,
			   walk.error ? "unreadable" : "damaged");
	fg_walk_fini(&walk);
	return entries;
}

int64_t fg_spool_verify(struct fg_spool *spool,
			void (*bad)(void *arg, const char *file, uint64_t offset, uint64_t len,
				    const char *why),
			void *arg)
{
	struct verify v = { .bad = bad, .arg = arg };
	int64_t entries = 0;

	for (const struct fg_segment *s = spool->first; s; s = s->next) {
		int fd = fg_segment_open(spool, s, O_RDONLY);

		fg_segment_name(s->number, v.name);
		if (fd < 0) {
			verify_bad(&v, 0, s->size, "cannot be opened");
			continue;
		}
		entries += segment_verify(s, fd, &v);
		close(fd);
	}
	return entries;
}
