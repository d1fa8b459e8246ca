/*
 * The call "devices": every device with its state, a page of lines at a time, so that no answer is
 * longer than a reply may be. A page that is not the last ends with the line {"next":"BUCKET/OF"}.
 */
#include "run/private.h"

#include <inttypes.h>
#include <stdio.h>

#define PAGE 1000	/* devices, and what else is in the last one's bucket */

struct page {
	struct fg_gateway *gateway;
	struct fg_control_client *client;
	struct fg_buf line;
	unsigned count;
};

static double seconds(int64_t ns)
{
	return (double)(ns / 1000000) / 1e3;
}

void run_device_head(const struct fg_gateway *gateway, const struct fg_device *device,
		     struct fg_buf *out)
{
	const struct fg_clock *clock = &gateway->clock;
	int64_t interval_ns = fg_device_interval(device);

	fg_buf_text(out, "{\"device\":");
	fg_buf_json(out, fg_device_id(device));
	fg_buf_printf(out, ",\"state\":\"%s\",\"heard\":%.3f,\"silent_s\":%.3f",
		      fg_alive_name(device->state),
		      seconds(fg_clock_wall_of(clock, device->heard_ns)),
		      seconds(clock->boot_ns - device->heard_ns));
	if (interval_ns)
		fg_buf_printf(out, ",\"interval_s\":%.3f,\"interval\":\"%s\"", seconds(interval_ns),
			      device->declared ? "declared" : "learned");
	else
		fg_buf_text(out, ",\"interval_s\":null,\"interval\":null");
}

static bool add_device(void *arg, const struct fg_device *device)
{
	struct page *page = arg;

	fg_buf_reset(&page->line);
	run_device_head(page->gateway, device, &page->line);
	fg_buf_char(&page->line, '}');
	if (!page->line.failed)
		fg_control_line(page->client, fg_buf_view(&page->line));
	return ++page->count < PAGE;
}

bool run_place_read(struct fg_str text, struct fg_devices_place *ret_place)
{
	char copy[32];

	snprintf(copy, sizeof(copy), "%.*s", (int)(text.len < 31 ? text.len : 31),
		 text.len ? text.ptr : "");
	if (sscanf(copy, "%" SCNu32 "/%" SCNu32, &ret_place->bucket, &ret_place->of) == 2)
		return true;
	*ret_place = (struct fg_devices_place){ 0 };
	return false;
}

void run_call_devices(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	struct fg_devices_place place;
	struct page page = { .gateway = gateway, .client = client };
	char next[64];
	int n;

	(void)run_place_read(fg_control_text(request, "from"), &place);
	fg_clock_update(&gateway->clock);
	fg_buf_init(&page.line, 64u << 10);
	if (fg_devices_page(gateway->devices, &place, add_device, &page)) {
		n = snprintf(next, sizeof(next), "{\"next\":\"%" PRIu32 "/%" PRIu32 "\"}",
			     place.bucket, place.of);
		fg_control_line(client, fg_str(next, (size_t)n));
	}
	fg_buf_fini(&page.line);
	fg_control_done(client);
}
