/* The envelope's text both ways, and the bytes that are signed. */
#include "config/envelope.h"

#include <fg/remote.h>

#include "adapt/ed25519.h"
#include "base/base64.h"
#include "config/config.h"
#include "config/json.h"
#include "config/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

void fg_envelope_init(struct fg_envelope *envelope)
{
	*envelope = (struct fg_envelope){ 0 };
	fg_buf_init(&envelope->config, FG_CONFIG_MAX);
}

void fg_envelope_fini(struct fg_envelope *envelope)
{
	fg_buf_fini(&envelope->config);
	fg_envelope_init(envelope);
}

/* -- reading -- */

static int refused(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

static const char *text_of(const cJSON *root, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, key));
}

/* Decodes in place; the other alphabet is made this one first. */
static int base64_read(char *text, size_t *ret_len)
{
	for (char *c = text; *c; c++) {
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
	}
	return fg_base64_decode(fg_str_c(text), text, ret_len);
}

static int read_head(const cJSON *root, struct fg_envelope *envelope, const char **ret_why)
{
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "version");
	const char *gateway = text_of(root, "gateway");
	size_t len = gateway ? strlen(gateway) : 0;

	if (!cJSON_IsNumber(version) || version->valuedouble < 1 ||
	    version->valuedouble > (double)FG_ENVELOPE_VERSION_MAX ||
	    version->valuedouble != (double)(uint64_t)version->valuedouble)
		return refused(ret_why, "its version is no whole number from 1 on");
	if (len == 0 || len >= sizeof(envelope->gateway) || strpbrk(gateway, "\n\r"))
		return refused(ret_why, "it does not say for which gateway it is");
	envelope->version = (uint64_t)version->valuedouble;
	memcpy(envelope->gateway, gateway, len + 1);
	return 0;
}

static int read_body(const cJSON *root, struct fg_envelope *envelope, const char **ret_why)
{
	char *config = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "config"));
	char *signature = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "signature"));
	size_t len;

	if (!signature)
		return refused(ret_why, "it is not signed");
	if (base64_read(signature, &len) < 0 || len != sizeof(envelope->signature))
		return refused(ret_why, "its signature is not 64 bytes in base64");
	memcpy(envelope->signature, signature, sizeof(envelope->signature));
	if (!config || base64_read(config, &len) < 0 || len == 0)
		return refused(ret_why, "its configuration is not base64");
	if (len > FG_CONFIG_MAX)
		return refused(ret_why, "its configuration is too long");
	fg_buf_reset(&envelope->config);
	fg_buf_add(&envelope->config, config, len);
	if (envelope->config.failed)
		return -ENOMEM;
	fg_sha256_hex(fg_buf_view(&envelope->config), envelope->sha256);
	return 0;
}

int fg_envelope_read(struct fg_str text, struct fg_envelope *ret_envelope, const char **ret_why)
{
	struct fg_faults faults;
	cJSON *root = NULL;
	int r;

	if (text.len > FG_REMOTE_MAX)
		return refused(ret_why, "it is too long");
	fg_faults_init(&faults);
	r = fg_json_read(text, &faults, &root);
	fg_faults_fini(&faults);
	if (r == -EINVAL)
		return refused(ret_why, "it is not JSON");
	if (r == 0)
		r = read_head(root, ret_envelope, ret_why);
	if (r == 0)
		r = read_body(root, ret_envelope, ret_why);
	cJSON_Delete(root);
	return r;
}

/* -- signatures -- */

static int message_make(const struct fg_envelope *envelope, struct fg_buf *out)
{
	fg_buf_init(out, (size_t)FG_CONFIG_MAX + 256);
	fg_buf_printf(out, "fieldgate config 1\n%s\n%" PRIu64 "\n", envelope->gateway,
		      envelope->version);
	fg_buf_str(out, fg_buf_view(&envelope->config));
	return out->failed ? -ENOMEM : 0;
}

int fg_envelope_verify(const struct fg_envelope *envelope, const struct fg_list *keys,
		       const char **ret_why)
{
	struct fg_buf message;
	bool readable = false;
	int r = message_make(envelope, &message);

	for (size_t i = 0; r == 0 && i < keys->count; i++) {
		int one = fg_ed25519_verify(keys->items[i], fg_buf_view(&message),
					    envelope->signature);

		readable |= one == 0 || one == -EKEYREJECTED;
		if (one == 0)
			goto out;
	}
	if (r == 0) {
		*ret_why = readable ? "it is signed by none of the keys" : "no key can be read";
		r = -EKEYREJECTED;
	}
out:
	fg_buf_fini(&message);
	return r;
}

/* With the alphabet and the padding that other tools take. */
static void base64_write(struct fg_buf *out, struct fg_str bytes)
{
	char *p = fg_buf_reserve(out, FG_BASE64_ENCODED(bytes.len) + 4);
	size_t len;

	if (!p)
		return;
	len = fg_base64_encode(bytes, p);
	for (size_t i = 0; i < len; i++)
		p[i] = (char)(p[i] == '-' ? '+' : p[i] == '_' ? '/' : p[i]);
	while (len % 4)
		p[len++] = '=';
	out->len += len;
}

int fg_envelope_sign(struct fg_envelope *envelope, const char *key_path, struct fg_buf *out)
{
	struct fg_buf message;
	int r = message_make(envelope, &message);

	if (r == 0)
		r = fg_ed25519_sign(key_path, fg_buf_view(&message), envelope->signature);
	fg_buf_fini(&message);
	if (r < 0)
		return r;
	fg_buf_printf(out, "{\"version\":%" PRIu64 ",\"gateway\":", envelope->version);
	fg_buf_json(out, fg_str_c(envelope->gateway));
	fg_buf_text(out, ",\"config\":\"");
	base64_write(out, fg_buf_view(&envelope->config));
	fg_buf_text(out, "\",\"signature\":\"");
	base64_write(out, fg_str((const char *)envelope->signature, sizeof(envelope->signature)));
	fg_buf_text(out, "\"}");
	return out->failed ? -ENOMEM : 0;
}
