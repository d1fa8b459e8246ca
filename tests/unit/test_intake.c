/* The intake with a driver of the test's own: what is acknowledged is kept, the rest is not. */
#include "spool_fixture.h"
#include "test_loop_sim.h"

#include "decode/decode.h"
#include "intake/private.h"
#include "profile/profile.h"

struct world {
	struct fixture f;
	struct sim sim;
	struct fg_clock clock;
	struct fg_devices *devices;
	struct fg_profiles *profiles;
	struct fg_intake *intake;
	struct fg_driver driver;
	struct fg_driver_conf conf;
	struct fg_inlet *inlet;
	struct fg_source *source;
	struct fg_spool_io io;
	int open_error;
	bool silent; /* open does not come up by itself */
	unsigned opens, closes, pauses, resumes, removed;
	uint64_t kept;
	unsigned kepts;
};

static int fake_open(struct fg_source *source)
{
	struct world *w = (struct world *)(uintptr_t)source->conf;

	w->source = source;
	w->opens++;
	if (w->open_error)
		return w->open_error;
	if (!w->silent)
		fg_source_up(source);
	return 0;
}

static void fake_close(struct fg_source *source)
{
	((struct world *)(uintptr_t)source->conf)->closes++;
	fg_source_closed(source);
}

static void fake_pause(struct fg_source *source)
{
	((struct world *)(uintptr_t)source->conf)->pauses++;
}

static void fake_resume(struct fg_source *source)
{
	((struct world *)(uintptr_t)source->conf)->resumes++;
}

static void fake_kept(struct fg_source *source, uint64_t upto)
{
	struct world *w = (struct world *)(uintptr_t)source->conf;

	w->kepts++;
	assert_true(upto >= w->kept);
	assert_true(upto <= fg_spool_accepted(w->f.spool));
	w->kept = upto;
}

static const struct fg_decoder *find_decoder(const char *name)
{
	const struct fg_decoder *all[] = { &fg_decoder_json, &fg_decoder_value, &fg_decoder_cbor,
					   &fg_decoder_senml };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

static void on_committed(void *arg, uint64_t upto)
{
	struct world *w = arg;

	if (w->intake)
		fg_intake_committed(w->intake, upto);
}

static void on_room(void *arg)
{
	struct world *w = arg;

	if (w->intake)
		fg_intake_room(w->intake);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fixture_begin(&w->f);
	w->f.conf.commit_ns = FG_COMMIT_NEVER;
	w->f.events = (struct fg_spool_events){
		.arg = w,
		.committed = on_committed,
		.room = on_room,
	};
	w->sim.now_ns = FG_S(1000);
	w->sim.loop = fg_loop_new();
	fg_loop_set_os(w->sim.loop, &(struct fg_loop_os){ sim_now, sim_wait, &w->sim });
	fg_clock_init(&w->clock, true);
	w->driver = (struct fg_driver){
		.name = "fake",
		.address = FG_ADDRESS_TOPIC,
		.ops = { fake_open, fake_close, fake_pause, fake_resume, fake_kept, NULL },
	};
	w->conf = (struct fg_driver_conf){
		.name = "field",
		.driver = &w->driver,
		.conf = w,
		.type = "fake",
		.enabled = true,
	};
	*state = w;
	return 0;
}

static void up(struct world *w, uint32_t devices)
{
	struct fg_intake_conf conf = {
		.gateway = "gw",
		.payload_max = 4096,
		.depth_max = 32,
		.devices_max = devices,
		.commit_each = w->f.conf.commit_ns == FG_COMMIT_EACH,
		.loop = w->sim.loop,
		.clock = &w->clock,
		.spool_dir = w->f.dir,
	};

	fixture_open(&w->f);
	assert_int_equal(fg_devices_new(devices, &w->devices), 0);
	assert_int_equal(fg_profiles_new(NULL, 0, find_decoder, NULL, &w->profiles), 0);
	conf.spool = w->f.spool;
	conf.devices = w->devices;
	assert_int_equal(fg_intake_new(&conf, &w->intake), 0);
	fg_intake_set_profiles(w->intake, w->profiles);
	assert_int_equal(fg_intake_add(w->intake, &w->conf, FG_ERROR + 1, &w->inlet), 0);
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

	if (w->inlet)
		leave(w);
	w->intake = fg_intake_free(w->intake);
	fg_profiles_free(w->profiles);
	fg_devices_free(w->devices);
	fixture_end(&w->f);
	fg_loop_free(w->sim.loop);
	free(w);
	return 0;
}

static int submit(struct world *w, const char *address, const char *payload, uint64_t *ret_pos)
{
	struct fg_input input = { .address = fg_str_c(address),
				  .payload = fg_str_c(payload),
				  .content_format = -1 };

	return fg_source_submit(w->source, &input, ret_pos);
}

static uint64_t rejected(struct world *w, enum fg_reject why)
{
	return fg_spool_counters(w->f.spool)[FG_COUNTER_REJECTED + why];
}

static void kept_follows_the_write(void **state)
{
	struct world *w = *state;
	uint64_t pos;

	up(w, 10);
	assert_int_equal(submit(w, "a", "{\"t\":1,\"h\":2}", &pos), 0);
	assert_int_equal(pos, 2);
	assert_int_equal(submit(w, "b", "3", &pos), 0);
	assert_int_equal(pos, 3);
	assert_int_equal(w->kepts, 0);
	turns(w, 1, 0);
	assert_int_equal(w->kepts, 1);
	assert_int_equal(w->kept, 3);
	assert_int_equal(submit(w, "b", "{", &pos), -EBADMSG);
	assert_int_equal(submit(w, "b", "{}", &pos), 0);
	assert_int_equal(pos, 0);
	turns(w, 2, 0);
	assert_int_equal(w->kepts, 1);
}

static void bad_payloads_are_rejected_and_counted(void **state)
{
	struct world *w = *state;
	char large[5000];
	uint64_t pos = 77;

	up(w, 2);
	memset(large, '1', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(submit(w, "a", "{\"t\":", &pos), -EBADMSG);
	assert_int_equal(submit(w, "a", large, &pos), -EBADMSG);
	assert_int_equal(submit(w, "", "1", &pos), -EBADMSG);
	assert_int_equal(submit(w, NULL, "1", &pos), -EBADMSG);
	assert_int_equal(submit(w, "a", "1", &pos), 0);
	assert_int_equal(submit(w, "b", "1", &pos), 0);
	assert_int_equal(submit(w, "c", "1", &pos), -EBADMSG);
	assert_int_equal(submit(w, "a", "1", &pos), 0);
	fg_source_reject(w->source, "checksum", FG_STR("x"));
	fg_source_reject(w->source, "no-such-reason", FG_STR("x"));
	assert_int_equal(rejected(w, FG_REJECT_MALFORMED), 1);
	assert_int_equal(rejected(w, FG_REJECT_TOO_LARGE), 1);
	assert_int_equal(rejected(w, FG_REJECT_ADDRESS), 2);
	assert_int_equal(rejected(w, FG_REJECT_DEVICE_LIMIT), 1);
	assert_int_equal(rejected(w, FG_REJECT_CHECKSUM), 1);
	assert_int_equal(rejected(w, FG_REJECT_OTHER), 1);
	turns(w, 1, 0);
	assert_int_equal(fg_spool_accepted(w->f.spool), 3);
}

/* A format that nothing here reads; malformed is what is not of the format that it claims. */
static void a_content_format_nobody_reads(void **state)
{
	static const struct {
		int format, result;
	} rows[] = { { 42, -ENOTSUP }, { 11542, -ENOTSUP }, { 50, -EBADMSG }, { 0, 0 } };
	struct world *w = *state;
	uint64_t pos;

	up(w, 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_input input = { .address = FG_STR("a"),
					  .payload = FG_STR("x"),
					  .content_format = rows[i].format };

		assert_int_equal(fg_source_submit(w->source, &input, &pos), rows[i].result);
	}
	assert_int_equal(rejected(w, FG_REJECT_CONTENT_FORMAT), 2);
	assert_int_equal(rejected(w, FG_REJECT_MALFORMED), 1);
	turns(w, 1, 0);
	assert_int_equal(fg_spool_accepted(w->f.spool), 1);
}

static void a_path_is_split_at_the_longest_known_device(void **state)
{
	struct world *w = *state;
	struct fg_device *device;
	struct fg_buf out;
	uint64_t pos;

	w->driver.address = FG_ADDRESS_PATH;
	up(w, 10);
	assert_int_equal(fg_devices_get(w->devices, FG_STR("hall/lamp"), &device), 0);
	assert_int_equal(submit(w, "hall/lamp/power", "1", &pos), 0);
	assert_int_equal(submit(w, "hall/lamps/power", "2", &pos), 0);
	assert_int_equal(submit(w, "a b/c", "{\"t\":3}", &pos), 0);
	fg_buf_init(&out, 4096);
	assert_int_equal(fg_intake_last(w->intake, FG_STR("hall/lamp/power"), &out), 0);
	assert_int_equal(fg_intake_last(w->intake, FG_STR("hall/lamps/power"), &out), 0);
	assert_int_equal(fg_intake_last(w->intake, FG_STR("a_x20_b/c/t"), &out), 0);
	assert_int_equal(fg_intake_last(w->intake, FG_STR("hall/none"), &out), -ENOENT);
	assert_int_equal(fg_intake_last(w->intake, FG_STR("none"), &out), -ENOENT);
	fg_buf_char(&out, '\0');
	assert_non_null(strstr(out.data, "\"bn\":\"gw/hall/lamp/\""));
	assert_non_null(strstr(out.data, "\"bn\":\"gw/hall/\""));
	fg_buf_fini(&out);
	assert_non_null(fg_devices_find(w->devices, FG_STR("hall")));
}

static void a_longer_device_wins_once_it_is_known(void **state)
{
	struct world *w = *state;
	struct fg_device *device;
	struct fg_buf out;
	uint64_t pos;

	w->driver.address = FG_ADDRESS_PATH;
	up(w, 10);
	for (int i = 0; i < 2; i++)
		assert_int_equal(submit(w, "a/b/c", "1", &pos), 0);
	assert_int_equal(fg_devices_get(w->devices, FG_STR("a/b"), &device), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(submit(w, "a/b/c", "2", &pos), 0);
	fg_buf_init(&out, 4096);
	assert_int_equal(fg_source_last(w->source, FG_STR("a/b/c"), &out), 0);
	fg_buf_char(&out, '\0');
	assert_non_null(strstr(out.data, "\"v\":2}"));
	assert_int_equal(w->intake->routes.count, 1);
	fg_buf_fini(&out);
}

static void last_is(struct world *w, const char *path, int result, const char *text)
{
	struct fg_buf out;

	fg_buf_init(&out, 4096);
	assert_int_equal(fg_source_last(w->source, fg_str_c(path), &out), result);
	fg_buf_char(&out, '\0');
	if (text)
		assert_non_null(strstr(out.data, text));
	assert_null(strstr(out.data, "\"long\""));
	fg_buf_fini(&out);
}

/* Nor is the one before it taken for the last. */
static void a_text_too_long_to_keep_has_no_last_value(void **state)
{
	char payload[1025 + 32];
	struct world *w = *state;
	uint64_t pos;

	w->driver.address = FG_ADDRESS_PATH;
	up(w, 10);
	assert_int_equal(submit(w, "a", "{\"long\":\"short\"}", &pos), 0);
	snprintf(payload, sizeof(payload), "{\"long\":\"%01025d\"}", 0);
	assert_int_equal(submit(w, "a", payload, &pos), 0);
	last_is(w, "a/long", -ENOENT, NULL);
	last_is(w, "a", -ENOENT, NULL);
	snprintf(payload, sizeof(payload), "{\"n\":1,\"long\":\"%01025d\"}", 0);
	assert_int_equal(submit(w, "a", payload, &pos), 0);
	last_is(w, "a/long", -ENOENT, NULL);
	last_is(w, "a", 0, "\"n\":\"n\",\"v\":1}]");
}

static unsigned looked;

static void look(struct fg_watch *watch)
{
	(void)watch;
	looked++;
}

/* What a device sends to a path is read, watched and listed by the path as the device has it. */
static void a_path_is_read_as_it_is_written(void **state)
{
	static const char *const paths[] = { "my dev/te mp", "my_x20_dev/te mp", "dev/\xc3\xa4/_",
					     "fieldgate/t p", "fieldgate" };
	struct world *w = *state;
	struct fg_watch watch = { .changed = look };
	struct fg_buf out;
	char payload[8], value[16];
	uint64_t pos;

	w->driver.address = FG_ADDRESS_PATH;
	up(w, 10);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		looked = 0;
		watch.path = fg_str_c(paths[i]);
		fg_source_watch(w->source, &watch);
		snprintf(payload, sizeof(payload), "%d", 70 + (int)i);
		snprintf(value, sizeof(value), "\"v\":%d}", 70 + (int)i);
		assert_int_equal(submit(w, paths[i], payload, &pos), 0);
		turns(w, 1, 0);
		fg_source_unwatch(w->source, &watch);
		assert_int_equal(looked, 1);
		fg_buf_init(&out, 4096);
		assert_int_equal(fg_source_last(w->source, fg_str_c(paths[i]), &out), 0);
		fg_buf_char(&out, '\0');
		assert_non_null(strstr(out.data, value));
		fg_buf_fini(&out);
	}
	/* what it is called in records leads there too */
	fg_buf_init(&out, 4096);
	assert_int_equal(fg_source_last(w->source, FG_STR("my_x20_dev/te_x20_mp"), &out), 0);
	fg_buf_char(&out, '\0');
	assert_non_null(strstr(out.data, "\"v\":70"));
	fg_buf_fini(&out);
}

/* Whatever it is called, the longest device that is known is meant, as with all others. */
static void the_gateways_own_name_is_split_like_others(void **state)
{
	static const char *const devices[] = { "fieldgate/devices", "fieldgate/x" };
	struct world *w = *state;
	struct fg_buf out;
	uint64_t pos;

	up(w, 10);
	for (int i = 0; i < 2; i++) {
		w->driver.address = FG_ADDRESS_TOPIC;
		assert_int_equal(submit(w, devices[i], "1", &pos), 0);
	}
	w->driver.address = FG_ADDRESS_PATH;
	assert_int_equal(submit(w, "fieldgate/devices/p", "2", &pos), 0);
	assert_int_equal(submit(w, "fieldgate/x/p", "3", &pos), 0);
	turns(w, 1, 0);
	assert_int_equal(fg_devices_count(w->devices), 2);
	fg_buf_init(&out, 4096);
	assert_int_equal(fg_source_last(w->source, FG_STR("fieldgate/devices/p"), &out), 0);
	assert_int_equal(fg_source_last(w->source, FG_STR("fieldgate/x/p"), &out), 0);
	fg_buf_char(&out, '\0');
	assert_non_null(strstr(out.data, "_x66_ieldgate/devices/\",\"bt\""));
	assert_non_null(strstr(out.data, "gw/fieldgate/x/\",\"bt\""));
	fg_buf_fini(&out);
}

static bool list(void *arg, struct fg_str device)
{
	fg_buf_str(arg, device);
	fg_buf_char(arg, ',');
	return true;
}

static void devices_are_listed_as_paths(void **state)
{
	struct world *w = *state;
	struct fg_buf out;
	uint64_t pos;

	up(w, 10);
	assert_int_equal(submit(w, "my dev/_x20_", "1", &pos), 0);
	fg_buf_init(&out, 4096);
	fg_source_devices(w->source, list, &out);
	assert_true(fg_str_eq_c(fg_buf_view(&out), "my dev/_x20_,"));
	fg_buf_fini(&out);
}

static void no_room_pauses_until_there_is_some(void **state)
{
	struct world *w = *state;
	char payload[1200];
	uint64_t pos, last = 0;
	int r;

	w->f.conf.when_full = FG_FULL_REFUSE;
	w->f.conf.limit = 64 << 10;
	w->f.conf.segment = 8 << 10;
	up(w, 10);
	memset(payload, 'x', sizeof(payload));
	payload[0] = payload[sizeof(payload) - 2] = '"';
	payload[sizeof(payload) - 1] = '\0';
	while ((r = submit(w, "a", payload, &pos)) == 0) {
		last = pos;
		turns(w, 1, 0);
	}
	assert_int_equal(r, -EAGAIN);
	turns(w, 1, 0);
	assert_int_equal(w->kept, last);
	assert_int_equal(w->pauses, 1);
	assert_int_equal(w->resumes, 0);
	fg_spool_release(w->f.spool, last);
	turns(w, 2, FG_S(1));
	assert_int_equal(w->resumes, 1);
	assert_int_equal(submit(w, "a", payload, &pos), 0);
	turns(w, 1, 0);
	assert_int_equal(w->kept, pos);
	assert_int_equal(w->inlet->faults, 0);
}

/* There is room left, but not for this one: the driver hears of it all the same. */
static void one_that_does_not_fit_pauses(void **state)
{
	struct world *w = *state;
	char payload[4000];
	uint64_t pos;

	w->f.conf.when_full = FG_FULL_REFUSE;
	w->f.conf.limit = 64 << 10;
	w->f.conf.segment = 8 << 10;
	up(w, 10);
	fg_spool_set_reserve(w->f.spool, 0);
	memset(payload, 'x', sizeof(payload));
	payload[0] = payload[sizeof(payload) - 2] = '"';
	payload[sizeof(payload) - 1] = '\0';
	while (submit(w, "a", payload, &pos) == 0)
		turns(w, 1, 0);
	turns(w, 1, 0);
	assert_int_equal(w->pauses, 1);
	assert_int_equal(w->resumes, 0);
	fg_spool_release(w->f.spool, pos);
	turns(w, 2, FG_S(1));
	assert_int_equal(w->resumes, 1);
}

static ssize_t write_fails(int fd, const void *bytes, size_t len, off_t at)
{
	(void)fd;
	(void)bytes;
	(void)len;
	(void)at;
	errno = EIO;
	return -1;
}

static void a_failing_disk_acknowledges_nothing(void **state)
{
	struct world *w = *state;
	uint64_t pos;

	up(w, 10);
	assert_int_equal(submit(w, "a", "1", &pos), 0);
	turns(w, 1, 0);
	assert_int_equal(w->kept, 1);
	w->io = *w->f.spool->io;
	w->io.pwrite = write_fails;
	w->f.spool->io = &w->io;
	assert_int_equal(submit(w, "a", "2", &pos), 0);
	turns(w, 1, 0);
	assert_int_equal(w->kept, 1);
	assert_int_equal(w->inlet->faults, 1);
	turns(w, 2, 0);
	assert_int_equal(w->closes, 1);
	w->io = fg_spool_io;
	turns(w, 5, FG_MS(200));
	assert_int_equal(w->opens, 2);
	assert_int_equal(submit(w, "a", "2", &pos), 0);
	turns(w, 1, 0);
	assert_int_equal(pos, 2);
	assert_int_equal(w->kept, 2);
}

static void a_line_counts_what_the_disk_did_not_take(void **state)
{
	struct world *w = *state;
	uint64_t pos;

	w->driver.address = FG_ADDRESS_LINK;
	up(w, 10);
	assert_int_equal(submit(w, NULL, "1", &pos), 0);
	turns(w, 1, 0);
	assert_non_null(fg_devices_find(w->devices, FG_STR("field")));
	w->io = *w->f.spool->io;
	w->io.pwrite = write_fails;
	w->f.spool->io = &w->io;
	assert_int_equal(submit(w, NULL, "2", &pos), 0);
	turns(w, 1, 0);
	w->io = fg_spool_io;
	assert_int_equal(w->inlet->faults, 0);
	assert_int_equal(rejected(w, FG_REJECT_NOT_KEPT), 1);
	assert_int_equal(w->kept, 1);
}

static void what_nobody_repeats_is_counted(void **state)
{
	struct world *w = *state;
	struct fg_input once = {
		.address = FG_STR("a"), .payload = FG_STR("3"), .content_format = -1, .once = true
	};
	uint64_t pos;

	up(w, 10);
	assert_int_equal(submit(w, "a", "1", &pos), 0);
	turns(w, 1, 0);
	w->io = *w->f.spool->io;
	w->io.pwrite = write_fails;
	w->f.spool->io = &w->io;
	assert_int_equal(submit(w, "a", "2", &pos), 0);
	assert_int_equal(fg_source_submit(w->source, &once, &pos), 0);
	turns(w, 1, 0);
	w->io = fg_spool_io;
	assert_int_equal(w->inlet->faults, 1);
	assert_int_equal(rejected(w, FG_REJECT_NOT_KEPT), 1);
	assert_int_equal(w->inlet->rejected, 1);
	assert_int_equal(w->kept, 1);
}

static void nobody_speaks_for_the_gateway(void **state)
{
	struct world *w = *state;
	uint64_t pos;

	up(w, 10);
	assert_int_equal(submit(w, "fieldgate", "{\"lost\":5}", &pos), 0);
	turns(w, 1, 0);
	assert_null(fg_devices_find(w->devices, FG_STR("fieldgate")));
	assert_non_null(fg_devices_find(w->devices, FG_STR("_x66_ieldgate")));
	assert_int_equal(w->kept, 1);
}

static void each_is_told_when_it_is_committed(void **state)
{
	struct world *w = *state;
	uint64_t pos;

	w->f.conf.commit_ns = FG_COMMIT_EACH;
	up(w, 10);
	assert_true(fg_source_waits_for_commit(w->source));
	assert_int_equal(submit(w, "a", "1", &pos), 0);
	turns(w, 2, 0);
	assert_int_equal(w->kept, 1);
	assert_int_equal(fg_spool_committed(w->f.spool), 1);
}

static void faults_close_and_back_off(void **state)
{
	struct world *w = *state;

	w->open_error = -ENODEV;
	up(w, 10);
	for (int i = 0; i < 100; i++)
		turns(w, 1, FG_S(1));
	assert_true(w->opens > 5 && w->opens < 40);
	assert_int_equal(w->opens, w->closes);
	assert_true(fg_intake_settled(w->intake));
	w->open_error = 0;
	turns(w, 40, FG_S(1));
	assert_int_equal(w->inlet->state, FG_LINK_UP);
	fg_source_fault(w->source, -EIO, "x");
	fg_source_fault(w->source, -EIO, "y");
	turns(w, 1, 0);
	assert_int_equal(w->closes, w->opens);
}

static void removed_while_opening(void **state)
{
	struct world *w = *state;

	w->silent = true;
	up(w, 10);
	assert_false(fg_intake_settled(w->intake));
	leave(w);
	assert_int_equal(w->opens, w->closes);
}

static void removed_while_the_open_has_failed(void **state)
{
	struct world *w = *state;

	w->open_error = -ENODEV;
	up(w, 10);
	leave(w);
	assert_int_equal(w->opens, 1);
	assert_int_equal(w->closes, 1);
}

static void removed_while_retrying(void **state)
{
	struct world *w = *state;

	w->open_error = -ENODEV;
	up(w, 10);
	turns(w, 3, 0);
	assert_int_equal(w->inlet->state, FG_LINK_RETRYING);
	leave(w);
	assert_int_equal(w->opens, w->closes);
}

/* The backlog was more than there is room for, before it could say that it is up. */
static void away_while_opening(void **state)
{
	struct world *w = *state;

	w->silent = true;
	up(w, 10);
	fg_source_away(w->source);
	assert_true(fg_intake_settled(w->intake));
	assert_int_equal(w->inlet->state, FG_LINK_UP);
	assert_true(w->inlet->away);
	fg_source_up(w->source);
	assert_false(w->inlet->away);
}

/* Whenever the process ends: the next one knows it. */
static void what_a_driver_remembers(void **state)
{
	static const uint64_t memos[] = { UINT64_MAX, 1, 0 };
	struct world *w = *state;

	w->silent = true;
	up(w, 10);
	for (size_t i = 0; i < sizeof(memos) / sizeof(memos[0]); i++) {
		fg_source_remember(w->source, memos[i]);
		leave(w);
		w->removed = 0;
		assert_int_equal(fg_intake_add(w->intake, &w->conf, FG_ERROR + 1, &w->inlet), 0);
		assert_int_equal(w->source->memo, memos[i]);
	}
}

static void nothing_is_taken_when_it_stops(void **state)
{
	struct world *w = *state;
	uint64_t pos;

	up(w, 10);
	assert_int_equal(submit(w, "a", "1", &pos), 0);
	fg_intake_pause(w->intake);
	assert_int_equal(submit(w, "a", "1", &pos), -EAGAIN);
	turns(w, 1, 0);
	assert_int_equal(w->kept, 1);
	assert_int_equal(w->pauses, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kept_follows_the_write),
		TEST(bad_payloads_are_rejected_and_counted),
		TEST(a_content_format_nobody_reads),
		TEST(a_path_is_split_at_the_longest_known_device),
		TEST(a_longer_device_wins_once_it_is_known),
		TEST(a_text_too_long_to_keep_has_no_last_value),
		TEST(a_path_is_read_as_it_is_written),
		TEST(the_gateways_own_name_is_split_like_others),
		TEST(devices_are_listed_as_paths),
		TEST(no_room_pauses_until_there_is_some),
		TEST(one_that_does_not_fit_pauses),
		TEST(a_failing_disk_acknowledges_nothing),
		TEST(a_line_counts_what_the_disk_did_not_take),
		TEST(what_nobody_repeats_is_counted),
		TEST(nobody_speaks_for_the_gateway),
		TEST(each_is_told_when_it_is_committed),
		TEST(faults_close_and_back_off),
		TEST(removed_while_opening),
		TEST(removed_while_the_open_has_failed),
		TEST(removed_while_retrying),
		TEST(away_while_opening),
		TEST(what_a_driver_remembers),
		TEST(nothing_is_taken_when_it_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
