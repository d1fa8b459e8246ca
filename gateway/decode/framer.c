/* What framers have in common, and the simple ones: lines, delimiters, silence. */
#include <fg/framer.h>
#include <fg/doc.h>
#include <fg/registry.h>

#include "base/checksum.h"
#include "decode/framer_kinds.h"

#include <errno.h>
#include <stdlib.h>

#define SCAN { fg_framer_scan_feed, fg_framer_scan_end, fg_framer_scan_end }

static bool length_conf_good(const struct fg_framer_conf *conf, size_t max)
{
	if (conf->length)
		return conf->length <= max && conf->length >= conf->delimiter.len;
	return (conf->field_size == 1 || conf->field_size == 2 || conf->field_size == 4) &&
	       conf->field_offset <= max && conf->field_offset + conf->field_size <= max;
}

static bool conf_good(const struct fg_framer_conf *conf, size_t max)
{
	if (conf->kind >= FG_FRAMER__MAX || conf->checksum >= FG_CHECKSUM__MAX ||
	    conf->delimiter.len > FG_FRAMER_DELIMITER_MAX || max > SIZE_MAX / 2)
		return false;
	if (conf->kind == FG_FRAMER_DELIMITER)
		return conf->delimiter.len > 0;
	return conf->kind != FG_FRAMER_LENGTH || length_conf_good(conf, max);
}

void fg_framer_fini(struct fg_framer *framer)
{
	free(framer->buf);
	framer->buf = NULL;
	framer->len = framer->cap = 0;
}

void fg_framer_lose(struct fg_framer *f, uint64_t *counter, struct fg_str bytes)
{
	++*counter;
	if (f->lost)
		f->lost(f, counter, bytes);
}

bool fg_framer_emit(struct fg_framer *f, struct fg_str frame, struct fg_frame_sink sink)
{
	if (fg_checksum_strip(f->conf.checksum, frame, &frame) != 0) {
		fg_framer_lose(f, &f->bad, frame);
		return false;
	}
	f->frames++;
	sink.frame(sink.arg, frame);
	return true;
}

void fg_framer_finish(struct fg_framer *f, struct fg_str frame, struct fg_frame_sink sink)
{
	if (frame.len > f->conf.max) {
		fg_framer_lose(f, &f->oversize, frame);
		f->skipped += frame.len;
	} else if (!fg_framer_emit(f, frame, sink)) {
		f->skipped += frame.len;
	}
}

void fg_framer_collect(struct fg_framer *f, const char *p, size_t len)
{
	if (f->discard || len > f->cap - f->len) {
		if (!f->discard)
			fg_framer_lose(f, &f->oversize,
				       f->len ? fg_str(f->buf, f->len) : fg_str(p, len));
		f->skipped += f->len + len;
		f->len = 0;
		f->discard = true;
		return;
	}
	memcpy(f->buf + f->len, p, len);
	f->len += len;
}

/* Whether there is a '\r' before the line's end that is not the last byte of a checksum. */
static bool line_has_return(const struct fg_framer *f, struct fg_str line)
{
	struct fg_str rest;

	if (line.len == 0 || line.ptr[line.len - 1] != '\r')
		return false;
	return f->conf.checksum == FG_CHECKSUM_NONE ||
	       fg_checksum_strip(f->conf.checksum, line, &rest) != 0;
}

static void line_finish(struct fg_framer *f, struct fg_str line, struct fg_frame_sink sink)
{
	size_t ending = line_has_return(f, line);
	uint64_t skipped = f->skipped;

	line.len -= ending;
	if (line.len)
		fg_framer_finish(f, line, sink);
	if (f->skipped != skipped)
		f->skipped += ending;
}

/* A line that came in one piece is handed on where it is. */
static void line_feed(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink)
{
	const char *end = p + len, *stop;

	for (; p < end && (stop = memchr(p, '\n', (size_t)(end - p))); p = stop + 1) {
		if (f->len == 0 && !f->discard) {
			line_finish(f, fg_str(p, (size_t)(stop - p)), sink);
			continue;
		}
		fg_framer_collect(f, p, (size_t)(stop - p));
		if (!f->discard)
			line_finish(f, fg_str(f->buf, f->len), sink);
		f->len = 0;
		f->discard = false;
	}
	if (p < end)
		fg_framer_collect(f, p, (size_t)(end - p));
}

/* Bytes of the delimiter that the last `len` bytes at buf already are. */
static bool ends_in(const char *buf, size_t len, const char *delimiter, size_t size)
{
	return len >= size && memcmp(buf + len - size, delimiter, size) == 0;
}

/* A frame that is too long: only its tail is kept, where the delimiter may be under way. */
static void delimiter_overrun(struct fg_framer *f, size_t size)
{
	size_t keep = size - 1;

	if (f->len < f->cap)
		return;
	if (!f->discard)
		fg_framer_lose(f, &f->oversize, fg_str(f->buf, f->len));
	f->discard = true;
	f->skipped += f->len - keep;
	memmove(f->buf, f->buf + f->len - keep, keep);
	f->len = keep;
}

static void delimiter_feed(struct fg_framer *f, const char *p, size_t len,
			   struct fg_frame_sink sink)
{
	size_t size = f->conf.delimiter.len;
	char last = f->delimiter[size - 1];

	for (const char *end = p + len; p < end; p++) {
		delimiter_overrun(f, size);
		f->buf[f->len++] = *p;
		if (*p != last || !ends_in(f->buf, f->len, f->delimiter, size))
			continue;
		if (f->discard)
			f->skipped += f->len - size;
		else if (f->len > size)
			fg_framer_finish(f, fg_str(f->buf, f->len - size), sink);
		f->len = 0;
		f->discard = false;
	}
}

/* What ends the frame is silence, which the owner of the line tells. */
static void idle_feed(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink)
{
	(void)sink;
	fg_framer_collect(f, p, len);
}

static void rest_finish(struct fg_framer *f, struct fg_frame_sink sink)
{
	if (f->len && f->discard)
		f->skipped += f->len;
	else if (f->len && f->conf.kind == FG_FRAMER_LINE)
		line_finish(f, fg_str(f->buf, f->len), sink);
	else if (f->len)
		fg_framer_finish(f, fg_str(f->buf, f->len), sink);
	f->len = 0;
	f->discard = false;
}

/* A kind that is not in this firmware has no feed. A protocol's own needs its decoder. */
static const struct {
	const char *name, *symbol;
	struct fg_framer_ops ops;
} kinds[FG_FRAMER__MAX] = {
	[FG_FRAMER_LINE] = { "line", NULL, { line_feed, NULL, rest_finish } },
	[FG_FRAMER_DELIMITER] = { "delimiter", NULL, { delimiter_feed, NULL, rest_finish } },
	[FG_FRAMER_IDLE] = { "idle", NULL, { idle_feed, rest_finish, rest_finish } },
#ifdef CONFIG_FRAMER_LENGTH
	[FG_FRAMER_LENGTH] = { "length",
			       NULL,
			       { fg_framer_length_feed, fg_framer_length_idle,
				 fg_framer_length_idle } },
#else
	[FG_FRAMER_LENGTH] = { "length", "CONFIG_FRAMER_LENGTH", { 0 } },
#endif
#ifdef CONFIG_FRAMER_SLIP
	[FG_FRAMER_SLIP] = { "slip", NULL, { fg_framer_slip_feed, NULL, fg_framer_slip_end } },
#else
	[FG_FRAMER_SLIP] = { "slip", "CONFIG_FRAMER_SLIP", { 0 } },
#endif
#ifdef CONFIG_FRAMER_COBS
	[FG_FRAMER_COBS] = { "cobs", NULL, { fg_framer_cobs_feed, NULL, fg_framer_cobs_end } },
	[FG_FRAMER_COBSR] = { "cobsr", NULL, { fg_framer_cobs_feed, NULL, fg_framer_cobs_end } },
#else
	[FG_FRAMER_COBS] = { "cobs", "CONFIG_FRAMER_COBS", { 0 } },
	[FG_FRAMER_COBSR] = { "cobsr", "CONFIG_FRAMER_COBS", { 0 } },
#endif
	[FG_FRAMER_VEDIRECT] = { "vedirect", "CONFIG_DECODER_VEDIRECT", SCAN },
	[FG_FRAMER_DSMR] = { "dsmr", "CONFIG_DECODER_DSMR", SCAN },
	[FG_FRAMER_AIRQUALITY] = { "airquality", "CONFIG_DECODER_AIRQUALITY", SCAN },
	[FG_FRAMER_MODBUS] = { "modbus", "CONFIG_DECODER_MODBUS", SCAN },
	[FG_FRAMER_MBUS] = { "mbus", "CONFIG_DECODER_MBUS", SCAN },
	[FG_FRAMER_SML] = { "sml", "CONFIG_DECODER_SML", SCAN },
};

const char *fg_framer_name(enum fg_framer_kind kind)
{
	return kind < FG_FRAMER__MAX ? kinds[kind].name : NULL;
}

/* Whose scan finds the frames; NULL for the other kinds and where the decoder cannot be had. */
static const struct fg_decoder *kind_decoder(enum fg_framer_kind kind)
{
	const struct fg_decoder *decoder = NULL;

	if (kinds[kind].ops.feed != fg_framer_scan_feed ||
	    fg_registry_decoder(kinds[kind].name, &decoder) < 0 || !decoder->scan)
		return NULL;
	return decoder;
}

const char *fg_framer_missing(enum fg_framer_kind kind)
{
	if (!kinds[kind].symbol || kind_decoder(kind))
		return NULL;
	return kinds[kind].symbol;
}

int fg_framer_init(struct fg_framer *framer, const struct fg_framer_conf *conf)
{
	size_t max = conf->max ? conf->max : FG_FRAMER_MAX_DEFAULT;
	/* room for what comes off again: a delimiter, a checksum, COBS's overhead */
	size_t cap = max + max / 254 + 2 + FG_FRAMER_DELIMITER_MAX;
	const struct fg_decoder *decoder;

	if (!conf_good(conf, max))
		return -EINVAL;
	decoder = kind_decoder(conf->kind);
	if (!kinds[conf->kind].ops.feed ||
	    (kinds[conf->kind].ops.feed == fg_framer_scan_feed && !decoder))
		return -ENOSYS;
	char *buf = malloc(cap);

	if (!buf)
		return -ENOMEM;
	*framer = (struct fg_framer){ .conf = *conf, .buf = buf, .cap = cap };
	framer->conf.max = max;
	framer->ops = &kinds[conf->kind].ops;
	framer->scan = decoder ? decoder->scan : NULL;
	if (conf->delimiter.len)
		memcpy(framer->delimiter, conf->delimiter.ptr, conf->delimiter.len);
	framer->conf.delimiter.ptr = NULL;
	return 0;
}

void fg_framer_feed(struct fg_framer *framer, const void *bytes, size_t len, fg_frame_fn *frame,
		    void *arg)
{
	struct fg_frame_sink sink = { frame, arg };

	if (len)
		framer->ops->feed(framer, bytes, len, sink);
}

void fg_framer_idle(struct fg_framer *framer, fg_frame_fn *frame, void *arg)
{
	struct fg_frame_sink sink = { frame, arg };

	if (framer->ops->idle)
		framer->ops->idle(framer, sink);
}

void fg_framer_end(struct fg_framer *framer, fg_frame_fn *frame, void *arg)
{
	struct fg_frame_sink sink = { frame, arg };

	framer->ops->end(framer, sink);
}
