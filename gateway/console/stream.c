/*
 * Server-sent events. What is sent is made of frames, each whole or not at all. The status is one
 * frame for all viewers, made once a second while there is one; a viewer that has not taken the
 * one before gets the newer in its place. Readings are a viewer's own, by the pattern that it asked
 * for: up to QUEUE frames of BYTES bytes wait and RATE a second go out; what is beyond is left
 * out, and told as a number. So a viewer that is slow or dead costs what it costs at its
 * beginning.
 *
 * With nothing to send its connection is suspended (server.c says what that means), so that a
 * client that has gone shows with the next second's status.
 */
#include "console/parse.h"
#include "console/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUE 64u
#define BYTES ((size_t)48 << 10)
#define RATE 200u		/* readings a second */
#define BLOCK 4096		/* bytes that the library asks for at a time */
#define BURST_NS FG_MS(100)
#define PING 15			/* seconds */
#define STUCK 30		/* seconds in which nothing is taken */

struct frame {
	unsigned uses;
	size_t len;
	char text[];
};

struct console_viewer {
	LIST_ENTRY(console_viewer) link;
	struct console *console;
	struct console_request *request;
	struct fg_desk_call *tail;	/* its readings, or NULL */
	struct frame *now;		/* that is being sent */
	size_t sent;			/* bytes of it */
	struct frame *status;		/* the next one, or NULL */
	struct frame *queue[QUEUE];
	unsigned first, count;
	size_t bytes;			/* of the queue */
	unsigned second;		/* readings taken in this one */
	uint64_t left_out;		/* not yet told */
	unsigned stuck;			/* seconds since something was taken */
	bool suspended, over;
};

/* -- frames -- */

static struct frame *frame_new(const char *name, struct fg_str data)
{
	static const char before[] = "event: ", between[] = "\ndata: ", behind[] = "\n\n";
	size_t len = strlen(before) + strlen(name) + strlen(between) + data.len + strlen(behind);
	struct frame *frame = malloc(sizeof(*frame) + len + 1);

	if (!frame)
		return NULL;
	frame->uses = 1;
	frame->len = len;
	snprintf(frame->text, len + 1, "%s%s%s", before, name, between);
	memcpy(frame->text + len - strlen(behind) - data.len, data.ptr, data.len);
	memcpy(frame->text + len - strlen(behind), behind, sizeof(behind));
	return frame;
}

static struct frame *frame_unuse(struct frame *frame)
{
	if (frame && --frame->uses == 0)
		free(frame);
	return NULL;
}

/* -- what a viewer is sent -- */

static void resume(struct console_viewer *viewer)
{
	if (!viewer->suspended)
		return;
	viewer->suspended = false;
	MHD_resume_connection(viewer->request->connection);
	server_hurry(viewer->console);
}

static struct frame *left_out_frame(struct console_viewer *viewer)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)viewer->left_out);
	struct frame *frame = frame_new("left_out", fg_str(text, (size_t)n));

	if (frame)
		viewer->left_out = 0;
	return frame;
}

/* The status first: it is what shows that the gateway is in trouble. */
static struct frame *frame_next(struct console_viewer *viewer)
{
	struct frame *frame = viewer->status;

	if (frame) {
		viewer->status = NULL;
	} else if (viewer->count) {
		frame = viewer->queue[viewer->first];
		viewer->first = (viewer->first + 1) % QUEUE;
		viewer->count--;
		viewer->bytes -= frame->len;
	} else if (viewer->left_out) {
		frame = left_out_frame(viewer);
	}
	return frame;
}

static ssize_t on_read(void *cls, uint64_t at, char *out, size_t room)
{
	struct console_viewer *viewer = cls;
	size_t len = 0;

	(void)at;
	if (viewer->over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	while (len < room) {
		size_t part;

		if (!viewer->now) {
			viewer->now = frame_next(viewer);
			viewer->sent = 0;
		}
		if (!viewer->now)
			break;
		part = viewer->now->len - viewer->sent;
		part = part < room - len ? part : room - len;
		memcpy(out + len, viewer->now->text + viewer->sent, part);
		len += part;
		viewer->sent += part;
		if (viewer->sent == viewer->now->len)
			viewer->now = frame_unuse(viewer->now);
	}
	if (len) {
		viewer->stuck = 0;
		return (ssize_t)len;
	}
	viewer->suspended = true;
	MHD_suspend_connection(viewer->request->connection);
	return 0;
}

/* -- readings -- */

static void on_reading(void *arg, struct fg_str line)
{
	struct console_viewer *viewer = arg;
	struct console *console = viewer->console;
	struct frame *frame = NULL;

	if (viewer->count < QUEUE && viewer->bytes + line.len < BYTES && viewer->second < RATE)
		frame = frame_new("reading", line);
	if (!frame) {
		viewer->left_out++;
		console->counts.left_out++;
		return;
	}
	viewer->second++;
	viewer->queue[(viewer->first + viewer->count++) % QUEUE] = frame;
	viewer->bytes += frame->len;
	if (!fg_timer_active(&console->burst))
		(void)fg_timer_start(&console->burst, BURST_NS);
}

/* The gateway ends it only when it stops, or cannot. */
static void on_tail_end(void *arg, int status, struct fg_str error)
{
	struct console_viewer *viewer = arg;

	(void)status;
	(void)error;
	viewer->tail = NULL;
	viewer->over = true;
	resume(viewer);
}

void stream_wake(struct console *console)
{
	struct console_viewer *viewer;

	LIST_FOREACH(viewer, &console->viewers, link)
	if (viewer->status || viewer->count || viewer->over)
		resume(viewer);
}

/* -- once a second -- */

static void on_status(void *arg, struct fg_str line)
{
	*(struct frame **)arg = frame_new("status", line);
}

static void on_status_end(void *arg, int status, struct fg_str error)
{
	(void)arg;
	(void)status;
	(void)error;
}

static struct frame *status_frame(struct console *console)
{
	struct frame *frame = NULL;
	const struct fg_desk_asker asker = {
		.arg = &frame,
		.line = on_status,
		.end = on_status_end,
	};
	struct fg_desk_call *call;

	/* it ends at once */
	(void)fg_desk_ask(console->desk, FG_STR("{\"call\":\"status\"}"), &asker, &call);
	return frame;
}

/* ": ping" in front of a frame, for whoever counts on one. */
static struct frame *with_ping(struct frame *frame)
{
	static const char ping[] = ": ping\n\n";
	size_t len = frame->len + strlen(ping);
	struct frame *longer = malloc(sizeof(*longer) + len + 1);

	if (!longer)
		return frame;
	longer->uses = 1;
	longer->len = len;
	memcpy(longer->text, ping, strlen(ping));
	memcpy(longer->text + strlen(ping), frame->text, frame->len + 1);
	free(frame);
	return longer;
}

static void give_status(struct console_viewer *viewer, struct frame *frame)
{
	frame->uses++;
	frame_unuse(viewer->status);
	viewer->status = frame;
	viewer->second = 0;
	if (++viewer->stuck > STUCK && !viewer->over) {
		viewer->over = true;
		if (viewer->request->peer)
			shutdown(viewer->request->peer->fd, SHUT_RDWR);
	}
}

void stream_tick(struct console *console)
{
	struct console_viewer *viewer;
	struct frame *frame;

	if (LIST_EMPTY(&console->viewers))
		return;
	frame = status_frame(console);
	if (!frame)
		return;
	if (++console->ticks % PING == 0)
		frame = with_ping(frame);
	LIST_FOREACH(viewer, &console->viewers, link)
	give_status(viewer, frame);
	frame_unuse(frame);
	stream_wake(console);
}

/* -- from beginning to end -- */

/* 0, or the status with which it is refused. */
static unsigned tail_begin(struct console_viewer *viewer)
{
	const struct fg_desk_asker asker = {
		.arg = viewer,
		.line = on_reading,
		.end = on_tail_end,
	};
	char device[1024];
	struct fg_buf text;
	size_t len;
	int r = console_query(viewer->request->query, "device", device, sizeof(device), &len);

	if (r == -ENOENT || (r == 0 && len == 0))
		return 0;
	if (r < 0)
		return 400;
	/* "*" is for people: the gateway's own word for all devices is none */
	if (strcmp(device, "*") == 0 || strcmp(device, "#") == 0)
		len = 0;
	fg_buf_init(&text, 8192);
	fg_buf_text(&text, "{\"call\":\"tail\",\"device\":");
	fg_buf_json(&text, fg_str(device, len));
	fg_buf_char(&text, '}');
	r = fg_desk_ask(viewer->console->desk, fg_buf_view(&text), &asker, &viewer->tail);
	fg_buf_fini(&text);
	return r < 0 ? 503 : viewer->over ? 400 : 0;
}

void stream_gone(struct console_viewer *viewer)
{
	if (viewer->tail)
		fg_desk_leave(viewer->tail);
	LIST_REMOVE(viewer, link);
	viewer->console->nviewers--;
	viewer->request->viewer = NULL;
	frame_unuse(viewer->now);
	frame_unuse(viewer->status);
	for (unsigned i = 0; i < viewer->count; i++)
		frame_unuse(viewer->queue[(viewer->first + i) % QUEUE]);
	free(viewer);
}

static enum MHD_Result refuse(struct console_request *request, unsigned status)
{
	if (request->viewer)
		stream_gone(request->viewer);
	if (status == 400)
		return answer_error(request, 400, "\"device\" is no pattern");
	return answer_error(request, status, "as many look on as may");
}

enum MHD_Result stream_begin(struct console_request *request)
{
	struct console *console = request->console;
	struct console_viewer *viewer;
	struct MHD_Response *response;
	unsigned refused;

	if (console->nviewers >= (unsigned)console->desk->conf->viewers)
		return refuse(request, 503);
	viewer = calloc(1, sizeof(*viewer));
	if (!viewer)
		return MHD_NO;
	viewer->console = console;
	viewer->request = request;
	request->viewer = viewer;
	LIST_INSERT_HEAD(&console->viewers, viewer, link);
	console->nviewers++;
	refused = tail_begin(viewer);
	if (refused)
		return refuse(request, refused);
	viewer->status = status_frame(console);
	response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, viewer, NULL);
	return answer_send(request, 200, "text/event-stream", response);
}

void stream_end(struct console *console)
{
	struct console_viewer *viewer;

	LIST_FOREACH(viewer, &console->viewers, link)
	{
		viewer->over = true;
		resume(viewer);
	}
}
