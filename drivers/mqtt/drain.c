/*
 * The session that a broker keeps for a process that is no more (run.processes was more before).
 * Nothing may be lost that waits in it, and nothing more may be dealt to it:
 *
 *     resume ──> unsubscribe ──> take what comes, until it is quiet ──> begin a clean session
 *
 * which ends the one before.
 *
 * No protocol says that a queue is empty. A broker sends on as soon as it has been acknowledged, so
 * several seconds of silence say so.
 */
#include "mqtt.h"

#define QUIET_NS FG_S(5)

static void finish(struct mqtt_source *s)
{
	int r;

	s->drain = MQTT_DRAIN_ENDING;
	s->conn.setup.clean = true;
	fg_mqtt_leave(&s->conn);
	r = fg_mqtt_open(&s->conn);
	if (r < 0)
		fg_source_fault(s->source, r, "cannot end the session");
}

void mqtt_drain_up(struct mqtt_source *s, bool session_present)
{
	const struct mqtt_source_conf *conf = s->source->conf;
	int r = 0;

	fg_source_remember(s->source, 0);
	if (s->drain == MQTT_DRAIN_ENDING) {
		s->drain = MQTT_DRAIN_DONE;
		fg_mqtt_leave(&s->conn);
		fg_source_up(s->source);
		fg_source_drained(s->source);
		return;
	}
	if (!session_present) {
		finish(s);
		return;
	}
	r = fg_mqtt_unsubscribe(&s->conn, s->filters, conf->subscribe.count);
	if (r < 0)
		fg_source_fault(s->source, r, "cannot unsubscribe");
}

void mqtt_drain_taken(struct mqtt_source *s)
{
	if (fg_timer_active(&s->quiet))
		(void)fg_timer_start(&s->quiet, QUIET_NS);
}

void mqtt_drain_unsubscribed(struct mqtt_source *s)
{
	fg_source_up(s->source);
	(void)fg_timer_start(&s->quiet, QUIET_NS);
}

void mqtt_drain_quiet(struct fg_timer *timer)
{
	struct mqtt_source *s =
		(struct mqtt_source *)(void *)((char *)timer - offsetof(struct mqtt_source, quiet));

	if (s->awaits || s->paused || s->refused || s->conn.state != FG_MQTT_UP)
		(void)fg_timer_start(timer, QUIET_NS);
	else
		finish(s);
}
