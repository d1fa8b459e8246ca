/* COBS (Cheshire and Baker, 1999) and its reduced form, which saves the last overhead byte. */
#include "decode/framer_kinds.h"

#include <errno.h>

int fg_cobs_decode(struct fg_str packet, bool reduced, char *out, size_t *ret_len)
{
	const uint8_t *p = (const uint8_t *)packet.ptr, *end = p + packet.len;
	char *start = out;

	if (packet.len == 0 || memchr(p, 0, packet.len))
		return -EBADMSG;
	while (p < end) {
		uint8_t code = *p++;
		size_t left = (size_t)(end - p), n = code - 1u;

		if (n > left && !reduced)
			return -EBADMSG;
		memmove(out, p, n < left ? n : left);
		out += n < left ? n : left;
		p += n < left ? n : left;
		if (n > left)
			*out++ = (char)code;
		else if (code < 0xff && p < end)
			*out++ = '\0';
	}
	*ret_len = (size_t)(out - start);
	return 0;
}

static void cobs_finish(struct fg_framer *f, struct fg_frame_sink sink)
{
	bool reduced = f->conf.kind == FG_FRAMER_COBSR;
	size_t len = f->len;

	if (len && !f->discard) {
		if (fg_cobs_decode(fg_str(f->buf, len), reduced, f->buf, &len) == 0) {
			fg_framer_finish(f, fg_str(f->buf, len), sink);
		} else {
			fg_framer_lose(f, &f->bad, fg_str(f->buf, len));
			f->skipped += len;
		}
	}
	f->len = 0;
	f->discard = false;
}

void fg_framer_cobs_feed(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink)
{
	const char *end = p + len, *stop;

	for (; p < end && (stop = memchr(p, 0, (size_t)(end - p))); p = stop + 1) {
		fg_framer_collect(f, p, (size_t)(stop - p));
		cobs_finish(f, sink);
	}
	if (p < end)
		fg_framer_collect(f, p, (size_t)(end - p));
}

void fg_framer_cobs_end(struct fg_framer *f, struct fg_frame_sink sink)
{
	cobs_finish(f, sink);
}
