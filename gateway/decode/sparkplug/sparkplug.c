/*
 * Sparkplug B (Eclipse Sparkplug 3.0): births, data, deaths and commands are protobuf messages
 * under spBv1.0/GROUP/TYPE/NODE[/DEVICE]; the state of a host is JSON. An alias that is given
 * without its name and whose birth is not in the same payload is named "alias:NUMBER".
 */
#include "decode/sparkplug/sparkplug.h"

#include "decode/decode.h"

#include <sparkplug_b.pb-c.h>

enum { LEVELS = 5, ALIGN = 16 };

struct topic {
	struct fg_str level[LEVELS];
	size_t count;
};

static struct topic topic_split(struct fg_str address)
{
	struct topic t = { .count = 0 };

	while (t.count < LEVELS) {
		const char *slash = memchr(address.ptr, '/', address.len);
		size_t n = slash && t.count + 1 < LEVELS ? (size_t)(slash - address.ptr) :
							   address.len;

		t.level[t.count++] = fg_str(address.ptr, n);
		if (n == address.len)
			break;
		address = fg_str(address.ptr + n + 1, address.len - n - 1);
	}
	return t;
}

/* GROUP/NODE or GROUP/NODE/DEVICE; nothing where the topic is another. */
static bool note_device(struct fg_doc *doc, const struct topic *t)
{
	static const size_t order[] = { 1, 3, 4 };
	size_t len = 0;
	char *text;

	if (t->count < 4)
		return true;
	text = fg_doc_text(doc, t->level[1].len + t->level[3].len + t->level[4].len + 2);
	if (!text)
		return false;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && order[i] < t->count; i++) {
		const struct fg_str *level = &t->level[order[i]];

		if (i)
			text[len++] = '/';
		memcpy(text + len, level->ptr, level->len);
		len += level->len;
	}
	doc->device = fg_str(text, len);
	return true;
}

static void *memory_alloc(void *arg, size_t size)
{
	char *p = size < SIZE_MAX - ALIGN ? fg_doc_text(arg, size + ALIGN) : NULL;

	return p ? p + (ALIGN - (uintptr_t)p % ALIGN) % ALIGN : NULL;
}

static void memory_free(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

/* All that an edge node sends is numbered, but for its own death: what lacks the number was cut off
 * between two metrics. */
static bool is_numbered(const struct topic *t)
{
	static const char *const types[] = { "NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH" };

	for (size_t i = 0; t->count > 2 && i < sizeof(types) / sizeof(types[0]); i++)
		if (fg_str_eq_c(t->level[2], types[i]))
			return true;
	return false;
}

/* Names are known by alias where the payload has both. */
static void aliases_resolve(Spb__Payload *payload)
{
	for (size_t i = 0; i < payload->n_metrics; i++) {
		Spb__Metric *metric = payload->metrics[i];
		bool named = metric->name && metric->name[0];

		for (size_t j = 0; j < i && !named && metric->has_alias; j++) {
			const Spb__Metric *other = payload->metrics[j];

			if (other->has_alias && other->alias == metric->alias && other->name)
				metric->name = other->name;
		}
	}
}

static int payload_write(struct fg_sparkplug *s, Spb__Payload *payload)
{
	s->doc->time_ns = fg_sparkplug_time(s->doc, payload->has_timestamp, payload->timestamp);
	aliases_resolve(payload);
	if (!fg_doc_append(s->doc, FG_NODE_OBJECT))
		return fg_doc_bad(s->doc, NULL, 0);
	for (size_t i = 0; i < payload->n_metrics; i++)
		if (!fg_sparkplug_metric(s, payload->metrics[i], FG_STR(""), 0))
			return fg_doc_bad(s->doc, NULL, 0);
	/* One metric may come several times, each with a time of its own: none replaces another. */
	fg_doc_close(s->doc, 0, s->members);
	return 0;
}

static int sparkplug_decode(const struct fg_decode_context *ctx, struct fg_str bytes,
			    struct fg_doc *doc)
{
	struct topic topic = topic_split(ctx->address);
	ProtobufCAllocator memory = { memory_alloc, memory_free, doc };
	struct fg_sparkplug s = { .doc = doc, .memory = &memory };
	Spb__Payload *payload;

	if (bytes.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	if (topic.count > 1 && (fg_str_eq_c(topic.level[1], "STATE") ||
				(topic.count > 2 && fg_str_eq_c(topic.level[2], "STATE"))))
		return fg_decode_auto(ctx, bytes, doc);
	payload = spb__payload__unpack(&memory, bytes.len, (const uint8_t *)bytes.ptr);
	if (!payload)
		return fg_doc_bad(doc, "not a Sparkplug B payload", 0);
	if (!payload->has_seq && is_numbered(&topic))
		return fg_doc_bad(doc, "no sequence number: truncated", bytes.len);
	if (!note_device(doc, &topic))
		return fg_doc_bad(doc, NULL, 0);
	return payload_write(&s, payload);
}

const struct fg_decoder fg_decoder_sparkplug = {
	.name = "sparkplug",
	.summary = "Sparkplug B (Eclipse Sparkplug 3.0) in protobuf.",
	.decode = sparkplug_decode,
};
