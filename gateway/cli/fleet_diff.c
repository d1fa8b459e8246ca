/* fieldgate fleet diff: which gateways change, what, and what it takes. */
#include "cli/fleet.h"
#include "profile/shipped.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMED 8	/* gateways that one paragraph names */

struct paragraph {
	const char *gateway;
	char *text;	/* what is said of it; those that say the same are one paragraph */
};

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

/* ", reopens driver meter, bridges cloud, local" */
static void add_names(struct fg_buf *out, const cJSON *change, const char *key)
{
	const cJSON *names = cJSON_GetObjectItemCaseSensitive(change, key), *name;

	if (!cJSON_GetArraySize(names))
		return;
	fg_buf_printf(out, "; reopens %.*s", (int)strlen(key) - (names->child->next == NULL), key);
	cJSON_ArrayForEach(name, names)
		fg_buf_printf(out, "%s %s", name == names->child ? "" : ",", name->valuestring);
}

static void add_value(struct fg_buf *out, const cJSON *value)
{
	char *text = value ? cJSON_PrintUnformatted(value) : NULL;

	fg_buf_text(out, value ? text ? text : "?" : "(nothing)");
	cJSON_free(text);
}

static void add_change(struct fg_buf *out, const cJSON *change)
{
	fg_buf_printf(out, "  %s: ", text_of(change, "pointer"));
	add_value(out, cJSON_GetObjectItemCaseSensitive(change, "old"));
	fg_buf_text(out, " -> ");
	add_value(out, cJSON_GetObjectItemCaseSensitive(change, "new"));
	fg_buf_char(out, '\n');
}

static char *paragraph_text(const cJSON *change)
{
	static const struct {
		const char *takes, *text;
	} SAYS[] = {
		{ "reload", "a reload" },
		{ "reopen", "a reload" },
		{ "restart", "a restart of the gateway" },
		{ "new-image", "a new image" },
		{ "invalid", "NOT VALID, see fieldgate fleet check" },
	};
	const char *takes = text_of(change, "takes");
	const cJSON *item;
	struct fg_buf out;

	fg_buf_init(&out, 1 << 20);
	if (!takes[0])
		fg_buf_text(&out, text_of(change, "change"));
	for (size_t i = 0; i < sizeof(SAYS) / sizeof(SAYS[0]); i++)
		if (strcmp(SAYS[i].takes, takes) == 0)
			fg_buf_text(&out, SAYS[i].text);
	add_names(&out, change, "drivers");
	add_names(&out, change, "bridges");
	fg_buf_char(&out, '\n');
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(change, "why"))
		fg_buf_printf(&out, "  %s\n", item->valuestring);
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(change, "changes"))
		add_change(&out, item);
	fg_buf_char(&out, '\0');
	return out.failed ? NULL : out.data;
}

static int by_text(const void *a, const void *b)
{
	const struct paragraph *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order ? order : strcmp(x->gateway, y->gateway);
}

static void print_paragraph(const struct paragraph *first, size_t count)
{
	for (size_t i = 0; i < count && i < NAMED; i++)
		printf("%s%s", i ? ", " : "", first[i].gateway);
	if (count > NAMED)
		printf(" and %zu more", count - NAMED);
	printf(": %s", first->text);
}

static int print_text(const cJSON *list)
{
	size_t count = (size_t)cJSON_GetArraySize(list), n = 0, same;
	struct paragraph *all = calloc(count + 1, sizeof(*all));
	bool failed = !all;
	const cJSON *change;

	for (change = all ? list->child : NULL; change; change = change->next) {
		all[n] = (struct paragraph){ text_of(change, "gateway"), paragraph_text(change) };
		failed |= !all[n++].text;
	}
	if (!failed && n)
		qsort(all, n, sizeof(*all), by_text);
	for (size_t i = 0; !failed && i < n; i += same) {
		for (same = 1; i + same < n && strcmp(all[i].text, all[i + same].text) == 0;)
			same++;
		print_paragraph(&all[i], same);
	}
	for (size_t i = 0; i < n; i++)
		free(all[i].text);
	free(all);
	return failed ? fg_cli_failed("fleet diff", "out of memory") : FG_EXIT_OK;
}

static int print_json(const cJSON *list)
{
	char *text = cJSON_Print(list);

	if (!text)
		return fg_cli_failed("fleet diff", "out of memory");
	puts(text);
	cJSON_free(text);
	return FG_EXIT_OK;
}

/* A gateway that would not run any more is no change to be rolled out. */
static bool is_bad(const cJSON *change)
{
	return strcmp(text_of(change, "takes"), "invalid") == 0 ||
	       strcmp(text_of(change, "change"), "broken") == 0;
}

static int show(struct fg_fleet *old, struct fg_fleet *new, bool json)
{
	const cJSON *change;
	cJSON *list;
	int status, r = fg_fleet_diff(old, new, fg_shipped_profiles(), &list);

	if (r < 0)
		return fg_cli_failed("fleet diff", "%s", strerror(-r));
	status = json ? print_json(list) : print_text(list);
	fprintf(stderr, "%d gateways change, of %zu before and %zu after\n",
		cJSON_GetArraySize(list), old->ngateways, new->ngateways);
	cJSON_ArrayForEach(change, list)
		if (status == FG_EXIT_OK && is_bad(change))
			status = FG_EXIT_NO;
	cJSON_Delete(list);
	return status;
}

int cli_fleet_diff(int argc, char **argv)
{
	bool json = false;
	const struct fg_cli_flag flags[] = { FG_CLI_JSON(&json), { 0 } };
	const struct fg_cli_usage usage = {
		.name = "fleet diff",
		.operands = "OLD NEW",
		.summary =
			"Compares the effective configurations of two fleets: which gateways\n"
			"change, each key from what to what, and what it takes: a reload (and\n"
			"which drivers and bridges it reopens), a restart of the gateway, or\n"
			"a new image, where this build lacks a component. Gateways that\n"
			"change alike are told together. Secrets appear by name only.\n\n"
			"Exit status: 0 done, 1 a changed gateway is not valid, 2 wrong\n"
			"usage, 3 no such fleet.",
		.flags = flags,
		.min_operands = 2,
		.max_operands = 2,
	};
	struct fg_fleet old, new;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	status = cli_fleet_load("fleet diff", argv[1], &old);
	if (status != FG_EXIT_OK)
		return status;
	status = cli_fleet_load("fleet diff", argv[2], &new);
	if (status == FG_EXIT_OK) {
		status = show(&old, &new, json);
		fg_fleet_fini(&new);
	}
	fg_fleet_fini(&old);
	return status;
}
