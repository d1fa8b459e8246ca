/* The options of servers that are observed or polled. */
#include <fg/fault.h>

#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REMOTE_OPTIONS                                                                             \
	{ .name = "url", .type = FG_OPT_STRING,                                                    \
	  .offset = offsetof(struct fg_coap_remote_conf, url),                                     \
	  .flags = FG_OPT_REQUIRED, .check = fg_coap_url_check,                                    \
	  .help = "what to ask: coap://HOST[:5683]/PATH, or coaps:// with psk" },                  \
	{ .name = "device", .type = FG_OPT_STRING,                                                 \
	  .offset = offsetof(struct fg_coap_remote_conf, device), .min = 1, .max = 255,            \
	  .help = "answers are taken as if sent to /DEVICE/PATH; the entry's name if absent" }, \
	{ .name = "psk", .type = FG_OPT_SECRETS,                                                   \
	  .offset = offsetof(struct fg_coap_remote_conf, psk),                                     \
	  .help = "DTLS pre-shared key: the identity, and its secret" },                           \
	{ .name = "content_format", .type = FG_OPT_INT,                                            \
	  .offset = offsetof(struct fg_coap_remote_conf, content_format), .def = "-1", .min = -1,  \
	  .max = 65535, .help = "Content-Format that is asked for; -1: any" }

const struct fg_option fg_coap_observe_options[] = {
	REMOTE_OPTIONS,
	{ 0 },
};

const struct fg_option fg_coap_poll_options[] = {
	REMOTE_OPTIONS,
	{ .name = "interval", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_coap_remote_conf, interval_ns), .def = "60s",
	  .min = 1000000000, .max = 86400000000000, .help = "how often" },
	{ 0 },
};

int fg_coap_url_check(const char *text, char *why, size_t cap)
{
	coap_uri_t uri;

	if (strncmp(text, "coap://", 7) != 0 && strncmp(text, "coaps://", 8) != 0)
		snprintf(why, cap, "does not begin with coap:// or coaps://");
	else if (coap_split_uri((const uint8_t *)text, strlen(text), &uri) < 0)
		snprintf(why, cap, "is not coap://HOST[:PORT]/PATH");
	else if (uri.path.length > 255 || uri.query.length > 255 || uri.host.length > 255)
		snprintf(why, cap, "is too long");
	else
		return 0;
	return -EINVAL;
}

void fg_coap_remotes_check(const struct fg_map *map, const char *option, struct fg_faults *faults)
{
	const struct fg_coap_remote_conf *confs = map->items;
	char pointer[320];

	for (size_t i = 0; i < map->count; i++) {
		bool secure = confs[i].url && strncmp(confs[i].url, "coaps://", 8) == 0;

		snprintf(pointer, sizeof(pointer), "%s/%s/psk", option, map->names[i]);
		if (secure && confs[i].psk.count != 1)
			fg_fault(faults, pointer, "coaps:// needs one identity and its secret");
		else if (!secure && confs[i].psk.count)
			fg_doubt(faults, pointer, "has no effect with coap://");
	}
}
