#include "remote.h"
#include <fg/remote.h>

#include "mqtt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int mqtt_remote_open(struct mqtt_sink *s)
{
	const struct fg_sink *sink = s->sink;

	if (!sink->remote)
		return 0;
	s->remote.topic = fg_mqtt_expand("fieldgate/{gateway}/config", sink->gateway, sink->name);
	return s->remote.topic ? 0 : -ENOMEM;
}

static void forget(struct mqtt_remote *remote)
{
	free(remote->envelope);
	remote->envelope = NULL;
	remote->noted = false;
}

void mqtt_remote_close(struct mqtt_sink *s)
{
	forget(&s->remote);
	free(s->remote.topic);
	s->remote.topic = NULL;
}

bool mqtt_remote_message(struct mqtt_sink *s, const struct fg_mqtt_message *m)
{
	struct mqtt_remote *remote = &s->remote;

	if (!remote->topic || strcmp(m->topic, remote->topic) != 0)
		return false;
	/* an empty one is how a stored one is taken back */
	if (m->payload.len == 0)
		return true;
	forget(remote);
	remote->len = m->payload.len;
	if (m->payload.len <= FG_REMOTE_MAX) {
		remote->envelope = malloc(m->payload.len);
		if (!remote->envelope)
			return true;
		memcpy(remote->envelope, m->payload.ptr, m->payload.len);
	}
	remote->noted = true;
	return true;
}

void mqtt_remote_turn(struct mqtt_sink *s)
{
	struct mqtt_remote *remote = &s->remote;

	if (!remote->noted || !s->up)
		return;
	s->sink->remote->take(s->sink->remote, fg_str(remote->envelope, remote->len));
	forget(remote);
}
