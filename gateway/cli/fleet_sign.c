/* fieldgate fleet sign: a configuration as a gateway takes it from afar. */
#include "cli/fleet_sign.h"

#include "cli/cli.h"
#include "config/envelope.h"
#include "config/put.h"
#include "profile/shipped.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int version_read(const char *text, uint64_t *ret_version)
{
	char *end;

	if (!text) {
		*ret_version = (uint64_t)time(NULL);
		return FG_EXIT_OK;
	}
	errno = 0;
	*ret_version = strtoull(text, &end, 10);
	if (*text < '1' || *text > '9' || *end || errno || *ret_version > FG_ENVELOPE_VERSION_MAX)
		return fg_cli_misuse("fleet sign", "--number is a whole number from 1 on");
	return FG_EXIT_OK;
}

/* What no gateway would take is not signed. */
static int check(const struct fg_envelope *envelope, const char *file)
{
	struct fg_config *config;
	struct fg_faults faults;
	int r;

	fg_faults_init(&faults);
	r = fg_config_parse(fg_buf_view(&envelope->config), fg_shipped_profiles(), &faults,
			    &config);
	if (r == 0 && strcmp(envelope->gateway, "*") != 0 &&
	    strcmp(envelope->gateway, config->gateway.id) != 0)
		fg_doubt(&faults, "/gateway/id", "is \"%s\", and it is signed for \"%s\"",
			 config->gateway.id, envelope->gateway);
	if (r == 0 && !config->fleet.remote)
		fg_doubt(&faults, "/fleet/remote", "false: it would be refused");
	if (r == 0)
		fg_config_free(config);
	fg_cli_print_faults(&faults);
	fg_faults_fini(&faults);
	if (r == -EINVAL)
		return FG_EXIT_NO;
	return r < 0 ? fg_cli_failed("fleet sign", "%s: %s", file, strerror(-r)) : FG_EXIT_OK;
}

static int sign(struct fg_envelope *envelope, const char *key, const char *file)
{
	struct fg_buf out;
	int status, r = fg_put_read(file, "", &envelope->config);

	if (r < 0)
		return fg_cli_failed("fleet sign", "%s: %s", file, strerror(-r));
	status = check(envelope, file);
	if (status != FG_EXIT_OK)
		return status;
	fg_buf_init(&out, (size_t)8 << 20);
	r = fg_envelope_sign(envelope, key, &out);
	fg_buf_char(&out, '\n');
	if (r == -EINVAL)
		status = fg_cli_failed("fleet sign", "%s: no private Ed25519 key", key);
	else if (r < 0)
		status = fg_cli_failed("fleet sign", "%s: %s", key, strerror(-r));
	else
		status = fg_cli_print("fleet sign", &out);
	fg_buf_fini(&out);
	return status;
}

int cli_fleet_sign(int argc, char **argv)
{
	const char *key = NULL, *gateway = NULL, *version = NULL;
	const struct fg_cli_flag flags[] = {
		{ 'k', "key", "FILE", "the private key (Ed25519, PEM)", NULL, &key },
		{ 'g', "gateway", "ID", "for which gateway; \"*\": any", NULL, &gateway },
		{ 'n', "number", "N", "its version (seconds since 1970)", NULL, &version },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "fleet sign",
		.operands = "FILE",
		.summary = "Prints the configuration FILE, signed, as a gateway with\n"
			   "\"fleet.remote\" takes it from its (retained) topic\n"
			   "fieldgate/ID/config.",
		.flags = flags,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct fg_envelope envelope;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (!key || !gateway)
		return fg_cli_misuse("fleet sign", "--%s is missing", key ? "gateway" : "key");
	if (strlen(gateway) >= sizeof(envelope.gateway) || !*gateway)
		return fg_cli_misuse("fleet sign", "no gateway has such an id");
	fg_envelope_init(&envelope);
	snprintf(envelope.gateway, sizeof(envelope.gateway), "%s", gateway);
	status = version_read(version, &envelope.version);
	if (status == FG_EXIT_OK)
		status = sign(&envelope, key, argv[1]);
	fg_envelope_fini(&envelope);
	return status;
}
