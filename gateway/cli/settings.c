#include "cli/settings.h"

#include "cli/cli.h"
#include "config/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_read(const char *path, struct fg_buf *buf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (r == 0 && n > 0) {
		char *p = fg_buf_reserve(buf, 4096);

		if (!p) {
			r = -EFBIG;
			break;
		}
		n = read(fd, p, 4096);
		if (n > 0)
			buf->len += (size_t)n;
		else if (n < 0)
			r = -errno;
	}
	close(fd);
	return r;
}

static void take(const cJSON *root, const char *part, const char *key, char **setting)
{
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, part);
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
	char *copy = text && *text ? strdup(text) : NULL;

	if (!copy)
		return;
	free(*setting);
	*setting = copy;
}

/* What the options' own tables say where nothing else does. */
static int defaults(struct cli_settings *settings)
{
	struct fg_config *config;
	struct fg_faults faults;
	int r;

	fg_faults_init(&faults);
	r = fg_config_parse(FG_STR("{}"), NULL, &faults, &config);
	fg_faults_fini(&faults);
	if (r < 0)
		return r;
	settings->gateway = strdup(config->gateway.id);
	settings->socket = strdup(config->run.socket);
	settings->spool_dir = strdup(config->spool.dir);
	fg_config_free(config);
	return settings->gateway && settings->socket && settings->spool_dir ? 0 : -ENOMEM;
}

static int read_from(const char *name, const char *path, struct fg_str text,
		     struct cli_settings *settings)
{
	struct fg_faults faults;
	cJSON *root = NULL;
	int r;

	fg_faults_init(&faults);
	r = fg_json_read(text, &faults, &root);
	if (r == -EINVAL)
		fg_cli_print_faults(&faults);
	fg_faults_fini(&faults);
	if (r == -EINVAL)
		return FG_EXIT_NO;
	if (r < 0)
		return fg_cli_failed(name, "%s: %s", path, strerror(-r));
	take(root, "gateway", "id", &settings->gateway);
	take(root, "run", "socket", &settings->socket);
	take(root, "spool", "dir", &settings->spool_dir);
	cJSON_Delete(root);
	return FG_EXIT_OK;
}

int cli_settings_read(const char *name, const char *path, struct cli_settings *ret_settings)
{
	const char *file = path ? path : FG_CONFIG_PATH;
	struct cli_settings settings = { 0 };
	int status = FG_EXIT_OK, r = defaults(&settings);
	struct fg_buf text;

	fg_buf_init(&text, FG_CONFIG_MAX);
	if (r == 0) {
		r = file_read(file, &text);
		if (r == 0)
			status = read_from(name, file, fg_buf_view(&text), &settings);
		else if (r == -ENOENT && !path)
			r = 0;
	}
	fg_buf_fini(&text);
	if (r < 0)
		status = fg_cli_failed(name, "%s: %s", file, strerror(-r));
	if (status == FG_EXIT_OK)
		*ret_settings = settings;
	else
		cli_settings_fini(&settings);
	return status;
}

void cli_settings_fini(struct cli_settings *settings)
{
	free(settings->gateway);
	free(settings->socket);
	free(settings->spool_dir);
	*settings = (struct cli_settings){ 0 };
}
