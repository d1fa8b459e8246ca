/* The text of it is the same on the status topic and in the file. */
#include "config/applied.h"

#include "config/envelope.h"
#include "config/json.h"
#include "config/put.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

void fg_applied_set(struct fg_applied *applied, const char *outcome, uint64_t version,
		    const char *sha256, struct fg_str why)
{
	size_t room = sizeof(applied->why) - 1;

	/* not into the middle of a character: it becomes JSON */
	while (why.len > room || (why.len && why.len == room && (why.ptr[why.len - 1] & 0x80)))
		why.len = why.len > room ? room : why.len - 1;
	*applied = (struct fg_applied){ .version = version };
	snprintf(applied->outcome, sizeof(applied->outcome), "%s", outcome);
	snprintf(applied->sha256, sizeof(applied->sha256), "%s", sha256);
	snprintf(applied->why, sizeof(applied->why), "%.*s", (int)why.len, why.len ? why.ptr : "");
}

void fg_applied_json(const struct fg_applied *applied, struct fg_buf *out)
{
	fg_buf_text(out, "{\"version\":");
	if (applied->version)
		fg_buf_u64(out, applied->version);
	else
		fg_buf_text(out, "null");
	fg_buf_text(out, ",\"sha256\":");
	if (*applied->sha256)
		fg_buf_json(out, fg_str_c(applied->sha256));
	else
		fg_buf_text(out, "null");
	fg_buf_text(out, ",\"outcome\":");
	fg_buf_json(out, fg_str_c(applied->outcome));
	fg_buf_text(out, ",\"why\":");
	fg_buf_json(out, fg_str_c(applied->why));
	fg_buf_char(out, '}');
}

static const char *text_of(const cJSON *root, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, key));

	return text ? text : "";
}

int fg_applied_read(const char *path, struct fg_applied *ret_applied)
{
	struct fg_faults faults;
	struct fg_buf text;
	cJSON *root = NULL;
	const cJSON *version;
	int r;

	fg_buf_init(&text, 65536);
	fg_faults_init(&faults);
	r = fg_put_read(path, "", &text);
	if (r == 0)
		r = fg_json_read(fg_buf_view(&text), &faults, &root);
	fg_faults_fini(&faults);
	fg_buf_fini(&text);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	version = cJSON_GetObjectItemCaseSensitive(root, "version");
	if (!cJSON_IsNumber(version) || version->valuedouble < 1 ||
	    version->valuedouble > (double)FG_ENVELOPE_VERSION_MAX)
		r = -EBADMSG;
	else
		fg_applied_set(ret_applied, text_of(root, "outcome"),
			       (uint64_t)version->valuedouble, text_of(root, "sha256"),
			       fg_str_c(text_of(root, "why")));
	cJSON_Delete(root);
	return r;
}

int fg_applied_write(const char *path, const struct fg_applied *applied)
{
	struct fg_buf text;
	int r;

	fg_buf_init(&text, 65536);
	fg_applied_json(applied, &text);
	fg_buf_char(&text, '\n');
	r = text.failed ? -ENOMEM : fg_put_beside(path, "", fg_buf_view(&text));
	fg_buf_fini(&text);
	return r;
}
