/* The queue from the loop to the thread that sends, of the bridge in bridges/nats/: what is lent to
 * it and withdrawn. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapt/nats_private.h"

#define LENT 65536

static struct fg_nats_link *link_new(void)
{
	return nats_link_new(&(struct fg_nats_conf){ .server = "nats://h:1", .queue = 8 }, 8);
}

static void what_is_withdrawn_is_not_sent(void **state)
{
	struct fg_nats_link *link = link_new();
	struct fg_nats_job job = { .out = { .subject = "a", .token = 1 } };
	struct fg_nats_job copied = { .out = { .subject = "c", .token = 1 }, .bytes = strdup("c") };

	(void)state;
	assert_int_equal(nats_queue_add(link, &job), 0);
	assert_int_equal(nats_queue_add(link, &copied), 0);
	assert_int_equal(nats_queue_add(link, &(struct fg_nats_job){ .probe = true }), 0);
	job.out.token = 2;
	assert_int_equal(nats_queue_add(link, &job), 0);
	job.out.token = 1;
	assert_int_equal(nats_queue_add(link, &job), 0);
	nats_queue_withdraw(link, 1);
	nats_queue_withdraw(link, 0);
	assert_true(nats_queue_take(link, &job) && !job.out.subject && !link->reads);
	assert_true(nats_queue_take(link, &job) && job.bytes && job.out.subject && !link->reads);
	free(job.bytes);
	assert_true(nats_queue_take(link, &job) && job.probe && !link->reads);
	assert_true(nats_queue_take(link, &job) && job.out.token == 2 && job.out.subject);
	/* somebody else's is not waited for, and one that was read neither */
	assert_true(link->reads);
	nats_queue_withdraw(link, 1);
	nats_queue_read(link);
	nats_queue_withdraw(link, 2);
	assert_true(nats_queue_take(link, &job) && !job.out.subject);
	nats_link_free(link);
}

/* Takes what is lent, and sees whether it changes meanwhile. Returns how often it did. */
static void *reader(void *arg)
{
	struct fg_nats_link *link = arg;
	struct fg_nats_job job;
	uintptr_t torn = 0;

	while (nats_queue_take(link, &job)) {
		struct fg_str lent = job.out.payload;

		for (int i = 0; i < 10 && job.out.subject; i++) {
			torn += memcmp(lent.ptr, lent.ptr + 1, lent.len - 1) != 0;
			sched_yield();
		}
		nats_queue_read(link);
	}
	return (void *)torn;
}

static bool is_waiting(struct fg_nats_link *link)
{
	bool waits;

	pthread_mutex_lock(&link->lock);
	waits = link->count > 0;
	pthread_mutex_unlock(&link->lock);
	return waits;
}

static void what_is_withdrawn_is_not_read(void **state)
{
	struct fg_nats_link *link = link_new();
	char *lent = calloc(1, LENT);
	const struct fg_nats_job job = {
		.out = { .subject = "a", .payload = fg_str(lent, LENT), .token = 3 }
	};
	pthread_t thread;
	void *torn;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, reader, link), 0);
	for (int n = 0; n < 500; n++) {
		memset(lent, n, LENT);
		assert_int_equal(nats_queue_add(link, &job), 0);
		/* every other time while it is being read, or right behind that */
		while (n % 2 && is_waiting(link))
			sched_yield();
		nats_queue_withdraw(link, 3);
		memset(lent, 'x', LENT / 2);
		while (is_waiting(link))
			sched_yield();
	}
	nats_queue_end(link);
	pthread_join(thread, &torn);
	assert_null(torn);
	nats_link_free(link);
	free(lent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_withdrawn_is_not_sent),
		cmocka_unit_test(what_is_withdrawn_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
