/*
 * Frames that a protocol's own marks, lengths and checksums delimit. What is no frame is skipped,
 * so a good one is found behind any garbage, and inside of what only looked like the beginning of
 * one.
 */
#include "decode/framer_kinds.h"

static size_t scan_take(struct fg_framer *f, const char *p, struct fg_scan scan,
			struct fg_frame_sink sink)
{
	size_t len = scan.len ? scan.len : 1;

	if (scan.what == FG_SCAN_FRAME && fg_framer_emit(f, fg_str(p, len), sink))
		return len;
	if (scan.what == FG_SCAN_FRAME)
		len = 1;
	if (scan.what == FG_SCAN_BAD)
		fg_framer_lose(f, &f->bad, fg_str(p, len));
	f->skipped += len;
	return len;
}

/* All frames in the buffer; no more than a longest one's bytes are looked at, so that it does not
 * matter how many have come. Returns the bytes that are done with. */
static size_t scan_all(struct fg_framer *f, bool end, struct fg_frame_sink sink)
{
	size_t at = 0;

	while (at < f->len) {
		size_t left = f->len - at, max = f->conf.max;
		bool last = end && left <= max;
		struct fg_scan scan =
			f->scan((const uint8_t *)f->buf + at, left < max ? left : max, last);

		if (scan.what == FG_SCAN_MORE && left < max && !last)
			break;
		if (scan.what == FG_SCAN_MORE) {
			if (left >= max)
				fg_framer_lose(f, &f->oversize, fg_str(f->buf + at, left));
			scan = (struct fg_scan){ FG_SCAN_NONE, 1 };
		}
		at += scan_take(f, f->buf + at, scan, sink);
	}
	return at;
}

static void consume(struct fg_framer *f, size_t n)
{
	memmove(f->buf, f->buf + n, f->len - n);
	f->len -= n;
}

void fg_framer_scan_feed(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink)
{
	while (len) {
		size_t n = f->cap - f->len;

		if (n > len)
			n = len;
		memcpy(f->buf + f->len, p, n);
		f->len += n;
		p += n;
		len -= n;
		consume(f, scan_all(f, false, sink));
	}
}

void fg_framer_scan_end(struct fg_framer *f, struct fg_frame_sink sink)
{
	consume(f, scan_all(f, true, sink));
	f->len = 0;
}
