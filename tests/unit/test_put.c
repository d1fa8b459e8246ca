/* A configuration's file is exchanged as a whole: owner and links stay, what is on trial is known
 * by its content, and the way back leaves alone what somebody else has put there. */
#include "config/put.h"

#include "config/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OLD FG_STR("{\"old\":1}")
#define NEW FG_STR("{\"new\":1}")

struct folder {
	char path[64], file[96], link[96];
	struct fg_trial trial;
};

static int folder_make(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/fg-put.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->file, sizeof(f->file), "%s/gateway.json", f->path);
	snprintf(f->link, sizeof(f->link), "%s/link", f->path);
	fg_trial_init(&f->trial);
	fg_sha256_hex(NEW, f->trial.sha256);
	f->trial.deadline_ns = 5000000000;
	*state = f;
	return 0;
}

static int folder_remove(void **state)
{
	static const char *const names[] = { "gateway.json", "gateway.json.trial", "link",
					     "gateway.json.last-good",
					     "gateway.json.new.999999999" };
	struct folder *f = *state;
	char path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->path, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->path), 0);
	fg_trial_fini(&f->trial);
	free(f);
	return 0;
}

static void write_file(const char *path, struct fg_str text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.ptr, text.len), text.len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void expect(const char *path, const char *suffix, struct fg_str wanted)
{
	struct fg_buf text;

	fg_buf_init(&text, 65536);
	assert_int_equal(fg_put_read(path, suffix, &text), 0);
	assert_int_equal(text.len, wanted.len);
	assert_memory_equal(text.data, wanted.ptr, wanted.len);
	fg_buf_fini(&text);
}

static void test_exchange(void **state)
{
	struct folder *f = *state;
	struct fg_trial seen;
	struct stat st;

	fg_trial_init(&seen);
	write_file(f->file, OLD, 0604);
	assert_int_equal(fg_put_look(f->file, &seen), -ENOENT);
	assert_int_equal(fg_put_new(f->file, NEW, true, &f->trial), 0);
	expect(f->file, "", NEW);
	expect(f->file, ".last-good", OLD);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(fg_put_on_trial(f->file, &seen), 0);
	assert_int_equal(seen.deadline_ns, 5000000000);
	assert_int_equal(fg_put_count(f->file, &seen), 0);
	assert_int_equal(fg_put_on_trial(f->file, &seen), 0);
	assert_int_equal(seen.starts, 1);
	assert_int_equal(fg_put_back(f->file, &seen), 0);
	expect(f->file, "", OLD);
	assert_int_equal(fg_put_look(f->file, &seen), -ENOENT);
	assert_int_equal(fg_put_back(f->file, &seen), 0);	/* once more */
	expect(f->file, "", OLD);
	fg_trial_fini(&seen);
}

static void test_link(void **state)
{
	struct folder *f = *state;
	struct stat st;

	write_file(f->file, OLD, 0640);
	assert_int_equal(symlink("gateway.json", f->link), 0);
	assert_int_equal(fg_put_new(f->link, NEW, true, &f->trial), 0);
	assert_int_equal(lstat(f->link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	expect(f->file, "", NEW);
	assert_int_equal(fg_put_keep(f->link), 0);
	assert_int_equal(fg_put_look(f->file, &f->trial), -ENOENT);
}

/* Nothing was there; and what stands there is not what was on trial. */
static void test_foreign(void **state)
{
	struct folder *f = *state;
	struct fg_trial seen;
	char litter[160];

	fg_trial_init(&seen);
	snprintf(litter, sizeof(litter), "%s.new.999999999", f->file);
	write_file(litter, OLD, 0600);
	assert_int_equal(fg_put_new(f->file, NEW, true, &f->trial), 0);
	assert_int_equal(access(litter, F_OK), -1);
	assert_int_equal(fg_put_back(f->file, &f->trial), -ENOENT);
	expect(f->file, "", NEW);
	write_file(f->file, OLD, 0640);
	assert_int_equal(fg_put_look(f->file, &seen), 0);
	assert_int_equal(fg_put_on_trial(f->file, &seen), -ENOENT);
	assert_int_equal(fg_put_back(f->file, &seen), 0);
	expect(f->file, "", OLD);
	fg_trial_fini(&seen);
}

static void test_before(void **state)
{
	struct folder *f = *state;
	struct fg_trial *trial = &f->trial, seen;

	fg_trial_init(&seen);
	trial->version = 9007199254740991;
	trial->known = trial->lenient = true;
	fg_trial_note(trial, "drivers", "a", true);
	fg_trial_note(trial, "bridges", "a", false);
	fg_trial_note(trial, "bridges", "a\"b", true);
	assert_int_equal(fg_put_new(f->file, NEW, true, trial), 0);
	assert_int_equal(fg_put_on_trial(f->file, &seen), 0);
	assert_true(seen.known && seen.lenient);
	assert_int_equal(seen.version, 9007199254740991);
	assert_int_equal(fg_trial_was(&seen, "drivers", "a"), FG_WAS_UP);
	assert_int_equal(fg_trial_was(&seen, "bridges", "a"), FG_WAS_DOWN);
	assert_int_equal(fg_trial_was(&seen, "bridges", "a\"b"), FG_WAS_UP);
	assert_int_equal(fg_trial_was(&seen, "drivers", "b"), FG_WAS_ABSENT);
	fg_trial_fini(&seen);
}

static void test_unreadable(void **state)
{
	static const struct fg_str texts[] = { FG_STR(""), FG_STR("{"), FG_STR("[]"),
					       FG_STR("{\"sha256\":\"12\"}"),
					       FG_STR("{\"sha256\":7}") };
	struct folder *f = *state;

	write_file(f->file, OLD, 0640);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(fg_put_beside(f->file, ".trial", texts[i]), 0);
		assert_int_equal(fg_put_look(f->file, &f->trial), -EBADMSG);
	}
}

static void test_lock(void **state)
{
	struct folder *f = *state;
	int first, second;

	assert_int_equal(fg_put_allowed(f->file), 0);
	assert_int_equal(fg_put_lock(f->file, &first), 0);
	assert_int_equal(fg_put_lock(f->file, &second), -EWOULDBLOCK);
	close(first);
	assert_int_equal(fg_put_lock(f->file, &second), 0);
	close(second);
	assert_int_equal(fg_put_allowed("/nowhere/at/all"), -ENOENT);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		test(test_exchange), test(test_link),	    test(test_foreign),
		test(test_before),   test(test_unreadable), test(test_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
