/* The CoAP driver: its options, and what it tells the gateway about itself. */
#include <fg/fault.h>

#include "server.h"
#include "listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int listen_check(const char *text, char *why, size_t cap)
{
	struct fg_coap_listen listen;
	const char *reason;
	int r = fg_coap_listen_parse(text, &listen, &reason);

	if (r < 0)
		snprintf(why, cap, "%s", reason);
	return r;
}

static const struct fg_option coap_options[] = {
	{ .name = "listen", .type = FG_OPT_STRING, .offset = offsetof(struct fg_coap_conf, listen),
	  .flags = FG_OPT_REQUIRED, .check = listen_check,
	  .help = "where to listen: coap://ADDRESS[:5683] or, with DTLS, coaps://ADDRESS[:5684]" },
	{ .name = "psk", .type = FG_OPT_SECRETS, .offset = offsetof(struct fg_coap_conf, psk),
	  .help = "DTLS pre-shared keys: identity of a device to its secret" },
	{ .name = "open", .type = FG_OPT_BOOL, .offset = offsetof(struct fg_coap_conf, open),
	  .def = "false",
	  .help = "allows a coap:// address that others than this machine can reach" },
	{ .name = "body", .type = FG_OPT_SIZE, .offset = offsetof(struct fg_coap_conf, body),
	  .def = "64KiB", .min = 64, .max = 16 << 20,
	  .help = "longest payload, also when it comes in blocks" },
	{ .name = "clients", .type = FG_OPT_INT, .offset = offsetof(struct fg_coap_conf, clients),
	  .def = "10000", .min = 1, .max = 1000000,
	  .help = "clients remembered at a time; beyond, the one silent longest is forgotten" },
	{ .name = "observers", .type = FG_OPT_INT,
	  .offset = offsetof(struct fg_coap_conf, observers), .def = "256", .min = 0, .max = 4096,
	  .help = "clients that may observe a last value at a time (RFC 7641)" },
	{ .name = "commands", .type = FG_OPT_BOOL,
	  .offset = offsetof(struct fg_coap_conf, commands), .def = "false",
	  .help = "takes commands to devices: PUT or POST to /fieldgate/command/DEVICE/POINT" },
	{ .name = "observe", .type = FG_OPT_MAP, .offset = offsetof(struct fg_coap_conf, observe),
	  .group = fg_coap_observe_options, .item_size = sizeof(struct fg_coap_remote_conf),
	  .max = 1000, .help = "resources of CoAP servers to be observed (RFC 7641)" },
	{ .name = "poll", .type = FG_OPT_MAP, .offset = offsetof(struct fg_coap_conf, poll),
	  .group = fg_coap_poll_options, .item_size = sizeof(struct fg_coap_remote_conf),
	  .max = 1000, .help = "resources of CoAP servers to be asked now and then" },
	{ 0 },
};

static void coap_check(const void *conf, struct fg_faults *faults)
{
	const struct fg_coap_conf *coap = conf;
	struct fg_coap_listen listen;
	const char *why;

	fg_coap_remotes_check(&coap->observe, "/observe", faults);
	fg_coap_remotes_check(&coap->poll, "/poll", faults);
	/* an address that cannot be read is a fault of its own already */
	if (!coap->listen || fg_coap_listen_parse(coap->listen, &listen, &why) < 0)
		return;
	if (listen.secure && coap->psk.count == 0)
		fg_fault(faults, "/psk", "coaps:// needs at least one identity and its secret");
	if (!listen.secure && coap->psk.count > 0)
		fg_doubt(faults, "/psk", "has no effect with coap://");
	if (listen.secure || fg_coap_listen_is_loopback(&listen))
		return;
	if (coap->open && coap->commands)
		fg_doubt(faults, "/commands", "anyone who reaches %s can command devices",
			 coap->listen);
	if (coap->open)
		fg_doubt(faults, "/open", "anyone who reaches %s can write to this gateway",
			 coap->listen);
	else
		fg_fault(faults, "/listen",
			 "%s can be reached from outside without protection: "
			 "use coaps:// with psk, or say \"open\": true",
			 coap->listen);
}

/* Of the servers that are asked, each is one process's. */
static void deal_out(struct fg_map *map, const struct fg_process *process)
{
	const char **names = (const char **)(uintptr_t)map->names;
	char *items = map->items;
	size_t kept = 0;

	for (size_t i = 0; i < map->count; i++) {
		if (i % process->count + 1 != process->index)
			continue;
		names[kept] = names[i];
		memmove(items + kept * map->item_size, items + i * map->item_size, map->item_size);
		kept++;
	}
	map->count = kept;
}

static int coap_share(void *conf, const struct fg_process *process)
{
	struct fg_coap_conf *coap = conf;

	if (process->index > process->count)
		return -ENOTSUP;
	deal_out(&coap->observe, process);
	deal_out(&coap->poll, process);
	coap->shared = true;
	return 0;
}

static void coap_pause(struct fg_source *source)
{
	struct fg_coap_server *server = source->state;

	/* the socket goes on being read: devices are told 5.03 and when to come again */
	server->paused = true;
}

static void coap_resume(struct fg_source *source)
{
	struct fg_coap_server *server = source->state;

	server->paused = false;
	fg_coap_remotes_resume(server);
}

/* What libcoap and we remember of a client, and what OpenSSL does beside. */
#define CLIENT_PLAIN 1024
#define CLIENT_DTLS (48u << 10)

static void coap_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	const struct fg_coap_conf *c = conf;
	uint64_t remotes = c->observe.count + c->poll.count;
	bool dtls = strncmp(c->listen, "coaps:", 6) == 0;

	(void)terms;
	cost->memory += (uint64_t)c->clients * (dtls ? CLIENT_DTLS : CLIENT_PLAIN);
	cost->memory += (1u << 20) + FG_COAP_PENDING_MAX * sizeof(struct fg_coap_pending);
	cost->memory += (uint64_t)c->observers * 1024 + remotes * (c->body + CLIENT_DTLS);
	/* the listener, libcoap's own two, and a socket for each server that is asked */
	cost->descriptors += 3 + remotes;
}

const struct fg_driver fg_driver_coap = {
	.name = "coap",
	.summary = "CoAP server for constrained devices (RFC 7252), block-wise and with DTLS",
	.address = FG_ADDRESS_PATH,
	.conf_size = sizeof(struct fg_coap_conf),
	.state_size = sizeof(struct fg_coap_server),
	.options = coap_options,
	.cost = coap_cost,
	.check = coap_check,
	.share = coap_share,
	.ops = {
		.open = fg_coap_open,
		.close = fg_coap_close,
		.pause = coap_pause,
		.resume = coap_resume,
		.kept = fg_coap_kept,
		.command = fg_coap_command,
	},
};
