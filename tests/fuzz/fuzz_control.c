/*
 * Any bytes as a request to the control socket, in two pieces: it is answered or refused by a line
 * that says how it ended, and the connection is closed. The first byte says where it is cut and
 * whether the client leaves early.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { TURNS = 8 };

static void check(bool good)
{
	if (!good)
		abort();
}

static void call_echo(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	(void)arg;
	fg_control_line(client, fg_control_text(request, "say"));
	fg_control_done(client);
}

static void call_no(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	(void)arg;
	fg_control_fail(client, FG_CONTROL_NO, "no %.*s", (int)fg_control_text(request, "say").len,
			fg_control_text(request, "say").ptr);
}

static void held_gone(void *user)
{
	(void)user;
}

static void call_hold(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	(void)request;
	fg_control_hold(client, arg, held_gone);
	fg_control_stream(client, FG_STR("{\"first\":1}"));
}

static void turns(struct fg_loop *loop)
{
	for (int i = 0; i < TURNS; i++)
		fg_loop_turn(loop, false);
}

/* All that came; the last line says how it ended. */
static void answer_check(int fd, bool ended)
{
	static char answer[1 << 17];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, answer + len, sizeof(answer) - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	/* what was not read of a request that is too long resets the connection */
	check(!ended || n == 0 || errno == ECONNRESET);
	check(!ended || (len > 0 && answer[len - 1] == '\n'));
	check(!ended || memmem(answer, len, "{\"ok\":", 6));
}

static void request_play(struct fg_control *control, const uint8_t *data, size_t len, size_t cut,
			 bool leaves)
{
	bool whole = memchr(data, '\n', len) || len >= FG_CONTROL_REQUEST;
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	connection_new(control, pair[0]);
	check(send(pair[1], data, cut, MSG_NOSIGNAL) == (ssize_t)cut);
	turns(control->loop);
	(void)send(pair[1], data + cut, len - cut, MSG_NOSIGNAL);
	if (leaves)
		shutdown(pair[1], SHUT_RDWR);
	turns(control->loop);
	answer_check(pair[1], whole && !leaves && !control->clients);
	if (control->clients && control->clients->state != CLIENT_CLOSED)
		connection_close(control->clients);
	close(pair[1]);
	turns(control->loop);
	check(control->clients == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fg_control_call calls[] = {
		{ "echo", call_echo }, { "no", call_no }, { "hold", call_hold }, { 0 }
	};
	struct fg_loop *loop;
	struct fg_control *control = calloc(1, sizeof(*control) + 1);
	size_t cut;

	if (len < 1 || len > 3 * FG_CONTROL_REQUEST) {
		free(control);
		return 0;
	}
	loop = fg_loop_new();
	check(loop && control);
	control->loop = loop;
	control->fd = -1;
	control->calls = calls;
	cut = (size_t)(data[0] & 0x7f) * (len - 1) / 128;
	request_play(control, data + 1, len - 1, cut, data[0] & 0x80);
	free(control);
	fg_loop_free(loop);
	return 0;
}
