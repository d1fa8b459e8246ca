/*
 * Memory is bounded by configuration: what a registry of many devices costs, and that records on
 * their way from a driver to a pack allocate nothing. The linker puts these functions before the
 * allocator's.
 */
#include "outbox_fixture.h"

#include "device/liveness.h"
#include "intake/private.h"

#include <malloc.h>

struct counts {
	size_t calls, bytes;
};

struct counts *counted(void);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

struct counts *counted(void)
{
	static struct counts counts;

	return &counts;
}

/* As glibc rounds, with its head. */
static size_t chunk(size_t size)
{
	return size < 24 ? 32 : (size + 8 + 15) & ~(size_t)15;
}

static void count(size_t size)
{
	struct counts *counts = counted();

	counts->calls++;
	counts->bytes += chunk(size);
}

void *__wrap_malloc(size_t size)
{
	count(size);
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	count(n * size);
	return __real_calloc(n, size);
}

static void uncount(void *p)
{
	if (p)
		counted()->bytes -= chunk(malloc_usable_size(p));
}

void *__wrap_realloc(void *p, size_t size)
{
	uncount(p);
	count(size);
	return __real_realloc(p, size);
}

void __wrap_free(void *p)
{
	uncount(p);
	__real_free(p);
}

static void many_devices_fit(void **state)
{
	const struct fg_liveness_conf conf = { true, 2, 5, FG_S(60) };
	struct fg_liveness *liveness;
	struct fg_devices *devices;
	struct fg_device *device;
	size_t before = counted()->bytes;
	static const char *const points[] = { "temperature", "humidity", "battery" };

	(void)state;
	assert_int_equal(fg_devices_new(100000, &devices), 0);
	assert_int_equal(fg_liveness_new(&conf, &liveness), 0);
	for (unsigned i = 0; i < 100000; i++) {
		char id[32];

		snprintf(id, sizeof(id), "sensor-%u", i);
		assert_int_equal(fg_devices_get(devices, fg_str_c(id), &device), 0);
		fg_liveness_heard(liveness, device, FG_S(60), FG_S(1));
		for (int p = 0; p < 3; p++)
			fg_device_remember(devices, device,
					   &(struct fg_record){ .point = fg_str_c(points[p]),
								.value = { .kind = FG_INT, .i = p },
								.time_ns = FG_TIME_NONE },
					   1, false);
	}
	assert_int_equal(fg_devices_count(devices), 100000);
	assert_int_equal(fg_devices_get(devices, FG_STR("one more"), &device), -ENOSPC);
	assert_true(counted()->bytes - before <= (size_t)40 << 20);
	fg_liveness_free(liveness);
	fg_devices_free(devices);
}

static int fake_source_open(struct fg_source *source)
{
	fg_source_up(source);
	return 0;
}

static void fake_source_close(struct fg_source *source)
{
	fg_source_closed(source);
}

static void fake_source_note(struct fg_source *source)
{
	(void)source;
}

static void fake_source_kept(struct fg_source *source, uint64_t upto)
{
	(void)source;
	(void)upto;
}

static const struct fg_decoder *find_decoder(const char *name)
{
	return strcmp(name, "json") == 0 ? &fg_decoder_json : NULL;
}

/* Takes without looking, so that what is counted is the product's. */
static int quick_send(struct fg_sink *sink, struct fg_batch *batch)
{
	((struct world *)(uintptr_t)sink->conf)->records += batch->records;
	fg_sink_done(sink, batch, 0, NULL);
	return 0;
}

static void a_turn(struct world *w, struct fg_intake *intake, struct fg_inlet *inlet, unsigned n)
{
	char payload[128], topic[32];
	uint64_t pos;

	for (unsigned i = 0; i < 20; i++) {
		struct fg_input input = { .content_format = -1 };

		input.address = fg_str(topic, (size_t)snprintf(topic, sizeof(topic), "dev/%u", i));
		input.payload = fg_str(payload, (size_t)snprintf(payload, sizeof(payload),
								 "{\"t\":%u.5,\"on\":true,"
								 "\"mode\":\"eco\"}",
								 n % 1000));
		assert_int_equal(fg_source_submit(&inlet->source, &input, &pos), 0);
	}
	fg_intake_keep(intake);
	w->sim.now_ns += FG_MS(1);
	fg_loop_update_now(w->sim.loop);
	fg_loop_turn(w->sim.loop, false);
	fg_forward_pump(w->forward);
}

static void records_allocate_nothing(void **state)
{
	struct world *w = *state;
	struct fg_driver driver = {
		.name = "fake",
		.ops = { fake_source_open, fake_source_close, fake_source_note, fake_source_note,
			 fake_source_kept, NULL },
	};
	struct fg_driver_conf conf = { .name = "field", .driver = &driver, .type = "fake" };
	struct fg_intake_conf intake_conf = {
		.gateway = "gw",
		.payload_max = 4096,
		.depth_max = 8,
		.devices_max = 100,
		.loop = w->sim.loop,
		.spool = w->f.spool,
		.clock = &w->clock,
	};
	struct fg_profiles *profiles;
	struct fg_intake *intake;
	struct fg_inlet *inlet;
	size_t calls;

	w->bridge.ops.send = quick_send;
	w->conf.batch.records = 100;
	world_up(w);
	assert_int_equal(fg_devices_new(100, &intake_conf.devices), 0);
	assert_int_equal(fg_profiles_new(NULL, 0, find_decoder, NULL, &profiles), 0);
	assert_int_equal(fg_intake_new(&intake_conf, &intake), 0);
	fg_intake_set_profiles(intake, profiles);
	assert_int_equal(fg_intake_add(intake, &conf, FG_ERROR, &inlet), 0);
	for (unsigned n = 0; n < 300; n++)
		a_turn(w, intake, inlet, n);
	calls = counted()->calls;
	for (unsigned n = 0; n < 500; n++)
		a_turn(w, intake, inlet, n);
	assert_int_equal(counted()->calls, calls);
	assert_true(w->records >= 47000);
	fg_intake_remove(inlet, world_removed, w);
	for (int i = 0; i < 20 && !w->removed; i++)
		fg_loop_turn(w->sim.loop, false);
	fg_intake_free(intake);
	fg_profiles_free(profiles);
	fg_devices_free(intake_conf.devices);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_devices_fit),
		WORLD_TEST(records_allocate_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
