/*
 * Workers: a few threads for what blocks (names, fdatasync, a library's connect). One lock for both
 * queues, one wake for all results; a result becomes a deferred call, so `done` runs in the pending
 * phase, in one queue with everything else there.
 *
 * Idle workers stay parked: a thread that sleeps costs a few pages, to start one a few hundred us.
 *
 * Where the loop looks for a result before it sleeps (loop/spin.c), a worker looks for the next
 * piece. One of them: the others would only take the processor from who has work.
 */
#include <fg/loop.h>

#include "loop/loop_private.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static struct fg_work *work_after(const struct fg_work *work)
{
	struct fg_defer *next = work->defer.next;

	return next ? container_of(next, struct fg_work, defer) : NULL;
}

/* While it is not deferred, a work's defer is its link in the pool's queues. */
static void work_append(struct work_queue *queue, struct fg_work *work)
{
	work->defer.next = NULL;
	if (queue->first)
		queue->last->defer.next = &work->defer;
	else
		queue->first = work;
	queue->last = work;
}

static bool is_called(void *arg)
{
	struct work_pool *pool = arg;

	return __atomic_load_n(&pool->calls, __ATOMIC_ACQUIRE) > 0;
}

/* With the lock held on entry and on return. */
static void worker_look(struct work_pool *pool)
{
	pool->looking = true;
	pthread_mutex_unlock(&pool->lock);
	fg_spin_until(is_called, pool);
	pthread_mutex_lock(&pool->lock);
	pool->looking = false;
	fg_spin_note(&pool->look, pool->calls > 0);
}

/* With the lock held, and counted as idle. Calls are counted: one may come before the sleep. */
static void worker_sleep(struct work_pool *pool)
{
	if (pool->soon && !pool->looking && !pool->quit && fg_spin_due(&pool->look))
		worker_look(pool);
	while (pool->calls == 0 && !pool->quit)
		pthread_cond_wait(&pool->more, &pool->lock);
	if (pool->calls > 0)
		__atomic_sub_fetch(&pool->calls, 1, __ATOMIC_RELAXED);
}

/*
 * Takes the first piece and does it; the lock is held on entry and on return. Whether the worker
 * is idle after it is told together with the result: the loop may have more for it at once.
 */
static bool work_next(struct work_pool *pool)
{
	struct fg_work *work = pool->todo.first;
	bool first, idle;

	pool->todo.first = work_after(work);
	pthread_mutex_unlock(&pool->lock);
	work->work(work);
	pthread_mutex_lock(&pool->lock);
	idle = !pool->todo.first;
	pool->idle += idle;
	first = !pool->done.first;
	work_append(&pool->done, work);
	if (!first)
		return idle; /* the loop has been woken and has not come yet */
	pthread_mutex_unlock(&pool->lock);
	fg_wake_send(&pool->wake);
	pthread_mutex_lock(&pool->lock);
	return idle;
}

static void *worker_run(void *arg)
{
	struct work_pool *pool = arg;
	bool idle = true;

	pthread_mutex_lock(&pool->lock);
	while (!pool->quit) {
		if (idle) {
			worker_sleep(pool);
			idle = false;
		} else if (pool->todo.first) {
			idle = work_next(pool);
		} else {
			idle = true; /* it was called, and another one has done it */
			pool->idle++;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void work_finish(struct fg_defer *defer)
{
	struct fg_work *work = container_of(defer, struct fg_work, defer);

	work->loop->refs--;
	work->done(work);
}

static void results_take(struct fg_wake *wake)
{
	struct work_pool *pool = container_of(wake, struct work_pool, wake);
	struct fg_work *work, *next;

	pthread_mutex_lock(&pool->lock);
	work = pool->done.first;
	pool->done.first = NULL;
	pthread_mutex_unlock(&pool->lock);
	for (; work; work = next) {
		next = work_after(work);
		pool->out--;
		fg_loop_defer(work->loop, &work->defer);
	}
}

/*
 * Signals are for the loop's thread: they are blocked before the worker is there to take one.
 * A worker begins as an idle one. With the lock held, or while there are no workers.
 */
static int worker_start(struct work_pool *pool)
{
	size_t stack = LOOP_STACK_SIZE;
	sigset_t all, before;
	pthread_attr_t attr;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc != 0)
		return -rc;
	if (stack < (size_t)PTHREAD_STACK_MIN)
		stack = (size_t)PTHREAD_STACK_MIN;
	pthread_attr_setstacksize(&attr, stack);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&pool->thread[pool->threads], &attr, worker_run, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0) {
		pool->threads++;
		pool->idle++;
	}
	return -rc;
}

static int pool_init(struct fg_loop *loop)
{
	struct work_pool *pool = &loop->work;
	pthread_mutexattr_t attr;
	int rc = pthread_mutexattr_init(&attr);

	if (rc != 0)
		return -rc;
	/* Held for a few instructions: who finds it taken looks again before it sleeps. */
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	rc = pthread_mutex_init(&pool->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	if (rc != 0)
		return -rc;
	rc = pthread_cond_init(&pool->more, NULL);
	if (rc != 0) {
		pthread_mutex_destroy(&pool->lock);
		return -rc;
	}
	fg_wake_init(loop, &pool->wake, results_take);
	fg_handle_unref(&pool->wake.handle);
	pool->ready = true;
	return 0;
}

/* Without a single worker nothing would ever be done; more of them are started when it is clear how
 * much there is to do. */
int fg_loop_work(struct fg_loop *loop, struct fg_work *work)
{
	struct work_pool *pool = &loop->work;
	int rc = pool->ready ? 0 : pool_init(loop);

	if (rc == 0 && pool->threads == 0)
		rc = worker_start(pool);
	if (rc < 0)
		return rc;
	work->loop = loop;
	work->defer = (struct fg_defer){ .cb = work_finish };
	work_append(&pool->fresh, work);
	pool->fresh.len++;
	pool->out++;
	loop->refs++;
	return 0;
}

/*
 * Hands over what the turn has queued, in one go: a worker that is called for each piece has done
 * it and sleeps again before the next is there.
 */
void fg_work_pool_flush(struct fg_loop *loop, bool soon)
{
	struct work_pool *pool = &loop->work;
	uint32_t calls = pool->fresh.len;
	bool awake;

	if (calls == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	if (pool->todo.first)
		pool->todo.last->defer.next = &pool->fresh.first->defer;
	else
		pool->todo.first = pool->fresh.first;
	pool->todo.last = pool->fresh.last;
	pool->fresh = (struct work_queue){ 0 };
	pool->soon = soon;
	while (pool->idle < calls && pool->threads < FG_LOOP_WORKERS && worker_start(pool) == 0)
		;
	if (calls > pool->idle)
		calls = pool->idle;
	pool->idle -= calls;
	/* who looks is awake, but takes one call only: the one before may still be his */
	awake = pool->looking && pool->calls == 0;
	__atomic_add_fetch(&pool->calls, calls, __ATOMIC_RELEASE);
	if (calls > 0 && awake)
		calls--;
	pthread_mutex_unlock(&pool->lock);
	while (calls-- > 0)
		pthread_cond_signal(&pool->more);
}

void fg_work_pool_fini(struct fg_loop *loop)
{
	struct work_pool *pool = &loop->work;

	if (!pool->ready)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->quit = true;
	pthread_mutex_unlock(&pool->lock);
	pthread_cond_broadcast(&pool->more);
	for (unsigned i = 0; i < pool->threads; i++)
		pthread_join(pool->thread[i], NULL);
	fg_wake_stop(&pool->wake);
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
}
