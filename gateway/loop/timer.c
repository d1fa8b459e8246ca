/*
 * Timers: a 4-ary heap in one array. A parent's four children stand side by side, and so do their
 * keys (time, then order of setting); each timer knows its slot, so that re-arming and cancelling
 * start there and need no search.
 *
 * To set a running timer to a later time (what an idle timeout does with every message) only writes
 * to the timer: it keeps its place in the heap, under a key that is now too early, and is put right
 * when it comes to the top. Until then the key is a lower bound, which is all a heap needs.
 *
 * To stop a timer only empties its slot, and to fire does so too: most timers (of stalls, of
 * answers) are stopped and never fire, and most that fire are set again. Who starts takes the slot
 * it had, if that is empty still, under a key that is too early again. Empty slots go when they
 * come to the top, all at once if they are the most, and before the heap would have to grow for
 * them.
 */
#include <fg/loop.h>

#include "loop/loop_private.h"

#include <errno.h>
#include <stdlib.h>

#define HEAP_ARITY 4u
#define HEAP_MIN 64u

static inline bool slot_before(const struct timer_slot *a, const struct timer_slot *b)
{
	/* No && and ||: which child is the least is a coin toss, and a branch would lose it. */
	return (a->due_ns < b->due_ns) | ((a->due_ns == b->due_ns) & (a->order < b->order));
}

static inline struct timer_slot slot_of(struct fg_timer *timer)
{
	return (struct timer_slot){ timer->handle.due_ns, timer->order, timer };
}

static inline void slot_put(struct timer_heap *heap, uint32_t at, const struct timer_slot *slot)
{
	heap->slots[at] = *slot;
	if (slot->timer)
		slot->timer->handle.slot = at;
}

/* `slot` was set last, so of equal times it is behind; it belongs at `at` or nearer to the root. */
static void heap_sift_up(struct timer_heap *heap, uint32_t at, const struct timer_slot *slot)
{
	while (at > 0) {
		uint32_t parent = (at - 1) / HEAP_ARITY;

		if (slot->due_ns >= heap->slots[parent].due_ns)
			break;
		slot_put(heap, at, &heap->slots[parent]);
		at = parent;
	}
	slot_put(heap, at, slot);
}

/* `slot` belongs at `at` or further from the root. */
static void heap_sift_down(struct timer_heap *heap, uint32_t at, const struct timer_slot *slot)
{
	for (;;) {
		uint32_t child = HEAP_ARITY * at + 1, least = child;
		uint32_t end = heap->len - child < HEAP_ARITY ? heap->len : child + HEAP_ARITY;

		if (child >= heap->len)
			break;
		while (++child < end)
			if (slot_before(&heap->slots[child], &heap->slots[least]))
				least = child;
		if (!slot_before(&heap->slots[least], slot))
			break;
		slot_put(heap, at, &heap->slots[least]);
		at = least;
	}
	slot_put(heap, at, slot);
}

/* Without the empty slots, and each timer under its true time. */
static void heap_sweep(struct timer_heap *heap)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < heap->len; i++) {
		struct fg_timer *timer = heap->slots[i].timer;
		struct timer_slot slot;

		if (!timer)
			continue;
		slot = slot_of(timer);
		slot_put(heap, len++, &slot);
	}
	heap->len = len;
	heap->empty = 0;
	for (uint32_t at = len / HEAP_ARITY + 1; at-- > 0;) {
		struct timer_slot slot = heap->slots[at];

		if (at < len)
			heap_sift_down(heap, at, &slot);
	}
}

/* The root is empty. */
static void heap_shed(struct timer_heap *heap)
{
	struct timer_slot last;

	if (heap->empty > heap->len / 2) {
		heap_sweep(heap);
		return;
	}
	heap->empty--;
	last = heap->slots[--heap->len];
	heap_sift_down(heap, 0, &last);
}

/* The timer that is due first, put right if it stands there for an older time. NULL: none. */
static struct fg_timer *heap_top(struct timer_heap *heap)
{
	while (heap->len > 0) {
		struct fg_timer *timer = heap->slots[0].timer;

		if (!timer) {
			heap_shed(heap);
		} else if (heap->slots[0].order == timer->order) {
			return timer;
		} else {
			struct timer_slot slot = slot_of(timer);

			heap_sift_down(heap, 0, &slot);
		}
	}
	return NULL;
}

static int heap_reserve(struct timer_heap *heap)
{
	uint32_t size = heap->size ? heap->size * 2 : HEAP_MIN;
	struct timer_slot *slots;

	if (heap->len == heap->size && heap->empty > heap->len / 2)
		heap_sweep(heap);
	if (heap->len < heap->size)
		return 0;
	if (size > UINT32_MAX / HEAP_ARITY / 2)
		return -ENOMEM;
	slots = realloc(heap->slots, size * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	heap->slots = slots;
	heap->size = size;
	return 0;
}

/* A slot for one that has none: its own of before, a stranger's (a new timer's place is said to be
 * the root), or one at the end. True: the key there is no later than `due_ns`. */
static int heap_enter(struct timer_heap *heap, struct fg_timer *timer, uint64_t due_ns)
{
	uint32_t at = timer->handle.slot;
	int rc;

	if (at < heap->len && !heap->slots[at].timer) {
		heap->empty--;
		heap->slots[at].timer = timer;
		return heap->slots[at].due_ns <= due_ns;
	}
	rc = heap_reserve(heap);
	if (rc == 0)
		timer->handle.slot = heap->len++;
	return rc;
}

void fg_timer_init(struct fg_loop *loop, struct fg_timer *timer, void (*cb)(struct fg_timer *))
{
	*timer = (struct fg_timer){ 0 };
	fg_handle_init(loop, &timer->handle, FG_HANDLE_TIMER);
	timer->handle.call.timer = cb;
}

int fg_timer_start(struct fg_timer *timer, uint64_t after_ns)
{
	uint64_t now_ns = timer->handle.loop->now_ns;

	return fg_timer_start_at(timer,
				 after_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + after_ns);
}

int fg_timer_start_at(struct fg_timer *timer, uint64_t due_ns)
{
	struct fg_loop *loop = timer->handle.loop;
	struct timer_heap *heap = &loop->timers;
	struct timer_slot slot;
	int early;

	if (timer->handle.closing)
		return -ECANCELED;
	/* The past is now, or a timer that sets itself to zero would be ahead of all others. */
	due_ns = due_ns > loop->now_ns ? due_ns : loop->now_ns;
	if (timer->handle.active)
		early = heap->slots[timer->handle.slot].due_ns <= due_ns;
	else
		early = heap_enter(heap, timer, due_ns);
	if (early < 0)
		return early;
	timer->handle.due_ns = due_ns;
	timer->order = ++heap->order;
	fg_handle_activate(&timer->handle);
	if (early)
		return 0;
	slot = slot_of(timer);
	heap_sift_up(heap, timer->handle.slot, &slot);
	return 0;
}

void fg_timer_stop(struct fg_timer *timer)
{
	struct timer_heap *heap = &timer->handle.loop->timers;

	if (!timer->handle.active)
		return;
	fg_handle_deactivate(&timer->handle);
	heap->slots[timer->handle.slot].timer = NULL;
	heap->empty++;
}

uint64_t fg_timer_first_ns(struct fg_loop *loop)
{
	const struct fg_timer *timer = heap_top(&loop->timers);

	return timer ? timer->handle.due_ns : LOOP_FOREVER;
}

unsigned fg_loop_run_timers(struct fg_loop *loop)
{
	const uint64_t now_ns = loop->now_ns;
	const uint64_t last = loop->timers.order; /* what is set from here on has its turn */
	unsigned calls = 0;

	while (calls < FG_LOOP_BUDGET) {
		struct fg_timer *timer = heap_top(&loop->timers);

		if (!timer || timer->handle.due_ns > now_ns || timer->order > last)
			break;
		fg_timer_stop(timer);
		timer->handle.call.timer(timer);
		calls++;
	}
	return calls;
}
