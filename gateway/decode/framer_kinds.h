/* The kinds of framers, to framer.c. */
#pragma once

#include <fg/framer.h>

/* Where frames go. */
struct fg_frame_sink {
	fg_frame_fn *frame;
	void *arg;
};

/* What a kind does with bytes, with silence and with the end of the stream; NULL: nothing. */
struct fg_framer_ops {
	void (*feed)(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink);
	void (*idle)(struct fg_framer *f, struct fg_frame_sink sink);
	void (*end)(struct fg_framer *f, struct fg_frame_sink sink);
};

/* Verifies the checksum and hands on; false if it was wrong (counted as bad, not as skipped). */
bool fg_framer_emit(struct fg_framer *f, struct fg_str frame, struct fg_frame_sink sink);
/* The same, and a frame that is not good is counted as skipped. */
void fg_framer_finish(struct fg_framer *f, struct fg_str frame, struct fg_frame_sink sink);
/* Appends to the begun frame; beyond the buffer the frame is given up. */
void fg_framer_collect(struct fg_framer *f, const char *p, size_t len);
/* Counts a frame that is none, under one of the framer's counters, and tells its owner. */
void fg_framer_lose(struct fg_framer *f, uint64_t *counter, struct fg_str bytes);

void fg_framer_length_feed(struct fg_framer *f, const char *p, size_t len,
			   struct fg_frame_sink sink);
void fg_framer_length_idle(struct fg_framer *f, struct fg_frame_sink sink);
void fg_framer_slip_feed(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink);
void fg_framer_slip_end(struct fg_framer *f, struct fg_frame_sink sink);
void fg_framer_cobs_feed(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink);
void fg_framer_cobs_end(struct fg_framer *f, struct fg_frame_sink sink);
/* Those of a protocol: f->scan looks at the bytes. */
void fg_framer_scan_feed(struct fg_framer *f, const char *p, size_t len, struct fg_frame_sink sink);
void fg_framer_scan_end(struct fg_framer *f, struct fg_frame_sink sink);
