/*
 * A cursor's file that holds arbitrary bytes: it is opened, says nothing beyond what was accepted,
 * and what it says once is what it says when it is read again. The first byte tells which slots get
 * a right magic and CRC, the next how much was accepted.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "spool/cursor.h"
#include "spool/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void slot_write(int fd, const uint8_t *data, size_t len, off_t at, bool sound)
{
	char slot[FG_CURSOR_SLOT] = { 0 };

	memcpy(slot, data, len < sizeof(slot) ? len : sizeof(slot));
	if (sound) {
		memcpy(slot, FG_CURSOR_MAGIC, 8);
		slot[15] = 0; /* no gateway writes so often that its count comes to an end */
		fg_put32(slot + FG_CURSOR_SLOT - 4, fg_crc32c(0, slot, FG_CURSOR_SLOT - 4));
		len = sizeof(slot);
	}
	if (len > sizeof(slot))
		len = sizeof(slot);
	check(pwrite(fd, slot, len, at) == (ssize_t)len);
}

static void file_make(const char *path, const uint8_t *data, size_t len, uint8_t kind)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t first = len / 2;

	check(fd >= 0);
	slot_write(fd, data, first, 0, kind & 1);
	if (kind & 4)
		slot_write(fd, data + first, len - first, FG_CURSOR_STEP, kind & 2);
	close(fd);
}

static void state_check(const struct fg_cursor_state *state, uint64_t accepted)
{
	check(state->position <= accepted);
	check(state->nislands <= FG_CURSOR_ISLANDS);
	for (uint32_t i = 0; i < state->nislands; i++)
		check(state->islands[i].to <= accepted);
}

static void cursor_use(const char *dir, uint64_t accepted)
{
	struct fg_cursor_state before, state;
	struct fg_cursor *cursor;
	bool found;

	(void)fg_cursor_read(dir, "up", &state);
	check(fg_cursor_open(dir, "up", accepted, &cursor, &found) == 0);
	check(!found || !fg_cursor_damaged(cursor));
	if (!found)
		fg_cursor_begin(cursor, 7, accepted);
	state_check(fg_cursor_state(cursor), accepted);
	/* as a gateway that went on by one */
	fg_cursor_state(cursor)->acknowledged++;
	check(fg_cursor_write(cursor) == 0);
	before = *fg_cursor_state(cursor);
	fg_cursor_free(cursor);
	check(fg_cursor_read(dir, "up", &state) == 0);
	check(state.position == before.position && state.acknowledged == before.acknowledged &&
	      state.begin == before.begin && state.nislands == before.nislands);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char dir[64], path[96];

	if (len < 2)
		return 0;
	snprintf(dir, sizeof(dir), "/dev/shm/fg-fuzz-cursor-%d", (int)getpid());
	check(mkdir(dir, 0700) == 0);
	snprintf(path, sizeof(path), "%s/cursors", dir);
	check(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/cursors/up", dir);
	file_make(path, data + 2, len - 2, data[0]);
	cursor_use(dir, (uint64_t)data[1] << (data[0] >> 3));
	check(unlink(path) == 0);
	snprintf(path, sizeof(path), "%s/cursors", dir);
	check(rmdir(path) == 0 && rmdir(dir) == 0);
	return 0;
}
