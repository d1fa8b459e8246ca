/* Report policies: what is worth a record, as a table of values over time. */
#include "device/devices.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)

struct step {
	double at_s, value;
	bool due;
};

static void run(const struct fg_report *report, const struct step *steps, size_t count)
{
	struct fg_devices *devices;
	struct fg_device *device;

	assert_int_equal(fg_devices_new(10, &devices), 0);
	assert_int_equal(fg_devices_get(devices, FG_STR("meter"), &device), 0);
	for (size_t i = 0; i < count; i++) {
		int64_t boot_ns = (int64_t)llround(steps[i].at_s * 1e9) + SECOND;
		struct fg_record record = {
			.point = FG_STR("power"),
			.value = fg_value_of_double(steps[i].value),
			.time_ns = FG_TIME_NONE,
			.report = report,
		};
		bool due = fg_device_is_due(devices, device, &record, boot_ns);

		if (due != steps[i].due)
			fail_msg("step %zu (%g at %g s): due %d", i, steps[i].value, steps[i].at_s,
				 due);
		fg_device_remember(devices, device, &record, 0, false);
		if (due)
			fg_device_reported(devices, device, &record, boot_ns);
	}
	fg_devices_free(devices);
}

#define RUN(report, ...) \
	do { \
		static const struct step steps[] = { __VA_ARGS__ }; \
		run(&(const struct fg_report)report, steps, sizeof(steps) / sizeof(steps[0])); \
	} while (0)

#define POLICY(...) { __VA_ARGS__ }

static void an_absolute_deadband_lets_pass_what_reaches_it(void **state)
{
	(void)state;
	RUN(POLICY(.deadband = 0.5), { 0, 20, true }, { 1, 20.25, false }, { 2, 20.5, true },
	    { 3, 20.25, false }, { 4, 20, true }, { 5, 20, false });
}

static void a_slow_drift_is_seen(void **state)
{
	(void)state;
	RUN(POLICY(.deadband = 1), { 0, 0, true }, { 1, 0.5, false }, { 2, 0.75, false },
	    { 3, 1, true }, { 4, 1.5, false }, { 5, 2, true });
}

static void a_share_is_of_what_was_reported_last(void **state)
{
	(void)state;
	RUN(POLICY(.deadband = 10, .percent = true), { 0, 100, true }, { 1, 109, false },
	    { 2, 110, true }, { 3, 120, false }, { 4, 121, true }, { 5, -121, true });
}

static void a_deadband_of_nothing_suppresses_equal_values(void **state)
{
	(void)state;
	RUN(POLICY(.deadband = 0), { 0, 1, true }, { 1, 1, false }, { 2, 1.001, true });
}

static void not_sooner_than_min_interval(void **state)
{
	(void)state;
	RUN(POLICY(.deadband = -1, .min_interval_ns = 10 * SECOND), { 0, 1, true },
	    { 9.9, 2, false }, { 10, 2, true }, { 15, 3, false }, { 20, 3, true });
}

static void a_heartbeat_comes_without_a_change(void **state)
{
	(void)state;
	RUN(POLICY(.deadband = -1, .max_interval_ns = 60 * SECOND), { 0, 1, true },
	    { 30, 1, false }, { 40, 2, true }, { 99, 2, false }, { 100, 2, true });
}

static void all_three_together(void **state)
{
	(void)state;
	RUN(POLICY(.deadband = 5, .min_interval_ns = SECOND, .max_interval_ns = 10 * SECOND),
	    { 0, 0, true }, { 0.5, 100, false }, { 1, 100, true }, { 5, 101, false },
	    { 11, 101, true }, { 11.5, 200, false }, { 12, 200, true });
}

static void what_was_not_kept_is_due_again(void **state)
{
	const struct fg_report report = { .deadband = 1 };
	struct fg_record record = { .point = FG_STR("p"),
				    .value = { .kind = FG_INT, .i = 7 },
				    .time_ns = FG_TIME_NONE,
				    .report = &report };
	struct fg_devices *devices;
	struct fg_device *device;

	(void)state;
	assert_int_equal(fg_devices_new(10, &devices), 0);
	assert_int_equal(fg_devices_get(devices, FG_STR("d"), &device), 0);
	fg_device_remember(devices, device, &record, 0, false);
	fg_device_reported(devices, device, &record, SECOND);
	assert_false(fg_device_is_due(devices, device, &record, 2 * SECOND));
	fg_devices_forget_reports(devices);
	assert_true(fg_device_is_due(devices, device, &record, 3 * SECOND));
	fg_devices_free(devices);
}

static void texts_and_switches_are_due_when_they_change(void **state)
{
	const struct fg_report report = { .deadband = 5 };
	struct fg_value values[] = {
		{ .kind = FG_STRING, .s = FG_STR("eco") },
		{ .kind = FG_STRING, .s = FG_STR("eco") },
		{ .kind = FG_STRING, .s = FG_STR("off") },
		{ .kind = FG_BOOL, .b = true },
		{ .kind = FG_BOOL, .b = true },
		{ .kind = FG_BOOL, .b = false },
	};
	const bool due[] = { true, false, true, true, false, true };
	struct fg_devices *devices;
	struct fg_device *device;

	(void)state;
	assert_int_equal(fg_devices_new(10, &devices), 0);
	assert_int_equal(fg_devices_get(devices, FG_STR("d"), &device), 0);
	for (int i = 0; i < 6; i++) {
		struct fg_record record = { .point = FG_STR("p"),
					    .value = values[i],
					    .time_ns = FG_TIME_NONE,
					    .report = &report };

		assert_int_equal(fg_device_is_due(devices, device, &record, i * SECOND), due[i]);
		fg_device_remember(devices, device, &record, 0, false);
		if (due[i])
			fg_device_reported(devices, device, &record, i * SECOND);
	}
	fg_devices_free(devices);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_absolute_deadband_lets_pass_what_reaches_it),
		cmocka_unit_test(a_slow_drift_is_seen),
		cmocka_unit_test(a_share_is_of_what_was_reported_last),
		cmocka_unit_test(a_deadband_of_nothing_suppresses_equal_values),
		cmocka_unit_test(not_sooner_than_min_interval),
		cmocka_unit_test(a_heartbeat_comes_without_a_change),
		cmocka_unit_test(all_three_together),
		cmocka_unit_test(what_was_not_kept_is_due_again),
		cmocka_unit_test(texts_and_switches_are_due_when_they_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
