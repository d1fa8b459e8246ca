/* From a text to a configuration, and its end. */
#include "config/config.h"

#include "config/json.h"
#include "config/load.h"
#include "config/secret.h"
#include "config/sha256.h"
#include "config/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_LIMIT (16 * (size_t)FG_CONFIG_MAX)

static struct fg_config *config_new(void)
{
	struct fg_config *config = calloc(1, sizeof(*config));

	if (config)
		fg_arena_init(&config->arena, ARENA_LIMIT);
	return config;
}

/* The host's name with '-' for what an id cannot hold. */
static const char *default_id(struct fg_reader *reader)
{
	char name[65] = "";
	const char *copy;

	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		snprintf(name, sizeof(name), "fieldgate");
	for (char *p = name; *p; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			      (*p >= '0' && *p <= '9');

		if (!letter && (p == name || !strchr("._-", *p)))
			*p = p == name ? 'x' : '-';
	}
	copy = fg_arena_dup(reader->arena, fg_str_c(name));
	reader->no_memory |= !copy;
	return copy;
}

static int level_of(const struct fg_value *value)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	for (int i = 0; i < FG_LEVEL__MAX; i++)
		if (value->kind == FG_STRING && fg_str_eq_c(value->s, names[i]))
			return i;
	return FG_INFO;
}

enum fg_level fg_config_level(const struct fg_config *config, const char *component)
{
	const struct fg_values *levels = &config->run.log_levels;

	for (size_t i = 0; i < levels->count; i++)
		if (strcmp(levels->names[i], component) == 0)
			return (enum fg_level)level_of(&levels->items[i]);
	return (enum fg_level)config->run.log_level;
}

static void settle_log(struct fg_run_conf *run)
{
	if (run->log_levels.count)
		run->log_level = FG_INFO;
	for (size_t i = 0; i < run->log_levels.count; i++)
		if (strcmp(run->log_levels.names[i], "*") == 0)
			run->log_level = level_of(&run->log_levels.items[i]);
}

static void settle_liveness(struct fg_load *load)
{
	struct fg_place liveness = { .key = "liveness" };
	struct fg_place offline = { .up = &liveness, .key = "offline" };

	const struct fg_liveness_conf *conf = &load->config->liveness;

	if (conf->offline > 0 && conf->offline < conf->late)
		fg_fault_at(load->reader.faults, &offline, "less than \"late\"");
}

/* The parsed top level becomes the configuration's own. */
static void settle(struct fg_load *load, struct fg_top_parsed *top)
{
	struct fg_config *config = load->config;

	config->gateway = top->gateway;
	if (!config->gateway.id)
		config->gateway.id = default_id(&load->reader);
	config->run = top->run;
	settle_log(&config->run);
	config->spool = top->spool.conf;
	if (top->spool.commit_word == FG_COMMIT_WORD_EACH)
		config->spool.commit_ns = FG_COMMIT_EACH;
	else if (top->spool.commit_word == FG_COMMIT_WORD_NEVER)
		config->spool.commit_ns = FG_COMMIT_NEVER;
	config->clock = top->clock;
	config->limits = top->limits;
	config->liveness = top->liveness;
	config->fleet = top->fleet;
	config->console = top->console;
	settle_liveness(load);
	fg_load_profiles(load, &top->profiles);
}

static void load_tree(struct fg_load *load, const cJSON *root)
{
	static const char *const also[] = { "drivers", "bridges", "$schema", NULL };
	struct fg_top_parsed top = { 0 };
	struct fg_part part = { fg_options_top, &top };

	if (!fg_object_expect(&load->reader, NULL, root))
		return;
	fg_options_fill(&load->reader, NULL, root, &part);
	fg_options_unknown(&load->reader, NULL, root, &part, 1, also);
	settle(load, &top);
	fg_load_console(load, cJSON_GetObjectItemCaseSensitive(root, "console") != NULL);
	fg_load_drivers(load, cJSON_GetObjectItemCaseSensitive(root, "drivers"));
	fg_load_bridges(load, cJSON_GetObjectItemCaseSensitive(root, "bridges"));
}

int fg_config_from_tree(const cJSON *root, const struct fg_shipped_profile *shipped,
			struct fg_faults *faults, struct fg_config **ret_config)
{
	struct fg_load load = { .shipped = shipped, .config = config_new() };
	size_t before = faults->faults;

	if (!load.config)
		return -ENOMEM;
	load.reader.arena = &load.config->arena;
	load.reader.faults = faults;
	load_tree(&load, root);
	if (!load.reader.no_memory && faults->faults == before)
		fg_load_check(&load);
	if (load.reader.no_memory || faults->faults > before) {
		fg_config_free(load.config);
		return load.reader.no_memory ? -ENOMEM : -EINVAL;
	}
	fg_sha256_hex(fg_str(NULL, 0), load.config->sha256);
	*ret_config = load.config;
	return 0;
}

int fg_config_parse(struct fg_str text, const struct fg_shipped_profile *shipped,
		    struct fg_faults *faults, struct fg_config **ret_config)
{
	cJSON *root;
	int r = fg_json_read(text, faults, &root);

	if (r < 0)
		return r;
	r = fg_config_from_tree(root, shipped, faults, ret_config);
	cJSON_Delete(root);
	if (r == 0)
		fg_sha256_hex(text, (*ret_config)->sha256);
	return r;
}

int fg_config_default(const char *driver, struct fg_faults *faults, struct fg_config **ret_config)
{
	size_t before = faults->faults;
	struct fg_load load = { .config = config_new() };
	struct fg_top_parsed top = { 0 };
	struct fg_part part = { fg_options_top, &top };

	if (!load.config)
		return -ENOMEM;
	load.reader.arena = &load.config->arena;
	load.reader.faults = faults;
	fg_options_fill(&load.reader, NULL, NULL, &part);
	settle(&load, &top);
	load.config->gateway.id = "gw";
	if (driver)
		fg_load_default_driver(&load, driver);
	if (load.reader.no_memory || faults->faults > before) {
		fg_config_free(load.config);
		return load.reader.no_memory ? -ENOMEM : -EINVAL;
	}
	fg_sha256_hex(fg_str(NULL, 0), load.config->sha256);
	*ret_config = load.config;
	return 0;
}

static int read_file(int fd, char **ret_text, size_t *ret_len)
{
	size_t len = 0, cap = 0;
	char *text = NULL, *more;
	ssize_t n;

	do {
		if (len == cap) {
			cap = cap ? 2 * cap : 16384;
			more = realloc(text, cap);
			if (!more) {
				free(text);
				return -ENOMEM;
			}
			text = more;
		}
		n = read(fd, text + len, cap - len);
		if (n < 0 && errno != EINTR) {
			n = -errno;
			free(text);
			return (int)n;
		}
		len += n > 0 ? (size_t)n : 0;
	} while (n != 0 && len <= FG_CONFIG_MAX);
	*ret_text = text;
	*ret_len = len;
	return 0;
}

int fg_config_load(const char *path, const struct fg_shipped_profile *shipped,
		   struct fg_faults *faults, struct fg_config **ret_config)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;
	int r;

	if (fd < 0)
		return -errno;
	r = read_file(fd, &text, &len);
	close(fd);
	if (r == 0)
		r = len > FG_CONFIG_MAX ?
			    -EFBIG :
			    fg_config_parse(fg_str(text, len), shipped, faults, ret_config);
	free(text);
	return r;
}

/* -- secrets -- */

struct secret_walk {
	struct fg_faults *faults;	/* NULL: wipe */
	bool needed;
};

static void secret_each(void *arg, const struct fg_place *place, struct fg_secret *secret)
{
	struct secret_walk *walk = arg;
	bool exposed = false;
	int r;

	if (!walk->faults) {
		fg_secret_forget(secret);
		return;
	}
	r = fg_secret_read(secret, &exposed);
	if (r < 0)
		(walk->needed ? fg_fault_at : fg_doubt_at)(
			walk->faults, place, "secret \"%s\": %s", secret->name,
			r == -EMSGSIZE ? "the file is empty or too long" : strerror(-r));
	else if (exposed)
		fg_doubt_at(walk->faults, place,
			    "secret \"%s\": everybody may read its file: make it 0600",
			    secret->name);
}

static void walk_secrets(struct fg_config *config, struct secret_walk *walk)
{
	struct fg_place drivers = { .key = "drivers" }, bridges = { .key = "bridges" };
	struct fg_place console = { .key = "console" };

	if (config->console_by)
		fg_options_secrets(fg_options_console, &console, &config->console, secret_each,
				   walk);
	for (size_t i = 0; i < config->ndrivers; i++) {
		struct fg_driver_conf *d = &config->drivers[i];
		struct fg_place place = { .up = &drivers, .key = d->name };

		if (d->driver && d->conf && (d->enabled || !walk->faults))
			fg_options_secrets(d->driver->options, &place, d->conf, secret_each, walk);
	}
	for (size_t i = 0; i < config->nbridges; i++) {
		struct fg_bridge_conf *b = &config->bridges[i];
		struct fg_place place = { .up = &bridges, .key = b->name };

		if (b->bridge && b->conf)
			fg_options_secrets(b->bridge->options, &place, b->conf, secret_each, walk);
	}
}

/* Whatever is there and too short is a fault, also where its absence is none. */
static void check_token(const struct fg_config *config, struct fg_faults *faults)
{
	struct fg_place console = { .key = "console" }, token = { .up = &console, .key = "token" };
	const struct fg_secret *secret = &config->console.token;

	if (config->console_by && secret->value && secret->len < FG_CONSOLE_TOKEN_MIN)
		fg_fault_at(faults, &token, "secret \"%s\": expected at least %d bytes, got %zu",
			    secret->name, FG_CONSOLE_TOKEN_MIN, secret->len);
}

int fg_config_secrets(struct fg_config *config, bool needed, struct fg_faults *faults)
{
	struct secret_walk walk = { faults, needed };
	size_t before = faults->faults;

	walk_secrets(config, &walk);
	check_token(config, faults);
	return faults->faults == before ? 0 : -EINVAL;
}

struct fg_config *fg_config_free(struct fg_config *config)
{
	struct secret_walk wipe = { 0 };

	if (config) {
		walk_secrets(config, &wipe);
		fg_arena_fini(&config->arena);
		free(config);
	}
	return NULL;
}
