/* The control socket, with calls of its own, on a real loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/client.h"
#include "control/control.h"

struct fixture {
	struct fg_loop *loop;
	struct fg_control *control;
	struct fg_control_client *held;
	unsigned gone, calls;
	char folder[64], path[96];
};

/* -- calls -- */

static void call_echo(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	((struct fixture *)arg)->calls++;
	fg_control_line(client, fg_control_text(request, "say"));
	fg_control_line(client, FG_STR("{\"second\":2}"));
	fg_control_done(client);
}

static void call_no(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	(void)arg;
	(void)request;
	fg_control_line(client, FG_STR("so far"));
	fg_control_fail(client, FG_CONTROL_NO, "not \"%s\"", "that");
}

static void call_long(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	size_t len = FG_CONTROL_REPLY - 8192;
	char *text = malloc(len);
	bool too_long = fg_control_text(request, "say").len > 0;

	(void)arg;
	assert_non_null(text);
	memset(text, 'x', len);
	fg_control_line(client, fg_str(text, len));
	if (too_long)
		fg_control_line(client, fg_str(text, len));
	fg_control_done(client);
	free(text);
}

static void held_gone(void *user)
{
	struct fixture *f = user;

	f->gone++;
	f->held = NULL;
}

static void call_hold(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fixture *f = arg;

	(void)request;
	f->held = client;
	fg_control_hold(client, f, held_gone);
}

static const struct fg_control_call calls[] = {
	{ "echo", call_echo }, { "no", call_no }, { "long", call_long }, { "hold", call_hold },
	{ 0 },
};

/* -- fixture -- */

static int try_open(struct fixture *f, const char *path, struct fg_control **ret_control)
{
	const struct fg_logger silent = { 0 };

	return fg_control_open(f->loop, &silent, path, calls, f, ret_control);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->folder, sizeof(f->folder), "/tmp/fieldgate-control.XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a/b/c.sock", f->folder);
	f->loop = fg_loop_new();
	*state = f;
	return f->loop && try_open(f, f->path, &f->control) == 0 ? 0 : -1;
}

static void turns(struct fixture *f, unsigned n)
{
	while (n--)
		fg_loop_turn(f->loop, false);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	if (f->control)
		fg_control_close(f->control);
	turns(f, 4);
	fg_loop_free(f->loop);
	/* nothing stays behind but the folders */
	assert_int_equal(access(f->path, F_OK), -1);
	for (const char *sub = "/a/b\0/a\0\0";; sub += strlen(sub) + 1) {
		snprintf(command, sizeof(command), "%s%s", f->folder, sub);
		(void)rmdir(command);
		if (!*sub)
			break;
	}
	free(f);
	return 0;
}

/* -- a client that does as it is told -- */

static int dial(const struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that comes until the end, or until nothing comes. */
static size_t hear(struct fixture *f, int fd, char *out, size_t cap, bool *ret_ended)
{
	unsigned idle = 0;
	size_t len = 0;

	*ret_ended = false;
	while (idle < 4 && len + 1 < cap) {
		ssize_t n;

		turns(f, 1);
		n = recv(fd, out + len, cap - 1 - len, 0);
		if (n > 0) {
			len += (size_t)n;
			idle = 0;
		} else if (n == 0) {
			*ret_ended = true;
			break;
		} else {
			idle++;
		}
	}
	out[len] = '\0';
	return len;
}

static void answers(struct fixture *f, const char *request, const char *wanted)
{
	int fd = dial(f);
	char text[4096];
	bool ended;

	say(fd, request);
	hear(f, fd, text, sizeof(text), &ended);
	assert_string_equal(text, wanted);
	assert_true(ended);
	close(fd);
}

/* -- tests -- */

static void calls_are_answered(void **state)
{
	struct fixture *f = *state;

	answers(f, "{\"call\":\"echo\",\"say\":\"hello\"}\n",
		"hello\n{\"second\":2}\n{\"ok\":true}\n");
	answers(f, "{\"call\":\"no\"}\n",
		"so far\n{\"ok\":false,\"status\":1,\"error\":\"not \\\"that\\\"\"}\n");
	answers(f, "{\"call\":\"what\"}\n",
		"{\"ok\":false,\"status\":2,\"error\":\"unknown call\"}\n");
	answers(f, "{}\n", "{\"ok\":false,\"status\":2,\"error\":\"unknown call\"}\n");
	answers(f, "[]\n", "{\"ok\":false,\"status\":2,\"error\":\"not a request\"}\n");
	answers(f, "\n", "{\"ok\":false,\"status\":2,\"error\":\"not a request\"}\n");
	answers(f, "{\"call\":\n", "{\"ok\":false,\"status\":2,\"error\":\"not a request\"}\n");
}

static void requests_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char text[256];
	bool ended;

	for (const char *p = "{\"call\":\"echo\",\"say\":\"x\"}\n"; *p; p++) {
		assert_int_equal(f->calls, 0);
		assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
		turns(f, 2);
	}
	assert_int_equal(f->calls, 1);
	hear(f, fd, text, sizeof(text), &ended);
	assert_string_equal(text, "x\n{\"second\":2}\n{\"ok\":true}\n");
	close(fd);
}

static void requests_are_bounded(void **state)
{
	struct fixture *f = *state;
	char request[FG_CONTROL_REQUEST + 1];

	memset(request, ' ', sizeof(request) - 1);
	request[sizeof(request) - 1] = '\0';
	answers(f, request, "{\"ok\":false,\"status\":2,\"error\":\"the request is too long\"}\n");
}

static void replies_are_bounded(void **state)
{
	struct fixture *f = *state;
	size_t cap = FG_CONTROL_REPLY + 1024, len;
	char *text = malloc(cap);
	bool ended;
	int fd;

	assert_non_null(text);
	fd = dial(f);
	say(fd, "{\"call\":\"long\"}\n");
	len = hear(f, fd, text, cap, &ended);
	assert_true(ended);
	assert_int_equal(len, FG_CONTROL_REPLY - 8192 + 1 + strlen("{\"ok\":true}\n"));
	close(fd);
	free(text);
	answers(f, "{\"call\":\"long\",\"say\":\"more\"}\n",
		"{\"ok\":false,\"status\":3,\"error\":\"the answer is too long\"}\n");
}

static void clients_are_bounded(void **state)
{
	struct fixture *f = *state;
	int fds[FG_CONTROL_CLIENTS];
	char text[256];
	bool ended;
	int fd;

	for (int i = 0; i < FG_CONTROL_CLIENTS; i++) {
		fds[i] = dial(f);
		turns(f, 1);
	}
	fd = dial(f);
	hear(f, fd, text, sizeof(text), &ended);
	assert_string_equal(text, "{\"ok\":false,\"status\":3,\"error\":\"too many clients\"}\n");
	assert_true(ended);
	close(fd);
	close(fds[0]);
	turns(f, 3);
	answers(f, "{\"call\":\"what\"}\n",
		"{\"ok\":false,\"status\":2,\"error\":\"unknown call\"}\n");
	for (int i = 1; i < FG_CONTROL_CLIENTS; i++)
		close(fds[i]);
	turns(f, 3);
}

static void stream_some(struct fixture *f, unsigned from, unsigned to)
{
	char line[1024];

	memset(line, '.', sizeof(line));
	for (unsigned i = from; i < to; i++) {
		memcpy(line, "[", 1);
		line[1 + snprintf(line + 1, 16, "%08u", i)] = ']';
		fg_control_stream(f->held, fg_str(line, sizeof(line)));
	}
}

static void a_stream_ends_with_its_reader(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char text[8192];
	bool ended;

	say(fd, "{\"call\":\"hold\"}\n");
	turns(f, 2);
	assert_non_null(f->held);
	stream_some(f, 0, 3);
	assert_int_equal(hear(f, fd, text, sizeof(text), &ended), 3 * 1025);
	assert_false(ended);
	assert_int_equal(f->gone, 0);
	close(fd);
	turns(f, 3);
	assert_int_equal(f->gone, 1);
}

static void a_reader_that_does_not_read_loses_lines(void **state)
{
	struct fixture *f = *state;
	const unsigned lines = 8192, late = 16;
	unsigned seen = 0, left_out = 0, last = 0, n;
	char *text = malloc(16u << 20), *save;
	int fd = dial(f);
	bool ended;

	assert_non_null(text);
	say(fd, "{\"call\":\"hold\"}\n");
	turns(f, 2);
	for (unsigned i = 0; i < lines; i += 64) {
		stream_some(f, i, i + 64);
		turns(f, 1);
	}
	assert_non_null(f->held);
	hear(f, fd, text, 16u << 20, &ended);
	assert_false(ended);
	stream_some(f, lines, lines + late);
	n = (unsigned)strlen(text);
	hear(f, fd, text + n, (16u << 20) - n, &ended);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "{\"left_out\":%u}", &n) == 1) {
			left_out += n;
			continue;
		}
		assert_int_equal(strlen(line), 1024);
		assert_int_equal(sscanf(line, "[%u]", &n), 1);
		assert_true(seen == 0 || n > last);
		last = n;
		seen++;
	}
	assert_true(left_out > 0);
	assert_int_equal(seen + left_out, lines + late);
	assert_int_equal(last, lines + late - 1);
	/* what waited here, and what the system held for the reader */
	assert_true(seen * 1025 < 2 * FG_CONTROL_STREAM);
	free(text);
	close(fd);
}

static void a_line_that_never_fits_is_left_out(void **state)
{
	struct fixture *f = *state;
	char *line = calloc(1, FG_CONTROL_STREAM), text[256];
	int fd = dial(f);
	bool ended;

	assert_non_null(line);
	say(fd, "{\"call\":\"hold\"}\n");
	turns(f, 2);
	fg_control_stream(f->held, fg_str(line, FG_CONTROL_STREAM));
	fg_control_stream(f->held, FG_STR("[1]"));
	hear(f, fd, text, sizeof(text), &ended);
	assert_string_equal(text, "{\"left_out\":1}\n[1]\n");
	free(line);
	close(fd);
}

static void closing_tells_the_streams(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), other = dial(f);
	char text[256];
	bool ended;

	say(fd, "{\"call\":\"hold\"}\n");
	turns(f, 2);
	fg_control_close(f->control);
	f->control = NULL;
	assert_int_equal(f->gone, 1);
	hear(f, fd, text, sizeof(text), &ended);
	assert_string_equal(text, "{\"ok\":true}\n");
	assert_true(ended);
	hear(f, other, text, sizeof(text), &ended);
	assert_true(ended);
	close(fd);
	close(other);
}

static void the_file_is_replaced_only_if_nobody_answers(void **state)
{
	struct fixture *f = *state;
	struct fg_control *second = NULL;
	char path[128];
	struct stat st;
	FILE *file;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(try_open(f, f->path, &second), -EADDRINUSE);
	assert_null(second);
	answers(f, "{\"call\":\"what\"}\n",
		"{\"ok\":false,\"status\":2,\"error\":\"unknown call\"}\n");

	/* one whose owner died */
	snprintf(path, sizeof(path), "%s.old", f->path);
	assert_int_equal(rename(f->path, path), 0);
	fg_control_close(f->control);
	turns(f, 3);
	assert_int_equal(rename(path, f->path), 0);
	assert_int_equal(try_open(f, f->path, &f->control), 0);
	answers(f, "{\"call\":\"what\"}\n",
		"{\"ok\":false,\"status\":2,\"error\":\"unknown call\"}\n");

	/* what is no socket is left alone */
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(try_open(f, path, &second), -EEXIST);
	assert_int_equal(unlink(path), 0);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(try_open(f, path, &second), -ENAMETOOLONG);
}

static void a_file_of_another_is_not_removed(void **state)
{
	struct fixture *f = *state;
	struct fg_control *other;

	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(try_open(f, f->path, &other), 0);
	fg_control_close(f->control);
	turns(f, 3);
	assert_int_equal(access(f->path, F_OK), 0);
	f->control = other;
}

/* -- the commands' end -- */

struct asked {
	const char *path;
	struct fg_str request;
	struct fg_control_result result;
	int r, timeout_ms;
	unsigned lines, enough;
	char text[256];
};

static int on_line(void *arg, struct fg_str line)
{
	struct asked *a = arg;

	snprintf(a->text + strlen(a->text), sizeof(a->text) - strlen(a->text), "%.*s|",
		 (int)line.len, line.ptr);
	return ++a->lines == a->enough ? 7 : 0;
}

static void *ask(void *arg)
{
	struct asked *a = arg;

	a->r = fg_control_ask(a->path, a->request, a->timeout_ms, on_line, a, &a->result);
	return NULL;
}

static void asked_is(struct fixture *f, struct asked *a)
{
	pthread_t thread;

	a->path = f->path;
	a->timeout_ms = a->timeout_ms ? a->timeout_ms : 10000;
	assert_int_equal(pthread_create(&thread, NULL, ask, a), 0);
	while (pthread_tryjoin_np(thread, NULL) == EBUSY)
		fg_loop_turn(f->loop, false);
}

static void commands_ask(void **state)
{
	struct fixture *f = *state;
	struct asked echo = { .request = FG_STR("{\"call\":\"echo\",\"say\":\"a\"}") };
	struct asked no = { .request = FG_STR("{\"call\":\"no\"}") };
	struct asked enough = { .request = echo.request, .enough = 1 };
	struct asked mute = { .request = FG_STR("{\"call\":\"hold\"}"), .timeout_ms = 50 };

	asked_is(f, &echo);
	assert_int_equal(echo.r, 0);
	assert_true(echo.result.ok);
	assert_string_equal(echo.text, "a|{\"second\":2}|");
	asked_is(f, &no);
	assert_int_equal(no.r, 0);
	assert_false(no.result.ok);
	assert_int_equal(no.result.status, 1);
	assert_string_equal(no.result.error, "not \"that\"");
	asked_is(f, &enough);
	assert_int_equal(enough.r, 7);
	asked_is(f, &mute);
	assert_int_equal(mute.r, -ETIMEDOUT);
	fg_control_close(f->control);
	f->control = NULL;
	asked_is(f, &echo);
	assert_int_equal(echo.r, -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_are_answered),
		TEST(requests_come_in_pieces),
		TEST(requests_are_bounded),
		TEST(replies_are_bounded),
		TEST(clients_are_bounded),
		TEST(a_stream_ends_with_its_reader),
		TEST(a_reader_that_does_not_read_loses_lines),
		TEST(a_line_that_never_fits_is_left_out),
		TEST(closing_tells_the_streams),
		TEST(the_file_is_replaced_only_if_nobody_answers),
		TEST(a_file_of_another_is_not_removed),
		TEST(commands_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
