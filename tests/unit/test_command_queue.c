/* Commands with a driver of the test's own: each has one outcome, and goes when it can go. */
#include "spool_fixture.h"
#include "test_loop_sim.h"

#include "command/command.h"
#include "config/profile_conf.h"
#include "config/config.h"
#include "decode/decode.h"

#define TAKEN 8

struct world {
	struct fixture f;
	struct sim sim;
	struct fg_clock clock;
	struct fg_arena arena;
	struct fg_named_profile named;
	struct fg_devices *devices;
	struct fg_profiles *profiles;
	struct fg_intake *intake;
	struct fg_commands *commands;
	struct fg_driver driver;
	struct fg_driver_conf conf;
	struct fg_inlet *inlet;
	struct fg_source *source;
	struct fg_command *taken[TAKEN];
	char payloads[TAKEN][64], to[TAKEN][64];
	unsigned count, told, removed, waited;
	int answer;		/* of the driver's command call */
	bool at_once;		/* done within the call */
	char outcome[64], why[128], json[512];
};

static int fake_open(struct fg_source *source)
{
	((struct world *)(uintptr_t)source->conf)->source = source;
	fg_source_up(source);
	return 0;
}

static void fake_close(struct fg_source *source)
{
	fg_source_closed(source);
}

static void fake_nothing(struct fg_source *source)
{
	(void)source;
}

static void fake_kept(struct fg_source *source, uint64_t upto)
{
	(void)source;
	(void)upto;
}

static int fake_command(struct fg_source *source, struct fg_command *command)
{
	struct world *w = (struct world *)(uintptr_t)source->conf;

	if (w->answer < 0)
		return w->answer;
	assert_true(w->count < TAKEN);
	snprintf(w->payloads[w->count], 64, "%.*s", (int)command->payload.len,
		 command->payload.ptr);
	snprintf(w->to[w->count], 64, "%.*s", (int)command->to.len, command->to.ptr);
	w->taken[w->count++] = command;
	if (w->at_once)
		fg_command_done(command, FG_OUTCOME_DONE, NULL);
	return 0;
}

static const struct fg_decoder *find_decoder(const char *name)
{
	return strcmp(name, "json") == 0 ? &fg_decoder_json : NULL;
}

static void parse_profile(struct world *w, const char *text)
{
	struct fg_faults faults;

	fg_faults_init(&faults);
	w->named.name = "lamp";
	assert_int_equal(
		fg_profile_parse("lamp", fg_str_c(text), &w->arena, &faults, &w->named.conf), 0);
	assert_int_equal(fg_profiles_new(&w->named, 1, find_decoder, &faults, &w->profiles), 0);
	fg_faults_fini(&faults);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fixture_begin(&w->f);
	w->f.conf.commit_ns = FG_COMMIT_NEVER;
	w->sim.now_ns = FG_S(1000);
	w->sim.loop = fg_loop_new();
	fg_loop_set_os(w->sim.loop, &(struct fg_loop_os){ sim_now, sim_wait, &w->sim });
	fg_clock_init(&w->clock, true);
	fg_arena_init(&w->arena, 1 << 20);
	w->driver = (struct fg_driver){
		.name = "fake",
		.address = FG_ADDRESS_TOPIC,
		.ops = { fake_open, fake_close, fake_nothing, fake_nothing, fake_kept,
			 fake_command },
	};
	w->conf = (struct fg_driver_conf){
		.name = "field", .driver = &w->driver, .conf = w, .type = "fake", .enabled = true
	};
	*state = w;
	return 0;
}

static void up(struct world *w, const char *profile)
{
	struct fg_commands_conf commands = {
		.loop = w->sim.loop, .level = FG_ERROR, .clock = &w->clock
	};
	struct fg_intake_conf conf = {
		.gateway = "gw",
		.payload_max = 4096,
		.depth_max = 32,
		.devices_max = 100,
		.loop = w->sim.loop,
		.clock = &w->clock,
	};

	parse_profile(w, profile);
	fixture_open(&w->f);
	assert_int_equal(fg_devices_new(100, &w->devices), 0);
	conf.spool = w->f.spool;
	conf.devices = w->devices;
	assert_int_equal(fg_intake_new(&conf, &w->intake), 0);
	assert_int_equal(fg_commands_new(&commands, &w->commands), 0);
	fg_commands_set_intake(w->commands, w->intake);
	fg_intake_set_profiles(w->intake, w->profiles);
	assert_int_equal(fg_intake_add(w->intake, &w->conf, FG_ERROR, &w->inlet), 0);
}

static void on_removed(void *arg)
{
	((struct world *)arg)->removed++;
}

static void turns(struct world *w, unsigned n, uint64_t ns)
{
	while (n-- > 0) {
		w->sim.now_ns += ns;
		fg_loop_update_now(w->sim.loop);
		fg_loop_turn(w->sim.loop, false);
		fg_intake_keep(w->intake);
	}
}

static void leave(struct world *w)
{
	fg_intake_remove(w->inlet, on_removed, w);
	for (int i = 0; i < 20 && !w->removed; i++)
		fg_loop_turn(w->sim.loop, false);
	assert_int_equal(w->removed, 1);
	w->inlet = NULL;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fg_commands_stop(w->commands);
	if (w->inlet)
		leave(w);
	turns(w, 2, 0);
	fg_commands_free(w->commands);
	w->intake = fg_intake_free(w->intake);
	fg_profiles_free(w->profiles);
	fg_devices_free(w->devices);
	fg_arena_fini(&w->arena);
	fixture_end(&w->f);
	fg_loop_free(w->sim.loop);
	free(w);
	return 0;
}

static void hear(struct world *w, const char *address)
{
	struct fg_input input = { .address = fg_str_c(address),
				  .payload = FG_STR("{\"state\":true}"),
				  .content_format = -1,
				  .peer = 7 };
	uint64_t pos;

	assert_int_equal(fg_source_submit(w->source, &input, &pos), 0);
}

static void on_outcome(void *arg, struct fg_str reply, const struct fg_request_result *result)
{
	struct world *w = arg;

	assert_true(fg_str_eq_c(reply, "back"));
	w->told++;
	snprintf(w->outcome, sizeof(w->outcome), "%s", fg_outcome_name(result->outcome));
	snprintf(w->why, sizeof(w->why), "%.*s", (int)result->why.len, result->why.ptr);
	snprintf(w->json, sizeof(w->json), "%.*s", (int)result->json.len, result->json.ptr);
}

static void ask_for(struct world *w, const char *path, const char *payload, bool retained)
{
	struct fg_request request = { .path = fg_str_c(path),
				      .payload = fg_str_c(payload),
				      .retained = retained,
				      .outcome = on_outcome,
				      .arg = w,
				      .reply = FG_STR("back") };

	fg_command_request(w->commands, &request);
	turns(w, 2, 0);
}

static void ask(struct world *w, const char *path, const char *payload)
{
	ask_for(w, path, payload, false);
}

static void outcome_is(struct world *w, unsigned told, const char *outcome)
{
	assert_int_equal(w->told, told);
	assert_string_equal(w->outcome, outcome);
}

#define LAMP                                                                             \
	"{\"match\":\"lamps/{device}\",\"points\":{\"*\":{},\"level\":{\"scale\":0.1}," \
	"\"mode\":{\"map\":{\"0\":\"off\",\"1\":\"eco\"}}},"                             \
	"\"write\":{\"{point}\":{\"to\":\"lamps/{device}/set\","                         \
	"\"payload\":\"{\\\"{point}\\\":{json}}\",\"timeout\":\"2s\"},"                  \
	"\"level\":{\"to\":\"l\",\"min\":0,\"max\":100},"                                \
	"\"mode\":{\"to\":\"m\"},"                                                       \
	"\"relay/{point}\":{\"to\":\"r/{point}\",\"map\":{\"true\":\"on\"}},"            \
	"\"raw\":{\"hex\":true,\"map\":{\"1\":\"a0 01\"}}}}"

#define SLEEPER                                         \
	"{\"match\":\"lamps/{device}\",\"write\":{\"{point}\":{\"to\":\"t\",\"sleeps\":true," \
	"\"timeout\":\"2s\"}}}"

static void goes_down_and_is_done(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	ask(w, "hall/state", "{\"id\":\"a\\\"1\",\"value\":true}");
	assert_int_equal(w->count, 1);
	assert_string_equal(w->payloads[0], "{\"state\":true}");
	assert_string_equal(w->to[0], "lamps/hall/set");
	assert_int_equal(w->taken[0]->peer, 7);
	assert_int_equal(w->told, 0);
	fg_command_done(w->taken[0], FG_OUTCOME_DONE, NULL);
	outcome_is(w, 1, "done");
	assert_string_equal(w->json, "{\"id\":\"a\\\"1\",\"device\":\"hall\",\"point\":\"state\","
				     "\"outcome\":\"done\"}");
	turns(w, 2, FG_S(60));
	assert_int_equal(w->told, 1);
}

static void value_is_what_the_device_takes(void **state)
{
	static const struct {
		const char *point, *value, *payload, *to;
	} rows[] = {
		{ "level", "21.5", "215", "l" },
		{ "mode", "eco", "1", "m" },
		{ "relay/1", "true", "on", "r/1" },
		{ "raw", "1", "\xa0\x01", "" },
		{ "text", "a\nb", NULL, NULL },
		{ "level", "101", NULL, NULL },
		{ "level", "-1", NULL, NULL },
		{ "level", "\"high\"", NULL, NULL },
		{ "mode", "warm", NULL, NULL },
		{ "relay/1", "2", NULL, NULL },
		{ "state", "[1]", NULL, NULL },
		{ "state", "{\"id\":1}", NULL, NULL },
		{ "state", "{\"id\":[],\"value\":1}", NULL, NULL },
		{ "state", "{\"value\":null}", NULL, NULL },
		{ "state", "{\"value\":1,\"expires\":\"soon\"}", NULL, NULL },
		{ "state", "{\"value\":", NULL, NULL },
		{ "not/writable", "1", NULL, NULL },
	};
	struct world *w = *state;
	unsigned told = 0;

	up(w, LAMP);
	hear(w, "lamps/hall");
	w->at_once = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[64];

		w->count = 0;
		snprintf(path, sizeof(path), "hall/%s", rows[i].point);
		ask(w, path, rows[i].value);
		outcome_is(w, ++told, rows[i].payload ? "done" : "refused");
		assert_int_equal(w->count, rows[i].payload != NULL);
		if (rows[i].payload) {
			assert_string_equal(w->payloads[0], rows[i].payload);
			assert_string_equal(w->to[0], rows[i].to);
		}
	}
}

static void an_id_is_carried_out_once(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	ask(w, "hall/state", "{\"id\":7,\"value\":1}");
	ask(w, "hall/state", "{\"id\":7,\"value\":1}");	/* under way */
	assert_int_equal(w->count, 1);
	fg_command_done(w->taken[0], FG_OUTCOME_FAILED, "stuck");
	outcome_is(w, 1, "failed");
	assert_string_equal(w->why, "stuck");
	ask(w, "hall/state", "{\"id\":7,\"value\":1}");	/* told */
	assert_int_equal(w->count, 1);
	assert_int_equal(w->told, 1);
	ask(w, "hall/state", "{\"id\":8,\"value\":1}");
	assert_int_equal(w->count, 2);
}

static void on_waited(void *arg, struct fg_str reply, const struct fg_request_result *result)
{
	struct world *w = arg;

	(void)reply;
	w->waited++;
	snprintf(w->outcome, sizeof(w->outcome), "%s", fg_outcome_name(result->outcome));
	snprintf(w->json, sizeof(w->json), "%.*s", (int)result->json.len, result->json.ptr);
}

/* Waits for the outcome in a place of its own. */
static void wait_for(struct world *w, const char *path, const char *payload, const char *reply)
{
	struct fg_request request = { .path = fg_str_c(path),
				      .payload = fg_str_c(payload),
				      .again = true,
				      .outcome = on_waited,
				      .arg = w,
				      .reply = fg_str_c(reply) };

	fg_command_request(w->commands, &request);
	turns(w, 2, 0);
}

static void who_waits_is_told_of_an_id_that_came_before(void **state)
{
	static const char seven[] = "{\"id\":7,\"value\":1}";
	struct fg_commands_stats stats;
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	ask(w, "hall/state", seven);
	wait_for(w, "hall/state", seven, "one");
	wait_for(w, "hall/state", seven, "two");
	wait_for(w, "hall/state", seven, "two");	/* delivered twice */
	assert_int_equal(w->waited, 0);
	fg_command_done(w->taken[0], FG_OUTCOME_DONE, NULL);
	assert_int_equal(w->told, 1);
	assert_int_equal(w->waited, 2);
	assert_string_equal(w->json, "{\"id\":7,\"device\":\"hall\",\"point\":\"state\","
				     "\"outcome\":\"done\"}");
	wait_for(w, "hall/state", seven, "three");
	assert_int_equal(w->waited, 3);
	assert_string_equal(w->outcome, "done");
	assert_int_equal(w->count, 1);
	/* one whose time is over before its driver has given it back */
	ask(w, "hall/state", "{\"id\":8,\"value\":1}");
	turns(w, 2, FG_S(3));
	outcome_is(w, 2, "unreachable");
	wait_for(w, "hall/state", "{\"id\":8,\"value\":1}", "one");
	assert_int_equal(w->waited, 4);
	assert_string_equal(w->outcome, "unreachable");
	/* one that has gone */
	wait_for(w, "cellar/state", "{\"id\":9,\"value\":1}", "one");
	wait_for(w, "cellar/state", "{\"id\":9,\"value\":1}", "two");
	fg_command_forget(w->commands, w);
	/* another one, in the place where that one was */
	wait_for(w, "cellar/state", "{\"id\":9,\"value\":1}", "one");
	fg_commands_stats(w->commands, &stats);
	assert_int_equal(stats.waiting, 2);
	fg_command_done(w->taken[2], FG_OUTCOME_DONE, NULL);
	assert_int_equal(w->waited, 5);
	assert_string_equal(w->outcome, "done");
	/* what a broker had stored is refused, also if it was done before */
	fg_command_request(w->commands, &(struct fg_request){ .path = FG_STR("cellar/state"),
							      .payload = FG_STR("{\"id\":9}"),
							      .retained = true,
							      .again = true,
							      .outcome = on_waited,
							      .arg = w });
	assert_int_equal(w->waited, 6);
	assert_string_equal(w->outcome, "refused");
	fg_commands_stats(w->commands, &stats);
	assert_int_equal(stats.waiting, 0);
	fg_command_done(w->taken[1], FG_OUTCOME_DONE, NULL);
}

static void those_who_wait_are_bounded(void **state)
{
	struct fg_commands_stats stats;
	struct world *w = *state;
	char reply[16];

	up(w, LAMP);
	hear(w, "lamps/hall");
	ask(w, "hall/state", "{\"id\":7,\"value\":1}");
	for (unsigned i = 1; i <= FG_COMMANDS_MAX; i++) {
		snprintf(reply, sizeof(reply), "%u", i);
		wait_for(w, "hall/state", "{\"id\":7,\"value\":1}", reply);
		assert_int_equal(w->waited, i == FG_COMMANDS_MAX);
	}
	assert_string_equal(w->outcome, "refused");
	fg_commands_stats(w->commands, &stats);
	assert_int_equal(stats.waiting, FG_COMMANDS_MAX);
	/* that it is gone with them is seen by the sanitizer */
}

static void deadline_is_an_outcome(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	ask(w, "hall/state", "1");
	turns(w, 1, FG_MS(1900));
	assert_int_equal(w->told, 0);
	turns(w, 2, FG_MS(200));
	outcome_is(w, 1, "unreachable");
	fg_command_done(w->taken[0], FG_OUTCOME_DONE, NULL);	/* too late */
	turns(w, 2, 0);
	assert_int_equal(w->told, 1);
	ask(w, "hall/state", "{\"value\":1,\"expires\":\"1s\"}");
	turns(w, 1, FG_MS(1100));
	turns(w, 1, 0);
	outcome_is(w, 2, "expired");
	/* a driver that has not begun with it leaves it */
	assert_true(w->taken[1]->deadline_ns <= w->sim.now_ns);
	fg_command_done(w->taken[1], FG_OUTCOME_DONE, NULL);
	ask(w, "hall/state", "{\"value\":1,\"expires\":\"2001-01-01T00:00:00Z\"}");
	outcome_is(w, 3, "expired");
	/* further ago than there are nanoseconds in 63 bits */
	ask(w, "hall/state", "{\"value\":1,\"expires\":\"1715-01-01T00:00:00Z\"}");
	outcome_is(w, 4, "expired");
	assert_int_equal(w->count, 2);
}

static void commands_of_one_device_keep_their_order(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	hear(w, "lamps/attic");
	ask(w, "hall/state", "1");
	ask(w, "hall/state", "2");
	ask(w, "attic/state", "3");
	assert_int_equal(w->count, 2);
	assert_string_equal(w->payloads[1], "{\"state\":3}");
	fg_command_done(w->taken[0], FG_OUTCOME_DONE, NULL);
	turns(w, 2, 0);
	assert_int_equal(w->count, 3);
	assert_string_equal(w->payloads[2], "{\"state\":2}");
}

static void retained_is_refused(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	ask_for(w, "hall/state", "{\"id\":1,\"value\":1}", true);
	outcome_is(w, 1, "refused");
	assert_int_equal(w->count, 0);
	/* whoever then asks for it now gets it */
	ask(w, "hall/state", "{\"id\":1,\"value\":1}");
	assert_int_equal(w->count, 1);
}

static void a_sleeper_gets_it_when_it_is_heard(void **state)
{
	struct world *w = *state;

	up(w, SLEEPER);
	hear(w, "lamps/hall");
	ask(w, "hall/state", "1");
	ask(w, "hall/state", "2");
	turns(w, 3, FG_S(600));
	assert_int_equal(w->count, 0);
	assert_int_equal(w->told, 0);
	w->at_once = true;
	hear(w, "lamps/hall");
	turns(w, 3, 0);
	assert_int_equal(w->count, 2);
	assert_string_equal(w->payloads[1], "2");
	ask(w, "hall/state", "3");
	turns(w, 2, FG_S(3601));
	outcome_is(w, 3, "expired");
}

/* It is waited for still when it was heard just as its source went down. */
static void a_sleeper_is_heard_again(void **state)
{
	struct world *w = *state;

	up(w, SLEEPER);
	hear(w, "lamps/hall");
	ask(w, "hall/state", "1");
	fg_source_fault(w->source, -EPIPE, "gone");
	hear(w, "lamps/hall");
	turns(w, 4, FG_MS(500));
	assert_true(fg_intake_is_up(w->source));
	assert_int_equal(w->count, 0);
	hear(w, "lamps/hall");
	turns(w, 2, 0);
	assert_int_equal(w->count, 1);
	fg_command_done(w->taken[0], FG_OUTCOME_DONE, NULL);
	outcome_is(w, 1, "done");
}

/* By what the configuration alone says of it. */
static void one_that_was_never_heard_can_be_commanded(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	ask(w, "cellar/state", "1");
	assert_int_equal(w->count, 1);
	assert_string_equal(w->to[0], "lamps/cellar/set");
	assert_int_equal(w->taken[0]->peer, 0);
}

static void what_cannot_be_reached_is_tried_when_heard(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	w->answer = -EAGAIN;
	ask(w, "hall/state", "{\"value\":1,\"expires\":\"60s\"}");
	turns(w, 2, FG_S(20));
	w->answer = 0;
	turns(w, 2, 0);
	assert_int_equal(w->count, 0);
	hear(w, "lamps/hall");
	turns(w, 2, 0);
	assert_int_equal(w->count, 1);
	w->answer = -EAGAIN;
	ask(w, "attic/state", "1");
	turns(w, 2, FG_S(3));
	outcome_is(w, 2, "unreachable");
}

static void a_lost_link_is_an_outcome(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	ask(w, "hall/state", "1");
	fg_source_fault(w->source, -EPIPE, "gone");
	turns(w, 2, 0);
	outcome_is(w, 1, "unreachable");
	ask(w, "hall/state", "2");	/* opens again in time */
	turns(w, 3, FG_MS(500));
	assert_int_equal(w->count, 2);
	fg_command_done(w->taken[1], FG_OUTCOME_DONE, NULL);
	outcome_is(w, 2, "done");
}

/* A source that left of its own accord says when it is back. */
static void who_was_away_gets_what_waits(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	fg_source_away(w->source);
	w->answer = -EAGAIN;
	ask(w, "hall/state", "{\"value\":1,\"expires\":\"60s\"}");
	turns(w, 2, FG_S(20));
	assert_int_equal(w->count + w->told, 0);
	w->answer = 0;
	fg_source_up(w->source);
	turns(w, 2, 0);
	assert_int_equal(w->count, 1);
	/* what it is told twice changes nothing; nor is one away that is not up */
	fg_source_up(w->source);
	fg_source_fault(w->source, -EPIPE, "gone");
	fg_source_away(w->source);
	turns(w, 4, FG_MS(500));
	outcome_is(w, 1, "unreachable");
	ask(w, "hall/state", "2");
	assert_int_equal(w->count, 2);
}

static void who_has_gone_is_told_nothing(void **state)
{
	struct world *w = *state;

	up(w, LAMP);
	hear(w, "lamps/hall");
	ask(w, "hall/state", "1");
	fg_command_forget(w->commands, w);
	fg_command_done(w->taken[0], FG_OUTCOME_DONE, NULL);
	assert_int_equal(w->told, 0);
}

static void there_is_a_bound(void **state)
{
	struct fg_commands_stats stats;
	struct world *w = *state;

	up(w, SLEEPER);
	for (unsigned i = 0; i < FG_COMMANDS_MAX; i++) {
		struct fg_request request = { .path = FG_STR("hall/state"),
					      .payload = FG_STR("1") };

		fg_command_request(w->commands, &request);
	}
	fg_commands_stats(w->commands, &stats);
	assert_int_equal(stats.waiting, FG_COMMANDS_MAX);
	assert_int_equal(stats.outcomes[FG_OUTCOME_REFUSED], 0);
	ask(w, "hall/state", "1");
	outcome_is(w, 1, "refused");
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(goes_down_and_is_done),
		test(value_is_what_the_device_takes),
		test(an_id_is_carried_out_once),
		test(who_waits_is_told_of_an_id_that_came_before),
		test(those_who_wait_are_bounded),
		test(deadline_is_an_outcome),
		test(commands_of_one_device_keep_their_order),
		test(retained_is_refused),
		test(a_sleeper_gets_it_when_it_is_heard),
		test(a_sleeper_is_heard_again),
		test(one_that_was_never_heard_can_be_commanded),
		test(what_cannot_be_reached_is_tried_when_heard),
		test(a_lost_link_is_an_outcome),
		test(who_was_away_gets_what_waits),
		test(who_has_gone_is_told_nothing),
		test(there_is_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
