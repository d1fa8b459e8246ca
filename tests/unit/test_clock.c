/* The clock's mapping: what is right, what is only the last that was, and what jumps do. */
#include "base/clock.h"

#include <fg/doc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S INT64_C(1000000000)
#define NOW (1800000000 * S)

struct faked {
	int64_t wall, boot;
	bool disciplined;
};

struct faked *faked(void);

struct faked *faked(void)
{
	static struct faked times;

	return &times;
}

static int64_t faked_read(clockid_t id)
{
	return id == CLOCK_REALTIME ? faked()->wall : faked()->boot;
}

static bool faked_disciplined(void)
{
	return faked()->disciplined;
}

static void begin(struct fg_clock *clock, int64_t wall, bool trusted, bool disciplined)
{
	*faked() = (struct faked){ wall, 100 * S, disciplined };
	*clock = (struct fg_clock){
		.trusted = trusted,
		.read = faked_read,
		.disciplined = faked_disciplined,
		.boot_ns = 100 * S,
		.kernel_ns = wall - 100 * S,
	};
	(void)fg_clock_check(clock);
}

static void pass(struct fg_clock *clock, int64_t ns, int64_t jump)
{
	faked()->boot += ns;
	faked()->wall += ns + jump;
	fg_clock_update(clock);
}

static void born_in_1970(void **state)
{
	struct fg_clock clock;
	int64_t stamp;

	(void)state;
	begin(&clock, 5 * S, false, false);
	assert_false(clock.synced || clock.known);
	pass(&clock, 10 * S, 0);
	assert_int_equal(clock.wall_ns, 15 * S);
	stamp = clock.boot_ns;
	pass(&clock, 10 * S, NOW - 25 * S);
	assert_int_equal(clock.steps, 1);
	assert_false(clock.synced);
	assert_int_equal(clock.wall_ns, NOW);
	faked()->disciplined = true;
	assert_true(fg_clock_check(&clock));
	assert_false(fg_clock_check(&clock));
	assert_int_equal(clock.syncs, 1);
	assert_int_equal(fg_clock_wall_of(&clock, stamp), NOW - 10 * S);
	assert_int_equal(stamp + clock.offset_ns, NOW - 10 * S);
}

/* Setting the clock takes the kernel's word back; what was right goes on to count. */
static void jumps_do_not_count(void **state)
{
	static const int64_t jumps[] = { 3600, -7200, 315360000, -1799990000, 1, -1, 100000 };
	struct fg_clock clock;
	int64_t before;

	(void)state;
	begin(&clock, NOW, false, true);
	assert_int_equal(clock.syncs, 1);
	faked()->disciplined = false;
	before = clock.wall_ns;
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		pass(&clock, S, jumps[i] * S);
		assert_false(clock.synced);
		assert_int_equal(clock.wall_ns, before + S);
		before = clock.wall_ns;
		assert_int_equal(clock.steps, i + 1);
		assert_int_equal(clock.step_ns, jumps[i] * S);
	}
	for (int i = 0; i < 1000; i++) {
		pass(&clock, S / 1000, i % 2 ? S / 10 : -S / 10);
		assert_int_equal(clock.wall_ns, before + S / 1000);
		before = clock.wall_ns;
	}
	faked()->disciplined = true;
	pass(&clock, S, NOW + 200 * S - faked()->wall);
	assert_true(clock.synced);
	assert_int_equal(clock.wall_ns, faked()->wall);
}

static void slewing_is_no_step(void **state)
{
	struct fg_clock clock;

	(void)state;
	begin(&clock, NOW, false, true);
	pass(&clock, 86400 * S, 43 * S);
	assert_int_equal(clock.steps, 0);
	assert_int_equal(clock.wall_ns, faked()->wall);
	pass(&clock, S, 43 * S);
	assert_int_equal(clock.steps, 1);
	/* set while it is right: what waits is dated by what it says now */
	assert_int_equal(clock.syncs, 2);
}

static void always_trusted_is_believed(void **state)
{
	struct fg_clock clock;

	(void)state;
	begin(&clock, NOW, true, false);
	assert_true(clock.synced);
	pass(&clock, S, -3600 * S);
	assert_true(clock.synced);
	assert_int_equal(clock.wall_ns, NOW + S - 3600 * S);
	assert_int_equal(clock.syncs, 2);
}

static void times_of_devices(void **state)
{
	static const struct {
		int64_t now_s;
		bool right;
		int64_t time_s;
		bool believed;
	} cases[] = {
		{ 1800000000, true, 1800000000, true },	 { 1800000000, true, 631152000, true },
		{ 1800000000, true, 631151999, false },	 { 1800000000, true, 1800086400, true },
		{ 1800000000, true, 946598399, true },	 { 1800000000, true, 946598400, false },
		{ 1800000000, true, 978393599, false },	 { 1800000000, true, 978393600, true },
		{ 1800000000, true, 1800086401, false }, { 60, false, 1800000000, true },
		{ 60, false, 100, false },		 { 1800000000, false, 1900000000, true },
		{ 60, false, 4102444801, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fg_doc doc = { .now_ns = cases[i].now_s * S, .now_right = cases[i].right };

		assert_int_equal(fg_doc_believes(&doc, cases[i].time_s * S), cases[i].believed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(born_in_1970),
		cmocka_unit_test(jumps_do_not_count),
		cmocka_unit_test(slewing_is_no_step),
		cmocka_unit_test(always_trusted_is_believed),
		cmocka_unit_test(times_of_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
