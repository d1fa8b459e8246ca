/* fieldgate normalise: one payload in, its records as one pack out. No socket, no spool. */
#include <fg/framer.h>

#include "base/clock.h"
#include "base/name.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "config/registry.h"
#include "profile/book.h"
#include "profile/shipped.h"
#include "record/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX (64u << 20)

struct normaliser {
	const struct fg_config *config;
	const struct fg_driver_conf *instance;
	struct fg_profile_book book;
	const struct fg_profile *profile; /* named outright, or NULL */
	const char *address;
	int content_format;
	struct fg_clock clock;
	struct fg_doc doc;
	struct fg_reading reading;
	struct fg_buf pack_text, name;
	uint64_t frames, bad;
};

/* Where the device stands in an address that no profile's pattern takes apart. */
static void split_address(const struct normaliser *n, struct fg_str *device, struct fg_str *rest)
{
	struct fg_str address = fg_str_c(n->address);
	const char *slash = memchr(address.ptr, '/', address.len);

	*rest = FG_STR("");
	*device = address;
	if (n->instance->driver->address == FG_ADDRESS_LINK) {
		*device = fg_str_c(n->instance->name);
	} else if (n->instance->driver->address == FG_ADDRESS_PATH && slash) {
		*device = fg_str(address.ptr, (size_t)(slash - address.ptr));
		*rest = fg_str(slash + 1, address.len - device->len - 1);
	}
}

/* The one that the instance names for the device. */
static const struct fg_profile *named_profile(const struct normaliser *n)
{
	const struct fg_driver *driver = n->instance->driver;
	const char *name = driver->profile_of ?
				   driver->profile_of(n->instance->conf, fg_str_c(n->address)) :
				   NULL;

	return name ? fg_profiles_find(n->book.profiles, name) : NULL;
}

static const struct fg_profile *route(const struct normaliser *n, struct fg_str *device,
				      struct fg_str *rest)
{
	const struct fg_profile *profile = n->profile;
	struct fg_pattern_taken taken = { { NULL, 0 }, { NULL, 0 } };

	split_address(n, device, rest);
	if (n->instance->driver->address == FG_ADDRESS_DEVICE)
		return profile ? profile : named_profile(n);
	if (profile)
		(void)fg_profile_takes(profile, fg_str_c(n->address), &taken);
	else if (n->instance->driver->address != FG_ADDRESS_LINK)
		profile = fg_profiles_match(n->book.profiles, fg_str_c(n->address), &taken);
	if (taken.device.len > 0) {
		*device = taken.device;
		*rest = taken.point;
	}
	return profile;
}

static struct fg_str escaped(struct fg_buf *buf, struct fg_str raw, bool device)
{
	char *room = fg_buf_reserve(buf, raw.len * 5 + 1);
	struct fg_str name;

	if (!room)
		return FG_STR("");
	name = fg_str(room,
		      device ? fg_name_escape_device(raw, room) : fg_name_escape(raw, false, room));
	buf->len += name.len;
	return name;
}

static void print_reading(struct normaliser *n, struct fg_str device)
{
	struct fg_reading *reading = &n->reading;
	struct fg_pack pack;
	struct fg_str text;
	int64_t time_ns = n->clock.wall_ns - n->clock.wall_ns % 1000000;
	bool unsynced = !n->clock.synced && reading->time_ns == FG_TIME_NONE;

	if (reading->time_ns != FG_TIME_NONE)
		time_ns = reading->time_ns;
	fg_pack_begin(&pack, &n->pack_text, FG_PACK_JSON, fg_str_c(n->config->gateway.id));
	for (uint32_t i = 0; i < reading->count; i++)
		fg_pack_add(&pack, device, &reading->records[i], time_ns, unsynced);
	text = fg_pack_end(&pack, NULL);
	printf("%.*s\n", (int)text.len, text.ptr);
}

/* The live driver never lets another topic through. */
static bool address_is_good(const struct normaliser *n)
{
	const struct fg_driver *driver = n->instance->driver;
	char why[128];

	if (!driver->address_check || !*n->address ||
	    driver->address_check(n->address, n->config->gateway.id, why, sizeof(why)) == 0)
		return true;
	fprintf(stderr, "rejected: the address: %s\n", why);
	return false;
}

/* 0, or -EBADMSG after saying why on stderr. */
static int normalise(struct normaliser *n, struct fg_str payload)
{
	struct fg_decode_context ctx = {
		.address = fg_str_c(n->address),
		.content_format = n->content_format,
	};
	struct fg_str device, rest;
	const struct fg_profile *profile = route(n, &device, &rest);
	int r;

	if (!address_is_good(n))
		return -EBADMSG;
	if (payload.len > n->config->limits.payload) {
		fprintf(stderr, "rejected: larger than limits.payload (%llu bytes)\n",
			(unsigned long long)n->config->limits.payload);
		return -EBADMSG;
	}
	fg_buf_reset(&n->name);
	fg_buf_reserve(&n->name, (device.len + rest.len) * 5 + 1024 * 5);
	rest = escaped(&n->name, rest, false);
	fg_doc_reset(&n->doc, 0);
	n->doc.now_ns = n->clock.wall_ns;
	n->doc.now_right = n->clock.synced;
	r = fg_profile_read(n->book.profiles, profile, &ctx, payload, rest, &n->doc, &n->reading);
	if (r < 0) {
		fprintf(stderr, "rejected: %s at byte %zu\n",
			n->doc.reason ? n->doc.reason : strerror(-r), n->doc.at);
		return -EBADMSG;
	}
	if (n->reading.device.len)
		device = n->reading.device;
	device = escaped(&n->name, device, true);
	if (device.len == 0) {
		fprintf(stderr, "rejected: no device in the address\n");
		return -EBADMSG;
	}
	print_reading(n, device);
	return 0;
}

static void on_frame(void *arg, struct fg_str frame)
{
	struct normaliser *n = arg;

	if (normalise(n, frame) == 0)
		n->frames++;
	else
		n->bad++;
}

static int read_input(struct fg_buf *input)
{
	ssize_t got;

	fg_buf_init(input, INPUT_MAX);
	do {
		char *room = fg_buf_reserve(input, 64u << 10);

		if (!room)
			return -EFBIG;
		got = read(STDIN_FILENO, room, 64u << 10);
		if (got > 0)
			input->len += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got < 0 ? -errno : 0;
}

/* By its stuffing, or as the protocol has it. */
static bool is_proved(const struct fg_framer_conf *conf)
{
	return conf->checksum || conf->kind >= FG_FRAMER_SLIP;
}

/* The framer as the link would use it. */
static int frame_stream(struct normaliser *n, struct fg_str stream)
{
	const struct fg_driver *driver = n->instance->driver;
	struct fg_framer_conf conf = { .kind = FG_FRAMER_LINE }, own;
	char room[FG_FRAMER_DELIMITER_MAX];
	struct fg_framer framer;
	int r = 0;

	if (fg_profile_framer(n->profile, &own))
		conf = own;
	if (driver->framing)
		r = driver->framing(n->instance->conf, &conf, room, &conf);
	if (r == 0)
		r = fg_framer_init(&framer, &conf);
	if (r == -ENOSYS)
		return fg_cli_failed("normalise", "this firmware has no '%s' framer: %s",
				     fg_framer_name(conf.kind), fg_framer_missing(conf.kind));
	if (r < 0)
		return fg_cli_failed("normalise", "the framer: %s", strerror(-r));
	fg_framer_feed(&framer, stream.ptr, stream.len, on_frame, n);
	fg_framer_end(&framer, on_frame, n);
	if (framer.skipped || framer.bad || framer.oversize)
		fprintf(stderr, "%llu bytes skipped, %llu bad frames, %llu too large\n",
			(unsigned long long)framer.skipped, (unsigned long long)framer.bad,
			(unsigned long long)framer.oversize);
	else if (n->frames + n->bad == 0)
		fprintf(stderr, "rejected: no frame\n");
	fg_framer_fini(&framer);
	/* Without a profile what proves itself need not say anything to be a frame. */
	return n->frames > 0 || (n->bad > 0 && !n->profile && is_proved(&conf)) ? FG_EXIT_OK :
										  FG_EXIT_NO;
}

static const struct fg_driver_conf *find_instance(const struct fg_config *config, const char *name)
{
	for (size_t i = 0; i < config->ndrivers; i++)
		if (strcmp(config->drivers[i].name, name) == 0)
			return &config->drivers[i];
	return NULL;
}

static int profile_missing(const char *name)
{
	const struct fg_shipped_profile *shipped = fg_shipped_profiles();
	char why[256] = "";

	while (shipped && shipped->name && strcmp(shipped->name, name) != 0)
		shipped++;
	if (shipped && shipped->name)
		fg_registry_explain(FG_REGISTRY_DECODER, shipped->format, why, sizeof(why));
	if (why[0])
		return fg_cli_failed("normalise", "profile '%s': %s", name, why);
	return fg_cli_failed("normalise", "no profile is named '%s'", name);
}

static int set_up(struct normaliser *n, const char *driver, const char *profile)
{
	struct fg_faults faults;
	int r;

	n->instance = find_instance(n->config, driver);
	if (!n->instance)
		return fg_cli_failed("normalise", "no driver is named '%s'", driver);
	fg_faults_init(&faults);
	r = fg_profile_book_open(&n->book, n->config, &faults);
	fg_cli_print_faults(&faults);
	fg_faults_fini(&faults);
	if (r < 0)
		return FG_EXIT_NO;
	if (!profile)
		profile = n->instance->profile;
	if (profile && !(n->profile = fg_profiles_find(n->book.profiles, profile)))
		return profile_missing(profile);
	fg_clock_init(&n->clock, n->config->clock.trust == FG_TRUST_ALWAYS);
	fg_doc_init(&n->doc, (uint32_t)n->config->limits.depth, n->config->limits.payload);
	fg_reading_init(&n->reading, 200000, n->config->limits.payload);
	fg_buf_init(&n->pack_text, 64u << 20);
	fg_buf_init(&n->name, 4u << 20);
	return FG_EXIT_OK;
}

static void tear_down(struct normaliser *n)
{
	fg_doc_fini(&n->doc);
	fg_reading_fini(&n->reading);
	fg_buf_fini(&n->pack_text);
	fg_buf_fini(&n->name);
	if (n->book.profiles)
		fg_profile_book_close(&n->book);
}

static int work(struct normaliser *n, const char *driver, const char *profile, bool frames)
{
	struct fg_buf input;
	int status = set_up(n, driver, profile), r;

	if (status != FG_EXIT_OK)
		return status;
	/* of a path, the first '/' is not part; "/a" and "a" are two topics */
	if (n->instance->driver->address == FG_ADDRESS_PATH && *n->address == '/')
		n->address++;
	r = read_input(&input);
	if (r < 0)
		status = fg_cli_failed("normalise", "stdin: %s", strerror(-r));
	else if (frames)
		status = frame_stream(n, fg_buf_view(&input));
	else
		status = normalise(n, fg_buf_view(&input)) == 0 ? FG_EXIT_OK : FG_EXIT_NO;
	fg_buf_fini(&input);
	return status;
}

/* Without a configuration DRIVER is a type, and everything else at its default. */
static int load(const char *path, const char *driver, struct fg_config **ret_config)
{
	struct fg_faults faults;
	int r;

	if (path)
		return fg_cli_load("normalise", path, ret_config);
	fg_faults_init(&faults);
	r = fg_config_default(driver, &faults, ret_config);
	fg_cli_print_faults(&faults);
	fg_faults_fini(&faults);
	if (r < 0)
		return fg_cli_failed("normalise", "without -c, -d takes a driver's type");
	return FG_EXIT_OK;
}

static bool parse_format(const char *text, int *ret_format)
{
	char *end;
	long n = text ? strtol(text, &end, 10) : -1;

	if (text && (*text == '\0' || *end || n < 0 || n > 65535))
		return false;
	*ret_format = (int)n;
	return true;
}

int fg_cli_normalise(int argc, char **argv)
{
	const char *path = NULL, *driver = NULL, *address = "", *profile = NULL, *format = NULL;
	bool frames = false;
	const struct fg_cli_flag flags[] = {
		{ 'c', "config", "FILE", "the configuration; without one, DRIVER is a type", NULL,
		  &path },
		{ 'd', "driver", "DRIVER", "the driver the payload came by", NULL, &driver },
		{ 'a', "address", "ADDRESS", "MQTT topic or CoAP path", NULL, &address },
		{ 'p', "profile", "PROFILE", "the profile, outright", NULL, &profile },
		{ 0, "content-format", "N", "CoAP's Content-Format", NULL, &format },
		{ 0, "frames", NULL, "stdin is a raw byte stream: a pack a frame", &frames, NULL },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "normalise",
		.operands = "",
		.summary = "Reads one payload on stdin and prints the records it becomes as one\n"
			   "SenML pack; exit 1 with the reason if it is rejected.",
		.flags = flags,
	};
	struct normaliser n = { 0 };
	struct fg_config *config = NULL;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (!driver)
		return fg_cli_misuse("normalise", "-d DRIVER is missing");
	if (!parse_format(format, &n.content_format))
		return fg_cli_misuse("normalise", "'%s' is not a Content-Format", format);
	status = load(path, driver, &config);
	if (status != FG_EXIT_OK)
		return status;
	n.config = config;
	n.address = address;
	status = work(&n, driver, profile, frames);
	tear_down(&n);
	fg_config_free(config);
	return status;
}
