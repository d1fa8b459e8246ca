/* What a NATS server answers to what the bridge asks: whatever the bytes are, it is nonsense, or a
 * refusal with a word, or within bounds. The first byte chooses who reads it. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../bridges/nats/nats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_id(struct fg_str id)
{
	const struct fg_sink sink = { .gateway = "gw", .name = "up" };
	struct nats_id got;

	if (nats_id_read(&sink, id, &got) && id.len < strlen("gw/up/0123456789abcdef:1-1"))
		abort();
}

/* What a consumer is called, and what a stream takes: texts without a zero, within their room. */
static void read_names(struct fg_doc *doc)
{
	char name[16];
	struct fg_buf subjects;
	uint64_t pending;
	size_t at = 0;

	memset(name, 'x', sizeof(name));
	if (nats_answer_consumer(doc, name, sizeof(name), &pending) &&
	    (!name[0] || !memchr(name, '\0', sizeof(name))))
		abort();
	fg_buf_init(&subjects, 1 << 16);
	nats_answer_subjects(doc, &subjects);
	for (struct fg_str all = fg_buf_view(&subjects); at < all.len; at++) {
		size_t len = strnlen(all.ptr + at, all.len - at);

		if (len == 0 || len == all.len - at)
			abort();
		at += len;
	}
	fg_buf_fini(&subjects);
}

static void read_answer(struct fg_doc *doc, struct fg_str text)
{
	char why[NATS_WHY_MAX] = "";
	struct nats_stream_info info;
	uint64_t seq;
	int r = nats_answer_read(doc, text, why);
	char *room = malloc(text.len + 1);
	struct fg_str id;

	if (r != 0 && strlen(why) == 0)
		abort();
	for (const char *p = why; *p; p++)
		if (*p < ' ' || *p > '~' || *p == '"')
			abort();
	if (r == 0) {
		if (nats_answer_ack(doc, "S", &seq) && seq == 0)
			abort();
		(void)nats_answer_stream(doc, "fieldgate.gw.records", &info);
		read_names(doc);
		if (room && nats_answer_message(doc, room, &seq, &id))
			read_id(id);
	}
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fg_str text = fg_str((const char *)data + 1, len - 1);
	struct fg_doc doc;
	char *out;

	if (len == 0)
		return 0;
	fg_doc_init(&doc, 12, 1 << 20);
	out = malloc(len);
	switch (data[0] % 4) {
	case 0:
		read_answer(&doc, text);
		break;
	case 1:
		read_id(text);
		break;
	case 2:
		if (out && nats_path(text, out) > text.len)
			abort();
		break;
	default:
		if (nats_reply_good(text, "plant.packs") &&
		    (text.ptr[0] == '$' || memchr(text.ptr, '\n', text.len)))
			abort();
		(void)nats_subject_matches(text, "fieldgate.gw.records");
	}
	free(out);
	fg_doc_fini(&doc);
	return 0;
}
