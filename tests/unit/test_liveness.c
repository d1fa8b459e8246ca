/* Liveness by itself: all times are the test's own. */
#include "device/liveness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define S INT64_C(1000000000)

struct world {
	struct fg_devices *devices;
	struct fg_liveness *l;
	int64_t now;
	unsigned told;
};

static void begin(struct world *w, int64_t floor_ns)
{
	const struct fg_liveness_conf conf = { true, 2, 5, floor_ns };

	*w = (struct world){ .now = 1000 * S };
	assert_int_equal(fg_devices_new(200000, &w->devices), 0);
	assert_int_equal(fg_liveness_new(&conf, &w->l), 0);
}

static void end(struct world *w)
{
	fg_liveness_free(w->l);
	fg_devices_free(w->devices);
}

static struct fg_device *device(struct world *w, const char *id)
{
	struct fg_device *d;

	assert_int_equal(fg_devices_get(w->devices, fg_str_c(id), &d), 0);
	return d;
}

/* Everything that is to be told, as "id=state ". */
static const char *tell(struct world *w, char *out, size_t cap)
{
	struct fg_device *d;
	size_t n = 0;

	out[0] = '\0';
	while ((d = fg_liveness_untold(w->l)) != NULL) {
		w->told++;
		if (n < cap)
			n += (size_t)snprintf(out + n, cap - n, "%.*s=%s ", (int)d->id_len, d->id,
					      fg_alive_name(d->state));
		fg_liveness_said(w->l, d);
	}
	fg_liveness_kept(w->l);
	return out;
}

/* Looks whenever it is time to, up to `until`. */
static void pass(struct world *w, int64_t until)
{
	int64_t next;

	while ((next = fg_liveness_next(w->l)) <= until) {
		if (w->now < next)
			w->now = next;
		while (fg_liveness_look(w->l, w->now))
			;
	}
	w->now = until;
}

static void a_declared_interval(void **state)
{
	struct world w;
	struct fg_device *a;
	char text[256];
	uint32_t late, offline;

	(void)state;
	begin(&w, 60 * S);
	a = device(&w, "a");
	assert_true(fg_liveness_next(w.l) == FG_LIVENESS_NEVER);
	fg_liveness_heard(w.l, a, 10 * S, w.now);
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	pass(&w, 1019 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	pass(&w, 1021 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "a=late ");
	pass(&w, 1049 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	pass(&w, 1051 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "a=offline ");
	fg_liveness_count(w.l, &late, &offline);
	assert_int_equal(late, 0);
	assert_int_equal(offline, 1);
	assert_true(fg_liveness_next(w.l) == FG_LIVENESS_NEVER);
	fg_liveness_heard(w.l, a, 10 * S, w.now);
	assert_string_equal(tell(&w, text, sizeof(text)), "a=online ");
	fg_liveness_count(w.l, &late, &offline);
	assert_int_equal(late + offline, 0);
	assert_true(fg_liveness_next(w.l) == w.now + 20 * S);
	/* a shorter one is looked at earlier */
	fg_liveness_heard(w.l, a, 3 * S, w.now);
	assert_true(fg_liveness_next(w.l) == w.now + 6 * S);
	end(&w);
}

static void what_is_not_kept_is_said_again(void **state)
{
	struct world w;
	struct fg_device *d;
	char text[256];

	(void)state;
	begin(&w, 60 * S);
	fg_liveness_heard(w.l, device(&w, "a"), S, w.now);
	fg_liveness_heard(w.l, device(&w, "b"), S, w.now);
	pass(&w, 1003 * S);
	d = fg_liveness_untold(w.l);
	fg_liveness_said(w.l, d);
	fg_liveness_not_kept(w.l);
	/* back before it was said: nothing to say of it */
	fg_liveness_heard(w.l, device(&w, "b"), S, w.now);
	assert_string_equal(tell(&w, text, sizeof(text)), "a=late ");
	/* changes between said and kept are not lost */
	fg_liveness_heard(w.l, device(&w, "a"), S, w.now);
	d = fg_liveness_untold(w.l);
	assert_non_null(d);
	fg_liveness_said(w.l, d);
	pass(&w, 1010 * S);
	fg_liveness_kept(w.l);
	assert_string_equal(tell(&w, text, sizeof(text)), "b=offline a=offline ");
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	end(&w);
}

static void an_interval_is_learned(void **state)
{
	struct world w;
	struct fg_device *a;
	char text[256];

	(void)state;
	begin(&w, 10 * S);
	a = device(&w, "a");
	/* three topics in a breath, every minute or so */
	for (int i = 0; i < 9; i++) {
		assert_true(fg_device_interval(a) == 0);
		for (int j = 0; j < 3; j++)
			fg_liveness_heard(w.l, a, 0, w.now + j * S / 10);
		w.now += (i % 2 ? 58 : 62) * S;
		pass(&w, w.now);
	}
	assert_true(fg_device_interval(a) == 62 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	/* shorter gaps are believed slowly, longer ones at once */
	for (int i = 0; i < 20; i++) {
		fg_liveness_heard(w.l, a, 0, w.now);
		pass(&w, w.now + 30 * S);
	}
	assert_true(fg_device_interval(a) < 62 * S && fg_device_interval(a) > 50 * S);
	fg_liveness_heard(w.l, a, 0, w.now);
	pass(&w, w.now + 90 * S);
	fg_liveness_heard(w.l, a, 0, w.now);
	assert_true(fg_device_interval(a) == 90 * S);
	/* one outage teaches nothing */
	pass(&w, w.now + 3600 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "a=offline ");
	fg_liveness_heard(w.l, a, 0, w.now);
	assert_true(fg_device_interval(a) == 90 * S);
	end(&w);
}

/* A door: opened and closed a few times in a minute, then hours of nothing. */
static void an_irregular_device_is_left_alone(void **state)
{
	struct world w;
	struct fg_device *door;
	char text[256];
	uint64_t random = 1;

	(void)state;
	begin(&w, 60 * S);
	door = device(&w, "door");
	for (int i = 0; i < 2000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		fg_liveness_heard(w.l, door, 0, w.now);
		tell(&w, text, sizeof(text));
		pass(&w, w.now + (random >> 60 < 4 ? (int64_t)(random >> 33) % 36000 * S :
						     (int64_t)(random >> 33) % 90 * S));
		tell(&w, text, sizeof(text));
	}
	/* it was found silent a few times, until its ways were known: not once in a while */
	assert_true(w.told <= 40);
	w.told = 0;
	for (int i = 0; i < 500; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		fg_liveness_heard(w.l, door, 0, w.now);
		pass(&w, w.now + (random >> 60 < 4 ? (int64_t)(random >> 33) % 36000 * S :
						     (int64_t)(random >> 33) % 90 * S));
		tell(&w, text, sizeof(text));
	}
	assert_true(w.told <= 4);
	end(&w);
}

static void a_storm_is_bounded(void **state)
{
	struct world w;
	char id[32];
	unsigned turns = 1;
	uint32_t late, offline;

	(void)state;
	begin(&w, 60 * S);
	for (int i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		fg_liveness_heard(w.l, device(&w, id), 30 * S, w.now + i);
	}
	w.now = fg_liveness_next(w.l) + S;
	while (fg_liveness_look(w.l, w.now))
		turns++;
	assert_true(turns >= 20000 / FG_LIVENESS_BUDGET);
	fg_liveness_count(w.l, &late, &offline);
	assert_int_equal(late, 20000);
	pass(&w, w.now + 1000 * S);
	fg_liveness_count(w.l, &late, &offline);
	assert_int_equal(offline, 20000);
	tell(&w, id, sizeof(id));
	assert_int_equal(w.told, 20000);
	assert_true(fg_liveness_next(w.l) == FG_LIVENESS_NEVER);
	end(&w);
}

static void looking_is_seldom(void **state)
{
	struct world w;
	unsigned looks = 0;

	(void)state;
	begin(&w, 60 * S);
	for (int64_t ms = 0; ms < 60000; ms += 100) {
		fg_liveness_heard(w.l, device(&w, "fast"), S / 5, w.now + ms * 1000000);
		fg_liveness_heard(w.l, device(&w, "slow"), 10 * S, w.now + ms * 1000000);
		if (fg_liveness_next(w.l) <= w.now + ms * 1000000) {
			looks++;
			(void)fg_liveness_look(w.l, w.now + ms * 1000000);
		}
	}
	assert_in_range(looks, 40, 61);
	end(&w);
}

/* Suspended, or stopped by a debugger: nobody has listened, so nobody was silent. */
static void deaf_is_not_silent(void **state)
{
	struct world w;
	char text[256];

	(void)state;
	begin(&w, 60 * S);
	fg_liveness_heard(w.l, device(&w, "a"), S, w.now);
	w.now += 3600 * S;
	assert_false(fg_liveness_look(w.l, w.now));
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	pass(&w, w.now + 6 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "a=offline ");
	fg_liveness_heard(w.l, device(&w, "b"), S, w.now);
	pass(&w, w.now + 1 * S);
	fg_liveness_deaf(w.l, w.now);
	pass(&w, w.now + 1 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	end(&w);
}

static void off_and_on(void **state)
{
	struct fg_liveness_conf conf = { false, 2, 5, 60 * S };
	struct world w;
	char text[256];

	(void)state;
	begin(&w, 60 * S);
	fg_liveness_heard(w.l, device(&w, "a"), S, w.now);
	pass(&w, w.now + 3 * S);
	fg_liveness_set_conf(w.l, w.devices, &conf);
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	assert_true(fg_liveness_next(w.l) == FG_LIVENESS_NEVER);
	fg_liveness_heard(w.l, device(&w, "a"), S, w.now);
	pass(&w, w.now + 30 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "");
	conf.enabled = true;
	fg_liveness_set_conf(w.l, w.devices, &conf);
	fg_liveness_heard(w.l, device(&w, "a"), S, w.now);
	pass(&w, w.now + 30 * S);
	assert_string_equal(tell(&w, text, sizeof(text)), "a=offline ");
	end(&w);
}

static bool count_one(void *arg, const struct fg_device *d)
{
	unsigned *seen = arg;

	if (d->id[0] == 'd')
		++*seen;
	return false;
}

/* A walk in pages meets each device that was there once, though the table grows meanwhile. */
static void pages(void **state)
{
	struct fg_devices_place place = { 0 };
	struct world w;
	unsigned seen = 0, calls = 0;
	char id[32];

	(void)state;
	begin(&w, 60 * S);
	for (int i = 0; i < 500; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		device(&w, id);
	}
	while (fg_devices_page(w.devices, &place, count_one, &seen)) {
		calls++;
		for (int i = 0; i < 20; i++) {
			snprintf(id, sizeof(id), "x%u-%d", calls, i);
			device(&w, id);
		}
	}
	assert_int_equal(seen, 500);
	assert_true(calls > 100);
	place = (struct fg_devices_place){ 7, 3 };
	assert_true(fg_devices_page(w.devices, &place, count_one, &seen));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_declared_interval),
		cmocka_unit_test(what_is_not_kept_is_said_again),
		cmocka_unit_test(an_interval_is_learned),
		cmocka_unit_test(an_irregular_device_is_left_alone),
		cmocka_unit_test(a_storm_is_bounded),
		cmocka_unit_test(looking_is_seldom),
		cmocka_unit_test(deaf_is_not_silent),
		cmocka_unit_test(off_and_on),
		cmocka_unit_test(pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
