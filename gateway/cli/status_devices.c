/* fieldgate status --devices: every device with its state, when it was heard and its interval. */
#include "cli/status_devices.h"

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listing {
	cJSON **devices;
	size_t count, cap;
	char next[64];		/* where the next page begins, or "" */
};

static int listing_add(struct listing *listing, cJSON *device)
{
	if (listing->count == listing->cap) {
		size_t cap = listing->cap ? listing->cap * 2 : 256;
		cJSON **devices = realloc(listing->devices, cap * sizeof(cJSON *));

		if (!devices) {
			cJSON_Delete(device);
			return -ENOMEM;
		}
		listing->devices = devices;
		listing->cap = cap;
	}
	listing->devices[listing->count++] = device;
	return 0;
}

static int take_line(void *arg, struct fg_str line)
{
	struct listing *listing = arg;
	cJSON *object = cJSON_ParseWithLength(line.ptr, line.len);
	const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "next"));

	if (!object)
		return -EPROTO;
	if (!next)
		return listing_add(listing, object);
	snprintf(listing->next, sizeof(listing->next), "%s", next);
	cJSON_Delete(object);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(cli_text(*(cJSON *const *)a, "device"),
		      cli_text(*(cJSON *const *)b, "device"));
}

/* A device that several processes have heard is listed by each: who heard it last is right. */
static void keep_latest(struct listing *listing)
{
	size_t kept = 0;

	for (size_t i = 0; i < listing->count; i++) {
		cJSON *device = listing->devices[i],
		      *before = kept ? listing->devices[kept - 1] : NULL;

		if (!before ||
		    strcmp(cli_text(before, "device"), cli_text(device, "device")) != 0) {
			listing->devices[kept++] = device;
		} else if (cli_number(device, "silent_s") < cli_number(before, "silent_s")) {
			listing->devices[kept - 1] = device;
			cJSON_Delete(before);
		} else {
			cJSON_Delete(device);
		}
	}
	listing->count = kept;
}

static void print_table(const struct listing *listing)
{
	static const char *const heads[] = { "DEVICE",	  "STATE",     ">HEARD",
					     ">INTERVAL", "FROM WHAT", NULL };
	struct cli_table table;

	cli_table_init(&table, heads);
	for (size_t i = 0; i < listing->count; i++) {
		const cJSON *device = listing->devices[i];
		double interval_s = cli_number(device, "interval_s");

		cli_table_add(&table, "%s", cli_text(device, "device"));
		cli_table_add(&table, "%s", cli_text(device, "state"));
		cli_table_add(&table, "%.0fs ago", cli_number(device, "silent_s"));
		if (interval_s > 0)
			cli_table_add(&table, "%gs", interval_s);
		else
			cli_table_add(&table, "-");
		cli_table_add(&table, "%s", cli_text(device, "interval"));
	}
	cli_table_print(&table);
	cli_table_fini(&table);
}

/* One object, a device a line. */
static int print_json(const struct listing *listing)
{
	putchar('{');
	for (size_t i = 0; i < listing->count; i++) {
		cJSON *device = listing->devices[i];
		cJSON *id = cJSON_DetachItemFromObjectCaseSensitive(device, "device");
		char *name = cJSON_PrintUnformatted(id), *rest = cJSON_PrintUnformatted(device);
		bool good = name && rest;

		if (good)
			printf("%s\n%s:%s", i ? "," : "", name, rest);
		cJSON_free(name);
		cJSON_free(rest);
		cJSON_Delete(id);
		if (!good)
			return fg_cli_failed("status", "out of memory");
	}
	puts("}");
	return FG_EXIT_OK;
}

int cli_status_devices(const struct cli_target *target, bool json)
{
	struct listing listing = { 0 };
	char from[sizeof(listing.next)];
	int status;

	do {
		memcpy(from, listing.next, sizeof(from));
		listing.next[0] = '\0';
		status = cli_call("status", target, "devices", "from", from[0] ? from : NULL,
				  CLI_CALL_MS, take_line, &listing);
	} while (status == FG_EXIT_OK && listing.next[0]);
	if (listing.count)
		qsort(listing.devices, listing.count, sizeof(cJSON *), by_name);
	keep_latest(&listing);
	if (status == FG_EXIT_OK && json)
		status = print_json(&listing);
	else if (status == FG_EXIT_OK)
		print_table(&listing);
	for (size_t i = 0; i < listing.count; i++)
		cJSON_Delete(listing.devices[i]);
	free(listing.devices);
	return status;
}
