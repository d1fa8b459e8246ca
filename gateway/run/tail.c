/* `fieldgate tail`: readings as they are taken, to whoever wants to see them. */
#include "base/pattern.h"
#include "record/pack.h"
#include "run/private.h"

#include <stdlib.h>
#include <string.h>

#define TAIL_LINE ((size_t)1 << 20)

/* What one client wants to see; an empty text: any. Patterns are the copies' own. */
struct run_tail {
	struct run_tail *next;
	struct fg_gateway *gateway;
	struct fg_control_client *client;
	char *device, *point, *driver;
	struct fg_pattern devices, points;
};

/* A reading and its pack, rendered for the first client that wants all of it. */
struct tapped {
	const struct fg_intake_reading *reading;
	struct fg_str id;
	struct fg_buf text;
	struct fg_str line;
};

/* With the points that a client wants; an empty string if there are none. */
static struct fg_str render(struct tapped *tapped, const struct run_tail *tail)
{
	const struct fg_intake_reading *reading = tapped->reading;
	struct fg_pack pack;

	fg_pack_begin(&pack, &tapped->text, FG_PACK_JSON, tapped->id);
	for (uint32_t i = 0; i < reading->count; i++)
		if (!tail->point[0] ||
		    fg_pattern_match(&tail->points, reading->records[i].point, NULL))
			fg_pack_add(&pack, reading->device, &reading->records[i], reading->time_ns,
				    reading->unsynced);
	return pack.records ? fg_pack_end(&pack, NULL) : fg_str(NULL, 0);
}

static void tail_one(const struct run_tail *tail, struct tapped *tapped)
{
	const struct fg_intake_reading *reading = tapped->reading;

	if (tail->device[0] && !fg_pattern_match(&tail->devices, reading->device, NULL))
		return;
	if (tail->driver[0] && !fg_str_eq_c(reading->driver, tail->driver))
		return;
	/* one with only some points is this client's alone */
	if (!tapped->line.ptr || tail->point[0])
		tapped->line = render(tapped, tail);
	if (tapped->line.ptr)
		fg_control_stream(tail->client, tapped->line);
	if (tail->point[0])
		tapped->line = fg_str(NULL, 0);
}

static void on_reading(void *arg, const struct fg_intake_reading *reading)
{
	struct fg_gateway *gateway = arg;
	struct tapped tapped = { .reading = reading, .id = fg_str_c(gateway->id) };

	if (reading->count == 0)
		return;
	fg_buf_init(&tapped.text, TAIL_LINE);
	for (const struct run_tail *tail = gateway->tails; tail; tail = tail->next)
		tail_one(tail, &tapped);
	fg_buf_fini(&tapped.text);
}

static void tail_free(struct run_tail *tail)
{
	free(tail->device);
	free(tail->point);
	free(tail->driver);
	free(tail);
}

/* Nobody listens at what comes in unless somebody wants to see it. */
static void tail_gone(void *user)
{
	struct run_tail *tail = user, **at = &tail->gateway->tails;

	while (*at != tail)
		at = &(*at)->next;
	*at = tail->next;
	if (!tail->gateway->tails)
		fg_intake_set_tap(tail->gateway->intake, NULL);
	tail_free(tail);
}

static char *copy(const struct fg_doc *request, const char *member)
{
	struct fg_str text = fg_control_text(request, member);
	char *to = calloc(1, text.len + 1);

	return to && text.len ? memcpy(to, text.ptr, text.len) : to;
}

static struct run_tail *tail_new(struct fg_gateway *gateway, const struct fg_doc *request)
{
	struct run_tail *tail = calloc(1, sizeof(*tail));

	if (!tail)
		return NULL;
	tail->gateway = gateway;
	tail->device = copy(request, "device");
	tail->point = copy(request, "point");
	tail->driver = copy(request, "driver");
	if (tail->device && tail->point && tail->driver)
		return tail;
	tail_free(tail);
	return NULL;
}

void run_call_tail(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	const struct fg_intake_tap tap = { .arg = gateway, .reading = on_reading };
	struct run_tail *tail = tail_new(gateway, request);
	const char *why = "";

	if (!tail) {
		fg_control_fail(client, FG_CONTROL_FAILED, "out of memory");
		return;
	}
	if (tail->device[0] && fg_pattern_parse(tail->device, &tail->devices, &why) < 0) {
		fg_control_fail(client, FG_CONTROL_USAGE, "the device pattern: %s", why);
	} else if (tail->point[0] && fg_pattern_parse(tail->point, &tail->points, &why) < 0) {
		fg_control_fail(client, FG_CONTROL_USAGE, "the point pattern: %s", why);
	} else if (tail->driver[0] && !fg_intake_find(gateway->intake, tail->driver)) {
		fg_control_fail(client, FG_CONTROL_NO, "no driver \"%s\"", tail->driver);
	} else {
		tail->client = client;
		tail->next = gateway->tails;
		gateway->tails = tail;
		fg_control_hold(client, tail, tail_gone);
		fg_intake_set_tap(gateway->intake, &tap);
		return;
	}
	tail_free(tail);
}
