/* Log lines: their form, what foreign bytes become, and that nothing waits for a slow reader. */
#include "base/log.h"

#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct pipe_log {
	int fds[2];
	struct fg_log log;
	char text[8192];
};

static void pipe_open(struct pipe_log *p, enum fg_level level)
{
	assert_int_equal(pipe2(p->fds, O_CLOEXEC | O_NONBLOCK), 0);
	fg_log_init(&p->log, p->fds[1], level);
}

static const char *pipe_read(struct pipe_log *p)
{
	ssize_t n = read(p->fds[0], p->text, sizeof(p->text) - 1);

	p->text[n > 0 ? n : 0] = '\0';
	return p->text;
}

static void pipe_close(struct pipe_log *p)
{
	close(p->fds[0]);
	close(p->fds[1]);
}

static void assert_matches(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0) != 0)
		fail_msg("%s does not match %s", text, pattern);
	regfree(&regex);
}

#define STAMP "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "

static void test_line(void **state)
{
	struct fg_logger logger;
	struct pipe_log p;

	(void)state;
	pipe_open(&p, FG_INFO);
	fg_logger_init(&logger, &p.log, "mqtt", "field");
	fg_log(&logger, FG_WARN, "connection lost", "error=\"%s\" attempt=%d", "refused", 3);
	assert_matches(pipe_read(&p),
		       STAMP "level=warn component=mqtt name=field "
			     "msg=\"connection lost\" error=\"refused\" attempt=3\n$");
	fg_logger_init(&logger, &p.log, "spool", NULL);
	fg_log(&logger, FG_INFO, "open", "%s", "");
	assert_matches(pipe_read(&p), STAMP "level=info component=spool msg=\"open\" \n$");
	pipe_close(&p);
}

static void test_levels(void **state)
{
	static const struct fg_log_level levels[] = { { "mqtt", FG_DEBUG }, { "coap", FG_ERROR } };
	struct fg_logger logger;
	struct pipe_log p;

	(void)state;
	pipe_open(&p, FG_INFO);
	p.log.levels = levels;
	p.log.nlevels = 2;
	fg_logger_init(&logger, &p.log, "mqtt", NULL);
	fg_log(&logger, FG_DEBUG, "a", "n=%d", 1);
	assert_non_null(strstr(pipe_read(&p), "level=debug"));
	fg_logger_init(&logger, &p.log, "coap", NULL);
	fg_log(&logger, FG_WARN, "b", "n=%d", 1);
	assert_string_equal(pipe_read(&p), "");
	fg_logger_init(&logger, &p.log, "spool", NULL);
	fg_log(&logger, FG_DEBUG, "c", "n=%d", 1);
	assert_string_equal(pipe_read(&p), "");
	logger.log = NULL;
	fg_log(&logger, FG_ERROR, "d", "n=%d", 1);
	pipe_close(&p);
}

/* A value must not end the line or begin another, and a long one must not take all. */
static void test_one_line(void **state)
{
	struct fg_logger logger;
	struct pipe_log p;
	char big[8000];
	const char *text;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	pipe_open(&p, FG_INFO);
	fg_logger_init(&logger, &p.log, "mqtt", NULL);
	fg_log(&logger, FG_WARN, "a", "v=%s", "1\nlevel=error\x1b[31m");
	text = pipe_read(&p);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_null(strchr(text, '\x1b'));
	fg_log(&logger, FG_WARN, "a", "v=%s", big);
	text = pipe_read(&p);
	assert_true(strlen(text) <= 2048);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	pipe_close(&p);
}

static void test_full_pipe(void **state)
{
	struct fg_logger logger;
	struct pipe_log p;
	char big[1500];
	int lines = 0;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	pipe_open(&p, FG_INFO);
	/* a writer that would block for ever if it wrote without asking */
	assert_int_equal(fcntl(p.fds[1], F_SETFL, 0), 0);
	fg_logger_init(&logger, &p.log, "mqtt", NULL);
	while (p.log.left_out < 3 && lines++ < 1000)
		fg_log(&logger, FG_WARN, "a", "v=%s", big);
	assert_int_equal(p.log.left_out, 3);
	while (*pipe_read(&p))
		;
	fg_log(&logger, FG_WARN, "b", "n=%d", 1);
	assert_non_null(strstr(pipe_read(&p), "msg=\"b\" lines_left_out=3 n=1"));
	assert_int_equal(p.log.left_out, 0);
	pipe_close(&p);
}

static void test_journal(void **state)
{
	char stream[64];
	struct fg_logger logger;
	struct pipe_log p;
	struct stat st;

	(void)state;
	pipe_open(&p, FG_INFO);
	assert_int_equal(fstat(p.fds[1], &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	fg_log_init(&p.log, p.fds[1], FG_INFO);
	fg_logger_init(&logger, &p.log, "mqtt", NULL);
	fg_log(&logger, FG_WARN, "a", "n=%d", 1);
	assert_string_equal(pipe_read(&p), "<4>level=warn component=mqtt msg=\"a\" n=1\n");
	/* the variable is there, but this is another file */
	setenv("JOURNAL_STREAM", "1:1", 1);
	fg_log_init(&p.log, p.fds[1], FG_INFO);
	fg_log(&logger, FG_WARN, "a", "n=%d", 1);
	assert_matches(pipe_read(&p), STAMP "level=warn");
	unsetenv("JOURNAL_STREAM");
	pipe_close(&p);
}

static void test_quote(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, cap;
		const char *quoted;
	} table[] = {
		{ "abc", 3, 64, "\"abc\"" },
		{ "", 0, 64, "\"\"" },
		{ "a\"b\\", 4, 64, "\"a\\\"b\\\\\"" },
		{ "\0\n\xff", 3, 64, "\"\\x00\\x0A\\xFF\"" },
		{ "Z\xc3\xa4hler", 7, 64, "\"Z\xc3\xa4hler\"" },
		{ "\xc2\x9b", 2, 64, "\"\\xC2\\x9B\"" },
		{ "\xc3", 1, 64, "\"\\xC3\"" },
		{ "abcdefgh", 8, 13, "\"abcdefgh\"" },
		{ "abcdefghi", 9, 11, "\"abcde...\"" },
		{ "\xff\xff\xff", 3, 8, "\"...\"" },
		{ "abc", 3, 4, "" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(out, '!', sizeof(out));
		fg_log_quote(table[i].bytes, table[i].len, out, table[i].cap);
		assert_string_equal(out, table[i].quoted);
		assert_true(strlen(out) < table[i].cap);
	}
}

static void test_allowed(void **state)
{
	const uint64_t second = 1000000000, minute = 60 * second;
	struct fg_log_limit limit = { 0 };
	uint32_t left_out = 99;

	(void)state;
	assert_true(fg_log_allowed(&limit, minute, 2, &left_out));
	assert_int_equal(left_out, 0);
	assert_true(fg_log_allowed(&limit, minute + second, 2, &left_out));
	assert_false(fg_log_allowed(&limit, minute + 2 * second, 2, &left_out));
	assert_false(fg_log_allowed(&limit, 2 * minute - 1, 2, &left_out));
	assert_true(fg_log_allowed(&limit, 2 * minute, 2, &left_out));
	assert_int_equal(left_out, 2);
	assert_true(fg_log_allowed(&limit, 2 * minute + second, 2, &left_out));
	assert_int_equal(left_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_one_line),
		cmocka_unit_test(test_full_pipe),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
