/* What is asked of a configuration on trial, and its text. */
#include "config/config.h"
#include "config/json.h"
#include "config/put_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#define BEFORE_MAX ((size_t)8 << 20)
#define VERSION_MAX 9007199254740991.0	/* what a JSON number keeps */

void fg_trial_init(struct fg_trial *trial)
{
	*trial = (struct fg_trial){ 0 };
	fg_buf_init(&trial->before, BEFORE_MAX);
}

void fg_trial_fini(struct fg_trial *trial)
{
	fg_buf_fini(&trial->before);
	fg_trial_init(trial);
}

void fg_trial_move(struct fg_trial *to, struct fg_trial *from)
{
	fg_buf_fini(&to->before);
	*to = *from;
	fg_trial_init(from);
}

void fg_trial_note(struct fg_trial *trial, const char *kind, const char *name, bool up)
{
	fg_buf_printf(&trial->before, "%c%s/%s\n", up ? '+' : '-', kind, name);
}

enum fg_was fg_trial_was(const struct fg_trial *trial, const char *kind, const char *name)
{
	const char *at = trial->before.data, *end = at ? at + trial->before.len : at;
	char key[256];
	size_t len = (size_t)snprintf(key, sizeof(key), "%s/%s\n", kind, name);

	while (at && at < end) {
		const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;

		if ((size_t)(next - at) == len + 1 && memcmp(at + 1, key, len) == 0)
			return *at == '+' ? FG_WAS_UP : FG_WAS_DOWN;
		at = next;
	}
	return FG_WAS_ABSENT;
}

static void encode_before(const struct fg_trial *trial, struct fg_buf *out)
{
	const char *at = trial->before.data, *end = at ? at + trial->before.len : at;
	bool more = false;

	while (at && at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));

		fg_buf_text(out, more ? ",\n  " : "\n  ");
		fg_buf_json(out, fg_str(at + 1, (size_t)(line - at - 1)));
		fg_buf_text(out, *at == '+' ? ": true" : ": false");
		at = line + 1;
		more = true;
	}
}

void config_trial_encode(const struct fg_trial *trial, struct fg_buf *out)
{
	fg_buf_printf(out,
		      "{\n \"sha256\": \"%s\",\n \"version\": %" PRIu64
		      ",\n \"deadline_ms\": %" PRId64
		      ",\n \"starts\": %u,\n \"lenient\": %s,\n \"before\": ",
		      trial->sha256, trial->version, trial->deadline_ns / 1000000, trial->starts,
		      trial->lenient ? "true" : "false");
	fg_buf_text(out, trial->known ? "{" : "null");
	if (trial->known) {
		encode_before(trial, out);
		fg_buf_text(out, "\n }");
	}
	fg_buf_text(out, "\n}\n");
}

/* A whole number up to max, or 0. */
static double number_of(const cJSON *json, const char *key, double max)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

	return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= max ?
		       item->valuedouble :
		       0;
}

static int decode(const cJSON *json, struct fg_trial *trial)
{
	const cJSON *before = cJSON_GetObjectItemCaseSensitive(json, "before"), *one;
	const char *sha256 = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "sha256"));

	if (!sha256 || strlen(sha256) != 64)
		return -EBADMSG;
	memcpy(trial->sha256, sha256, 65);
	trial->version = (uint64_t)number_of(json, "version", VERSION_MAX);
	trial->deadline_ns = (int64_t)number_of(json, "deadline_ms", 3600e3) * 1000000;
	trial->starts = (unsigned)number_of(json, "starts", 1000);
	trial->lenient = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "lenient"));
	trial->known = cJSON_IsObject(before);
	fg_buf_reset(&trial->before);
	if (trial->known)
		cJSON_ArrayForEach(one, before) {
			fg_buf_char(&trial->before, cJSON_IsTrue(one) ? '+' : '-');
			fg_buf_text(&trial->before, one->string);
			fg_buf_char(&trial->before, '\n');
		}
	return trial->before.failed ? -ENOMEM : 0;
}

int config_trial_decode(struct fg_str text, struct fg_trial *ret_trial)
{
	struct fg_faults faults;
	cJSON *json;
	int r;

	fg_faults_init(&faults);
	r = fg_json_read(text, &faults, &json);
	fg_faults_fini(&faults);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	r = decode(json, ret_trial);
	cJSON_Delete(json);
	return r;
}
