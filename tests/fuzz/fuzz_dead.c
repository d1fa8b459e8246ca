/*
 * Dead letters that are arbitrary bytes: those left by a gateway that died (.jsonl, and what
 * was on its way again) are merged, sent once more to the last, and gone then. The first byte says
 * where the input is cut into the two files, the second how many letters are said to be done.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outbox/private.h"
#include "spool/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { WINDOW = 4, ROUNDS = 1 << 16 };

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void file_write(const char *dir, const char *name, const uint8_t *data, size_t len)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/dead/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	check(fd >= 0);
	check(write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static bool file_there(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dead/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Each letter is handed out once, with what it says of itself within its line. */
static void letters_send(struct fg_outbox *box)
{
	int rounds = 0;

	while (box->again && rounds++ < ROUNDS) {
		struct flight *flight;

		if (!dead_next(box))
			continue;
		flight = flight_at(box, box->head);
		check(flight->kind == FLIGHT_AGAIN && flight->batch.records > 0);
		check(flight->batch.payload.len > 0);
		box->head++;
		dead_again_done(box, flight);
	}
	check(!box->again);
}

static void box_use(struct fg_forward *forward, struct fg_outbox *box, const char *dir)
{
	struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	uint64_t count;
	int r;

	dead_open(box);
	check(!file_there(dir, "up.again") && !file_there(dir, "up.new"));
	state->dead = 1000;
	r = fg_forward_requeue(forward, "up", &count);
	check(r == 0);
	letters_send(box);
	check(state->dead + state->acknowledged == 1000);
	check(!file_there(dir, "up.jsonl") && !file_there(dir, "up.again"));
	check(fg_forward_discard(forward, "up", &count) == 0);
}

static void box_try(const char *dir, struct fg_spool *spool, uint8_t done)
{
	struct fg_bridge_conf conf = { .dead_limit = 1 << 20 };
	struct fg_clock clock = { 0 };
	struct fg_forward forward = {
		.conf = { .gateway = "g", .spool_dir = dir, .spool = spool, .clock = &clock },
		.list_lock = PTHREAD_MUTEX_INITIALIZER
	};
	struct fg_outbox *box = calloc(1, sizeof(*box) + 3);
	bool found;

	check(box != NULL);
	box->forward = &forward;
	box->conf = &conf;
	box->window = WINDOW;
	box->acknowledges = true;
	box->flights = calloc(WINDOW, sizeof(*box->flights));
	check(box->flights != NULL);
	for (int i = 0; i < WINDOW; i++)
		fg_buf_init(&box->flights[i].text, 4u << 20);
	memcpy(box->name, "up", 3);
	forward.outboxes = box;
	check(fg_cursor_open(dir, "up", 0, &box->cursor, &found) == 0);
	fg_cursor_begin(box->cursor, 7, 0);
	fg_cursor_state(box->cursor)->again = done % 4;
	box_use(&forward, box, dir);
	fg_cursor_free(box->cursor);
	for (int i = 0; i < WINDOW; i++)
		fg_buf_fini(&box->flights[i].text);
	free(box->flights);
	free(box);
}

static void name_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = {
		"dead/up.jsonl", "dead/up.again", "dead/up.new",	  "dead",
		"cursors/up",	 "cursors",	  "0000000000000001.seg", "lock", "."
	};
	char dir[64], path[96];
	struct fg_spool_conf conf = { dir, 1 << 20, 64 << 10, FG_COMMIT_NEVER, FG_FULL_DROP_OLDEST,
				      NULL };
	struct fg_spool *spool;
	size_t cut;

	if (len < 2)
		return 0;
	snprintf(dir, sizeof(dir), "/dev/shm/fg-fuzz-dead-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/dead", dir);
	check(mkdir(dir, 0700) == 0 && mkdir(path, 0700) == 0);
	cut = (len - 2) * data[0] / 255;
	file_write(dir, "up.jsonl", data + 2, cut);
	if (cut < len - 2)
		file_write(dir, "up.again", data + 2 + cut, len - 2 - cut);
	check(fg_spool_open(NULL, NULL, &conf, NULL, &spool) == 0);
	box_try(dir, spool, data[1]);
	fg_spool_destroy(spool);
	for (size_t i = 0; i + 1 < sizeof(names) / sizeof(names[0]); i++)
		name_remove(dir, names[i]);
	check(rmdir(dir) == 0);
	return 0;
}
