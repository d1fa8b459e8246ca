/*
 * Frames of a known length. Without a mark at which frames begin, being in step is a guess that
 * only a checksum or silence can correct: after a wrong one the search goes on one byte further.
 */
#include "decode/framer_kinds.h"

/* Bytes of the frame that begins at p, 0 if more are needed to know, SIZE_MAX if none can. */
static size_t frame_length(const struct fg_framer *f, const uint8_t *p, size_t len)
{
	const struct fg_framer_conf *conf = &f->conf;
	size_t head = conf->field_offset + conf->field_size;
	uint32_t field = 0;

	if (memcmp(p, f->delimiter, len < conf->delimiter.len ? len : conf->delimiter.len) != 0)
		return SIZE_MAX;
	if (conf->length)
		return conf->length;
	if (len < head)
		return 0;
	for (size_t i = 0; i < conf->field_size; i++) {
		size_t at = conf->little_endian ? conf->field_size - 1 - i : i;

		field = field << 8 | p[conf->field_offset + at];
	}
	int64_t total = (int64_t)field + conf->adjust;

	if (total < (int64_t)head || total < (int64_t)conf->delimiter.len)
		return SIZE_MAX;
	return total > (int64_t)conf->max ? SIZE_MAX : (size_t)total;
}

/* All frames in the buffer; what is no frame is skipped. Returns the bytes that are done with. */
static size_t frames_take(struct fg_framer *f, struct fg_frame_sink sink)
{
	size_t at = 0;

	while (at < f->len) {
		const char *p = f->buf + at;
		size_t left = f->len - at;
		size_t need = frame_length(f, (const uint8_t *)p, left);

		if (need != SIZE_MAX && (need == 0 || need > left))
			break;
		if (need != SIZE_MAX && fg_framer_emit(f, fg_str(p, need), sink)) {
			at += need;
			continue;
		}
		f->skipped++;
		at++;
	}
	return at;
}

static void consume(struct fg_framer *f, size_t n)
{
	memmove(f->buf, f->buf + n, f->len - n);
	f->len -= n;
}

void fg_framer_length_feed(struct fg_framer *f, const char *p, size_t len,
			   struct fg_frame_sink sink)
{
	while (len) {
		size_t n = f->cap - f->len;

		if (n > len)
			n = len;
		memcpy(f->buf + f->len, p, n);
		f->len += n;
		p += n;
		len -= n;
		/* a frame is never larger than the buffer, so this always makes room */
		consume(f, frames_take(f, sink));
	}
}

/* The begun frame never was one; a good one may be inside. */
void fg_framer_length_idle(struct fg_framer *f, struct fg_frame_sink sink)
{
	while (f->len) {
		f->skipped++;
		consume(f, 1);
		consume(f, frames_take(f, sink));
	}
}
