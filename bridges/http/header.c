/* The header lines of a request (RFC 9110 sections 5.5 and 5.6.2). */
#include "http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_LEN 8192

/* those that say what follows, which only the bridge knows */
static const char *const ours[] = {
	"connection", "content-encoding",  "content-length",
	"expect",     "transfer-encoding", "upgrade",
};

bool http_header_name_ok(const char *name)
{
	if (!*name || name[strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
					"ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return false;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return false;
	return true;
}

bool http_header_value_ok(struct fg_str value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 127)
			return false;
	return value.len < LINE_MAX_LEN;
}

struct lines {
	struct curl_slist *list;
	struct fg_buf line;
	bool failed;
};

static void add_line(struct lines *lines, const char *name, const char *type, struct fg_str value)
{
	struct curl_slist *longer;

	fg_buf_reset(&lines->line);
	fg_buf_text(&lines->line, name);
	/* the library's spelling of a header without a value */
	fg_buf_text(&lines->line, value.len ? ": " : ";");
	if (type) {
		fg_buf_text(&lines->line, type);
		fg_buf_char(&lines->line, ' ');
	}
	fg_buf_str(&lines->line, value);
	fg_buf_char(&lines->line, '\0');
	longer = lines->line.failed ? NULL : curl_slist_append(lines->list, lines->line.data);
	if (longer)
		lines->list = longer;
	else
		lines->failed = true;
}

static bool given(const struct http_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->headers.count; i++)
		if (strcasecmp(conf->headers.names[i], name) == 0)
			return true;
	for (size_t i = 0; i < conf->secret_headers.count; i++)
		if (strcasecmp(conf->secret_headers.names[i], name) == 0)
			return true;
	return false;
}

static struct fg_str secret_text(const struct fg_secret *secret)
{
	return fg_str(secret->value, secret->value ? secret->len : 0);
}

/* Returns the name of the first that no header can hold. */
static const char *add_secrets(struct lines *lines, const struct http_conf *conf)
{
	for (size_t i = 0; i < conf->secret_headers.count; i++) {
		struct fg_str value = secret_text(&conf->secret_headers.items[i]);

		if (!http_header_value_ok(value))
			return conf->secret_headers.names[i];
		add_line(lines, conf->secret_headers.names[i], NULL, value);
	}
	if (!conf->token.name)
		return NULL;
	if (!http_header_value_ok(secret_text(&conf->token)))
		return "token";
	add_line(lines, "Authorization", conf->token_type, secret_text(&conf->token));
	return NULL;
}

int http_headers_new(const struct http_conf *conf, const char *content_type,
		     struct curl_slist **ret_lines, const char **ret_name)
{
	const char *coding = http_squeeze_name((enum http_compress)conf->compress), *bad;
	struct lines lines = { 0 };
	struct curl_slist *all;

	fg_buf_init(&lines.line, 2 * LINE_MAX_LEN);
	if (!given(conf, "content-type"))
		add_line(&lines, "Content-Type", NULL, fg_str_c(content_type));
	if (coding)
		add_line(&lines, "Content-Encoding", NULL, fg_str_c(coding));
	for (size_t i = 0; i < conf->headers.count; i++)
		add_line(&lines, conf->headers.names[i], NULL, conf->headers.items[i].s);
	bad = add_secrets(&lines, conf);
	/* a server that does not know it would be waited for, for a second each time */
	all = curl_slist_append(lines.list, "Expect:");
	if (all)
		lines.list = all;
	fg_buf_fini(&lines.line);
	if (!bad && all && !lines.failed) {
		*ret_lines = lines.list;
		return 0;
	}
	curl_slist_free_all(lines.list);
	*ret_name = bad;
	return bad ? -EINVAL : -ENOMEM;
}
