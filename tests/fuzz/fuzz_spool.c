/*
 * A spool whose files hold arbitrary bytes: opened, read, verified, appended to, opened again. The
 * first byte says what the input is: a segment behind a sound header or a whole file, or the lock.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "spool/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void file_write(int dir, const char *name, const void *head, size_t head_len,
		       const uint8_t *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	check(fd >= 0);
	check(write(fd, head, head_len) == (ssize_t)head_len);
	check(write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static void head_make(char head[FG_SEGMENT_HEAD])
{
	memset(head, 0, FG_SEGMENT_HEAD);
	memcpy(head, FG_SEGMENT_MAGIC, 8);
	fg_put16(head + 8, FG_SEGMENT_VERSION);
	fg_put16(head + 10, FG_SEGMENT_HEAD);
	fg_put64(head + 16, 1);
	fg_put64(head + 40, 0x1122334455667788);
	fg_put32(head + FG_SEGMENT_CRC, fg_crc32c(0, head, FG_SEGMENT_CRC));
}

/* A CRC is no obstacle: entries that follow each other by their lengths get a right one. */
static uint8_t *crcs_mend(const uint8_t *data, size_t len, uint32_t seed)
{
	uint8_t *copy = malloc(len ? len : 1);
	size_t at = 0;

	check(copy != NULL);
	if (len)
		memcpy(copy, data, len);
	while (len - at > FG_ENTRY_HEAD) {
		uint32_t entry = fg_get32(copy + at);

		if (entry <= FG_ENTRY_HEAD || entry > len - at)
			break;
		fg_put32(copy + at + 4, fg_crc32c(seed, copy + at + 8, entry - 8));
		at += entry;
	}
	return copy;
}

static void spool_make(int dir, const uint8_t *data, size_t len)
{
	char head[FG_SEGMENT_HEAD];
	uint8_t kind = len ? data[0] : 0, *copy;

	if (len) {
		data++;
		len--;
	}
	head_make(head);
	if (kind % 4 == 2) {
		file_write(dir, "0000000000000001.seg", head, 0, data, len);
	} else if (kind % 4 == 3) {
		file_write(dir, "lock", head, 0, data, len);
	} else {
		copy = crcs_mend(data, len, fg_get32(head + FG_SEGMENT_CRC));
		file_write(dir, "0000000000000001.seg", head, sizeof(head), kind % 4 ? data : copy,
			   len);
		free(copy);
	}
}

/* Positions follow each other up to what was accepted, by entries or by gaps. */
static void spool_read_all(struct fg_spool *spool)
{
	uint64_t next = 1, from, to;
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	struct fg_record record;
	enum fg_spool_gap why;
	int r;

	check(fg_spool_reader_new(spool, 1, &reader) == 0);
	while ((r = fg_spool_read(reader, &view)) > 0) {
		size_t at = 0;

		if (r == 1) {
			from = view.first;
			to = view.last;
			while (fg_spool_record(&view, &at, &record) == 1)
				check(record.value.kind < FG_KIND__MAX);
		} else {
			fg_spool_reader_gap(reader, &from, &to, &why);
		}
		check(from == next && to >= from);
		next = to + 1;
	}
	check(next == fg_spool_accepted(spool) + 1);
	fg_spool_reader_free(reader);
}

static void spool_use(const char *dir)
{
	struct fg_spool_conf conf = { dir, 1 << 20, 64 << 10, FG_COMMIT_NEVER, FG_FULL_DROP_OLDEST,
				      NULL };
	struct fg_record record = { .point = FG_STR("p"), .time_ns = FG_TIME_NONE };
	struct fg_entry entry = { .device = FG_STR("d"), .records = &record, .count = 1 };
	struct fg_spool *spool;
	uint64_t last, before;

	check(fg_spool_open_readonly(dir, &spool) == 0);
	spool_read_all(spool);
	(void)fg_spool_verify(spool, &(struct fg_spool_verify){ 0 });
	fg_spool_close(spool, NULL, NULL);
	check(fg_spool_open(NULL, NULL, &conf, NULL, &spool) == 0);
	spool_read_all(spool);
	before = fg_spool_accepted(spool);
	check(fg_spool_append(spool, &entry, &last) == 0 && last == before + 1);
	check(fg_spool_flush(spool) == 0);
	spool_read_all(spool);
	/* as a kill leaves it */
	fg_spool_destroy(spool);
	check(fg_spool_open(NULL, NULL, &conf, NULL, &spool) == 0);
	check(fg_spool_accepted(spool) >= last);
	spool_read_all(spool);
	fg_spool_destroy(spool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const files[] = {
		"lock",
		"0000000000000001.seg",
		"0000000000000001.seg.bad",
		"0000000000000002.seg",
		"0000000000000003.seg",
	};
	char path[64];
	int dir;

	snprintf(path, sizeof(path), "/dev/shm/fg-fuzz-spool-%d", (int)getpid());
	check(mkdir(path, 0700) == 0);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	check(dir >= 0);
	spool_make(dir, data, len);
	spool_use(path);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlinkat(dir, files[i], 0);
	close(dir);
	check(rmdir(path) == 0);
	return 0;
}
