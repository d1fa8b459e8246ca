/*
 * Descriptors: an event reaches only the handle, and the registration, that it was meant for,
 * however descriptors are closed, reused and duplicated; and none keeps the rest waiting.
 */
#include "test_loop_sim.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

struct conn {
	struct fg_io io;
	struct sim *sim;
	int fd[2]; /* ours, the peer's */
	char name;
	unsigned calls, events;
	struct conn *other;
	void (*act)(struct conn *);
};

static void conn_called(struct fg_io *io, unsigned events)
{
	struct conn *conn = container_of(io, struct conn, io);

	conn->calls++;
	conn->events = events;
	sim_note(conn->sim, conn->name);
	if (conn->act)
		conn->act(conn);
}

static void pair_open(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

static void byte_send(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void conn_open(struct sim *sim, struct conn *conn, char name)
{
	*conn = (struct conn){ .sim = sim, .name = name };
	pair_open(conn->fd);
	fg_io_init(sim->loop, &conn->io, conn_called);
	assert_int_equal(fg_io_sync(&conn->io, conn->fd[0], FG_READ, true), 0);
}

static void conn_close(struct conn *conn)
{
	fg_handle_close(&conn->io.handle, NULL);
	close(conn->fd[0]);
	close(conn->fd[1]);
}

static void act_stop_other(struct conn *conn)
{
	fg_io_stop(&conn->other->io);
}

static void act_close_other(struct conn *conn)
{
	fg_handle_close(&conn->other->io.handle, NULL);
}

static void act_resync_other(struct conn *conn)
{
	assert_int_equal(fg_io_sync(&conn->other->io, conn->other->fd[0], FG_READ, true), 0);
}

/* As a library does: the same number is another socket now, on which nothing has come yet. */
static void act_replace_other(struct conn *conn)
{
	struct conn *other = conn->other;
	int old = other->fd[0];

	close(other->fd[0]);
	close(other->fd[1]);
	pair_open(other->fd);
	assert_int_equal(other->fd[0], old);
	assert_int_equal(fg_io_sync(&other->io, old, FG_READ, true), 0);
}

/* Each of the two would do it to the other one; the one that is called first does. */
static void events_of_the_same_batch(void **state)
{
	static const struct {
		void (*act)(struct conn *);
		unsigned later; /* calls of the other in the turn after */
	} cases[] = {
		{ act_stop_other, 0 },
		{ act_close_other, 0 },
		{ act_resync_other, 1 },
		{ act_replace_other, 0 },
	};
	struct sim *sim = *state;
	struct conn a, b;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conn *first, *other;

		conn_open(sim, &a, 'a');
		conn_open(sim, &b, 'b');
		a.act = b.act = cases[i].act;
		a.other = &b;
		b.other = &a;
		byte_send(a.fd[1]);
		byte_send(b.fd[1]);
		fg_loop_turn(sim->loop, false);
		assert_int_equal(a.calls + b.calls, 1);
		first = a.calls ? &a : &b;
		other = first->other;
		fg_io_stop(&first->io);
		other->act = NULL;
		fg_loop_turn(sim->loop, false);
		assert_int_equal(first->calls, 1);
		assert_int_equal(other->calls, cases[i].later);
		conn_close(&a);
		conn_close(&b);
		assert_int_equal(fg_loop_turn(sim->loop, false), 0);
	}
}

/* The number goes to another handle; the first one's stop must not take it from there. */
static void number_taken_over(void **state)
{
	struct sim *sim = *state;
	struct conn a, b;
	int number;

	conn_open(sim, &a, 'a');
	number = a.fd[0];
	close(a.fd[0]);
	close(a.fd[1]);
	conn_open(sim, &b, 'b');
	assert_int_equal(b.fd[0], number);
	assert_false(a.io.handle.active);
	fg_io_stop(&a.io);
	fg_handle_close(&a.io.handle, NULL);
	byte_send(b.fd[1]);
	fg_loop_turn(sim->loop, false);
	assert_int_equal(a.calls, 0);
	assert_int_equal(b.calls, 1);
	conn_close(&b);
	sim_close_rest(sim);
}

/* What the caller knows of the file can be wrong both ways. */
static void sync_finds_out(void **state)
{
	struct sim *sim = *state;
	struct conn a;

	conn_open(sim, &a, 'a');
	assert_int_equal(fg_io_sync(&a.io, a.fd[0], FG_READ, true), 0); /* there: EEXIST */
	act_replace_other(&(struct conn){ .other = &a });
	close(a.fd[0]);
	close(a.fd[1]);
	pair_open(a.fd);
	/* not there: ENOENT */
	assert_int_equal(fg_io_sync(&a.io, a.fd[0], FG_READ | FG_WRITE, false), 0);
	fg_loop_turn(sim->loop, false);
	assert_int_equal(a.events, FG_WRITE);
	byte_send(a.fd[1]);
	fg_loop_turn(sim->loop, false);
	assert_int_equal(a.events, FG_READ | FG_WRITE);
	assert_int_equal(fg_io_sync(&a.io, a.fd[0], 0, false), 0);
	fg_loop_turn(sim->loop, false);
	assert_int_equal(a.calls, 2);
	shutdown(a.fd[1], SHUT_RDWR);
	fg_loop_turn(sim->loop, false);
	assert_int_equal(a.events, FG_HANGUP);
	conn_close(&a);
	sim_close_rest(sim);
}

/* Nothing changed: nothing is asked of the kernel, which would have said EBADF. */
static void sync_without_change_is_free(void **state)
{
	struct sim *sim = *state;
	struct conn a;

	conn_open(sim, &a, 'a');
	close(a.fd[0]);
	assert_int_equal(fg_io_sync(&a.io, a.fd[0], FG_READ, false), 0);
	assert_int_equal(fg_io_sync(&a.io, a.fd[0], FG_WRITE, false), -EBADF);
	assert_false(a.io.handle.active);
	assert_int_equal(fg_loop_turn(sim->loop, true), 0);
	close(a.fd[1]);
	fg_handle_close(&a.io.handle, NULL);
	assert_int_equal(fg_io_sync(&a.io, a.fd[0], FG_READ, true), -ECANCELED);
	sim_close_rest(sim);
}

static void sync_refused(void **state)
{
	struct sim *sim = *state;
	struct fg_io io;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	fg_io_init(sim->loop, &io, conn_called);
	assert_int_equal(fg_io_sync(&io, fd, FG_READ, true), -EPERM);
	assert_false(io.handle.active);
	assert_int_equal(fg_io_sync(&io, -1, FG_READ, true), 0);
	assert_int_equal(fg_loop_run(sim->loop), 0);
	close(fd);
}

/* A closed descriptor whose file lives on in a duplicate: called never, and no endless turning. */
static void duplicate_left_behind(void **state)
{
	struct sim *sim = *state;
	struct conn a, b;
	int duplicate;

	conn_open(sim, &a, 'a');
	conn_open(sim, &b, 'b');
	duplicate = dup(a.fd[0]);
	byte_send(a.fd[1]);
	close(a.fd[0]);
	fg_io_stop(&a.io);
	for (unsigned i = 0; i < 3; i++)
		fg_loop_turn(sim->loop, false);
	assert_int_equal(a.calls, 0);
	assert_int_equal(epoll_wait(sim->loop->io.epoll_fd, sim->loop->io.events, 1, 0), 0);
	byte_send(b.fd[1]);
	fg_loop_turn(sim->loop, false);
	assert_int_equal(b.calls, 1);
	close(duplicate);
	close(a.fd[1]);
	conn_close(&b);
	sim_close_rest(sim);
}

static void conn_freed(struct fg_handle *handle)
{
	struct conn *conn = container_of(handle, struct conn, io.handle);

	close(conn->fd[0]);
	close(conn->fd[1]);
	free(conn);
}

static void act_free_self_and_other(struct conn *conn)
{
	fg_handle_close(&conn->io.handle, conn_freed);
	if (conn->other)
		fg_handle_close(&conn->other->io.handle, conn_freed);
}

/* All ready in one batch, each closes itself and its neighbour. For AddressSanitizer. */
static void freed_in_the_close_phase(void **state)
{
	struct sim *sim = *state;
	struct conn *conns[100];

	for (unsigned i = 0; i < 100; i++) {
		conns[i] = malloc(sizeof(*conns[i]));
		conn_open(sim, conns[i], 'a');
		conns[i]->act = act_free_self_and_other;
		byte_send(conns[i]->fd[1]);
	}
	for (unsigned i = 0; i < 100; i++)
		conns[i]->other = conns[(i + 50) % 100];
	assert_int_equal(fg_loop_run(sim->loop), 0);
}

/* -- floods -- */

static void flood_timer(struct fg_timer *timer)
{
	struct sim *sim = timer->handle.loop->os.arg;

	sim_note(sim, 't');
}

#define FLOOD 1500u /* more than a budget */

struct flood {
	struct conn conn[FLOOD];
	struct fg_timer timer;
};

/* Counters that are never read, so each is ready in every turn. */
static struct flood *flood_open(struct sim *sim)
{
	struct flood *flood = calloc(1, sizeof(*flood));
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < FLOOD; i++) {
		struct conn *conn = &flood->conn[i];

		*conn = (struct conn){ .sim = sim, .fd = { eventfd(1, EFD_CLOEXEC), -1 } };
		fg_io_init(sim->loop, &conn->io, conn_called);
		assert_int_equal(fg_io_sync(&conn->io, conn->fd[0], FG_READ, true), 0);
	}
	fg_timer_init(sim->loop, &flood->timer, flood_timer);
	return flood;
}

static void flood_close(struct sim *sim, struct flood *flood)
{
	for (unsigned i = 0; i < FLOOD; i++)
		conn_close(&flood->conn[i]);
	fg_handle_close(&flood->timer.handle, NULL);
	sim_close_rest(sim);
	free(flood);
}

static unsigned flood_calls(const struct flood *flood)
{
	unsigned calls = 0;

	for (unsigned i = 0; i < FLOOD; i++)
		calls += flood->conn[i].calls;
	return calls;
}

/* Counted in callbacks: between a timer's time and its call lies at most one budget. */
static void flood_delays_no_timer(void **state)
{
	struct sim *sim = *state;
	struct flood *flood = flood_open(sim);
	unsigned before;

	for (unsigned round = 0; round < 20; round++) {
		fg_timer_start(&flood->timer, 10);
		before = flood_calls(flood);
		sim->now_ns += 10;
		for (unsigned turns = 0; fg_timer_active(&flood->timer); turns++) {
			assert_true(turns < 2);
			fg_loop_turn(sim->loop, true);
		}
		assert_true(flood_calls(flood) - before <= FG_LOOP_BUDGET);
	}
	assert_int_equal(sim->sleeps, 0);
	flood_close(sim, flood);
}

/* The budget bounds the turn, and who was left out comes first in the next. */
static void flood_is_shared_fairly(void **state)
{
	struct sim *sim = *state;
	struct flood *flood = flood_open(sim);
	struct fg_loop_stats stats;
	unsigned least = UINT32_MAX, most = 0;

	for (unsigned turn = 1; turn <= 50; turn++) {
		assert_int_equal(fg_loop_turn(sim->loop, true), 1);
		fg_loop_stats(sim->loop, &stats);
		assert_true(stats.callbacks[FG_PHASE_POLL] <= turn * FG_LOOP_BUDGET);
	}
	for (unsigned i = 0; i < FLOOD; i++) {
		unsigned calls = flood->conn[i].calls;

		least = calls < least ? calls : least;
		most = calls > most ? calls : most;
	}
	assert_true(least >= 25); /* of 50 turns of 1024 calls for 1500 */
	assert_true(most - least <= 10);
	flood_close(sim, flood);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIM_TEST(events_of_the_same_batch),
		SIM_TEST(number_taken_over),
		SIM_TEST(sync_finds_out),
		SIM_TEST(sync_without_change_is_free),
		SIM_TEST(sync_refused),
		SIM_TEST(duplicate_left_behind),
		SIM_TEST(freed_in_the_close_phase),
		SIM_TEST(flood_delays_no_timer),
		SIM_TEST(flood_is_shared_fairly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
