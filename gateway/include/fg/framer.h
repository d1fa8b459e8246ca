/*
 * Framers find out where a frame begins and ends in a stream of bytes. They are pure: whoever
 * owns the line feeds them, and tells them when the line has been idle. After garbage they find
 * the next good frame by themselves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fg/checksum.h>
#include <fg/str.h>

enum fg_framer_kind {
	FG_FRAMER_LINE,		/* ends in \n or \r\n; empty lines are skipped */
	FG_FRAMER_DELIMITER,	/* ends in the bytes of `delimiter`; empty frames are skipped */
	FG_FRAMER_LENGTH,	/* of a fixed length, or one that a field of the frame states */
	FG_FRAMER_IDLE,		/* ends when the line is silent */
	FG_FRAMER_SLIP,		/* RFC 1055 */
	FG_FRAMER_COBS,		/* consistent overhead byte stuffing, 0x00 between frames */
	FG_FRAMER_COBSR,	/* its reduced form */
	/* protocols' own, each part of the decoder of that name */
	FG_FRAMER_VEDIRECT,	/* blocks that end in the field Checksum */
	FG_FRAMER_DSMR,		/* '/' to '!': DSMR P1 and IEC 62056-21 */
	FG_FRAMER_AIRQUALITY,	/* serial air-quality sensors of several makers */
	FG_FRAMER_MODBUS,	/* Modbus RTU and ASCII, listened to */
	FG_FRAMER_MBUS,		/* wired M-Bus (EN 13757-2) */
	FG_FRAMER_SML,		/* SML transport protocol, version 1 */
	FG_FRAMER__MAX
};

enum { FG_FRAMER_MAX_DEFAULT = 4096, FG_FRAMER_DELIMITER_MAX = 16 };

struct fg_framer_conf {
	enum fg_framer_kind kind;
	enum fg_checksum checksum;	/* at the end of a frame: verified and taken off */
	size_t max;			/* bytes of a frame; 0: FG_FRAMER_MAX_DEFAULT */
	/* FG_FRAMER_DELIMITER: what ends a frame. FG_FRAMER_LENGTH: what every frame begins
	 * with, or empty. At most FG_FRAMER_DELIMITER_MAX bytes. */
	struct fg_str delimiter;
	/* FG_FRAMER_LENGTH. Frames are handed on whole, with the field in them. */
	size_t length;			/* of all frames; 0: stated by a field */
	size_t field_offset;
	uint8_t field_size;		/* 1, 2 or 4 */
	bool little_endian;
	int32_t adjust;			/* field + adjust = bytes of the whole frame */
	/* FG_FRAMER_IDLE: the silence that ends a frame, FG_FRAMER_LENGTH: that gives one up, 0:
	 * unstated. For the owner of the line, who measures it and calls fg_framer_idle(). */
	int64_t idle_ns;
};

/* The names options use: "line", "delimiter", ...; NULL for no kind. */
const char *fg_framer_name(enum fg_framer_kind kind);
/* NULL if this firmware has it, else the Kconfig symbol that would bring it. May load a module. */
const char *fg_framer_missing(enum fg_framer_kind kind);

/* What a protocol's own framer says of the bytes at one place. */
struct fg_scan {
	enum {
		FG_SCAN_NONE,	/* no frame begins here: len bytes are skipped, at least one */
		FG_SCAN_BAD,	/* the same, for one whose checksum is wrong */
		FG_SCAN_MORE,	/* one may begin here; more bytes are needed to know */
		FG_SCAN_FRAME,	/* a good one of len bytes */
	} what;
	size_t len;
};

struct fg_framer_ops;

struct fg_framer {
	struct fg_framer_conf conf;
	const struct fg_framer_ops *ops;
	struct fg_scan (*scan)(const uint8_t *p, size_t len, bool end);
	char delimiter[FG_FRAMER_DELIMITER_MAX];
	char *buf;
	size_t len, cap;
	bool escaped;		/* SLIP: the byte before was ESC */
	bool discard;		/* what comes up to the next end of a frame belongs to a lost one */
	/* NULL, or the owner's: is told of each frame that `oversize` or `bad` counts, and by the
	 * counter which, with what is at hand of it */
	void (*lost)(struct fg_framer *, const uint64_t *counter, struct fg_str bytes);
	/* counters; the owner reads them, and may set them to 0 */
	uint64_t frames;	/* good ones */
	uint64_t skipped;	/* bytes that belong to no good frame */
	uint64_t oversize;	/* frames longer than max */
	uint64_t bad;		/* frames with a wrong checksum or stuffing */
};

/* Gets every good frame; it is gone when the call returns. */
typedef void fg_frame_fn(void *arg, struct fg_str frame);

/* Allocates the one buffer. Returns 0, -ENOMEM, -EINVAL (a delimiter or field that cannot be, a
 * length beyond max), or -ENOSYS (fg_framer_missing). The delimiter's bytes are copied. */
int fg_framer_init(struct fg_framer *framer, const struct fg_framer_conf *conf);
void fg_framer_fini(struct fg_framer *framer);
void fg_framer_feed(struct fg_framer *framer, const void *bytes, size_t len, fg_frame_fn *frame,
		    void *arg);
/* The line has been silent: ends a frame of FG_FRAMER_IDLE, gives up a begun one of
 * FG_FRAMER_LENGTH and of the protocols' own; the others do not care. */
void fg_framer_idle(struct fg_framer *framer, fg_frame_fn *frame, void *arg);
/* The stream has ended: what is a whole frame but for its end is handed on. */
void fg_framer_end(struct fg_framer *framer, fg_frame_fn *frame, void *arg);

/* COBS: decodes one packet without its delimiter, in place or not: `out` has room for len bytes.
 * Returns 0 or -EBADMSG (a zero byte inside; a block beyond the end, if not `reduced`). */
int fg_cobs_decode(struct fg_str packet, bool reduced, char *out, size_t *ret_len);

struct fg_buf;

/* Makes a frame of a payload: its checksum behind it, stuffed, with its delimiter, so that the same
 * framer would hand the payload on. A protocol's own framer adds nothing: its frames are written
 * whole, and so are those of FG_FRAMER_LENGTH and FG_FRAMER_IDLE but for the checksum. Appends to
 * `out`. 0, -EINVAL: what ends a frame is within, -EMSGSIZE: longer than max, -ENOMEM. */
int fg_framer_encode(const struct fg_framer *framer, struct fg_str payload, struct fg_buf *out);
