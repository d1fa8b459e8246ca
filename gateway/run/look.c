/*
 * Calls of the console that look at one thing, an object on a line each:
 *
 *     ready                                {"ready":true,"why":""}
 *     search search,state,from,limit       {"devices":[...],"next":"BUCKET/OF"|null,"total":n|null}
 *     device id                            {"device":...,"points":[...]}
 *     spool                                {"dir":...,"segments":[...],"cursors":{...}}
 */
#include "base/base64.h"
#include "run/private.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#define PAGE_MOST 1000
#define LOOKED_AT 20000		/* devices a call, that a search may not find */

static void say(struct fg_control_client *client, const struct fg_buf *text)
{
	if (text->failed) {
		fg_control_fail(client, FG_CONTROL_FAILED, "out of memory");
		return;
	}
	fg_control_line(client, fg_buf_view(text));
	fg_control_done(client);
}

/* -- ready -- */

void run_call_ready(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	const struct fg_gateway *gateway = arg;
	const char *why = NULL;

	(void)request;
	if (gateway->stopping)
		why = "it stops";
	else if (!gateway->ready_said)
		why = "it starts";
	else if (!fg_gateway_takes(gateway))
		why = "the spool takes nothing: it is full, or its disk does not work";
	if (!why) {
		fg_control_line(client, FG_STR("{\"ready\":true,\"why\":\"\"}"));
		fg_control_done(client);
	} else {
		struct fg_buf text;

		fg_buf_init(&text, 512);
		fg_buf_text(&text, "{\"ready\":false,\"why\":");
		fg_buf_json(&text, fg_str_c(why));
		fg_buf_char(&text, '}');
		fg_control_line(client, fg_buf_view(&text));
		fg_buf_fini(&text);
		fg_control_fail(client, FG_CONTROL_NO, "%s", why);
	}
}

/* -- search -- */

struct search {
	struct fg_gateway *gateway;
	struct fg_buf *out;
	struct fg_str word, state;
	uint32_t limit;
	unsigned count, looked;
};

/* Or nothing: then all are meant. */
static bool is_state(struct fg_str text)
{
	bool good = text.len == 0;

	for (int state = FG_ALIVE_ONLINE; state <= FG_ALIVE_OFFLINE; state++)
		good |= fg_str_eq_c(text, fg_alive_name((enum fg_alive)state));
	return good;
}

static bool holds(struct fg_str text, struct fg_str word)
{
	for (size_t at = 0; at + word.len <= text.len; at++)
		if (strncasecmp(text.ptr + at, word.ptr, word.len) == 0)
			return true;
	return false;
}

static bool matches(const struct search *search, const struct fg_device *device)
{
	return (!search->word.len || holds(fg_device_id(device), search->word)) &&
	       (!search->state.len ||
		fg_str_eq_c(search->state, fg_alive_name((enum fg_alive)device->state)));
}

static bool add_found(void *arg, const struct fg_device *device)
{
	struct search *search = arg;

	search->looked++;
	if (matches(search, device)) {
		fg_buf_text(search->out, search->count++ ? "," : "");
		run_device_head(search->gateway, device, search->out);
		fg_buf_char(search->out, '}');
	}
	return search->count < search->limit && search->looked < LOOKED_AT;
}

static bool count_found(void *arg, const struct fg_device *device)
{
	struct search *search = arg;

	search->count += matches(search, device);
	return true;
}

/* How many there are in all; of very many only if nothing is asked of them. */
static void put_total(struct search *search)
{
	uint32_t all = fg_devices_count(search->gateway->devices);

	search->count = search->word.len || search->state.len ? 0 : all;
	if (search->count != all && all > LOOKED_AT) {
		fg_buf_text(search->out, "null}");
		return;
	}
	if (search->count != all)
		fg_devices_each(search->gateway->devices, count_found, search);
	fg_buf_printf(search->out, "%u}", search->count);
}

void run_call_search(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	struct fg_str from = fg_control_text(request, "from");
	struct fg_devices_place place = { 0 };
	struct fg_buf out;
	struct search search = {
		.gateway = gateway,
		.out = &out,
		.word = fg_control_text(request, "search"),
		.state = fg_control_text(request, "state"),
	};

	if (!run_number(client, request, "limit", 100, PAGE_MOST, &search.limit))
		return;
	if (!is_state(search.state)) {
		fg_control_fail(client, FG_CONTROL_USAGE,
				"\"state\": expected online, late or offline");
		return;
	}
	if (from.len && !run_place_read(from, &place)) {
		fg_control_fail(client, FG_CONTROL_USAGE,
				"\"from\": expected the \"next\" of an answer");
		return;
	}
	fg_clock_update(&gateway->clock);
	fg_buf_init(&out, FG_CONTROL_REPLY);
	fg_buf_text(&out, "{\"devices\":[");
	if (fg_devices_page(gateway->devices, &place, add_found, &search))
		fg_buf_printf(&out,
			      "],\"next\":\"%" PRIu32 "/%" PRIu32 "\",\"total\":", place.bucket,
			      place.of);
	else
		fg_buf_text(&out, "],\"next\":null,\"total\":");
	put_total(&search);
	say(client, &out);
	fg_buf_fini(&out);
}

/* -- device -- */

static void put_data(struct fg_buf *out, struct fg_str data)
{
	char *p;

	fg_buf_char(out, '"');
	p = fg_buf_reserve(out, FG_BASE64_ENCODED(data.len));
	if (p)
		out->len += fg_base64_encode(data, p);
	fg_buf_char(out, '"');
}

static void put_value(struct fg_buf *out, const struct fg_value *value)
{
	char number[FG_NUMBER_MAX];

	if (fg_value_is_number(value))
		fg_buf_str(out, fg_str(number, fg_value_write_number(value, number)));
	else if (value->kind == FG_STRING)
		fg_buf_json(out, value->s);
	else if (value->kind == FG_BOOL)
		fg_buf_text(out, value->b ? "true" : "false");
	else if (value->kind == FG_DATA)
		put_data(out, value->s);
	else
		fg_buf_text(out, "null");
}

static bool is_writable(struct fg_gateway *gateway, struct fg_str device, const char *point)
{
	struct fg_intake_way way;
	struct fg_buf path;
	bool good;

	fg_buf_init(&path, 4096);
	fg_buf_str(&path, device);
	fg_buf_char(&path, '/');
	fg_buf_text(&path, point);
	good = !path.failed && fg_intake_way(gateway->intake, fg_buf_view(&path), &way) == 0;
	fg_buf_fini(&path);
	return good;
}

static void put_point(struct fg_gateway *gateway, struct fg_str device,
		      const struct fg_point *point, struct fg_buf *out)
{
	fg_buf_text(out, "{\"point\":");
	fg_buf_json(out, fg_str_c(point->name));
	fg_buf_text(out, ",\"unit\":");
	if (point->unit)
		fg_buf_json(out, fg_str_c(point->unit));
	else
		fg_buf_text(out, "null");
	fg_buf_text(out, ",\"value\":");
	put_value(out, &point->value);
	fg_buf_printf(out, ",\"time\":%.3f,\"unsynced\":%s,\"writable\":%s}",
		      (double)(point->time_ns / 1000000) / 1e3, point->unsynced ? "true" : "false",
		      is_writable(gateway, device, point->name) ? "true" : "false");
}

void run_call_device(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	struct fg_str id = fg_control_text(request, "id");
	const struct fg_device *device = id.len ? fg_devices_find(gateway->devices, id) : NULL;
	const struct fg_source *source;
	struct fg_buf out;

	if (!device) {
		fg_control_fail(client, FG_CONTROL_NO, "no such device");
		return;
	}
	fg_clock_update(&gateway->clock);
	fg_buf_init(&out, FG_CONTROL_REPLY);
	run_device_head(gateway, device, &out);
	source = device->way.source;
	fg_buf_text(&out, ",\"source\":");
	if (source)
		fg_buf_json(&out, fg_str_c(source->name));
	else
		fg_buf_text(&out, "null");
	fg_buf_text(&out, ",\"points\":[");
	for (uint16_t i = 0; i < device->count; i++) {
		fg_buf_text(&out, i ? "," : "");
		put_point(gateway, id, &device->points[i], &out);
	}
	fg_buf_text(&out, "]}");
	say(client, &out);
	fg_buf_fini(&out);
}

/* -- spool -- */

struct spool_list {
	struct fg_buf *out;
	const char *holder;
	bool more;
};

static void add_segment(void *arg, const struct fg_spool_segment_info *info)
{
	struct spool_list *list = arg;

	fg_buf_printf(list->out,
		      "%s{\"file\":\"%s\",\"epoch\":\"%016" PRIx64 "\",\"first\":%" PRIu64
		      ",\"last\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
		      list->more ? "," : "", info->file, info->epoch, info->first, info->last,
		      info->bytes);
	list->more = true;
}

static void add_cursor(void *arg, const struct fg_account *account)
{
	struct spool_list *list = arg;
	bool holder = list->holder && strcmp(list->holder, account->name) == 0;

	fg_buf_text(list->out, list->more ? "," : "");
	list->more = true;
	fg_buf_json(list->out, fg_str_c(account->name));
	fg_buf_printf(list->out,
		      ":{\"position\":%" PRIu64 ",\"waiting\":%" PRIu64
		      ",\"oldest_s\":%.3f,\"holds\":%s}",
		      account->position, account->waiting,
		      account->waiting && account->oldest_s > 0 ? account->oldest_s : 0.0,
		      holder ? "true" : "false");
}

static void put_spool(struct fg_gateway *gateway, struct fg_buf *out)
{
	struct spool_list list = { .out = out, .holder = fg_forward_holder(gateway->forward) };
	const struct fg_spool *spool = gateway->spool;

	fg_clock_update(&gateway->clock);
	fg_buf_text(out, "{\"dir\":");
	fg_buf_json(out, fg_str_c(gateway->spool_dir));
	fg_buf_printf(out,
		      ",\"bytes\":%" PRIu64 ",\"limit\":%" PRIu64 ",\"oldest\":%" PRIu64
		      ",\"accepted\":%" PRIu64 ",\"committed\":%" PRIu64 ",\"segments\":[",
		      fg_spool_bytes(spool), gateway->now->config->spool.limit,
		      fg_spool_oldest(spool), fg_spool_accepted(spool), fg_spool_committed(spool));
	fg_spool_each_segment(gateway->spool, add_segment, &list);
	list.more = false;
	fg_buf_text(out, "],\"cursors\":{");
	fg_forward_accounts(gateway->forward, add_cursor, &list);
	fg_buf_text(out, "}}");
}

void run_call_spool(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	(void)request;
	run_answer(arg, client, put_spool);
}
