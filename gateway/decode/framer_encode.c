/* The other way round: what a framer takes off is put on. */
#include <fg/buf.h>
#include <fg/framer.h>

#include "base/checksum.h"

#include <errno.h>

enum { SLIP_END = 0xc0, SLIP_ESC = 0xdb, SLIP_ESC_END = 0xdc, SLIP_ESC_ESC = 0xdd };

/* RFC 1055; an END in front ends whatever noise there was on the line. */
static void slip_encode(struct fg_str body, struct fg_buf *out)
{
	fg_buf_char(out, (char)SLIP_END);
	for (size_t i = 0; i < body.len; i++) {
		uint8_t c = (uint8_t)body.ptr[i];

		if (c == SLIP_END || c == SLIP_ESC) {
			fg_buf_char(out, (char)SLIP_ESC);
			c = c == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
		}
		fg_buf_char(out, (char)c);
	}
	fg_buf_char(out, (char)SLIP_END);
}

/* Blocks of up to 254 bytes that are not zero, each behind its length plus one; in the reduced form
 * the last length gives way to the last byte where that is the larger of the two. */
static void cobs_encode(struct fg_str body, bool reduced, struct fg_buf *out)
{
	for (;;) {
		size_t n = 0;

		while (n < body.len && n < 254 && body.ptr[n])
			n++;
		if (reduced && n && n == body.len && n < 254 && (uint8_t)body.ptr[n - 1] >= n + 1) {
			fg_buf_char(out, body.ptr[n - 1]);
			fg_buf_add(out, body.ptr, n - 1);
			break;
		}
		fg_buf_char(out, (char)(n + 1));
		fg_buf_add(out, body.ptr, n);
		if (n == body.len)
			break;
		/* a full block stands for no zero behind it */
		n += n < 254;
		body = fg_str(body.ptr + n, body.len - n);
	}
	fg_buf_char(out, '\0');
}

static bool delimiter_within(const struct fg_framer *f, struct fg_str body)
{
	return body.len && memmem(body.ptr, body.len, f->delimiter, f->conf.delimiter.len);
}

static int body_encode(const struct fg_framer *f, struct fg_str body, struct fg_buf *out)
{
	switch (f->conf.kind) {
	case FG_FRAMER_LINE:
		if (body.len && memchr(body.ptr, '\n', body.len))
			return -EINVAL;
		fg_buf_str(out, body);
		fg_buf_char(out, '\n');
		return 0;
	case FG_FRAMER_DELIMITER:
		if (delimiter_within(f, body))
			return -EINVAL;
		fg_buf_str(out, body);
		fg_buf_add(out, f->delimiter, f->conf.delimiter.len);
		return 0;
	case FG_FRAMER_SLIP:
		slip_encode(body, out);
		return 0;
	case FG_FRAMER_COBS:
	case FG_FRAMER_COBSR:
		cobs_encode(body, f->conf.kind == FG_FRAMER_COBSR, out);
		return 0;
	default:
		fg_buf_str(out, body);
		return 0;
	}
}

int fg_framer_encode(const struct fg_framer *framer, struct fg_str payload, struct fg_buf *out)
{
	struct fg_buf body;
	uint8_t sum[4];
	int r;

	if (payload.len > framer->conf.max)
		return -EMSGSIZE;
	/* who ends a line in the payload already need not have it twice */
	if (framer->conf.kind == FG_FRAMER_LINE && payload.len &&
	    payload.ptr[payload.len - 1] == '\n')
		payload.len--;
	fg_buf_init(&body, framer->conf.max + sizeof(sum));
	fg_buf_str(&body, payload);
	fg_buf_add(&body, sum,
		   fg_checksum_write(framer->conf.checksum, payload.ptr, payload.len, sum));
	r = body.failed ? -ENOMEM : body_encode(framer, fg_buf_view(&body), out);
	fg_buf_fini(&body);
	return r == 0 && out->failed ? -ENOMEM : r;
}
