/*
 * A stream through a framer that the first bytes choose. However the stream is cut, the same frames
 * come out, and every byte is either in a frame or accounted for.
 */
#include <stdint.h>
#include <stdlib.h>

#include <fg/framer.h>

#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { HEAD = 5, MAX = 40 };

struct seen {
	uint64_t frames, bytes, hash;
};

static void frame_see(void *arg, struct fg_str frame)
{
	struct seen *seen = arg;

	if (frame.len > MAX)
		abort();
	seen->frames++;
	seen->bytes += frame.len;
	seen->hash = fg_hash(frame.ptr, frame.len, seen->hash);
}

static struct seen run(const struct fg_framer_conf *conf, const uint8_t *p, size_t len, size_t step,
		       uint64_t *ret_skipped)
{
	struct seen seen = { 0 };
	struct fg_framer framer;

	if (fg_framer_init(&framer, conf) != 0)
		return seen;
	for (size_t i = 0; i < len; i += step)
		fg_framer_feed(&framer, p + i, len - i < step ? len - i : step, frame_see, &seen);
	fg_framer_end(&framer, frame_see, &seen);
	if (framer.len != 0 || framer.frames != seen.frames)
		abort();
	*ret_skipped = framer.skipped;
	fg_framer_fini(&framer);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fg_framer_conf conf = { .max = MAX };
	uint64_t skipped[2] = { 0 };

	if (len < HEAD)
		return 0;
	conf.kind = (enum fg_framer_kind)(data[0] % FG_FRAMER__MAX);
	conf.checksum = (enum fg_checksum)(data[1] % FG_CHECKSUM__MAX);
	conf.delimiter = fg_str((const char *)data + 2, data[1] >> 6);
	conf.length = data[2] & 0x80 ? data[2] & 0x0f : 0;
	conf.field_size = data[2] & 7;
	conf.field_offset = data[3] & 7;
	conf.little_endian = data[3] & 8;
	conf.adjust = (data[3] >> 4) - 4;
	data += HEAD;
	len -= HEAD;
	struct seen whole = run(&conf, data, len, len + 1, &skipped[0]);
	struct seen bytes = run(&conf, data, len, 1, &skipped[1]);

	if (whole.frames != bytes.frames || whole.hash != bytes.hash || skipped[0] != skipped[1])
		abort();
	if (whole.bytes + skipped[0] > len)
		abort();
	return 0;
}
