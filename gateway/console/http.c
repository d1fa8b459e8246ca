/* The console as a component: what its options must be, and what it costs. */
#include "console/parse.h"
#include "console/private.h"

#include <errno.h>
#include <unistd.h>

extern const struct fg_console fg_console_http;

/* A viewer: its frames, the library's share, and with TLS the session's. */
#define VIEWER ((uint64_t)128 << 10)
#define OTHER ((uint64_t)24 << 10)
#define TLS_PEER ((uint64_t)72 << 10)
#define LIBRARY ((uint64_t)1 << 20)
#define LIBRARY_TLS ((uint64_t)3 << 20)

/* Only a doubt: the file may come later, and who checks may be somebody else than who runs. */
static void check_file(const char *pointer, const char *path, struct fg_faults *faults)
{
	if (path && !fg_faults_elsewhere(faults) && access(path, R_OK) < 0)
		fg_doubt(faults, pointer, "%s: %s", path, strerror(errno));
}

static void http_check(const struct fg_console_conf *conf, struct fg_faults *faults)
{
	struct console_address address;
	const char *why = console_listen(conf->listen, &address);

	if (why) {
		fg_fault(faults, "/listen", "%s", why);
		return;
	}
	if (!address.loopback && !conf->token.name)
		fg_fault(faults, "/token", "missing: an address beyond loopback needs it");
	if (!address.loopback && !address.tls)
		fg_fault(faults, "/listen",
			 "an address beyond loopback needs https:// and \"tls\"");
	if (address.tls && !conf->tls.cert)
		fg_fault(faults, "/tls/cert", "missing: https:// needs it");
	if (address.tls && !conf->tls.key)
		fg_fault(faults, "/tls/key", "missing: https:// needs it");
	if (!address.tls && (conf->tls.cert || conf->tls.key))
		fg_fault(faults, "/tls", "counts only with https://");
	if (address.tls) {
		check_file("/tls/cert", conf->tls.cert, faults);
		check_file("/tls/key", conf->tls.key, faults);
	}
	if (address.loopback && !conf->token.name)
		fg_doubt(faults, "/token", "without it everybody on this machine may look%s",
			 conf->apply ? " and change the configuration" : " and command devices");
}

static void http_cost(const struct fg_console_conf *conf, struct fg_cost *cost)
{
	struct console_address address;
	uint64_t peers = (uint64_t)conf->viewers + CONSOLE_OTHERS;
	bool tls = !console_listen(conf->listen, &address) && address.tls;

	/* an answer is made of the gateway's, copied once; a configuration is read as a tree */
	cost->memory += (tls ? LIBRARY_TLS : LIBRARY) + (uint64_t)conf->viewers * VIEWER +
			CONSOLE_OTHERS * OTHER + (tls ? peers * TLS_PEER : 0) + CONSOLE_BODIES +
			2 * CONSOLE_ANSWER + 32 * CONSOLE_CONFIG;
	cost->descriptors += peers + 4;
}

const struct fg_console fg_console_http = {
	.name = "http",
	.summary = "A page, metrics and an interface for programs.",
	.check = http_check,
	.cost = http_cost,
	.open = server_open,
	.renewed = server_renewed,
	.close = server_close,
};
