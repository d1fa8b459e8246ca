/* The bridge to a file, behind the real outbox: whole lines, acknowledged when they are synced. */
#include "outbox_fixture.h"

#include "../../bridges/file/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

extern const struct fg_bridge fg_bridge_file;

struct file_world {
	struct world *w;
	struct file_conf conf;
	char path[128];
};

/* Stands before libc's: a disk that fails once. */
int failing_syncs;

int fdatasync(int fd)
{
	if (__atomic_load_n(&failing_syncs, __ATOMIC_SEQ_CST) > 0) {
		__atomic_sub_fetch(&failing_syncs, 1, __ATOMIC_SEQ_CST);
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void file_up(struct world *w, struct file_world *fw)
{
	fw->w = w;
	fw->conf.rotate = (struct file_rotate){ .size = 16 << 20, .keep = 4 };
	fw->conf.path = fixture_path(&w->f, "records.jsonl", fw->path);
	w->conf.bridge = &fg_bridge_file;
	w->conf.conf = &fw->conf;
}

/* Turns without time going by, until the worker's result is there or nothing comes. */
static void settle(struct world *w, uint64_t waiting)
{
	for (int i = 0; i < 2000000 && world_account(w).waiting != waiting; i++) {
		sched_yield();
		world_turn(w, 0);
	}
	assert_int_equal(world_account(w).waiting, waiting);
}

/* What stands in the file is mended and synced by a worker before it is up. */
static void until_up(struct world *w)
{
	for (int i = 0; i < 2000000 && w->box->state != SINK_UP; i++) {
		sched_yield();
		world_turn(w, FG_MS(1));
	}
	assert_int_equal(w->box->state, SINK_UP);
}

static char *slurp(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	*ret_len = f ? fread(text, 1, (1 << 20) - 1, f) : 0;
	if (f)
		fclose(f);
	return text;
}

/* Every line of the file is a pack; all go to the audit. Returns how many. */
static unsigned audit_lines(struct world *w, const char *path)
{
	size_t len;
	char *text = slurp(path, &len), *at = text, *end;
	unsigned lines = 0;

	for (; at < text + len; at = end + 1, lines++) {
		struct fg_doc doc;
		const char *why;

		end = memchr(at, '\n', (size_t)(text + len - at));
		assert_non_null(end);
		fg_doc_init(&doc, 8, 1 << 20);
		assert_int_equal(fg_json_parse(fg_str(at, (size_t)(end - at)), &doc), 0);
		assert_int_equal(fg_audit_pack(w->audit, &doc, &why), 0);
		fg_doc_fini(&doc);
	}
	free(text);
	return lines;
}

static void a_line_counts_when_it_is_synced(void **state)
{
	struct world *w = *state;
	struct file_world fw;

	file_up(w, &fw);
	world_up(w);
	world_entries(w, "a", 2, 10);
	world_turn(w, 0);
	assert_int_equal(audit_lines(w, fw.path), 2);
	assert_int_equal(world_account(w).waiting, 20);
	world_turn(w, FG_S(1));
	settle(w, 0);
	world_audit(w, true, "\"duplicates\":0");
	/* a full window is synced at once */
	world_entries(w, "a", 4, 10);
	settle(w, 0);
}

static void a_sync_that_failed_acknowledges_nothing(void **state)
{
	struct world *w = *state;
	struct file_world fw;

	file_up(w, &fw);
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	failing_syncs = 1;
	world_turn(w, FG_S(1));
	for (int i = 0; i < 2000000 && w->box->state != SINK_RETRYING; i++) {
		sched_yield();
		world_turn(w, 0);
		assert_int_equal(world_account(w).waiting, 10);
	}
	assert_int_equal(w->box->faults, 1);
	until_up(w);
	world_turn(w, 0);
	assert_int_equal(audit_lines(w, fw.path), 2);
	world_turn(w, FG_S(1));
	settle(w, 0);
}

static void a_torn_line_is_cut(void **state)
{
	struct world *w = *state;
	struct file_world fw;
	FILE *f;

	file_up(w, &fw);
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_turn(w, FG_S(1));
	settle(w, 0);
	world_down(w);
	f = fopen(fw.path, "ae");
	for (int i = 0; i < 3000; i++)
		fputs("[{\"torn\":", f);
	fclose(f);
	world_up(w);
	until_up(w);
	assert_int_equal(audit_lines(w, fw.path), 1);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	assert_int_equal(audit_lines(w, fw.path), 2);
}

/* A power cut may keep the size of what was written, and not all of its sectors. */
static void a_line_with_a_hole_is_cut(void **state)
{
	static const char lines[] = "[{\"n\":\"\0\0\0\"}]\n[{\"n\":\"x\"}]\n\0\0\0\0";
	struct world *w = *state;
	struct file_world fw;
	FILE *f;

	file_up(w, &fw);
	world_up(w);
	world_entries(w, "a", 1, 10);
	world_turn(w, 0);
	world_turn(w, FG_S(1));
	settle(w, 0);
	world_down(w);
	f = fopen(fw.path, "ae");
	fwrite(lines, 1, sizeof(lines) - 1, f);
	fclose(f);
	world_up(w);
	until_up(w);
	assert_int_equal(audit_lines(w, fw.path), 1);
	world_down(w);
	f = fopen(fw.path, "we"); /* nothing of it */
	fwrite("\0\0\0", 1, 3, f);
	fclose(f);
	world_up(w);
	until_up(w);
	assert_int_equal(audit_lines(w, fw.path), 0);
}

static void packs_in_cbor_are_not_cut(void **state)
{
	struct world *w = *state;
	struct file_world fw;
	size_t before, after;

	file_up(w, &fw);
	w->conf.format = FG_FORMAT_SENML_CBOR;
	world_up(w);
	/* ten numbers, one of them a line feed's */
	world_entries(w, "a", 1, 12);
	world_turns(w, 2, FG_MS(200));
	world_turn(w, FG_S(1));
	settle(w, 0);
	world_down(w);
	free(slurp(fw.path, &before));
	assert_true(before > 100);
	world_up(w);
	free(slurp(fw.path, &after));
	assert_int_equal(after, before);
}

static void a_file_is_rotated_between_lines(void **state)
{
	struct world *w = *state;
	struct file_world fw;
	char path[160];
	unsigned lines = 0;

	file_up(w, &fw);
	fw.conf.rotate = (struct file_rotate){ .size = 4096, .keep = 3 };
	world_up(w);
	world_entries(w, "a", 30, 10);
	for (int i = 0; i < 2000000 && world_account(w).waiting; i++) {
		sched_yield();
		world_turn(w, i % 10000 ? 0 : FG_MS(100));
	}
	assert_int_equal(world_account(w).waiting, 0);
	for (int i = 3; i > 0; i--) {
		snprintf(path, sizeof(path), "%s.%d", fw.path, i);
		lines += audit_lines(w, path);
		assert_true(i == 3 || lines > 0);
	}
	lines += audit_lines(w, fw.path);
	assert_int_equal(lines, 30);
	world_audit(w, true, "\"duplicates\":0");
	assert_int_equal(w->box->faults, 0);
}

static void a_full_disk_takes_no_part_of_a_line(void **state)
{
	struct world *w = *state;
	struct file_world fw;
	struct rlimit limit;
	FILE *f;

	file_up(w, &fw);
	f = fopen(fw.path, "we");
	fprintf(f, "[%7998s]\n", "");
	fclose(f);
	world_up(w);
	world_entries(w, "a", 1, 10);
	assert_int_equal(sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 8192, limit.rlim_max }), 0);
	for (int i = 0; i < 2000000 && w->box->faults < 2; i++) {
		sched_yield();
		world_turn(w, FG_MS(100));
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(w->box->faults > 1);
	assert_int_equal(world_account(w).waiting, 10);
	for (int i = 0; i < 2000000 && world_account(w).waiting; i++) {
		sched_yield();
		world_turn(w, FG_MS(100));
	}
	settle(w, 0);
	f = fopen(fw.path, "we"); /* the line that only filled it */
	fclose(f);
}

static void a_full_pipe_is_waited_for(void **state)
{
	struct world *w = *state;
	struct file_world fw;
	char *text = calloc(1, 1 << 20);
	size_t len = 0;
	int fd;
	ssize_t n;
	FILE *f;

	file_up(w, &fw);
	assert_int_equal(mkfifo(fw.path, 0600), 0);
	fd = open(fw.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_SETPIPE_SZ, 4096) >= 4096);
	world_up(w);
	world_entries(w, "a", 60, 10);
	world_turns(w, 5, 0);
	assert_true(world_account(w).waiting > 300);
	for (int i = 0; i < 1000; i++) {
		world_turn(w, 0);
		while ((n = read(fd, text + len, 1000)) > 0)
			len += (size_t)n;
	}
	close(fd);
	assert_int_equal(world_account(w).waiting, 0);
	world_down(w);
	unlink(fw.path);
	f = fopen(fw.path, "we");
	fwrite(text, 1, len, f);
	fclose(f);
	free(text);
	world_up(w);
	assert_int_equal(audit_lines(w, fw.path), 60);
	world_audit(w, true, "\"duplicates\":0");
}

/* All that a pipe holds, behind what was read of it before. */
static size_t drain(int fd, char *text, size_t len)
{
	ssize_t n;

	while ((n = read(fd, text + len, 1000)) > 0)
		len += (size_t)n;
	return len;
}

/* A bridge to a FIFO whose reader sleeps, and 600 records. Returns the reader's end. */
static int sleeper_up(struct world *w, struct file_world *fw)
{
	int fd;

	file_up(w, fw);
	w->conf.batch.records = 200;
	assert_int_equal(mkfifo(fw->path, 0600), 0);
	fd = open(fw->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_SETPIPE_SZ, 4096) >= 4096);
	world_up(w);
	world_entries(w, "a", 60, 10);
	return fd;
}

/* It wakes up, and reads all that is still to come. */
static size_t sleeper_reads(struct world *w, int fd, char *text, size_t len)
{
	for (int i = 0; i < 2000 && world_account(w).waiting; i++) {
		world_turn(w, FG_MS(100));
		len = drain(fd, text, len);
	}
	len = drain(fd, text, len);
	close(fd);
	assert_int_equal(world_account(w).waiting, 0);
	return len;
}

/* Its reader sleeps, for longer than "stall" and over several openings; what it reads then are
 * whole lines, the one that was torn among them. */
static void a_line_torn_by_a_fault_is_ended_first(void **state)
{
	struct world *w = *state;
	struct file_world fw;
	char *text = calloc(1, 1 << 20);
	size_t len = 0;
	int fd;
	FILE *f;

	fd = sleeper_up(w, &fw);
	for (int i = 0; i < 1000 && w->box->faults < 3; i++)
		world_turn(w, FG_S(1));
	assert_int_equal(w->box->faults, 3);
	/* a little of the rest fits, and it is torn again */
	len = (size_t)read(fd, text, 1000);
	for (int i = 0; i < 1000 && w->box->faults < 5; i++)
		world_turn(w, FG_S(1));
	assert_int_equal(w->box->faults, 5);
	assert_int_equal(world_account(w).waiting, 600);
	len = sleeper_reads(w, fd, text, len);
	world_down(w);
	unlink(fw.path);
	f = fopen(fw.path, "we");
	fwrite(text, 1, len, f);
	fclose(f);
	free(text);
	world_up(w);
	assert_int_equal(audit_lines(w, fw.path), 4);
	world_audit(w, true, "\"duplicates\":200");
}

/* The process ends, or the bridge is taken out and comes back, while its reader sleeps. */
static void a_line_torn_by_the_end_is_ended_by_the_next(void **state)
{
	struct world *w = *state;
	struct file_world fw;
	char *text = calloc(1, 1 << 20), *line, *rest;
	size_t len = 0;
	unsigned pieces = 0;
	int fd;
	FILE *f;

	fd = sleeper_up(w, &fw);
	for (int i = 0; i < 3; i++) {
		world_turns(w, 3, FG_S(1));
		world_down(w);
		world_up(w);
	}
	len = sleeper_reads(w, fd, text, len);
	world_down(w);
	unlink(fw.path);
	f = fopen(fw.path, "we");
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (line[strlen(line) - 1] == ']')
			fprintf(f, "%s\n", line);
		else
			pieces++;
	fclose(f);
	free(text);
	assert_int_equal(pieces, 1);
	world_up(w);
	assert_int_equal(audit_lines(w, fw.path), 3);
	world_audit(w, true, "\"duplicates\":0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_line_counts_when_it_is_synced),
		WORLD_TEST(a_sync_that_failed_acknowledges_nothing),
		WORLD_TEST(a_torn_line_is_cut),
		WORLD_TEST(a_line_with_a_hole_is_cut),
		WORLD_TEST(packs_in_cbor_are_not_cut),
		WORLD_TEST(a_file_is_rotated_between_lines),
		WORLD_TEST(a_full_disk_takes_no_part_of_a_line),
		WORLD_TEST(a_full_pipe_is_waited_for),
		WORLD_TEST(a_line_torn_by_a_fault_is_ended_first),
		WORLD_TEST(a_line_torn_by_the_end_is_ended_by_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
