/* The NATS bridge as the gateway sees it: its options, its checks, its slots. */
#include "nats.h"

#include <string.h>

#define SECOND INT64_C(1000000000)

static const struct fg_option url_forms[] = {
	{ .name = "url", .type = FG_OPT_STRING, .offset = offsetof(struct nats_conf, url),
	  .check = nats_check_url },
	{ .name = "url", .type = FG_OPT_LIST, .offset = offsetof(struct nats_conf, urls),
	  .min = 1, .max = 32, .check = nats_check_url },
	{ 0 },
};

static const struct fg_option tls_options[] = {
	{ .name = "ca", .type = FG_OPT_STRING, .offset = offsetof(struct nats_tls, ca),
	  .help = "File of certificates to trust; the system's by default." },
	{ .name = "cert", .type = FG_OPT_STRING, .offset = offsetof(struct nats_tls, cert),
	  .help = "File of our own certificate and its chain." },
	{ .name = "key", .type = FG_OPT_STRING, .offset = offsetof(struct nats_tls, key),
	  .help = "File of our own private key." },
	{ .name = "server_name", .type = FG_OPT_STRING,
	  .offset = offsetof(struct nats_tls, server_name),
	  .help = "Name that the servers' certificates must have; the URL's host by default." },
	{ .name = "insecure", .type = FG_OPT_BOOL, .offset = offsetof(struct nats_tls, insecure),
	  .def = "false", .help = "Trust any server. Only for a bench." },
	{ 0 },
};

static const struct fg_option options[] = {
	{ .name = "url", .type = FG_OPT_ONE_OF, .group = url_forms, .flags = FG_OPT_REQUIRED,
	  .expects = "nats://HOST:PORT or tls://HOST:PORT, or a list of them",
	  .help = "The server, or a list of servers that are tried in turn." },
	{ .name = "subject", .type = FG_OPT_STRING, .offset = offsetof(struct nats_conf, subject),
	  .def = "fieldgate.{gateway}.records", .check = nats_check_subject,
	  .help = "Subject of the packs; no other bridge may publish on it." },
	{ .name = "stream", .type = FG_OPT_STRING, .offset = offsetof(struct nats_conf, stream),
	  .def = "FIELDGATE", .min = 1, .max = 200, .check = nats_check_stream,
	  .help = "The stream that has to store them." },
	{ .name = "create", .type = FG_OPT_BOOL, .offset = offsetof(struct nats_conf, create),
	  .def = "false",
	  .help = "Make the stream if it is missing, for the subjects of all gateways." },
	{ .name = "replicas", .type = FG_OPT_INT, .offset = offsetof(struct nats_conf, replicas),
	  .def = "1", .min = 1, .max = 5,
	  .help = "Of a stream that is made: servers that hold it." },
	{ .name = "max_bytes", .type = FG_OPT_SIZE,
	  .offset = offsetof(struct nats_conf, max_bytes), .min = 0, .max = INT64_C(1) << 60,
	  .help = "Of a stream that is made: its size, beyond which the oldest goes; no limit if "
		  "absent." },
	{ .name = "max_age", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct nats_conf, max_age_ns), .min = SECOND,
	  .max = 36500 * 24 * INT64_C(3600) * SECOND / 10,
	  .help = "Of a stream that is made: what is older goes; no limit if absent." },
	{ .name = "duplicates", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct nats_conf, duplicates_ns), .def = "2m", .min = SECOND,
	  .max = 24 * INT64_C(3600) * SECOND,
	  .help = "Of a stream that is made: how long it knows a pack again." },
	{ .name = "username", .type = FG_OPT_STRING, .offset = offsetof(struct nats_conf, username),
	  .help = "User name." },
	{ .name = "password", .type = FG_OPT_SECRET, .offset = offsetof(struct nats_conf, password),
	  .help = "Password." },
	{ .name = "token", .type = FG_OPT_SECRET, .offset = offsetof(struct nats_conf, token),
	  .help = "Token, in place of a user." },
	{ .name = "credentials", .type = FG_OPT_STRING,
	  .offset = offsetof(struct nats_conf, credentials),
	  .help = "File with a user's JWT and seed (.creds)." },
	{ .name = "nkey", .type = FG_OPT_SECRET, .offset = offsetof(struct nats_conf, nkey),
	  .help = "Seed of the user's key (SU...)." },
	{ .name = "tls", .type = FG_OPT_GROUP, .offset = offsetof(struct nats_conf, tls),
	  .group = tls_options, .help = "How the servers prove themselves, and we to them." },
	{ .name = "timeout", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct nats_conf, timeout_ns), .def = "4s", .min = 100000000,
	  .max = 60 * SECOND,
	  .help = "For a step of connecting, and for an acknowledgement." },
	{ 0 },
};

static const char *nats_target(const void *conf)
{
	return nats_server(conf, 0);
}

static void nats_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	(void)conf;
	/* the library with TLS and its threads; its copies of what is in flight; one message of the
	 * stream as it is looked at, in base64 and out of it */
	cost->memory += (8u << 20) + 2 * terms->window * terms->pack + 4 * terms->pack;
	cost->descriptors += 4;
}

/* The subject's last pack says where this gateway is to go on: one process writes it. */
static bool nats_alone(const void *conf)
{
	(void)conf;
	return true;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Who comes in as another one may be in another account, where nothing meets. */
static bool same_account(const struct nats_conf *a, const struct nats_conf *b)
{
	return same_text(a->username, b->username) && same_text(a->credentials, b->credentials) &&
	       same_text(a->password.name, b->password.name) &&
	       same_text(a->token.name, b->token.name) && same_text(a->nkey.name, b->nkey.name) &&
	       same_text(a->tls.cert, b->tls.cert);
}

/* What one has stored stands behind the message that the other expects to be the last. */
static const char *nats_meets(const void *a_conf, const char *a_name, const void *b_conf,
			      const char *b_name, bool *ret_sure)
{
	const struct nats_conf *a = a_conf, *b = b_conf;
	char of_a[NATS_SUBJECT_MAX], of_b[NATS_SUBJECT_MAX];
	const char *one, *other;

	if (nats_subject(a->subject, "gateway", a_name, false, of_a) < 0 ||
	    nats_subject(b->subject, "gateway", b_name, false, of_b) < 0 || strcmp(of_a, of_b) != 0)
		return NULL;
	*ret_sure = false;
	for (size_t i = 0; (one = nats_server(a, i)); i++)
		for (size_t j = 0; (other = nats_server(b, j)); j++)
			*ret_sure = *ret_sure || (strcmp(one, other) == 0 && same_account(a, b));
	return "subject";
}

const struct fg_bridge fg_bridge_nats = {
	.name = "nats",
	.summary = "Sends packs to a JetStream stream, which holds each record once.",
	.acknowledges = true,
	.commands = true,
	.conf_size = sizeof(struct nats_conf),
	.state_size = sizeof(struct nats_sink),
	.options = options,
	.check = nats_check,
	.target = nats_target,
	.cost = nats_cost,
	.collect = nats_collect,
	.meets = nats_meets,
	.alone = nats_alone,
	.ops = {
		.open = nats_sink_open,
		.close = nats_sink_close,
		.send = nats_sink_send,
		.fini = nats_sink_fini,
	},
};
