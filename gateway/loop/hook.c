/*
 * The four queues that need nothing of the operating system: deferred calls (pending phase), hooks
 * (idle, prepare, check) and closing handles (close phase).
 *
 * Each is walked so that a callback may start, stop, cancel or close anything, itself too: the next
 * entry is noted in the loop before the call, and whoever removes that entry moves the note on.
 */
#include <fg/loop.h>

#include "loop/loop_private.h"

/* -- deferred calls -- */

void fg_loop_defer(struct fg_loop *loop, struct fg_defer *defer)
{
	struct defer_queue *queue = &loop->pending;

	if (defer->queued)
		return;
	defer->queued = true;
	defer->order = queue->order++;
	defer->next = NULL;
	defer->prev = queue->last;
	if (queue->last)
		queue->last->next = defer;
	else
		queue->first = defer;
	queue->last = defer;
	loop->refs++;
}

void fg_loop_cancel(struct fg_loop *loop, struct fg_defer *defer)
{
	struct defer_queue *queue = &loop->pending;

	if (!defer->queued)
		return;
	defer->queued = false;
	if (defer->prev)
		defer->prev->next = defer->next;
	else
		queue->first = defer->next;
	if (defer->next)
		defer->next->prev = defer->prev;
	else
		queue->last = defer->prev;
	loop->refs--;
}

unsigned fg_loop_run_pending(struct fg_loop *loop)
{
	const uint64_t end = loop->pending.order; /* what is deferred from here on has its turn */
	unsigned calls = 0;

	while (calls < FG_LOOP_BUDGET && loop->pending.first && loop->pending.first->order < end) {
		struct fg_defer *defer = loop->pending.first;

		fg_loop_cancel(loop, defer);
		defer->cb(defer);
		calls++;
	}
	return calls;
}

/* -- hooks -- */

void fg_hook_init(struct fg_loop *loop, struct fg_hook *hook, enum fg_phase phase,
		  void (*cb)(struct fg_hook *))
{
	*hook = (struct fg_hook){ .phase = (uint8_t)phase };
	fg_handle_init(loop, &hook->handle, FG_HANDLE_HOOK);
	hook->handle.call.hook = cb;
}

void fg_hook_start(struct fg_hook *hook)
{
	struct fg_loop *loop = hook->handle.loop;
	struct hook_list *list = &loop->hooks[hook->phase];

	if (hook->handle.active || hook->handle.closing)
		return;
	hook->since_turn = loop->turning && loop->phase == hook->phase ? loop->stats.turns : 0;
	hook->after = NULL;
	hook->prev = list->last;
	if (list->last)
		list->last->after = hook;
	else
		list->first = hook;
	list->last = hook;
	fg_handle_activate(&hook->handle);
}

void fg_hook_stop(struct fg_hook *hook)
{
	struct hook_list *list = &hook->handle.loop->hooks[hook->phase];

	if (!hook->handle.active)
		return;
	if (list->next == hook)
		list->next = hook->after;
	if (hook->prev)
		hook->prev->after = hook->after;
	else
		list->first = hook->after;
	if (hook->after)
		hook->after->prev = hook->prev;
	else
		list->last = hook->prev;
	fg_handle_deactivate(&hook->handle);
}

/* Goes on where the last turn's budget ended, so the hooks beyond it are not starved. */
static unsigned hooks_run(struct fg_loop *loop, enum fg_phase phase)
{
	struct hook_list *list = &loop->hooks[phase];
	struct fg_hook *hook = list->next ? list->next : list->first;
	unsigned calls = 0;

	/* The started ones of this turn are at the end: the first of them ends the walk. */
	while (hook && calls < FG_LOOP_BUDGET && hook->since_turn != loop->stats.turns) {
		list->next = hook->after;
		hook->handle.call.hook(hook);
		hook = list->next;
		calls++;
	}
	if (hook && hook->since_turn == loop->stats.turns)
		list->next = NULL;
	return calls;
}

unsigned fg_loop_run_idle(struct fg_loop *loop)
{
	return hooks_run(loop, FG_PHASE_IDLE);
}

unsigned fg_loop_run_prepare(struct fg_loop *loop)
{
	return hooks_run(loop, FG_PHASE_PREPARE);
}

unsigned fg_loop_run_check(struct fg_loop *loop)
{
	loop->hurry = false;
	return hooks_run(loop, FG_PHASE_CHECK);
}

/* -- handles and their close -- */

void fg_handle_init(struct fg_loop *loop, struct fg_handle *handle, enum fg_handle_type type)
{
	*handle = (struct fg_handle){ .loop = loop, .type = (uint8_t)type };
}

void fg_handle_unref(struct fg_handle *handle)
{
	if (handle->active && !handle->unref)
		handle->loop->refs--;
	handle->unref = true;
}

static void handle_stop(struct fg_handle *handle)
{
	switch ((enum fg_handle_type)handle->type) {
	case FG_HANDLE_TIMER:
		fg_timer_stop(container_of(handle, struct fg_timer, handle));
		break;
	case FG_HANDLE_IO:
		fg_io_stop(container_of(handle, struct fg_io, handle));
		break;
	case FG_HANDLE_HOOK:
		fg_hook_stop(container_of(handle, struct fg_hook, handle));
		break;
	case FG_HANDLE_WAKE:
		fg_wake_stop(container_of(handle, struct fg_wake, handle));
		break;
	case FG_HANDLE_SIGNAL:
		fg_signal_stop(container_of(handle, struct fg_signal, handle));
		break;
	case FG_HANDLE__MAX:
		break;
	}
}

void fg_handle_close(struct fg_handle *handle, void (*cb)(struct fg_handle *))
{
	struct close_queue *queue = &handle->loop->closing;

	if (handle->closing)
		return;
	handle_stop(handle);
	handle->closing = true;
	handle->call.close = cb;
	handle->next = NULL;
	if (queue->last)
		queue->last->next = handle;
	else
		queue->first = handle;
	queue->last = handle;
	queue->len++;
	handle->loop->refs++;
}

unsigned fg_loop_run_close(struct fg_loop *loop)
{
	struct close_queue *queue = &loop->closing;
	unsigned calls = queue->len < FG_LOOP_BUDGET ? queue->len : FG_LOOP_BUDGET;

	for (unsigned i = 0; i < calls; i++) {
		struct fg_handle *handle = queue->first;

		queue->first = handle->next;
		if (!queue->first)
			queue->last = NULL;
		queue->len--;
		loop->refs--;
		if (handle->call.close)
			handle->call.close(handle); /* the handle is gone now */
	}
	return calls;
}
