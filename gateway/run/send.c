/* `fieldgate send`: a command from the control socket. The client waits for its outcome. */
#include "run/private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct sending {
	struct fg_gateway *gateway;
	struct fg_control_client *client;
	bool answered;		/* the client is gone, or has its answer */
	bool asking;		/* in fg_command_request */
};

/* The client left before the outcome came: the command goes on without it. */
static void on_gone(void *user)
{
	struct sending *sending = user;

	fg_command_forget(sending->gateway->commands, sending);
	free(sending);
}

static void on_outcome(void *arg, struct fg_str reply, const struct fg_request_result *result)
{
	struct sending *sending = arg;

	(void)reply;
	sending->answered = true;
	fg_control_line(sending->client, result->json);
	fg_control_done(sending->client);
	if (!sending->asking)
		free(sending);
}

void run_call_send(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	struct sending *sending = calloc(1, sizeof(*sending));
	const struct fg_request asked = {
		.path = fg_control_text(request, "path"),
		.payload = fg_control_text(request, "payload"),
		.again = true,
		.here = true,
		.outcome = on_outcome,
		.arg = sending,
	};

	if (!sending) {
		fg_control_fail(client, FG_CONTROL_FAILED, "out of memory");
		return;
	}
	*sending = (struct sending){ .gateway = gateway, .client = client, .asking = true };
	fg_command_request(gateway->commands, &asked);
	sending->asking = false;
	if (sending->answered)
		free(sending);
	else
		fg_control_hold(client, sending, on_gone);
}

/* {"silent_ms":N,"error":E}: since when the device was not heard here (-1: it was not), and
 * whether there is a way to the point (0, else -errno). */
void run_call_way(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	struct fg_str path = fg_control_text(request, "path");
	struct fg_intake_way way;
	const struct fg_device *device;
	int64_t silent_ms = -1;
	char line[96];
	int r = fg_intake_way(gateway->intake, path, &way), n;

	fg_clock_update(&gateway->clock);
	device = fg_devices_find(gateway->devices,
				 fg_str(path.ptr, fg_devices_split(gateway->devices, path)));
	if (device && device->way.source)
		silent_ms = (gateway->clock.boot_ns - device->heard_ns) / 1000000;
	n = snprintf(line, sizeof(line), "{\"silent_ms\":%" PRId64 ",\"error\":%d}", silent_ms, r);
	fg_control_line(client, fg_str(line, (size_t)n));
	fg_control_done(client);
}

void run_commands_state(struct fg_gateway *gateway, struct fg_buf *out)
{
	struct fg_commands_stats stats;

	fg_commands_stats(gateway->commands, &stats);
	fg_buf_printf(out, ",\"commands\":{\"requests\":%" PRIu64 ",\"waiting\":%u", stats.requests,
		      stats.waiting);
	for (int i = 0; i <= FG_OUTCOME_REFUSED; i++)
		fg_buf_printf(out, ",\"%s\":%" PRIu64, fg_outcome_name((enum fg_outcome)i),
			      stats.outcomes[i]);
	fg_buf_printf(out, ",\"repeated\":%" PRIu64 "}", stats.repeated);
}
