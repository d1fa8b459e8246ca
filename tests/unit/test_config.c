/*
 * Whole configurations: defaults, faults across parts, secrets, what a reload has to do. The
 * drivers and bridges are stand-ins behind a registry of this file's own, so that any build can
 * run this.
 */
#include "config/config.h"

#include "config/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct net_conf {
	const char *url, *listen, *port, *path, *client_id;
	struct fg_secret password;
	bool open;
};

#define ROW(field, kind, ...) \
	{ .name = #field, .type = kind, .offset = offsetof(struct net_conf, field), __VA_ARGS__ }

static const struct fg_option mqtt_options[] = {
	ROW(url, FG_OPT_STRING, .flags = FG_OPT_REQUIRED),
	ROW(client_id, FG_OPT_STRING, .def = "{gateway}-{name}"),
	ROW(password, FG_OPT_SECRET),
	{ 0 },
};
static const struct fg_option coap_options[] = {
	ROW(listen, FG_OPT_STRING, .def = "coap://127.0.0.1:5683"),
	ROW(open, FG_OPT_BOOL),
	{ 0 },
};
static const struct fg_option serial_options[] = {
	ROW(port, FG_OPT_STRING, .flags = FG_OPT_REQUIRED),
	{ 0 },
};
static const struct fg_option file_options[] = {
	ROW(path, FG_OPT_STRING, .flags = FG_OPT_REQUIRED),
	{ 0 },
};

static void coap_check(const void *conf, struct fg_faults *faults)
{
	const struct net_conf *coap = conf;

	if (strstr(coap->listen, "0.0.0.0") && !coap->open)
		fg_fault(faults, "/listen", "needs \"open\"");
}

static const char *mqtt_target(const void *conf)
{
	return ((const struct net_conf *)conf)->url;
}

static const struct fg_driver drivers[] = {
	{ .name = "coap", .conf_size = sizeof(struct net_conf), .options = coap_options,
	  .check = coap_check },
	{ .name = "mqtt", .conf_size = sizeof(struct net_conf), .options = mqtt_options },
	{ .name = "serial", .conf_size = sizeof(struct net_conf), .options = serial_options },
};
static const struct fg_bridge bridges[] = {
	{ .name = "file", .conf_size = sizeof(struct net_conf), .options = file_options },
	{ .name = "mqtt", .conf_size = sizeof(struct net_conf), .options = mqtt_options,
	  .target = mqtt_target },
};
static const struct fg_decoder json_decoder = { .name = "json" };

const char *const fg_builtin_names_drivers[] = { "coap", "mqtt", "serial", NULL };
const char *const fg_module_drivers[] = { NULL };
const char *const fg_absent_drivers[] = { "modbus", NULL };
const char *const fg_builtin_names_bridges[] = { "file", "mqtt", NULL };
const char *const fg_module_bridges[] = { NULL };
const char *const fg_absent_bridges[] = { "nats", NULL };
const char *const fg_builtin_names_decoders[] = { "json", NULL };
const char *const fg_module_decoders[] = { NULL };

static void console_check(const struct fg_console_conf *conf, struct fg_faults *faults)
{
	if (strcmp(conf->listen, "http://0.0.0.0:80") == 0)
		fg_fault(faults, "/listen", "not there");
}

int fg_registry_driver(const char *name, const struct fg_driver **ret_driver)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i].name, name) == 0) {
			*ret_driver = &drivers[i];
			return 0;
		}
	return strcmp(name, "modbus") == 0 ? -ENOSYS : -ENOENT;
}

int fg_registry_bridge(const char *name, const struct fg_bridge **ret_bridge)
{
	for (size_t i = 0; i < sizeof(bridges) / sizeof(bridges[0]); i++)
		if (strcmp(bridges[i].name, name) == 0) {
			*ret_bridge = &bridges[i];
			return 0;
		}
	return strcmp(name, "nats") == 0 ? -ENOSYS : -ENOENT;
}

int fg_registry_decoder(const char *name, const struct fg_decoder **ret_decoder)
{
	if (strcmp(name, "json") != 0)
		return -ENOENT;
	*ret_decoder = &json_decoder;
	return 0;
}

int fg_registry_console(const char *name, const struct fg_console **ret_console)
{
	static const struct fg_console console = { .name = "http", .check = console_check };

	assert_string_equal(name, "http");
	*ret_console = &console;
	return 0;
}

void fg_registry_explain(enum fg_registry_kind kind, const char *name, char *out, size_t size)
{
	(void)kind;
	snprintf(out, size, "'%s' is not in this build", name);
}

/* -- */

static const struct fg_shipped_profile shipped[] = {
	{ .name = "zigbee2mqtt", .text = "{}" },
	{ .name = "tasmota", .text = "{}" },
	{ .name = "meter", .format = "sml" },
	{ 0 },
};

static struct fg_config *load(const char *text, struct fg_faults *faults, int expect)
{
	struct fg_config *config = NULL;
	int r;

	fg_faults_init(faults);
	r = fg_config_parse(fg_str_c(text), shipped, faults, &config);
	for (size_t i = 0; r != expect && i < faults->count; i++)
		print_error("%s: %s\n", faults->items[i].pointer, faults->items[i].text);
	assert_int_equal(r, expect);
	return config;
}

static void test_defaults(void **state)
{
	struct fg_faults faults;
	struct fg_config *c = load("{}", &faults, 0);
	char host[65] = "";

	(void)state;
	gethostname(host, sizeof(host) - 1);
	assert_int_equal(strlen(c->gateway.id), strlen(host));
	assert_string_equal(c->run.socket, "/run/fieldgate/control.sock");
	assert_int_equal(c->run.log_level, FG_INFO);
	assert_int_equal(c->run.processes, 1);
	assert_string_equal(c->spool.dir, "/var/lib/fieldgate");
	assert_int_equal(c->spool.limit, 64 << 20);
	assert_int_equal(c->spool.segment, 4 << 20);
	assert_int_equal(c->spool.commit_ns, 1000000000);
	assert_int_equal(c->spool.when_full, FG_FULL_DROP_OLDEST);
	assert_int_equal(c->clock.trust, FG_TRUST_KERNEL);
	assert_int_equal(c->limits.devices, CONFIG_LIMIT_DEVICES);
	assert_int_equal(c->limits.payload, CONFIG_LIMIT_PAYLOAD_KIB * 1024);
	assert_int_equal(c->limits.depth, CONFIG_LIMIT_DEPTH);
	assert_int_equal(faults.doubts, 2);
	/* printf '{}' | sha256sum */
	assert_string_equal(c->sha256,
			    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
	fg_config_free(c);
	fg_faults_fini(&faults);
}

static const char *const FULL =
	"{\"$schema\":\"x\",\"gateway\":{\"id\":\"plant-7\"},"
	"\"run\":{\"log\":{\"*\":\"warn\",\"mqtt\":\"debug\"}},"
	"\"spool\":{\"dir\":\"/s\",\"commit\":\"each\",\"when_full\":\"refuse\"},"
	"\"drivers\":{\"field\":{\"type\":\"mqtt\",\"url\":\"mqtt://a\",\"profile\":\"z2m\"},"
	"\"meter\":{\"type\":\"serial\",\"port\":\"/dev/x\",\"enabled\":false}},"
	"\"profiles\":{\"z2m\":{\"match\":\"zigbee2mqtt/{device}\",\"format\":\"json\","
	"\"points\":{\"temperature\":{\"from\":\"/temperature\",\"unit\":\"Cel\","
	"\"report\":{\"deadband\":0.5,\"max_interval\":\"1h\"},\"map\":{\"ON\":true}},\"*\":{}},"
	"\"time\":{\"from\":\"/ts\",\"as\":\"unix-ms\"}}},"
	"\"bridges\":{\"cloud\":{\"type\":\"mqtt\",\"url\":\"mqtt://b\","
	"\"batch\":{\"records\":10},\"match\":[\"+/temperature\",\"hall/#\"],\"rate\":500},"
	"\"local\":{\"type\":\"file\",\"path\":\"-\",\"required\":false}}}";

static void test_full(void **state)
{
	struct fg_faults faults;
	struct fg_config *c = load(FULL, &faults, 0);
	const struct fg_profile_conf *p;
	const struct fg_point_conf *points;

	(void)state;
	assert_string_equal(c->gateway.id, "plant-7");
	assert_int_equal(fg_config_level(c, "mqtt"), FG_DEBUG);
	assert_int_equal(fg_config_level(c, "coap"), FG_WARN);
	assert_int_equal(c->spool.commit_ns, FG_COMMIT_EACH);
	assert_int_equal(c->ndrivers, 2);
	assert_string_equal(c->drivers[0].name, "field");
	assert_string_equal(((struct net_conf *)c->drivers[0].conf)->url, "mqtt://a");
	assert_true(c->drivers[0].enabled);
	assert_false(c->drivers[1].enabled);
	assert_int_equal(c->nbridges, 2);
	assert_int_equal(c->bridges[0].batch.records, 10);
	assert_int_equal(c->bridges[0].batch.bytes, 65536);
	assert_int_equal(c->bridges[0].batch.linger_ns, 200000000);
	assert_int_equal(c->bridges[0].window, 16);
	assert_int_equal(c->bridges[0].stall_ns, 30000000000);
	assert_int_equal(c->bridges[0].match.count, 2);
	assert_true(c->bridges[0].rate == 500);
	assert_true(c->bridges[0].required);
	assert_int_equal(c->bridges[0].dead_limit, 1 << 20);
	assert_false(c->bridges[1].required);
	assert_int_equal(c->nprofiles, 1);
	p = &c->profiles[0].conf;
	assert_string_equal(c->profiles[0].name, "z2m");
	assert_string_equal(p->match, "zigbee2mqtt/{device}");
	assert_int_equal(p->points.count, 2);
	assert_string_equal(p->points.names[1], "*");
	points = p->points.items;
	assert_string_equal(points[0].report.deadband, "0.5");
	assert_int_equal(points[0].report.max_interval_ns, 3600000000000);
	assert_true(points[0].scale == 1 && points[1].scale == 1);
	assert_string_equal(points[0].map.names[0], "ON");
	assert_int_equal(p->time.as, FG_TIME_UNIX_MS);
	/* "refuse" with an MQTT driver */
	assert_int_equal(faults.doubts, 1);
	assert_string_equal(faults.items[0].pointer, "/spool/when_full");
	fg_config_free(c);
	fg_faults_fini(&faults);
}

#define DRIVERS(text) \
	"{\"drivers\":{" text "},\"bridges\":{\"b\":{\"type\":\"file\",\"path\":\"-\"}}}"
#define PROFILE(text) "{\"profiles\":{\"p\":" text "}}"

/* A text and its first fault. */
static const struct {
	const char *text, *pointer, *fault;
} FAULTS[] = {
	{ "", "", "line 1, column 1: not valid JSON: empty payload" },
	{ "{\"gateway\":\n  {\"id\": 01}}", "", "line 2, column 11: not valid JSON" },
	{ "{\"a\":\"\\u0000\"}", "", "a string holds \\u0000" },
	{ "{\"a\":1e991e9}", "", "line 1, column 11: not valid JSON" },
	{ "{\"a\":-1e999}", "", "a number is beyond what a double holds" },
	{ "{} x", "", "line 1, column 4: not valid JSON" },
	{ "{\"run\":{\"log\":\"info\",\"log\":\"warn\"}}", "/run/log",
	  "this key stands here twice" },
	{ "[]", "", "expected an object, got a list" },
	{ "{\"bridge\":{}}", "/bridge", "unknown key, did you mean \"bridges\"?" },
	{ "{\"gateway\":{\"id\":\"a b\"}}", "/gateway/id", "\"a b\" is not a gateway's id" },
	{ "{\"run\":{\"log\":\"loud\"}}", "/run/log", "expected error, warn, info, debug, or" },
	{ "{\"run\":{\"log\":{\"mqtt\":\"loud\"}}}", "/run/log/mqtt", "expected one of error" },
	{ "{\"spool\":{\"commit\":\"often\"}}", "/spool/commit",
	  "expected \"each\", \"never\" or a duration" },
	{ "{\"spool\":{\"limit\":\"1KiB\"}}", "/spool/limit", "\"1KiB\" is not within 64KiB" },
	{ DRIVERS("\"x\":{}"), "/drivers/x/type", "missing: one of coap, mqtt, serial" },
	{ DRIVERS("\"x\":{\"type\":\"mqt\"}"), "/drivers/x/type",
	  "unknown driver, did you mean \"mqtt\"?" },
	{ DRIVERS("\"x\":{\"type\":\"modbus\"}"), "/drivers/x/type",
	  "'modbus' is not in this build" },
	{ DRIVERS("\"x\":{\"type\":\"mqtt\"}"), "/drivers/x/url", "missing" },
	{ DRIVERS("\"x\":{\"type\":\"mqtt\",\"ulr\":\"x\",\"url\":\"u\"}"), "/drivers/x/ulr",
	  "unknown key, did you mean \"url\"?" },
	{ DRIVERS("\"a/b\":{\"type\":\"coap\"}"), "/drivers/a~1b", "\"a/b\" is not a name" },
	{ DRIVERS("\"../x\":{\"type\":\"coap\"}"), "/drivers/..~1x", "\"../x\" is not a name" },
	{ DRIVERS("\"x\":5"), "/drivers/x", "expected an object, got 5" },
	{ DRIVERS("\"x\":{\"type\":\"coap\",\"listen\":\"coap://0.0.0.0\"}"), "/drivers/x/listen",
	  "needs \"open\"" },
	{ DRIVERS("\"x\":{\"type\":\"coap\",\"profile\":\"tasmoto\"}"), "/drivers/x/profile",
	  "unknown profile, did you mean \"tasmota\"?" },
	{ DRIVERS("\"x\":{\"type\":\"coap\",\"profile\":\"meter\"}"), "/drivers/x/profile",
	  "'sml' is not in this build" },
	{ DRIVERS("\"x\":{\"type\":\"serial\",\"port\":\"/dev/a\"},"
		  "\"y\":{\"type\":\"serial\",\"port\":\"/dev/a\"}"),
	  "/drivers/y/port", "/drivers/x already has this port" },
	{ DRIVERS("\"x\":{\"type\":\"coap\"},\"y\":{\"type\":\"coap\"}"), "/drivers/y/listen",
	  "/drivers/x already has this address" },
	{ DRIVERS("\"x\":{\"type\":\"mqtt\",\"url\":\"u\",\"client_id\":\"c\"},"
		  "\"y\":{\"type\":\"mqtt\",\"url\":\"u\",\"client_id\":\"c\"}"),
	  "/drivers/y/client_id", "/drivers/x already has this client_id" },
	{ DRIVERS("\"x\":{\"type\":\"mqtt\",\"url\":\"mqtt://h\",\"client_id\":\"c\"},"
		  "\"y\":{\"type\":\"mqtt\",\"url\":\"mqtt://H:1883\",\"client_id\":\"c\"}"),
	  "/drivers/y/client_id", "/drivers/x already has this client_id" },
	{ "{\"bridges\":{\"a\":{\"type\":\"nats\"}}}", "/bridges/a/type",
	  "'nats' is not in this build" },
	{ "{\"bridges\":{\"a\":{\"type\":\"file\",\"path\":\"x\",\"window\":65}}}",
	  "/bridges/a/window", "65 is not within 1 to 64" },
	{ "{\"bridges\":{\"a\":{\"type\":\"file\",\"path\":\"x\",\"match\":[\"a/#/b\"]}}}",
	  "/bridges/a/match/0", "\"a/#/b\" is not a pattern: '#' must be the last level" },
	{ "{\"bridges\":{\"a\":{\"type\":\"file\",\"path\":\"x\",\"match\":[\"{device}\"]}}}",
	  "/bridges/a/match/0", "\"{device}\" is not a pattern: a name has no meaning here" },
	{ PROFILE("{\"match\":\"{device}/a/{device}\"}"), "/profiles/p/match",
	  "\"{device}/a/{device}\" is not a pattern: a name stands there twice, not side by side" },
	{ PROFILE("{\"match\":\"a+/b\"}"), "/profiles/p/match", "\"a+/b\" is not a pattern: '+'" },
	{ PROFILE("{\"match\":\"{device...}/#\"}"), "/profiles/p/match",
	  "\"{device...}/#\" is not a pattern: only one" },
	{ PROFILE("{\"match\":\"{x...}\"}"), "/profiles/p/match",
	  "\"{x...}\" is not a pattern: only {device...}" },
	{ PROFILE("{\"match\":\"\"}"), "/profiles/p/match", "\"\" is not a pattern: it is empty" },
	{ PROFILE("{\"format\":\"jsno\"}"), "/profiles/p/format",
	  "unknown format, did you mean \"json\"?" },
	{ PROFILE("{\"points\":{\"t\":{\"from\":\"t\"}}}"), "/profiles/p/points/t/from",
	  "\"t\" is not a JSON Pointer: it must begin with '/'" },
	{ PROFILE("{\"points\":{\"t\":{\"from\":\"/~2\"}}}"), "/profiles/p/points/t/from",
	  "\"/~2\" is not a JSON Pointer: '~'" },
	{ PROFILE("{\"points\":{\"t\":{\"report\":{\"deadband\":\"-2%\"}}}}"),
	  "/profiles/p/points/t/report/deadband", "expected a number that is not negative" },
	{ PROFILE("{\"points\":{\"t\":{\"report\":{\"deadband\":-1}}}}"),
	  "/profiles/p/points/t/report/deadband", "expected a number that is not negative" },
	{ PROFILE("{\"points\":{\"*\":{\"from\":\"/x\"}}}"), "/profiles/p/points/*",
	  "\"*\" is every other value" },
	{ PROFILE("{\"time\":{\"from\":\"/ts\"}}"), "/profiles/p/time/as", "missing" },
};

static void test_faults(void **state)
{
	struct fg_faults faults;

	(void)state;
	for (size_t i = 0; i < sizeof(FAULTS) / sizeof(FAULTS[0]); i++) {
		assert_null(load(FAULTS[i].text, &faults, -EINVAL));
		assert_string_equal(faults.items[0].pointer, FAULTS[i].pointer);
		assert_memory_equal(faults.items[0].text, FAULTS[i].fault, strlen(FAULTS[i].fault));
		fg_faults_fini(&faults);
	}
}

static const struct {
	const char *text, *pointer;
} DOUBTS[] = {
	{ PROFILE("{\"points\":{\"t\":{\"unit\":\"celsius\"}}}"), "/profiles/p/points/t/unit" },
	{ "{\"drivers\":{\"d\":{\"type\":\"mqtt\",\"url\":\"u\"}},"
	  "\"bridges\":{\"b\":{\"type\":\"mqtt\",\"url\":\"u\"}}}",
	  "/bridges/b/url" },
	{ "{\"drivers\":{\"d\":{\"type\":\"coap\"}}}", "/bridges" },
	{ "{\"bridges\":{\"b\":{\"type\":\"mqtt\",\"url\":\"u\"}}}", "/drivers" },
	{ DRIVERS("\"x\":{\"type\":\"coap\",\"enabled\":false},\"y\":{\"type\":\"coap\","
		  "\"enabled\":false}"),
	  "/drivers" },
};

static void test_doubts(void **state)
{
	struct fg_faults faults;

	(void)state;
	for (size_t i = 0; i < sizeof(DOUBTS) / sizeof(DOUBTS[0]); i++) {
		fg_config_free(load(DOUBTS[i].text, &faults, 0));
		assert_true(faults.doubts > 0);
		assert_string_equal(faults.items[0].pointer, DOUBTS[i].pointer);
		fg_faults_fini(&faults);
	}
}

static void test_depth(void **state)
{
	struct fg_faults faults;
	char text[4096];

	(void)state;
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	load(text, &faults, -EINVAL);
	assert_non_null(strstr(faults.items[0].text, "nested too deeply"));
	fg_faults_fini(&faults);
}

static void put(const char *dir, const char *name, const char *content, mode_t mode)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void drop(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void test_secrets(void **state)
{
	static const char *const text =
		DRIVERS("\"d\":{\"type\":\"mqtt\",\"url\":\"u\",\"password\":{\"secret\":\"pw\"}}");
	char dir[] = "/tmp/fg-secrets-XXXXXX";
	const struct net_conf *conf;
	struct fg_faults faults;
	struct fg_config *c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	c = load(text, &faults, 0);
	conf = c->drivers[0].conf;
	assert_int_equal(fg_config_secrets(c, false, &faults), 0);
	assert_int_equal(faults.doubts, 1);
	assert_string_equal(faults.items[0].pointer, "/drivers/d/password");
	assert_int_equal(fg_config_secrets(c, true, &faults), -EINVAL);

	put(dir, "pw", "hunter2\n", 0600);
	assert_int_equal(fg_config_secrets(c, true, &faults), 0);
	assert_string_equal(conf->password.value, "hunter2");
	assert_int_equal(conf->password.len, 7);
	assert_int_equal(faults.doubts, 1);

	put(dir, "pw", "two\n\n", 0644);
	assert_int_equal(fg_config_secrets(c, true, &faults), 0);
	assert_string_equal(conf->password.value, "two\n");
	assert_int_equal(faults.doubts, 2);

	put(dir, "pw", "\n", 0600);
	assert_int_equal(fg_config_secrets(c, true, &faults), -EINVAL);
	fg_config_free(c);
	fg_faults_fini(&faults);
	drop(dir, "pw");
	rmdir(dir);
	unsetenv("CREDENTIALS_DIRECTORY");
}

#define WITH(spool, drivers, bridges)                                                  \
	"{\"gateway\":{\"id\":\"g\"},\"spool\":{" spool "},\"drivers\":{" drivers "}," \
	"\"bridges\":{" bridges "}}"
#define MQTT(name, url) "\"" name "\":{\"type\":\"mqtt\",\"url\":\"" url "\"}"

static void test_diff(void **state)
{
	struct fg_faults faults, other;
	struct fg_config *a = load(WITH("", MQTT("same", "u1") "," MQTT("gone", "u2") ","
					MQTT("other", "u3"),
					MQTT("to", "t1") "," MQTT("old", "t2")), &faults, 0);
	struct fg_config *b = load(WITH("\"limit\":\"1MiB\"", MQTT("new", "u4") ","
					MQTT("other", "u9") "," MQTT("same", "u1"),
					MQTT("to", "t9") ",\"old\":{\"type\":\"mqtt\","
					"\"url\":\"t2\",\"window\":3}"), &other, 0);
	struct fg_config_diff diff;

	(void)state;
	assert_int_equal(fg_config_diff(a, b, &faults, &diff), 0);
	assert_int_equal(diff.ndrivers, 4);
	assert_int_equal(diff.drivers[0].change, FG_ADDED);
	assert_null(diff.drivers[0].before);
	assert_int_equal(diff.drivers[1].change, FG_CHANGED);
	assert_int_equal(diff.drivers[2].change, FG_SAME);
	assert_int_equal(diff.drivers[3].change, FG_REMOVED);
	assert_string_equal(diff.drivers[3].before->name, "gone");
	assert_int_equal(diff.bridges[0].change, FG_CHANGED);
	assert_true(diff.bridges[0].target);
	assert_int_equal(diff.bridges[1].change, FG_CHANGED);
	assert_false(diff.bridges[1].target);
	assert_true(diff.spool);
	assert_false(diff.profiles || diff.limits || diff.clock || diff.run);
	fg_config_diff_fini(&diff);
	assert_int_equal(fg_config_diff(a, a, &faults, &diff), 0);
	for (size_t i = 0; i < diff.ndrivers; i++)
		assert_int_equal(diff.drivers[i].change, FG_SAME);
	assert_false(diff.spool);
	fg_config_diff_fini(&diff);
	fg_config_free(a);
	fg_config_free(b);
	fg_faults_fini(&faults);
	fg_faults_fini(&other);
}

static void test_diff_refused(void **state)
{
	struct fg_faults faults, other;
	struct fg_config *a = load("{\"gateway\":{\"id\":\"a\"}}", &faults, 0);
	struct fg_config *b = load("{\"gateway\":{\"id\":\"b\"},\"spool\":{\"dir\":\"/x\"}}",
				   &other, 0);
	struct fg_config_diff diff;

	(void)state;
	assert_int_equal(fg_config_diff(a, b, &faults, &diff), -EINVAL);
	assert_int_equal(faults.faults, 2);
	fg_config_free(a);
	fg_config_free(b);
	fg_faults_fini(&faults);
	fg_faults_fini(&other);
}

static void test_default_driver(void **state)
{
	struct fg_config *c = NULL;
	struct fg_faults faults;

	(void)state;
	fg_faults_init(&faults);
	assert_int_equal(fg_config_default("mqtt", &faults, &c), 0);
	assert_int_equal(c->ndrivers, 1);
	assert_string_equal(c->drivers[0].name, "mqtt");
	assert_true(c->drivers[0].enabled);
	assert_string_equal(((struct net_conf *)c->drivers[0].conf)->client_id,
			    "{gateway}-{name}");
	fg_config_free(c);
	assert_int_equal(fg_config_default("mqqt", &faults, &c), -EINVAL);
	fg_faults_fini(&faults);
}

static void test_shipped_profile(void **state)
{
	const char *text =
		"{\"match\":\"tele/{device}/SENSOR\",\"points\":{\"*\":{}}}";
	struct fg_profile_conf conf;
	struct fg_faults faults;
	struct fg_arena arena;

	(void)state;
	fg_faults_init(&faults);
	fg_arena_init(&arena, 1 << 16);
	assert_int_equal(fg_profile_parse("t", fg_str_c(text), &arena, &faults, &conf), 0);
	assert_string_equal(conf.match, "tele/{device}/SENSOR");
	assert_int_equal(conf.points.count, 1);
	text = "{\"matsch\":\"a\"}";
	assert_int_equal(fg_profile_parse("t", fg_str_c(text), &arena, &faults, &conf), -EINVAL);
	assert_string_equal(faults.items[0].pointer, "/profiles/t/matsch");
	fg_arena_fini(&arena);
	fg_faults_fini(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_diff_refused),
		cmocka_unit_test(test_default_driver),
		cmocka_unit_test(test_shipped_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
