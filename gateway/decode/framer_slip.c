/* SLIP (RFC 1055). */
#include "decode/framer_kinds.h"

enum { SLIP_END = 0xc0, SLIP_ESC = 0xdb, SLIP_ESC_END = 0xdc, SLIP_ESC_ESC = 0xdd };

static void slip_end(struct fg_framer *f, struct fg_frame_sink sink)
{
	if (f->escaped && !f->discard) {
		fg_framer_lose(f, &f->bad, fg_str(f->buf, f->len));
		f->skipped += f->len;
	} else if (f->len && !f->discard) {
		fg_framer_finish(f, fg_str(f->buf, f->len), sink);
	}
	f->len = 0;
	f->escaped = f->discard = false;
}

/* The byte behind an ESC. Any other than the two spoils the frame. */
static void slip_escaped(struct fg_framer *f, uint8_t c)
{
	char plain = (char)(c == SLIP_ESC_END ? SLIP_END : SLIP_ESC);

	f->escaped = false;
	if (c == SLIP_ESC_END || c == SLIP_ESC_ESC || f->discard) {
		fg_framer_collect(f, &plain, 1);
		return;
	}
	fg_framer_lose(f, &f->bad, fg_str(f->buf, f->len));
	f->skipped += f->len + 2;
	f->len = 0;
	f->discard = true;
}

void fg_framer_slip_feed(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink)
{
	for (const char *end = p + len; p < end; p++) {
		uint8_t c = (uint8_t)*p;

		if (c == SLIP_END)
			slip_end(f, sink);
		else if (f->escaped)
			slip_escaped(f, c);
		else if (c == SLIP_ESC)
			f->escaped = true;
		else
			fg_framer_collect(f, p, 1);
	}
}

/* Without its END a frame may be cut. */
void fg_framer_slip_end(struct fg_framer *f, struct fg_frame_sink sink)
{
	(void)sink;
	f->skipped += f->len;
	f->len = 0;
	f->escaped = f->discard = false;
}
