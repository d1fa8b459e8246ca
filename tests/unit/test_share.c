/* The configuration of one process of several; of drivers/coap/, drivers/mqtt/, drivers/serial/,
 * bridges/file/ and bridges/mqtt/. */
#include "config/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char TEXT[] =
	"{\"gateway\":{\"id\":\"gw\"},\"run\":{\"processes\":3,\"socket\":\"/run/c.sock\"},"
	"\"spool\":{\"dir\":\"/spool\",\"limit\":\"3MiB\"},"
	"\"drivers\":{"
	"\"zeta\":{\"type\":\"serial\",\"port\":\"/dev/z\"},"
	"\"beta\":{\"type\":\"serial\",\"port\":\"/dev/b\"},"
	"\"alpha\":{\"type\":\"serial\",\"port\":\"/dev/a\"},"
	"\"gamma\":{\"type\":\"serial\",\"port\":\"/dev/g\"},"
	"\"field\":{\"type\":\"mqtt\",\"url\":\"mqtt://h:1883\",\"subscribe\":[\"t/#\"]},"
	"\"kept\":{\"type\":\"mqtt\",\"url\":\"mqtt://h:1883\",\"subscribe\":[\"k/#\"],"
	"\"retained\":\"take\"},"
	"\"old\":{\"type\":\"mqtt\",\"url\":\"mqtt://h:1883\",\"subscribe\":[\"o/#\"],"
	"\"version\":\"3.1.1\"},"
	"\"things\":{\"type\":\"coap\",\"listen\":\"coap://127.0.0.1:5683\"}},"
	"\"bridges\":{"
	"\"cloud\":{\"type\":\"mqtt\",\"url\":\"mqtt://up:1883\",\"commands\":true},"
	"\"local\":{\"type\":\"file\",\"path\":\"/var/v1.0/records.jsonl\"},"
	"\"plain\":{\"type\":\"file\",\"path\":\"/var/v1.0/records\"}}}";

static struct fg_config *config_of(uint32_t index, uint32_t count)
{
	struct fg_config *config = NULL;
	struct fg_faults faults;

	fg_faults_init(&faults);
	assert_int_equal(fg_config_parse(fg_str_c(TEXT), NULL, &faults, &config), 0);
	fg_faults_fini(&faults);
	assert_int_equal(fg_config_share(config, index, count), 0);
	return config;
}

static const struct fg_driver_conf *driver_of(const struct fg_config *config, const char *name)
{
	for (size_t i = 0; i < config->ndrivers; i++)
		if (strcmp(config->drivers[i].name, name) == 0)
			return &config->drivers[i];
	fail_msg("no %s", name);
	return NULL;
}

static const char *text_of(const struct fg_option *options, const void *conf, const char *name)
{
	for (const struct fg_option *o = options; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return *(const char *const *)(const void *)((const char *)conf + o->offset);
	return NULL;
}

/* By the order of their names, whatever their order in the file; what is shared does not count. */
static void test_drivers_are_dealt_out(void **state)
{
	static const struct {
		const char *name;
		unsigned process;	/* 0: all */
	} wanted[] = { { "alpha", 1 }, { "beta", 2 }, { "gamma", 3 }, { "kept", 1 },
		       { "old", 2 },   { "zeta", 3 }, { "field", 0 }, { "things", 0 } };

	(void)state;
	for (unsigned k = 1; k <= 3; k++) {
		struct fg_config *config = config_of(k, 3);

		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			const struct fg_driver_conf *d = driver_of(config, wanted[i].name);

			if (d->enabled != (wanted[i].process == 0 || wanted[i].process == k) ||
			    d->shared != (wanted[i].process == 0))
				fail_msg("%s in process %u", wanted[i].name, k);
		}
		fg_config_free(config);
	}
}

static void check_names(unsigned k, const char *dir, const char *id, const char *path,
			const char *plain)
{
	struct fg_config *config = config_of(k, 3);
	const struct fg_driver_conf *field = driver_of(config, "field");
	char socket[64];

	snprintf(socket, sizeof(socket), "/run/c.sock.%u", k);
	assert_string_equal(config->run.socket, socket);
	assert_string_equal(config->process.parent, "/run/c.sock");
	assert_string_equal(config->spool.dir, dir);
	assert_int_equal(config->spool.limit, 1 << 20);
	assert_string_equal(text_of(field->driver->options, field->conf, "client_id"), id);
	assert_string_equal(text_of(field->driver->options, field->conf, "share"), "gw-field");
	assert_string_equal(text_of(config->bridges[0].bridge->options, config->bridges[0].conf,
				    "client_id"),
			    id);
	assert_int_equal(config->bridges[0].commands, k == 1);
	assert_string_equal(
		text_of(config->bridges[1].bridge->options, config->bridges[1].conf, "path"), path);
	assert_string_equal(text_of(config->bridges[2].bridge->options, config->bridges[2].conf,
				    "path"),
			    plain);
	fg_config_free(config);
}

static void test_names(void **state)
{
	(void)state;
	check_names(1, "/spool", "{gateway}-{name}", "/var/v1.0/records.jsonl",
		    "/var/v1.0/records");
	check_names(3, "/spool/process-3", "{gateway}-{name}-3", "/var/v1.0/records-3.jsonl",
		    "/var/v1.0/records-3");
}

/* What was dealt to it is another one's now; only a session of its own name is still its own. */
static void test_left_over(void **state)
{
	struct fg_config *config = config_of(4, 3);

	(void)state;
	for (size_t i = 0; i < config->ndrivers; i++)
		assert_int_equal(config->drivers[i].enabled,
				 strcmp(config->drivers[i].name, "field") == 0);
	assert_int_equal(config->spool.limit, 3 << 20);
	fg_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drivers_are_dealt_out),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_left_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
