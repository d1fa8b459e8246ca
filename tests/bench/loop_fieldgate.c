/*
 * The loop behind the small interface of a comparing benchmark (loopif.h, loopbench.c), beside
 * libuv, libev and libevent. Its memory rules are the benchmark's: a handle is freed in the close
 * phase, a timer, which no event can be on its way to, at once.
 */
#include <fg/loop.h>

#include "loopif.h"

#include <stdlib.h>

struct loop {
	struct fg_loop *fg;
};

struct bench_io {
	struct fg_io io;
	loop_io_cb cb;
	void *arg;
};

struct bench_timer {
	struct fg_timer timer;
	loop_cb cb;
	void *arg;
};

struct bench_wake {
	struct fg_wake wake;
	loop_cb cb;
	void *arg;
};

struct bench_work {
	struct fg_work work;
	loop_cb begin, done;
	void *arg;
};

struct loop *loop_new(void)
{
	struct loop *loop = malloc(sizeof(*loop));

	if (loop)
		loop->fg = fg_loop_new();
	return loop;
}

void loop_free(struct loop *loop)
{
	fg_loop_free(loop->fg);
	free(loop);
}

void loop_run(struct loop *loop)
{
	fg_loop_run(loop->fg);
}

void loop_stop(struct loop *loop)
{
	fg_loop_stop(loop->fg);
}

static void handle_freed(struct fg_handle *handle)
{
	free(handle); /* the handle is the first member everywhere here */
}

static void io_called(struct fg_io *io, unsigned events)
{
	struct bench_io *b = (struct bench_io *)io;

	(void)events;
	b->cb(b->arg, io->fd);
}

void *loop_io(struct loop *loop, int fd, loop_io_cb cb, void *arg)
{
	struct bench_io *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->cb = cb;
	b->arg = arg;
	fg_io_init(loop->fg, &b->io, io_called);
	if (fg_io_sync(&b->io, fd, FG_READ, true) < 0)
		abort();
	return b;
}

void loop_io_del(struct loop *loop, void *h)
{
	(void)loop;
	fg_handle_close(&((struct bench_io *)h)->io.handle, handle_freed);
}

static void timer_called(struct fg_timer *timer)
{
	struct bench_timer *b = (struct bench_timer *)timer;

	b->cb(b->arg);
}

void *loop_timer(struct loop *loop, uint64_t ms, loop_cb cb, void *arg)
{
	struct bench_timer *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->cb = cb;
	b->arg = arg;
	fg_timer_init(loop->fg, &b->timer, timer_called);
	if (fg_timer_start(&b->timer, FG_MS(ms)) < 0)
		abort();
	return b;
}

void loop_timer_again(struct loop *loop, void *h, uint64_t ms)
{
	(void)loop;
	fg_timer_start(&((struct bench_timer *)h)->timer, FG_MS(ms));
}

void loop_timer_del(struct loop *loop, void *h)
{
	(void)loop;
	fg_timer_stop(&((struct bench_timer *)h)->timer);
	free(h);
}

static void wake_called(struct fg_wake *wake)
{
	struct bench_wake *b = (struct bench_wake *)wake;

	b->cb(b->arg);
}

void *loop_wake(struct loop *loop, loop_cb cb, void *arg)
{
	struct bench_wake *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->cb = cb;
	b->arg = arg;
	fg_wake_init(loop->fg, &b->wake, wake_called);
	return b;
}

void loop_wake_send(void *h)
{
	fg_wake_send(&((struct bench_wake *)h)->wake);
}

void loop_wake_del(struct loop *loop, void *h)
{
	(void)loop;
	fg_handle_close(&((struct bench_wake *)h)->wake.handle, handle_freed);
}

static void work_called(struct fg_work *work)
{
	struct bench_work *b = (struct bench_work *)work;

	b->begin(b->arg);
}

static void work_ended(struct fg_work *work)
{
	struct bench_work *b = (struct bench_work *)work;
	loop_cb done = b->done;
	void *arg = b->arg;

	free(b);
	done(arg);
}

int loop_work(struct loop *loop, loop_cb work, loop_cb done, void *arg)
{
	struct bench_work *b = malloc(sizeof(*b));

	if (!b)
		return -1;
	*b = (struct bench_work){ { .work = work_called, .done = work_ended }, work, done, arg };
	return fg_loop_work(loop->fg, &b->work);
}
