/*
 * The driver that docs/writing-a-driver.md explains, as it stands there, in the real intake with a
 * real spool: it answers when a payload has been kept, and not before.
 */
#include "../../docs/example/udp.c"
#include "config/registry.h"
#include "intake/intake.h"
#include "spool_fixture.h"

#define DEADLINE_NS FG_S(10)

struct house {
	struct fixture spool;
	struct fg_clock clock;
	struct fg_devices *devices;
	struct fg_intake *intake;
	struct fg_profiles *profiles;
	struct fg_hook keep;
	struct fg_timer deadline;
	struct udp_conf conf;
	struct fg_driver_conf driver;
	bool keeping, late, removed;
	int peer;
};

static void on_keep(struct fg_hook *hook)
{
	struct house *house = (struct house *)((char *)hook - offsetof(struct house, keep));

	if (house->keeping)
		fg_intake_keep(house->intake);
}

static void on_committed(void *arg, uint64_t upto)
{
	fg_intake_committed(((struct house *)arg)->intake, upto);
}

static void on_deadline(struct fg_timer *timer)
{
	((struct house *)((char *)timer - offsetof(struct house, deadline)))->late = true;
}

static void on_removed(void *arg)
{
	((struct house *)arg)->removed = true;
}

static const struct fg_decoder *find_decoder(const char *name)
{
	const struct fg_decoder *decoder;

	return fg_registry_decoder(name, &decoder) == 0 ? decoder : NULL;
}

static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static void house_open(struct house *house, int64_t commit_ns)
{
	struct fg_loop *loop = fg_loop_new();

	*house = (struct house){ .keeping = true, .conf = { "127.0.0.1", free_port() } };
	fixture_begin(&house->spool);
	house->spool.loop = loop;
	house->spool.conf.commit_ns = commit_ns;
	house->spool.events = (struct fg_spool_events){ .arg = house, .committed = on_committed };
	fixture_open(&house->spool);
	fg_clock_init(&house->clock, true);
	assert_int_equal(fg_devices_new(100, &house->devices), 0);
	assert_int_equal(fg_profiles_new(NULL, 0, find_decoder, NULL, &house->profiles), 0);
	assert_int_equal(
		fg_intake_new(&(struct fg_intake_conf){ .gateway = "gw",
							.payload_max = 1024,
							.depth_max = 8,
							.devices_max = 100,
							.commit_each = commit_ns == FG_COMMIT_EACH,
							.loop = loop,
							.spool = house->spool.spool,
							.clock = &house->clock,
							.devices = house->devices },
			      &house->intake),
		0);
	fg_intake_set_profiles(house->intake, house->profiles);
	fg_hook_init(loop, &house->keep, FG_PHASE_CHECK, on_keep);
	fg_hook_start(&house->keep);
	fg_timer_init(loop, &house->deadline, on_deadline);
	fg_timer_start(&house->deadline, DEADLINE_NS);
	house->driver = (struct fg_driver_conf){ .name = "udp",
						 .type = "udp",
						 .enabled = true,
						 .driver = &fg_driver_udp,
						 .conf = &house->conf };
	assert_int_equal(fg_intake_add(house->intake, &house->driver, FG_ERROR, NULL), 0);
	house->peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(house->peer,
				 (struct sockaddr *)&(struct sockaddr_in){
					 .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					 .sin_port = htons((uint16_t)house->conf.port) },
				 sizeof(struct sockaddr_in)),
			 0);
}

static void house_close(struct house *house)
{
	struct fg_loop *loop = house->spool.loop;

	fg_intake_remove(fg_intake_find(house->intake, "udp"), on_removed, house);
	while (!house->removed && !house->late)
		assert_true(fg_loop_turn(loop, true) >= 0);
	fg_handle_close(&house->keep.handle, NULL);
	fg_handle_close(&house->deadline.handle, NULL);
	fixture_close(&house->spool);
	fg_intake_free(house->intake);
	fg_devices_free(house->devices);
	fg_profiles_free(house->profiles);
	close(house->peer);
	fg_loop_free(loop);
	nftw(house->spool.dir, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
	assert_false(house->late);
}

static void say(struct house *house, const char *text)
{
	assert_int_equal(send(house->peer, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* "" if there is none. */
static const char *heard(struct house *house, char out[16])
{
	ssize_t n = recv(house->peer, out, 15, 0);

	out[n > 0 ? n : 0] = '\0';
	return out;
}

static const char *wait_answer(struct house *house, char out[16])
{
	while (!*heard(house, out) && !house->late)
		assert_true(fg_loop_turn(house->spool.loop, false) >= 0);
	return out;
}

static void test_answered_when_kept(void **state)
{
	struct fg_intake_stats stats = { 0 };
	struct house house;
	char text[16];

	(void)state;
	house_open(&house, 1000000000);
	house.keeping = false;
	say(&house, "kitchen/lamp\n{\"watts\": 7.5, \"on\": true}");
	while (stats.payloads == 0 && !house.late) {
		assert_true(fg_loop_turn(house.spool.loop, false) >= 0);
		fg_intake_stats(house.intake, &stats);
	}
	assert_int_equal(stats.records, 2);
	assert_string_equal(heard(&house, text), "");
	assert_int_equal(fg_spool_accepted(house.spool.spool), 0);
	house.keeping = true;
	assert_string_equal(wait_answer(&house, text), "ok\n");
	assert_int_equal(fg_spool_accepted(house.spool.spool), 2);
	house_close(&house);
}

static void test_answered_when_committed(void **state)
{
	struct house house;
	char text[16];

	(void)state;
	house_open(&house, FG_COMMIT_EACH);
	say(&house, "kitchen/lamp/watts\n7.5");
	assert_string_equal(wait_answer(&house, text), "ok\n");
	assert_int_equal(fg_spool_committed(house.spool.spool), 1);
	house_close(&house);
}

static void test_rejected(void **state)
{
	static const char *const bad[] = { "no first line", "kitchen\n{", "\n5" };
	struct house house;
	char text[16];

	(void)state;
	house_open(&house, 1000000000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(&house, bad[i]);
		assert_string_equal(wait_answer(&house, text), "no\n");
	}
	say(&house, "kitchen\n{}"); /* good, and holds nothing */
	assert_string_equal(wait_answer(&house, text), "ok\n");
	assert_int_equal(fg_spool_accepted(house.spool.spool), 0);
	house_close(&house);
}

/* More than can wait at a time. */
static void test_many(void **state)
{
	unsigned said = 0, answered = 0;
	struct house house;
	char text[16];

	(void)state;
	house_open(&house, FG_COMMIT_EACH);
	while (answered < 3 * WAITING_MAX && !house.late) {
		while (said < 3 * WAITING_MAX && said - answered < 2 * WAITING_MAX &&
		       send(house.peer, "a\n1", 3, 0) == 3)
			said++;
		assert_true(fg_loop_turn(house.spool.loop, false) >= 0);
		while (*heard(&house, text))
			answered += strcmp(text, "ok\n") == 0;
	}
	assert_int_equal(fg_spool_accepted(house.spool.spool), 3 * WAITING_MAX);
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answered_when_kept),
		cmocka_unit_test(test_answered_when_committed),
		cmocka_unit_test(test_rejected),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
