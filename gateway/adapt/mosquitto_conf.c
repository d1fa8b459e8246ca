/* Options that all users of MQTT share: their checks, the address behind `url`, placeholders. */
#include "adapt/mosquitto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <mosquitto.h>

#define NAME_MAX_LEN 65535	/* MQTT strings have a length of two bytes */

const struct fg_choice fg_mqtt_versions[] = {
	{ "3.1.1", MQTT_PROTOCOL_V311 },
	{ "5", MQTT_PROTOCOL_V5 },
	{ 0 },
};

static const struct fg_choice tls_versions[] = {
	{ "1.2", 12 },
	{ "1.3", 13 },
	{ 0 },
};

const struct fg_option fg_mqtt_tls_options[] = {
	{ .name = "ca", .type = FG_OPT_STRING, .offset = offsetof(struct fg_mqtt_tls, ca),
	  .help = "File of certificates to trust; the system's by default." },
	{ .name = "cert", .type = FG_OPT_STRING, .offset = offsetof(struct fg_mqtt_tls, cert),
	  .help = "File of our own certificate and its chain." },
	{ .name = "key", .type = FG_OPT_STRING, .offset = offsetof(struct fg_mqtt_tls, key),
	  .help = "File of our own private key." },
	{ .name = "server_name", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_mqtt_tls, server_name),
	  .help = "Name that the broker's certificate must have; the host of `url` by default." },
	{ .name = "version", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_mqtt_tls, version),
	  .def = "1.2", .choices = tls_versions, .help = "Least version of TLS." },
	{ .name = "insecure", .type = FG_OPT_BOOL,
	  .offset = offsetof(struct fg_mqtt_tls, insecure), .def = "false",
	  .help = "Trust any broker. Only for a bench." },
	{ 0 },
};

__attribute__((format(printf, 3, 4))) static int refuse(char *why, size_t cap, const char *fmt,
							...);

static int refuse(char *why, size_t cap, const char *fmt, ...)
{
	va_list args;

	if (!why || !cap)
		return -EINVAL;
	va_start(args, fmt);
	vsnprintf(why, cap, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int parse_local(const char *path, struct fg_mqtt_address *address, char *why, size_t cap)
{
	size_t len = strlen(path);

	if (path[0] != '/')
		return refuse(why, cap, "expected unix:///PATH");
	if (len >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return refuse(why, cap, "the socket's path is longer than %zu bytes",
			      sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	memcpy(address->host, path, len + 1);
	address->local = true;
	return 0;
}

/* Decimal digits only, 1 to 65535. */
static int parse_port(const char *text, uint16_t *ret_port, char *why, size_t cap)
{
	unsigned long port = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9' && at - text < 6; at++)
		port = port * 10 + (unsigned long)(*at - '0');
	if (at == text || *at || port < 1 || port > 65535)
		return refuse(why, cap, "expected a port from 1 to 65535 behind the host");
	*ret_port = (uint16_t)port;
	return 0;
}

static bool host_byte_ok(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_';
}

static int check_name(const char *host, char *why, size_t cap)
{
	if (!*host)
		return refuse(why, cap, "the host is missing");
	for (const char *at = host; *at; at++)
		if (!host_byte_ok(*at))
			return refuse(why, cap, "the host may not hold '%c'",
				      *at > ' ' && *at < 127 ? *at : '?');
	return 0;
}

/* The host's end: in brackets an IPv6 address, else up to the port. */
static int parse_host(const char *text, struct fg_mqtt_address *address, const char **ret_rest,
		      char *why, size_t cap)
{
	bool bracket = *text == '[';
	const char *begin = text + bracket, *end = strpbrk(begin, bracket ? "]" : ":");
	unsigned char bytes[16];
	size_t len;

	if (bracket && !end)
		return refuse(why, cap, "the ']' behind the IPv6 address is missing");
	len = end ? (size_t)(end - begin) : strlen(begin);
	if (len >= sizeof(address->host))
		return refuse(why, cap, "the host is longer than %zu bytes",
			      sizeof(address->host) - 1);
	memcpy(address->host, begin, len);
	address->host[len] = '\0';
	*ret_rest = begin + len + bracket;
	if (bracket) {
		address->literal = true;
		return inet_pton(AF_INET6, address->host, bytes) == 1 ?
			       0 :
			       refuse(why, cap, "no IPv6 address stands in the brackets");
	}
	address->literal = inet_pton(AF_INET, address->host, bytes) == 1;
	return check_name(address->host, why, cap);
}

static int parse_remote(char *text, struct fg_mqtt_address *address, char *why, size_t cap)
{
	size_t len = strlen(text);
	const char *rest = "";
	int r;

	if (len && text[len - 1] == '/')
		text[len - 1] = '\0';
	if (strchr(text, '@'))
		return refuse(why, cap,
			      "a user does not belong into the URL: "
			      "use \"username\" and \"password\"");
	if (strpbrk(text, "/?#"))
		return refuse(why, cap, "an MQTT URL ends behind the port");
	r = parse_host(text, address, &rest, why, cap);
	if (r < 0)
		return r;
	address->port = address->tls ? 8883 : 1883;
	if (!*rest)
		return 0;
	if (*rest != ':')
		return refuse(why, cap, "expected ':' and a port behind the host");
	return parse_port(rest + 1, &address->port, why, cap);
}

int fg_mqtt_address_parse(const char *url, struct fg_mqtt_address *ret_address, char *why,
			  size_t cap)
{
	struct fg_mqtt_address address = { 0 };
	char text[FG_MQTT_HOST_MAX + 16];
	int r;

	if (strncmp(url, "unix://", 7) == 0) {
		r = parse_local(url + 7, &address, why, cap);
	} else if (strncmp(url, "mqtt://", 7) == 0 || strncmp(url, "mqtts://", 8) == 0) {
		address.tls = url[4] == 's';
		url += address.tls ? 8 : 7;
		if (strlen(url) >= sizeof(text))
			return refuse(why, cap, "the URL is too long");
		memcpy(text, url, strlen(url) + 1);
		r = parse_remote(text, &address, why, cap);
	} else {
		return refuse(why, cap, "expected mqtt://HOST, mqtts://HOST or unix:///PATH");
	}
	if (r == 0)
		*ret_address = address;
	return r;
}

int fg_mqtt_check_url(const char *text, char *why, size_t cap)
{
	struct fg_mqtt_address address;

	return fg_mqtt_address_parse(text, &address, why, cap);
}

static int check_string(const char *text, char *why, size_t cap)
{
	size_t len = strlen(text);

	if (!len)
		return refuse(why, cap, "it is empty");
	if (len > NAME_MAX_LEN)
		return refuse(why, cap, "it is longer than 65535 bytes");
	if (mosquitto_validate_utf8(text, (int)len))
		return refuse(why, cap, "it is not the UTF-8 that MQTT allows");
	return 0;
}

static const char *placeholder_at(const char *at)
{
	if (strncmp(at, "{gateway}", 9) == 0)
		return "{gateway}";
	return strncmp(at, "{name}", 6) == 0 ? "{name}" : NULL;
}

static int check_placeholders(const char *text, char *why, size_t cap)
{
	for (const char *at = text; (at = strpbrk(at, "{}")); at++) {
		const char *known = placeholder_at(at);

		if (!known)
			return refuse(why, cap, "only {gateway} and {name} may stand in braces");
		at += strlen(known) - 1;
	}
	return 0;
}

int fg_mqtt_check_client_id(const char *text, char *why, size_t cap)
{
	int r = check_string(text, why, cap);

	return r < 0 ? r : check_placeholders(text, why, cap);
}

int fg_mqtt_check_name(const char *text, char *why, size_t cap)
{
	int r = check_string(text, why, cap);

	if (r == 0 && strpbrk(text, "+#"))
		return refuse(why, cap, "a topic to publish to has no wildcards");
	return r;
}

int fg_mqtt_check_topic(const char *text, char *why, size_t cap)
{
	int r = fg_mqtt_check_name(text, why, cap);

	return r < 0 ? r : check_placeholders(text, why, cap);
}

bool fg_mqtt_topic_good(const char *topic)
{
	char why[160];

	return *topic && check_string(topic, why, sizeof(why)) == 0 && !strpbrk(topic, "+#");
}

int fg_mqtt_check_filter(const char *text, char *why, size_t cap)
{
	int r = check_string(text, why, cap);

	if (r < 0)
		return r;
	if (strncmp(text, "$share/", 7) == 0)
		return refuse(why, cap, "use \"share\" for a shared subscription");
	if (mosquitto_sub_topic_check(text))
		return refuse(why, cap,
			      "not a topic filter: '+' and '#' stand for whole levels, "
			      "'#' only for the last");
	return 0;
}

static bool tls_any(const struct fg_mqtt_tls *tls)
{
	return tls->ca || tls->cert || tls->key || tls->server_name || tls->insecure;
}

/* Only doubts: the file may come later, and who checks may be somebody else than who runs. */
static void check_file(const char *pointer, const char *path, struct fg_faults *faults)
{
	struct stat st;

	if (fg_faults_elsewhere(faults))
		return;
	if (path && (stat(path, &st) < 0 || access(path, R_OK) < 0))
		fg_doubt(faults, pointer, "%s: %s", path, strerror(errno));
	else if (path && strcmp(pointer, "/tls/key") == 0 && (st.st_mode & S_IROTH))
		fg_doubt(faults, pointer, "%s: everybody may read it (mode %04o): make it 0600",
			 path, (unsigned)st.st_mode & 07777);
}

void fg_mqtt_check(const struct fg_mqtt_conf *conf, struct fg_faults *faults)
{
	const struct fg_mqtt_tls *tls = &conf->tls;
	struct fg_mqtt_address address;

	if (!conf->url || fg_mqtt_address_parse(conf->url, &address, NULL, 0) < 0)
		return;
	if (tls_any(tls) && !address.tls)
		fg_fault(faults, "/tls", "needs a mqtts:// URL");
	if (!tls->cert != !tls->key)
		fg_fault(faults, tls->cert ? "/tls/cert" : "/tls/key",
			 "a certificate and its key belong together");
	if (address.tls) {
		check_file("/tls/ca", tls->ca, faults);
		check_file("/tls/cert", tls->cert, faults);
		check_file("/tls/key", tls->key, faults);
	}
	if (tls->insecure && address.tls)
		fg_doubt(faults, "/tls/insecure", "the broker does not have to prove who it is");
	if (conf->password.name && !conf->username && conf->version == MQTT_PROTOCOL_V311)
		fg_fault(faults, "/password", "MQTT 3.1.1 has no password without \"username\"");
	if (conf->password.name && !address.tls && !address.local &&
	    strncmp(address.host, "127.", 4) != 0 && strcmp(address.host, "localhost") != 0 &&
	    strcmp(address.host, "::1") != 0)
		fg_doubt(faults, "/password", "it is sent in the clear: use mqtts://");
}

char *fg_mqtt_expand(const char *text, const char *gateway, const char *name)
{
	size_t cap = strlen(text) + 1, len = 0;
	char *out;

	for (const char *at = text; (at = strchr(at, '{')); at++)
		cap += strlen(gateway) + strlen(name);
	out = malloc(cap);
	if (!out)
		return NULL;
	while (*text) {
		const char *known = placeholder_at(text);
		const char *value = known && known[1] == 'g' ? gateway : name;

		if (known) {
			memcpy(out + len, value, strlen(value));
			len += strlen(value);
			text += strlen(known);
		} else {
			out[len++] = *text++;
		}
	}
	out[len] = '\0';
	return out;
}

bool fg_mqtt_matches(const char *filter, const char *topic)
{
	bool result = false;

	return mosquitto_topic_matches_sub(filter, topic, &result) == MOSQ_ERR_SUCCESS && result;
}
