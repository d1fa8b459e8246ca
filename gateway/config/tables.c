/* One row per option: parsing, defaults, checks, the schema and docs/options.md are all made of
 * it. */
#include "config/tables.h"

#include "config/pattern.h"

#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#define MS 1000000ll
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)
#define KIB 1024ll
#define MIB (1024 * KIB)

static const struct fg_choice LEVELS[] = {
	{ "error", FG_ERROR },
	{ "warn", FG_WARN },
	{ "info", FG_INFO },
	{ "debug", FG_DEBUG },
	{ 0 },
};

static const struct fg_choice COMMIT_WORDS[] = {
	{ "each", FG_COMMIT_WORD_EACH },
	{ "never", FG_COMMIT_WORD_NEVER },
	{ 0 },
};

static const struct fg_choice WHEN_FULL[] = {
	{ "drop-oldest", FG_FULL_DROP_OLDEST },
	{ "refuse", FG_FULL_REFUSE },
	{ 0 },
};

static const struct fg_choice TRUST[] = {
	{ "kernel", FG_TRUST_KERNEL }, { "always", FG_TRUST_ALWAYS }, { 0 },
};

static const struct fg_choice FORMATS[] = {
	{ "senml+json", FG_FORMAT_SENML_JSON },
	{ "senml+cbor", FG_FORMAT_SENML_CBOR },
	{ "json", FG_FORMAT_JSON },
	{ "influx-line", FG_FORMAT_INFLUX_LINE },
	{ "thingsboard", FG_FORMAT_THINGSBOARD },
	{ "sparkplug-b", FG_FORMAT_SPARKPLUG_B },
	{ 0 },
};

static const struct fg_choice ORDERS[] = {
	{ "oldest-first", FG_ORDER_OLDEST_FIRST },
	{ "live-first", FG_ORDER_LIVE_FIRST },
	{ 0 },
};

static const struct fg_choice STARTS[] = {
	{ "now", FG_START_NOW }, { "oldest", FG_START_OLDEST }, { 0 },
};

static const struct {
	const char *type, *format, *bridge;
} SPOKEN[] = {
	{ "mqtt", "sparkplug-b", "sparkplug" },
};

const char *fg_bridge_for(const char *type, const char *format)
{
	for (size_t i = 0; format && i < sizeof(SPOKEN) / sizeof(SPOKEN[0]); i++)
		if (strcmp(type, SPOKEN[i].type) == 0 && strcmp(format, SPOKEN[i].format) == 0)
			return SPOKEN[i].bridge;
	return type;
}

bool fg_bridge_alias(const char *name, const char **ret_type, const char **ret_format)
{
	for (size_t i = 0; i < sizeof(SPOKEN) / sizeof(SPOKEN[0]); i++)
		if (strcmp(name, SPOKEN[i].bridge) == 0) {
			*ret_type = SPOKEN[i].type;
			*ret_format = SPOKEN[i].format;
			return true;
		}
	return false;
}

bool fg_bridge_of(const char *type, const char **ret_format)
{
	for (size_t i = 0; i < sizeof(SPOKEN) / sizeof(SPOKEN[0]); i++)
		if (strcmp(type, SPOKEN[i].type) == 0) {
			*ret_format = SPOKEN[i].format;
			return true;
		}
	return false;
}

static const struct fg_option GATEWAY[] = {
	{ .name = "id", .type = FG_OPT_STRING, .offset = offsetof(struct fg_gateway_conf, id),
	  .check = fg_gateway_id_check,
	  .help = "Name of this gateway in every record, topic and account; the host's name if "
		  "absent." },
	{ 0 },
};

static const struct fg_option LOG[] = {
	{ .name = "log", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_run_conf, log_level),
	  .choices = LEVELS, .def = "info" },
	{ .name = "log", .type = FG_OPT_VALUES, .offset = offsetof(struct fg_run_conf, log_levels),
	  .choices = LEVELS },
	{ 0 },
};

static const struct fg_option RUN[] = {
	{ .name = "socket", .type = FG_OPT_STRING, .offset = offsetof(struct fg_run_conf, socket),
	  .def = "/run/fieldgate/control.sock", .min = 1, .max = 107,
	  .help = "Unix socket through which the other commands reach the running gateway." },
	{ .name = "user", .type = FG_OPT_STRING, .offset = offsetof(struct fg_run_conf, user),
	  .min = 1, .max = 32,
	  .help = "User that a gateway started as root becomes before it opens anything; "
		  "otherwise without effect." },
	{ .name = "log", .type = FG_OPT_ONE_OF, .group = LOG, .def = "info",
	  .expects = "error, warn, info, debug, or an object of component: level",
	  .help = "Level of the log, or an object with one by component (\"*\" for all others)." },
	{ .name = "processes", .type = FG_OPT_INT,
	  .offset = offsetof(struct fg_run_conf, processes),
	  .def = "1", .min = 1, .max = FG_PROCESSES_MAX,
	  .help = "Processes that share the work, one a core at most; a change takes a restart." },
	{ .name = "watchdog", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_run_conf, watchdog), .min = 1, .max = 255,
	  .help = "Hardware watchdog that the loop feeds (`/dev/watchdog`): a board whose gateway "
		  "stands still for 30 s begins anew. For systems where nobody else feeds it." },
	{ .name = "led", .type = FG_OPT_STRING, .offset = offsetof(struct fg_run_conf, led),
	  .min = 1, .max = 255,
	  .help = "Status LED, a name below /sys/class/leds: on while every driver and bridge is "
		  "up, blinking while one is not." },
	{ 0 },
};

static const struct fg_option COMMIT[] = {
	{ .name = "commit", .type = FG_OPT_ENUM,
	  .offset = offsetof(struct fg_spool_parsed, commit_word), .choices = COMMIT_WORDS },
	{ .name = "commit", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_spool_parsed, conf.commit_ns), .def = "1s",
	  .min = MS, .max = 24 * HOUR,
	  .expects = "\"each\", \"never\" or a duration of \"1ms\" to \"24h\"" },
	{ 0 },
};

static const struct fg_option SPOOL[] = {
	{ .name = "dir", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_spool_parsed, conf.dir),
	  .def = "/var/lib/fieldgate", .min = 1, .max = 4000,
	  .help = "Folder of the spool, its cursors and dead letters." },
	{ .name = "limit", .type = FG_OPT_SIZE,
	  .offset = offsetof(struct fg_spool_parsed, conf.limit),
	  .def = "64MiB", .min = 64 * KIB, .max = 16 * MIB * MIB,
	  .help = "Disk that the spool may take." },
	{ .name = "segment", .type = FG_OPT_SIZE,
	  .offset = offsetof(struct fg_spool_parsed, conf.segment), .def = "4MiB",
	  .min = 16 * KIB, .max = 1024 * MIB,
	  .help = "Size of one file of the spool; made smaller where the limit holds only few." },
	{ .name = "commit", .type = FG_OPT_ONE_OF, .group = COMMIT, .def = "1s",
	  .help = "When records are synced to the disk: \"each\" before it is acknowledged, at the "
		  "latest after a duration, or \"never\" (the kernel decides)." },
	{ .name = "when_full", .type = FG_OPT_ENUM,
	  .offset = offsetof(struct fg_spool_parsed, conf.when_full), .choices = WHEN_FULL,
	  .def = "drop-oldest", .help = "What gives way when the spool is full." },
	{ 0 },
};

static const struct fg_option CLOCK[] = {
	{ .name = "trust", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_clock_conf, trust),
	  .choices = TRUST, .def = "kernel",
	  .help = "Whether the clock counts as right when the kernel says it is synchronised, or "
		  "always." },
	{ 0 },
};

static const struct fg_option LIMITS[] = {
	{ .name = "devices", .type = FG_OPT_INT, .offset = offsetof(struct fg_limits_conf, devices),
	  .def = TEXT(CONFIG_LIMIT_DEVICES), .min = 1, .max = 1000000,
	  .help = "Devices that can be known; payloads of more are rejected." },
	{ .name = "payload", .type = FG_OPT_SIZE,
	  .offset = offsetof(struct fg_limits_conf, payload),
	  .def = TEXT(CONFIG_LIMIT_PAYLOAD_KIB) "KiB", .min = 64, .max = 16 * MIB,
	  .help = "Longest payload; longer ones are rejected." },
	{ .name = "depth", .type = FG_OPT_INT, .offset = offsetof(struct fg_limits_conf, depth),
	  .def = TEXT(CONFIG_LIMIT_DEPTH), .min = 1, .max = 64,
	  .help = "Objects and lists within each other in a payload; deeper ones are rejected." },
	{ 0 },
};

const struct fg_option fg_options_liveness[] = {
	{ .name = "enabled", .type = FG_OPT_BOOL,
	  .offset = offsetof(struct fg_liveness_conf, enabled), .def = "true",
	  .help = "Whether silent devices are noticed and told of." },
	{ .name = "floor", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_liveness_conf, floor_ns), .def = "1m",
	  .min = 10 * MS, .max = 24 * HOUR,
	  .help = "Least interval that is learned; one that is declared may be shorter." },
	{ .name = "late", .type = FG_OPT_NUMBER, .offset = offsetof(struct fg_liveness_conf, late),
	  .def = "2", .min = 1, .max = 1000, .expects = "a number of intervals, 1 to 1000",
	  .help = "Intervals of silence after which a device is late." },
	{ .name = "offline", .type = FG_OPT_NUMBER,
	  .offset = offsetof(struct fg_liveness_conf, offline), .def = "5", .min = 1, .max = 1000,
	  .expects = "a number of intervals, 1 to 1000",
	  .help = "Intervals of silence after which it is offline." },
	{ 0 },
};

static const struct fg_option FLEET[] = {
	{ .name = "remote", .type = FG_OPT_BOOL, .offset = offsetof(struct fg_fleet_conf, remote),
	  .def = "false",
	  .help = "Whether a configuration may come by MQTT, from the retained topic "
		  "fieldgate/{gateway}/config; it must be signed." },
	{ .name = "keys", .type = FG_OPT_LIST, .offset = offsetof(struct fg_fleet_conf, keys),
	  .help = "Files of the public keys (Ed25519, PEM) of which one must have signed it." },
	{ .name = "bridge", .type = FG_OPT_STRING, .offset = offsetof(struct fg_fleet_conf, bridge),
	  .help = "The bridge by which it comes; the only one of type mqtt if absent." },
	{ .name = "deadline", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_fleet_conf, deadline_ns), .def = "30s",
	  .min = SECOND, .max = HOUR,
	  .help = "How long it has to come up; then the one before returns." },
	{ 0 },
};

static const struct fg_option CONSOLE_TLS[] = {
	{ .name = "cert", .type = FG_OPT_STRING, .offset = offsetof(struct fg_console_tls, cert),
	  .min = 1, .max = 4000, .help = "File of the server's certificate and its chain (PEM)." },
	{ .name = "key", .type = FG_OPT_STRING, .offset = offsetof(struct fg_console_tls, key),
	  .min = 1, .max = 4000, .help = "File of its private key (PEM)." },
	{ 0 },
};

const struct fg_option fg_options_console[] = {
	{ .name = "listen", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_console_conf, listen), .def = "http://127.0.0.1:8080",
	  .min = 1, .max = 255,
	  .help = "Where it listens, http:// or https:// with an address and a port. Beyond "
		  "loopback it needs `token` and `tls`." },
	{ .name = "token", .type = FG_OPT_SECRET,
	  .offset = offsetof(struct fg_console_conf, token),
	  .help = "What whoever asks has to show; at least 16 bytes." },
	{ .name = "tls", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_console_conf, tls),
	  .group = CONSOLE_TLS, .help = "For https://." },
	{ .name = "viewers", .type = FG_OPT_INT,
	  .offset = offsetof(struct fg_console_conf, viewers), .def = "16", .min = 1, .max = 256,
	  .help = "Who may look on at a time." },
	{ .name = "apply", .type = FG_OPT_BOOL, .offset = offsetof(struct fg_console_conf, apply),
	  .def = "false",
	  .help = "Whether a configuration may be put in place by it, as `fieldgate apply` does." },
	{ 0 },
};

const struct fg_option fg_options_top[] = {
	{ .name = "gateway", .type = FG_OPT_GROUP,
	  .offset = offsetof(struct fg_top_parsed, gateway),
	  .group = GATEWAY, .help = "Who this gateway is." },
	{ .name = "run", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_top_parsed, run),
	  .group = RUN, .help = "How it runs." },
	{ .name = "spool", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_top_parsed, spool),
	  .group = SPOOL, .help = "Where records are kept until every bridge has delivered them." },
	{ .name = "clock", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_top_parsed, clock),
	  .group = CLOCK, .help = "When the time of day is believed." },
	{ .name = "limits", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_top_parsed, limits),
	  .group = LIMITS, .help = "What the field may ask of this gateway." },
	{ .name = "liveness", .type = FG_OPT_GROUP,
	  .offset = offsetof(struct fg_top_parsed, liveness), .group = fg_options_liveness,
	  .help = "When a device that has fallen silent is late, and when offline." },
	{ .name = "fleet", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_top_parsed, fleet),
	  .group = FLEET, .help = "Configurations from afar." },
	{ .name = "console", .type = FG_OPT_GROUP,
	  .offset = offsetof(struct fg_top_parsed, console), .group = fg_options_console,
	  .help = "A page, metrics and an interface for programs, by HTTP; there is none unless "
		  "this is there." },
	{ .name = "profiles", .type = FG_OPT_MAP,
	  .offset = offsetof(struct fg_top_parsed, profiles),
	  .group = fg_options_profile, .item_size = sizeof(struct fg_profile_conf),
	  .check = fg_instance_name_check, .help = "How kinds of devices speak, by name." },
	{ 0 },
};

const struct fg_option fg_options_driver[] = {
	{ .name = "type", .type = FG_OPT_STRING, .offset = offsetof(struct fg_driver_conf, type),
	  .flags = FG_OPT_REQUIRED, .help = "Which driver this is an instance of." },
	{ .name = "profile", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_driver_conf, profile),
	  .help = "The profile of all its input; the one that matches best if absent." },
	{ .name = "enabled", .type = FG_OPT_BOOL,
	  .offset = offsetof(struct fg_driver_conf, enabled),
	  .def = "true", .help = "Whether it runs." },
	{ .name = "interval", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_driver_conf, interval_ns),
	  .min = 10 * MS, .max = 30 * 24 * HOUR,
	  .help = "How often its devices send, unless their profile says; learned from each "
		  "device if absent." },
	{ 0 },
};

static const struct fg_option BATCH[] = {
	{ .name = "records", .type = FG_OPT_INT, .offset = offsetof(struct fg_batch_conf, records),
	  .def = "100", .min = 1, .max = 10000, .help = "Most records in one pack." },
	{ .name = "bytes", .type = FG_OPT_SIZE, .offset = offsetof(struct fg_batch_conf, bytes),
	  .def = "64KiB", .min = KIB, .max = MIB, .help = "Most bytes in one pack." },
	{ .name = "linger", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_batch_conf, linger_ns), .def = "200ms", .max = HOUR,
	  .help = "How long a pack that is not full waits for more records." },
	{ 0 },
};

const struct fg_option fg_options_bridge[] = {
	{ .name = "type", .type = FG_OPT_STRING, .offset = offsetof(struct fg_bridge_conf, type),
	  .flags = FG_OPT_REQUIRED, .help = "Which bridge this is an instance of." },
	{ .name = "format", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_bridge_conf, format),
	  .choices = FORMATS, .def = "senml+json",
	  .help = "How a pack is written; only SenML carries ranges, and only mqtt speaks "
		  "sparkplug-b." },
	{ .name = "batch", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_bridge_conf, batch),
	  .group = BATCH, .help = "When a pack is full." },
	{ .name = "window", .type = FG_OPT_INT, .offset = offsetof(struct fg_bridge_conf, window),
	  .def = "16", .min = 1, .max = 64, .help = "Packs that may be in flight." },
	{ .name = "stall", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_bridge_conf, stall_ns),
	  .def = "30s", .min = SECOND, .max = 24 * HOUR,
	  .help = "Reconnect after that long without an acknowledgement of what is in flight." },
	{ .name = "match", .type = FG_OPT_LIST, .offset = offsetof(struct fg_bridge_conf, match),
	  .check = fg_filter_check,
	  .help = "Patterns (DEVICE/POINT, with + and #) of the records it carries; all if "
		  "absent." },
	{ .name = "order", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_bridge_conf, order),
	  .choices = ORDERS, .def = "oldest-first",
	  .help = "Whether new records wait behind a backlog." },
	{ .name = "start", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_bridge_conf, start),
	  .choices = STARTS, .def = "now", .help = "Where a new bridge begins." },
	{ .name = "required", .type = FG_OPT_BOOL,
	  .offset = offsetof(struct fg_bridge_conf, required),
	  .def = "true", .help = "Whether the spool keeps records for its sake." },
	{ .name = "rate", .type = FG_OPT_NUMBER, .offset = offsetof(struct fg_bridge_conf, rate),
	  .max = 1000000000, .expects = "a rate in records per second, 0 to 1000000000",
	  .help = "Records per second while draining a backlog; 0: unlimited." },
	{ .name = "dead_limit", .type = FG_OPT_SIZE,
	  .offset = offsetof(struct fg_bridge_conf, dead_limit), .def = "1MiB",
	  .max = 1024 * MIB, .help = "Disk that its dead letters may take." },
	{ .name = "commands", .type = FG_OPT_BOOL,
	  .offset = offsetof(struct fg_bridge_conf, commands),
	  .def = "false", .help = "Whether it takes commands to devices." },
	{ 0 },
};
